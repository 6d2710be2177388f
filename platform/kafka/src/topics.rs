//! What is asked of a broker outside the record path: whether it answers, its
//! topics, and how far they reach.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use crate::config::BrokerConfig;
use crate::context::Journal;
use crate::embedded::Broker;
use crate::error::KafkaError;
use crate::oauth::hand_token;
use crate::record::TopicPartition;

/// How long one question to a broker may take. A cluster that elects a leader
/// answers within a few seconds; beyond this a person should hear about it.
pub(crate) const ADMIN_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two looks at a partition that has no leader yet.
const ELECTION_PAUSE: Duration = Duration::from_millis(50);

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Its number of partitions.
    pub partitions: i32,
    /// Copies of each partition; -1 is the broker's default.
    pub replication: i32,
    /// Topic settings: `cleanup.policy`, `retention.ms` and so on.
    pub settings: BTreeMap<String, String>,
}

/// What became of a topic that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicStatus {
    /// It was created.
    Created,
    /// It was there before and is unchanged.
    Existing,
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicOutcome {
    /// Its name.
    pub name: String,
    /// Whether it is new.
    pub status: TopicStatus,
}

/// The offsets a partition holds: `low` is the oldest record's, `high` the next
/// record's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    /// Offset of the oldest record still held.
    pub low: i64,
    /// Offset the next record will get.
    pub high: i64,
}

/// Creates topics that do not exist yet, leaves the others as they are, and says
/// which were which. Returns once every topic can be written to and read.
pub async fn create_topics(
    broker: &Broker,
    specs: &[TopicSpec],
) -> Result<Vec<TopicOutcome>, KafkaError> {
    match broker {
        Broker::Embedded(broker) => specs
            .iter()
            .map(|spec| {
                let status = broker.create_topic(spec)?;
                Ok(TopicOutcome { name: spec.name.clone(), status })
            })
            .collect(),
        Broker::Remote(config) => create_remote(config, specs).await,
    }
}

