//! What the tests against the embedded broker share. Every wait is for a
//! condition, with a deadline.

// Each test binary uses some of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use platform_kafka::{
    Broker, ConsumerEvent, EmbeddedBroker, Follower, FollowerEvent, GroupConsumer, Outgoing,
    Record, TopicPartition, TopicSpec, create_topics,
};

/// Longest wait for anything. Far above what any step takes, so that only a hang
/// reaches it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for something, or fails the test naming it.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

/// An embedded broker with these topics.
pub(crate) async fn broker_with(topics: &[(&str, i32)]) -> EmbeddedBroker {
    let broker = EmbeddedBroker::start().unwrap();
    let specs: Vec<TopicSpec> = topics.iter().map(|&(name, count)| spec(name, count)).collect();
    create_topics(&Broker::Embedded(broker.clone()), &specs).await.unwrap();
    broker
}

pub(crate) fn spec(name: &str, partitions: i32) -> TopicSpec {
    TopicSpec { name: name.to_owned(), partitions, replication: 1, settings: BTreeMap::new() }
}

/// `count` records with keys and payloads `first`, `first + 1`, ...
pub(crate) fn numbered(topic: &str, first: usize, count: usize) -> Vec<Outgoing> {
    let topic: Arc<str> = topic.into();
    (first..first + count)
        .map(|number| Outgoing::new(Arc::clone(&topic), number.to_string(), number.to_string()))
        .collect()
}

/// The number a record of `numbered` carries.
pub(crate) fn number(record: &Record) -> usize {
    String::from_utf8(record.payload.clone().unwrap()).unwrap().parse().unwrap()
}

/// The next batch of a member; acknowledges nothing and fails on failure.
pub(crate) async fn next_batch(member: &mut GroupConsumer) -> Vec<Record> {
    loop {
        match within("a batch", member.next()).await {
            Some(ConsumerEvent::Batch(records)) => return records,
            Some(ConsumerEvent::Assigned(_)) => {}
            other => panic!("expected a batch, got {other:?}"),
        }
    }
}

/// Waits until a member was assigned this many partitions in total.
pub(crate) async fn assigned(member: &mut GroupConsumer, count: usize) -> Vec<TopicPartition> {
    let mut owned = Vec::new();
    while owned.len() < count {
        match within("an assignment", member.next()).await {
            Some(ConsumerEvent::Assigned(partitions)) => owned.extend(partitions),
            other => panic!("expected an assignment, got {other:?}"),
        }
    }
    owned
}

/// Everything a follower hands over until it has caught up.
pub(crate) async fn until_caught_up(follower: &mut Follower) -> Vec<Record> {
    let mut read = Vec::new();
    loop {
        match within("a follower event", follower.next()).await {
            Some(FollowerEvent::Records(records)) => read.extend(records),
            Some(FollowerEvent::CaughtUp) => return read,
            other => panic!("expected records, got {other:?}"),
        }
    }
}

/// The next records of a follower.
pub(crate) async fn next_records(follower: &mut Follower) -> Vec<Record> {
    loop {
        match within("records", follower.next()).await {
            Some(FollowerEvent::Records(records)) => return records,
            Some(FollowerEvent::CaughtUp) => {}
            other => panic!("expected records, got {other:?}"),
        }
    }
}
