//! Waiting until what was written to a topic can be read.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;

use crate::config::BrokerConfig;
use crate::error::KafkaError;
use crate::record::TopicPartition;
use crate::topics::{Probe, in_background};

/// Between two looks at a partition with an open transaction.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until readers of committed records see all that is in a topic now. A transaction
/// that is open hides what others have committed behind its first record.
///
/// # Errors
/// [`KafkaError`] when the broker is lost, the topic does not exist, or a transaction is
/// still open after `patience`.
pub async fn await_stable(
    config: &BrokerConfig,
    topic: &str,
    patience: Duration,
) -> Result<(), KafkaError> {
    let settings = config.admin()?;
    let (config, topic) = (config.clone(), topic.to_owned());
    in_background(move || {
        let deadline = Instant::now() + patience;
        let written = ends(&probe(&settings, &config, "read_uncommitted")?, &topic)?;
        let readable = probe(&settings, &config, "read_committed")?;
        loop {
            let now = ends(&readable, &topic)?;
            let hidden = written.iter().find(|(partition, end)| now.get(partition) < Some(end));
            let Some((TopicPartition { partition, .. }, _)) = hidden else { return Ok(()) };
            if Instant::now() > deadline {
                return Err(KafkaError::Partition {
                    topic,
                    partition: *partition,
                    operation: "read to its end",
                    reason: format!(
                        "a transaction has been open for more than {} s; it ends when its \
                         producer goes on, or by that producer's transaction time-out",
                        patience.as_secs()
                    ),
                });
            }
            std::thread::sleep(PAUSE);
        }
    })
    .await
}

/// A client whose ends of partitions are those of an isolation level.
fn probe(
    settings: &ClientConfig,
    config: &BrokerConfig,
    isolation: &str,
) -> Result<Probe, KafkaError> {
    let mut settings = settings.clone();
    settings.set("isolation.level", isolation);
    Probe::new(&settings, config)
}

fn ends(probe: &Probe, topic: &str) -> Result<BTreeMap<TopicPartition, i64>, KafkaError> {
    let end = |partition| {
        let end = probe.range(topic, partition)?.high;
        Ok((TopicPartition::new(topic, partition), end))
    };
    probe.partitions(topic)?.into_iter().map(end).collect()
}