async fn create_remote(
    config: &BrokerConfig,
    specs: &[TopicSpec],
) -> Result<Vec<TopicOutcome>, KafkaError> {
    let admin: AdminClient<Journal> =
        AdminClient::from_config_and_context(&config.admin()?, Journal::of(config))
            .map_err(|error| KafkaError::of_creation(&config.bootstrap_servers, error))?;
    if config.oauth_token_file.is_some() {
        hand_token(admin.inner())?;
    }
    let topics: Vec<NewTopic<'_>> = specs
        .iter()
        .map(|spec| {
            let topic = NewTopic::new(
                &spec.name,
                spec.partitions,
                TopicReplication::Fixed(spec.replication),
            );
            spec.settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(ADMIN_TIMEOUT))
        .operation_timeout(Some(ADMIN_TIMEOUT));
    let results = admin.create_topics(&topics, &options).await.map_err(|error| {
        let reason = match admin.inner().context().take_last_error() {
            Some(detail) => format!("{error}: {detail}"),
            None => error.to_string(),
        };
        KafkaError::Unreachable { brokers: config.bootstrap_servers.clone(), reason }
    })?;
    let outcomes: Vec<TopicOutcome> = results
        .into_iter()
        .map(|result| match result {
            Ok(name) => Ok(TopicOutcome { name, status: TopicStatus::Created }),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => {
                Ok(TopicOutcome { name, status: TopicStatus::Existing })
            }
            Err((topic, code)) => {
                Err(KafkaError::Topic { topic, operation: "create", reason: code.to_string() })
            }
        })
        .collect::<Result<_, _>>()?;
    let names: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
    blocking(config, move |probe| probe.await_leaders(&names)).await?;
    Ok(outcomes)
}

/// How far each partition of these topics reaches.
pub async fn end_offsets(
    config: &BrokerConfig,
    topics: &[&str],
) -> Result<BTreeMap<TopicPartition, OffsetRange>, KafkaError> {
    let topics: Vec<String> = topics.iter().map(|&topic| topic.to_owned()).collect();
    blocking(config, move |probe| {
        let mut ranges = BTreeMap::new();
        for topic in &topics {
            for partition in probe.partitions(topic)? {
                let range = probe.range(topic, partition)?;
                ranges.insert(TopicPartition::new(topic.as_str(), partition), range);
            }
        }
        Ok(ranges)
    })
    .await
}

/// Records held by each topic, as offsets count them: what compaction or a
/// transaction's markers took away is included.
pub async fn topic_record_counts(
    config: &BrokerConfig,
    topics: &[&str],
) -> Result<BTreeMap<String, u64>, KafkaError> {
    let mut counts: BTreeMap<String, u64> =
        topics.iter().map(|&topic| (topic.to_owned(), 0)).collect();
    for (partition, range) in end_offsets(config, topics).await? {
        let held = u64::try_from(range.high - range.low).unwrap_or(0);
        *counts.entry(partition.topic.to_string()).or_default() += held;
    }
    Ok(counts)
}

/// The next offsets a group has committed; partitions without one are left out.
pub async fn committed_offsets(
    config: &BrokerConfig,
    group_id: &str,
    topics: &[&str],
) -> Result<BTreeMap<TopicPartition, i64>, KafkaError> {
    let topics: Vec<String> = topics.iter().map(|&topic| topic.to_owned()).collect();
    let settings = config.consumer(group_id)?;
    let reader = group_id.to_owned();
    let config = config.clone();
    in_background(move || {
        let probe = Probe::new(&settings, &config)?;
        let mut asked = TopicPartitionList::new();
        for topic in &topics {
            for partition in probe.partitions(topic)? {
                asked.add_partition(topic, partition);
            }
        }
        let committed =
            probe.consumer.committed_offsets(asked, ADMIN_TIMEOUT).map_err(|error| {
                KafkaError::Consumer {
                    reader,
                    topics: topics.join(","),
                    brokers: probe.brokers.clone(),
                    reason: error.to_string(),
                }
            })?;
        let elements = committed.elements();
        Ok(elements
            .iter()
            .filter_map(|element| match element.offset() {
                Offset::Offset(offset) => {
                    Some((TopicPartition::new(element.topic(), element.partition()), offset))
                }
                _ => None,
            })
            .collect())
    })
    .await
}

/// Makes a group without members begin with what comes to these topics from now on,
/// instead of their oldest record.
pub async fn skip_to_end(
    config: &BrokerConfig,
    group_id: &str,
    topics: &[&str],
) -> Result<(), KafkaError> {
    let topics: Vec<String> = topics.iter().map(|&topic| topic.to_owned()).collect();
    let settings = config.consumer(group_id)?;
    let reader = group_id.to_owned();
    let config = config.clone();
    in_background(move || {
        let probe = Probe::new(&settings, &config)?;
        let mut ends = TopicPartitionList::new();
        let failed = |error: rdkafka::error::KafkaError| KafkaError::Consumer {
            reader: reader.clone(),
            topics: topics.join(","),
            brokers: probe.brokers.clone(),
            reason: format!("commit: {error}"),
        };
        for topic in &topics {
            for partition in probe.partitions(topic)? {
                let end = Offset::Offset(probe.range(topic, partition)?.high);
                ends.add_partition_offset(topic, partition, end).map_err(failed)?;
            }
        }
        probe.consumer.commit(&ends, CommitMode::Sync).map_err(failed)
    })
    .await
}

/// A client for questions, used on a thread that may block.
pub(crate) struct Probe {
    pub(crate) consumer: BaseConsumer<Journal>,
    pub(crate) brokers: String,
}

impl Probe {
    pub(crate) fn new(
        settings: &rdkafka::ClientConfig,
        config: &BrokerConfig,
    ) -> Result<Self, KafkaError> {
        let brokers = config.bootstrap_servers.clone();
        let consumer =
            BaseConsumer::from_config_and_context(settings, Journal::of_questions(config))
                .map_err(|error| KafkaError::of_creation(&brokers, error))?;
        if config.oauth_token_file.is_some() {
            hand_token(consumer.client())?;
        }
        Ok(Self { consumer, brokers })
    }

    pub(crate) fn partitions(&self, topic: &str) -> Result<Vec<i32>, KafkaError> {
        partitions_of(&self.consumer, topic, &self.brokers)
    }

    pub(crate) fn range(&self, topic: &str, partition: i32) -> Result<OffsetRange, KafkaError> {
        range_of(&self.consumer, topic, partition)
    }

    fn await_leaders(&self, topics: &[String]) -> Result<(), KafkaError> {
        let deadline = Instant::now() + ADMIN_TIMEOUT;
        for topic in topics {
            while !self.has_leaders(topic)? {
                if Instant::now() > deadline {
                    return Err(KafkaError::timeout("waiting for new topics", ADMIN_TIMEOUT));
                }
                std::thread::sleep(ELECTION_PAUSE);
            }
        }
        Ok(())
    }

    fn has_leaders(&self, topic: &str) -> Result<bool, KafkaError> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(topic), ADMIN_TIMEOUT)
            .map_err(|error| topic_error(topic, "read metadata", &error))?;
        Ok(metadata.topics().iter().all(|topic| {
            topic.error().is_none()
                && !topic.partitions().is_empty()
                && topic.partitions().iter().all(|partition| partition.leader() >= 0)
        }))
    }
}

