//! What was told before a start: the changes on the topic that are committed already.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use platform_kafka::{
    BrokerConfig, Follower, FollowerEvent, KafkaError, Record, committed_offsets,
};

use crate::state::{AlertEvent, Place};
use crate::time::now_ms;

/// Pause before a broker that does not answer is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// A follower has nothing to hand over when it ends.
const CLOSE: Duration = Duration::from_secs(4);

/// The committed changes of these partitions, in order within each.
pub(crate) async fn read(
    broker: &BrokerConfig,
    group: &str,
    topic: &str,
    partitions: &BTreeSet<i32>,
) -> Result<Vec<AlertEvent>, KafkaError> {
    let committed = loop {
        match committed_offsets(broker, group, &[topic]).await {
            Ok(committed) => break committed,
            Err(error) => {
                tracing::warn!(%error, group, "committed offsets asked for again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    };
    let committed: BTreeMap<i32, i64> = committed
        .into_iter()
        .map(|(partition, offset)| (partition.partition, offset))
        .filter(|(partition, offset)| partitions.contains(partition) && *offset > 0)
        .collect();
    if committed.is_empty() {
        return Ok(Vec::new());
    }
    let mut events = Vec::new();
    let mut follower = Follower::start(broker, "notifier", &[topic])?;
    while let Some(event) = follower.next().await {
        match event {
            FollowerEvent::Records(records) => {
                events.extend(records.iter().filter_map(|record| told(record, &committed)));
            }
            FollowerEvent::CaughtUp => break,
            FollowerEvent::Failed(error) => return Err(error),
        }
    }
    follower.close(CLOSE).await?;
    Ok(events)
}

fn told(record: &Record, committed: &BTreeMap<i32, i64>) -> Option<AlertEvent> {
    if record.offset >= *committed.get(&record.partition)? {
        return None;
    }
    let place = Place { partition: record.partition, offset: record.offset };
    // What cannot be read is a dead letter already.
    AlertEvent::decode(record.payload.as_deref()?, place, now_ms()).ok()
}
