//! Topics as a broker has them.

use std::collections::BTreeMap;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use crate::config::BrokerConfig;
use crate::context::Journal;
use crate::error::KafkaError;
use crate::oauth::hand_token;
use crate::topics::ADMIN_TIMEOUT;

/// A topic as the broker has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its number of partitions.
    pub partitions: i32,
    /// Copies of the partition that has the fewest.
    pub replication: i32,
    /// Its settings, the broker's defaults among them.
    pub settings: BTreeMap<String, String>,
}

/// Asks a remote broker for topics; those that do not exist are left out. The embedded broker
/// knows no settings.
///
/// # Errors
/// [`KafkaError`] when the broker is lost or refuses to tell.
pub async fn describe_topics(
    config: &BrokerConfig,
    topics: &[&str],
) -> Result<Vec<TopicDescription>, KafkaError> {
    let admin: AdminClient<Journal> =
        AdminClient::from_config_and_context(&config.admin()?, Journal::of(config))
            .map_err(|error| KafkaError::of_creation(&config.bootstrap_servers, error))?;
    if config.oauth_token_file.is_some() {
        hand_token(admin.inner())?;
    }
    let unreachable = |error: ClientError| KafkaError::Unreachable {
        brokers: config.bootstrap_servers.clone(),
        reason: admin.inner().context().take_last_error().unwrap_or_else(|| error.to_string()),
    };
    let shapes = shapes(&admin, topics).map_err(unreachable)?;
    let asked: Vec<ResourceSpecifier<'_>> =
        shapes.iter().map(|shape| ResourceSpecifier::Topic(&shape.name)).collect();
    let options = AdminOptions::new().request_timeout(Some(ADMIN_TIMEOUT));
    let described = admin.describe_configs(&asked, &options).await.map_err(unreachable)?;
    let refused = |topic: &str, code: RDKafkaErrorCode| KafkaError::Topic {
        topic: topic.to_owned(),
        operation: "describe",
        reason: code.to_string(),
    };
    shapes
        .iter()
        .zip(described)
        .map(|(shape, resource)| {
            let entries = resource.map_err(|code| refused(&shape.name, code))?.entries;
            let settings = entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
            Ok(TopicDescription { settings: settings.collect(), ..shape.clone() })
        })
        .collect()
}

/// Partitions and replicas of the topics that exist.
fn shapes(
    admin: &AdminClient<Journal>,
    topics: &[&str],
) -> Result<Vec<TopicDescription>, ClientError> {
    let mut shapes = Vec::with_capacity(topics.len());
    for &name in topics {
        let metadata = admin.inner().fetch_metadata(Some(name), ADMIN_TIMEOUT)?;
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
            continue;
        };
        match topic.error() {
            None => {}
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => continue,
            Some(error) => return Err(ClientError::MetadataFetch(error.into())),
        }
        let replicas = topic.partitions().iter().map(|partition| partition.replicas().len());
        shapes.push(TopicDescription {
            name: name.to_owned(),
            partitions: i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX),
            replication: replicas.min().and_then(|count| i32::try_from(count).ok()).unwrap_or(0),
            settings: BTreeMap::new(),
        });
    }
    Ok(shapes)
}
