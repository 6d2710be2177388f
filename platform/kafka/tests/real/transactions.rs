//! Topics that are written in transactions: markers take offsets and are never handed over.

use std::time::Duration;

use platform_kafka::{BrokerConfig, Follower, TopicPartition, end_offsets};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::harness::{broker, topic, unique};
use crate::support::{next_records, number, until_caught_up, within};

pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    Abort,
}

/// Writes numbers in one transaction, to one partition.
pub(crate) async fn transaction(
    broker: &BrokerConfig,
    topic: &str,
    partition: i32,
    numbers: std::ops::Range<usize>,
    end: End,
) {
    let (brokers, topic) = (broker.bootstrap_servers.clone(), topic.to_owned());
    let write = move || {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("transactional.id", unique("writer"))
            .create()
            .unwrap();
        producer.init_transactions(TIMEOUT).unwrap();
        producer.begin_transaction().unwrap();
        for number in numbers {
            let text = number.to_string();
            let record: BaseRecord<'_, str, str> =
                BaseRecord::to(&topic).partition(partition).payload(&text);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        // An abort would throw away what is not sent yet, marker and all.
        producer.flush(TIMEOUT).unwrap();
        match end {
            End::Commit => producer.commit_transaction(TIMEOUT).unwrap(),
            End::Abort => producer.abort_transaction(TIMEOUT).unwrap(),
        }
    };
    within("a transaction", tokio::task::spawn_blocking(write)).await.unwrap();
}

#[tokio::test]
async fn a_follower_catches_up_behind_markers_and_sees_what_was_committed() {
    let config = broker();
    let name = topic(&config, "markers", 2).await;
    transaction(&config, &name, 0, 0..3, End::Commit).await;
    transaction(&config, &name, 0, 3..5, End::Abort).await;
    // Nothing but aborted records and a marker.
    transaction(&config, &name, 1, 5..7, End::Abort).await;
    let ends = end_offsets(&config, &[&name]).await.unwrap();
    assert_eq!(ends[&TopicPartition::new(name.as_str(), 0)].high, 3 + 1 + 2 + 1);
    assert_eq!(ends[&TopicPartition::new(name.as_str(), 1)].high, 2 + 1);

    let mut follower = Follower::start(&config, "tests", &[&name]).unwrap();
    let read = until_caught_up(&mut follower).await;
    assert_eq!(read.iter().map(number).collect::<Vec<_>>(), [0, 1, 2]);
    transaction(&config, &name, 1, 7..8, End::Commit).await;
    let read = next_records(&mut follower).await;
    assert_eq!(read.iter().map(number).collect::<Vec<_>>(), [7]);
    within("close", follower.close(Duration::from_secs(10))).await.unwrap();
}