fn topic_error(
    topic: &str,
    operation: &'static str,
    error: &rdkafka::error::KafkaError,
) -> KafkaError {
    KafkaError::Topic { topic: topic.to_owned(), operation, reason: error.to_string() }
}

/// The partitions of a topic, by a client that may block.
pub(crate) fn partitions_of(
    consumer: &BaseConsumer<Journal>,
    topic: &str,
    brokers: &str,
) -> Result<Vec<i32>, KafkaError> {
    let metadata = consumer
        .fetch_metadata(Some(topic), ADMIN_TIMEOUT)
        .map_err(|error| topic_error(topic, "read metadata", &error))?;
    let unknown =
        || KafkaError::UnknownTopic { topic: topic.to_owned(), brokers: brokers.to_owned() };
    let found = metadata.topics().first().ok_or_else(unknown)?;
    match found.error() {
        None => {}
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => return Err(unknown()),
        Some(code) => {
            return Err(KafkaError::Topic {
                topic: topic.to_owned(),
                operation: "read metadata",
                reason: RDKafkaErrorCode::from(code).to_string(),
            });
        }
    }
    Ok(found.partitions().iter().map(|partition| partition.id()).collect())
}

/// The offsets a partition holds, by a client that may block.
pub(crate) fn range_of(
    consumer: &BaseConsumer<Journal>,
    topic: &str,
    partition: i32,
) -> Result<OffsetRange, KafkaError> {
    let deadline = Instant::now() + ADMIN_TIMEOUT;
    loop {
        match consumer.fetch_watermarks(topic, partition, ADMIN_TIMEOUT) {
            Ok((low, high)) => return Ok(OffsetRange { low, high }),
            Err(error) if passes(&error) && Instant::now() < deadline => {
                std::thread::sleep(ELECTION_PAUSE);
            }
            Err(error) => {
                return Err(KafkaError::Partition {
                    topic: topic.to_owned(),
                    partition,
                    operation: "read end offsets",
                    reason: error.to_string(),
                });
            }
        }
    }
}

/// Whether an error is one of a partition that gets a new leader: a topic just created, a
/// broker that restarts.
fn passes(error: &rdkafka::error::KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::ReplicaNotAvailable
        )
    )
}

async fn blocking<T: Send + 'static>(
    config: &BrokerConfig,
    ask: impl FnOnce(&Probe) -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, KafkaError> {
    let settings = config.admin()?;
    let config = config.clone();
    in_background(move || ask(&Probe::new(&settings, &config)?)).await
}

pub(crate) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, KafkaError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(KafkaError::Closed { what: "the runtime" }))
}
