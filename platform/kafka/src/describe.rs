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
use crate::topics::{ADMIN_TIMEOUT, in_background};

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
    let names: Vec<String> = topics.iter().map(|&name| name.to_owned()).collect();
    let asked = config.clone();
    // Questions about metadata block.
    let (admin, shapes) = in_background(move || {
        let shapes = names.iter().map(|name| shape(&admin, name, &asked));
        let shapes: Vec<_> = shapes.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok((admin, shapes))
    })
    .await?;
    // The library refuses to ask for nothing.
    if shapes.is_empty() {
        return Ok(shapes);
    }
    let asked: Vec<ResourceSpecifier<'_>> =
        shapes.iter().map(|shape| ResourceSpecifier::Topic(&shape.name)).collect();
    let options = AdminOptions::new().request_timeout(Some(ADMIN_TIMEOUT));
    let described = admin.describe_configs(&asked, &options).await;
    let described = described.map_err(|error| unreachable(config, &admin, &error))?;
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

fn unreachable(
    config: &BrokerConfig,
    admin: &AdminClient<Journal>,
    error: &ClientError,
) -> KafkaError {
    let detail = admin.inner().context().take_last_error();
    KafkaError::Unreachable {
        brokers: config.bootstrap_servers.clone(),
        reason: detail.unwrap_or_else(|| error.to_string()),
    }
}

/// Partitions and replicas of a topic, if it exists.
fn shape(
    admin: &AdminClient<Journal>,
    name: &str,
    config: &BrokerConfig,
) -> Result<Option<TopicDescription>, KafkaError> {
    let metadata = admin.inner().fetch_metadata(Some(name), ADMIN_TIMEOUT);
    let metadata = metadata.map_err(|error| unreachable(config, admin, &error))?;
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
        return Ok(None);
    };
    match topic.error() {
        None => {}
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => return Ok(None),
        Some(code) => return Err(refused(name, code.into())),
    }
    let replicas = topic.partitions().iter().map(|partition| partition.replicas().len());
    Ok(Some(TopicDescription {
        name: name.to_owned(),
        partitions: i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX),
        replication: replicas.min().and_then(|count| i32::try_from(count).ok()).unwrap_or(0),
        settings: BTreeMap::new(),
    }))
}

fn refused(topic: &str, code: RDKafkaErrorCode) -> KafkaError {
    KafkaError::Topic { topic: topic.to_owned(), operation: "describe", reason: code.to_string() }
}
