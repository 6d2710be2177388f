//! Consumer groups against the embedded broker: nothing is lost by a restart, a
//! rebalance or a slow service, and `Progress` knows when all is done.

// The lints exempt test functions but not the helpers of an integration test.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use platform_kafka::{
    ConsumerEvent, GroupConfig, GroupConsumer, NextOffset, OffsetTracker, Outgoing, Progress,
    Publisher, TopicPartition, committed_offsets,
};
use support::{assigned, broker_with, next_batch, number, numbered, within};

const CLOSE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_restarted_member_goes_on_at_the_committed_offset() {
    let broker = broker_with(&[("listings", 1)]).await;
    let config = broker.config();
    let publisher = Publisher::new(&config, Progress::new()).unwrap();
    within("publish", publisher.publish(numbered("listings", 0, 10))).await.unwrap();

    let mut first = GroupConsumer::start(&config, GroupConfig::new("g", &["listings"])).unwrap();
    let mut read = Vec::new();
    while read.len() < 10 {
        read.extend(next_batch(&mut first).await);
    }
    assert_eq!(read.iter().map(number).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    // Six are done; the other four were read and will be read again.
    first.commit(&[NextOffset::after(&read[5])]).unwrap();
    within("close", first.close(CLOSE)).await.unwrap();
    let committed = committed_offsets(&config, "g", &["listings"]).await.unwrap();
    assert_eq!(committed[&TopicPartition::new("listings", 0)], 6);

    let mut second = GroupConsumer::start(&config, GroupConfig::new("g", &["listings"])).unwrap();
    let mut again = Vec::new();
    while again.len() < 4 {
        again.extend(next_batch(&mut second).await);
    }
    assert_eq!(again.iter().map(number).collect::<Vec<_>>(), [6, 7, 8, 9]);
    within("close", second.close(CLOSE)).await.unwrap();
}

#[tokio::test]
async fn closing_through_the_ordinary_loop_revokes_everything_then_ends() {
    let broker = broker_with(&[("listings", 2)]).await;
    let group = GroupConfig::new("g", &["listings"]);
    let mut member = GroupConsumer::start(&broker.config(), group).unwrap();
    assigned(&mut member, 2).await;
    member.begin_close();
    match within("the revocation", member.next()).await {
        Some(ConsumerEvent::Revoked { partitions, ack }) => {
            assert_eq!(partitions.len(), 2);
            ack.acknowledge();
        }
        other => panic!("expected a revocation, got {other:?}"),
    }
    assert!(within("the end", member.next()).await.is_none());
    let error = member.commit(&[NextOffset { topic: "listings".into(), partition: 0, offset: 1 }]);
    assert_eq!(error.unwrap_err().to_string(), "the group consumer is closed");
}

/// A service that reads, tracks and commits until told to stop; returns what it
/// saw and how many revocations it acknowledged.
async fn serve(
    mut member: GroupConsumer,
    seen: tokio::sync::mpsc::UnboundedSender<usize>,
    mut stop: tokio::sync::watch::Receiver<bool>,
) -> usize {
    let mut tracker = OffsetTracker::new();
    let mut revocations = 0;
    loop {
        let event = tokio::select! {
            event = member.next() => event,
            _ = stop.wait_for(|&stop| stop) => break,
        };
        match event {
            Some(ConsumerEvent::Batch(records)) => {
                for record in &records {
                    tracker.begin(record).unwrap();
                }
                for record in &records {
                    seen.send(number(record)).unwrap();
                    tracker.complete(&record.topic_partition(), record.offset).unwrap();
                }
                member.commit(&tracker.take_committable()).unwrap();
            }
            Some(ConsumerEvent::Assigned(_)) => {}
            Some(ConsumerEvent::Revoked { partitions, ack }) => {
                tracker.revoke(&partitions);
                revocations += 1;
                ack.acknowledge();
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    within("close", member.close(CLOSE)).await.unwrap();
    revocations
}

async fn rebalance_loses_nothing(strategy: &str) {
    const EACH: usize = 300;
    let broker = broker_with(&[("listings", 4)]).await;
    let mut config = broker.config();
    config.properties.insert("partition.assignment.strategy".into(), strategy.into());
    let publisher = Publisher::new(&broker.config(), Progress::new()).unwrap();
    let (seen, mut numbers) = tokio::sync::mpsc::unbounded_channel();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let group = GroupConfig::new("g", &["listings"]);

    let first = GroupConsumer::start(&config, group.clone()).unwrap();
    let first = tokio::spawn(serve(first, seen.clone(), stopped.clone()));
    within("publish", publisher.publish(numbered("listings", 0, EACH))).await.unwrap();
    let mut got = BTreeSet::new();
    while got.len() < EACH {
        got.insert(within("a record", numbers.recv()).await.unwrap());
    }

    // The second member takes partitions over while records flow.
    let mut second = GroupConsumer::start(&config, group).unwrap();
    within("publish", publisher.publish(numbered("listings", EACH, EACH))).await.unwrap();
    let taken_over = assigned(&mut second, 2).await;
    assert_eq!(taken_over.len(), 2, "{taken_over:?}");
    let second = tokio::spawn(serve(second, seen, stopped));
    within("publish", publisher.publish(numbered("listings", 2 * EACH, EACH))).await.unwrap();
    while got.len() < 3 * EACH {
        got.insert(within("a record", numbers.recv()).await.unwrap());
    }
    stop.send(true).unwrap();
    let revocations = within("the first member", first).await.unwrap();
    assert!(revocations >= 1, "the first member gave partitions up");
    within("the second member", second).await.unwrap();

    // Every partition is committed to its end: nothing is left to read again.
    let committed = committed_offsets(&config, "g", &["listings"]).await.unwrap();
    assert_eq!(committed.values().sum::<i64>(), 3 * EACH as i64);
}

#[tokio::test]
async fn a_cooperative_rebalance_loses_nothing() {
    rebalance_loses_nothing("cooperative-sticky").await;
}

#[tokio::test]
async fn an_eager_rebalance_loses_nothing() {
    rebalance_loses_nothing("range").await;
}

#[tokio::test]
async fn a_service_that_does_not_drain_is_not_waited_for_for_ever() {
    let broker = broker_with(&[("listings", 2)]).await;
    let mut group = GroupConfig::new("g", &["listings"]);
    group.drain_deadline = Duration::from_millis(100);
    let mut stuck = GroupConsumer::start(&broker.config(), group.clone()).unwrap();
    assigned(&mut stuck, 2).await;
    let mut second = GroupConsumer::start(&broker.config(), group).unwrap();
    let mut kept = None;
    let taken_over = loop {
        tokio::select! {
            event = second.next() => match event {
                Some(ConsumerEvent::Assigned(partitions)) if !partitions.is_empty() => {
                    break partitions;
                }
                Some(ConsumerEvent::Assigned(_)) => {}
                other => panic!("unexpected {other:?}"),
            },
            event = stuck.next(), if kept.is_none() => match event {
                Some(ConsumerEvent::Revoked { ack, .. }) => kept = Some(ack),
                other => panic!("unexpected {other:?}"),
            },
        }
    };
    assert_eq!(taken_over.len(), 1);
    assert!(kept.is_some(), "the revocation was announced and never acknowledged");
}

#[tokio::test]
async fn a_slow_service_is_paused_and_loses_nothing() {
    const COUNT: usize = 3_000;
    let broker = broker_with(&[("listings", 1)]).await;
    let publisher = Publisher::new(&broker.config(), Progress::new()).unwrap();
    let mut group = GroupConfig::new("g", &["listings"]);
    group.batch_max_records = 10;
    let mut slow = GroupConsumer::start(&broker.config(), group.clone()).unwrap();
    assigned(&mut slow, 1).await;
    within("publish", publisher.publish(numbered("listings", 0, COUNT))).await.unwrap();

    // It takes no batch; yet the group can rebalance, because it is paused and
    // polls. The newcomer's batches cannot start before the group has settled.
    let mut idle = GroupConsumer::start(&broker.config(), group).unwrap();
    match within("an empty assignment", idle.next()).await {
        Some(ConsumerEvent::Assigned(partitions)) => assert_eq!(partitions, []),
        other => panic!("unexpected {other:?}"),
    }
    let mut next = 0;
    while next < COUNT {
        for record in next_batch(&mut slow).await {
            assert_eq!(number(&record), next, "in order, none twice, none missing");
            next += 1;
        }
    }
}

#[tokio::test]
async fn a_partition_that_was_taken_from_a_paused_member_is_read_when_it_comes_back() {
    const COUNT: usize = 400;
    let broker = broker_with(&[("listings", 2)]).await;
    let config = broker.config();
    let publisher = Publisher::new(&config, Progress::new()).unwrap();
    let group = GroupConfig { batch_max_records: 10, ..GroupConfig::new("g", &["listings"]) };
    let mut slow = GroupConsumer::start(&config, group.clone()).unwrap();
    assigned(&mut slow, 2).await;
    within("publish", publisher.publish(numbered("listings", 0, COUNT))).await.unwrap();
    let mut other = GroupConsumer::start(&config, group).unwrap();
    // Long enough for the slow member to be paused, and to be told to give a partition up.
    tokio::time::sleep(Duration::from_secs(5)).await;

    let mut got = BTreeSet::new();
    let take = |got: &mut BTreeSet<usize>, event| match event {
        Some(ConsumerEvent::Batch(records)) => {
            got.extend(records.iter().map(number));
            false
        }
        Some(ConsumerEvent::Revoked { ack, .. }) => {
            ack.acknowledge();
            true
        }
        Some(ConsumerEvent::Assigned(_)) => false,
        unexpected => panic!("unexpected {unexpected:?}"),
    };
    while !take(&mut got, within("a revocation", slow.next()).await) {}
    // The other member commits nothing: all it has read is to be read again.
    assigned(&mut other, 1).await;
    within("close", other.close(CLOSE)).await.unwrap();
    while got.len() < COUNT {
        take(&mut got, within("all records", slow.next()).await);
    }
    within("close", slow.close(CLOSE)).await.unwrap();
}

#[tokio::test]
async fn a_group_of_a_topic_that_does_not_exist_fails_naming_it() {
    let broker = broker_with(&[]).await;
    let group = GroupConfig::new("g", &["absent"]);
    let mut member = GroupConsumer::start(&broker.config(), group).unwrap();
    loop {
        match within("a failure", member.next()).await {
            Some(ConsumerEvent::Failed(error)) => {
                assert_eq!(error.code(), "unknown_topic");
                assert!(error.to_string().contains("`absent`"), "{error}");
                break;
            }
            Some(ConsumerEvent::Assigned(partitions)) => assert_eq!(partitions, []),
            other => panic!("unexpected {other:?}"),
        }
    }
    // The last revocation may still come; then the end.
    while within("the end", member.next()).await.is_some() {}
}

/// A service that copies one topic to another and reports its progress.
async fn copy(
    mut member: GroupConsumer,
    publisher: Publisher,
    progress: Progress,
    service: &'static str,
    to: Option<&'static str>,
) {
    while let Some(event) = member.next().await {
        let ConsumerEvent::Batch(records) = event else { continue };
        if let Some(to) = to {
            let to: Arc<str> = to.into();
            let outputs = records
                .iter()
                .map(|record| Outgoing {
                    topic: Arc::clone(&to),
                    key: record.key.clone(),
                    payload: record.payload.clone(),
                    headers: Vec::new(),
                    timestamp_ms: record.timestamp_ms,
                })
                .collect();
            publisher.publish(outputs).await.unwrap();
        }
        let next: Vec<NextOffset> = records.iter().map(NextOffset::after).collect();
        member.commit(&next).unwrap();
        for next in next {
            progress.processed(service, &next.topic, next.partition, next.offset);
        }
    }
}

/// More bytes than the embedded broker holds flow through two services: the
/// publishers wait for the readers, so nothing is dropped, and `settled` means all
/// is through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settled_means_that_everything_is_through() {
    const RECORDS: usize = 4_000;
    const BYTES: usize = 4_000;
    let broker = broker_with(&[("listings", 2), ("prices", 1)]).await;
    let config = broker.config();
    let progress = Progress::new();
    progress.reads("scorer", "listings", 2);
    progress.reads("monitor", "prices", 1);
    let publisher = Publisher::new(&config, progress.clone()).unwrap();
    within("an idle board", progress.settled()).await.unwrap();

    let member = |group: &str, topic: &str| {
        GroupConsumer::start(&config, GroupConfig::new(group, &[topic])).unwrap()
    };
    let services = [
        tokio::spawn(copy(
            member("scorer", "listings"),
            publisher.clone(),
            progress.clone(),
            "scorer",
            Some("prices"),
        )),
        tokio::spawn(copy(
            member("monitor", "prices"),
            publisher.clone(),
            progress.clone(),
            "monitor",
            None,
        )),
    ];
    for first in (0..RECORDS).step_by(500) {
        let mut batch = numbered("listings", first, 500);
        for record in &mut batch {
            record.payload = Some(vec![b'x'; BYTES]);
        }
        within("publish", publisher.publish(batch)).await.unwrap();
    }
    within("everything to settle", progress.settled()).await.unwrap();
    let committed = committed_offsets(&config, "scorer", &["listings"]).await.unwrap();
    assert_eq!(committed.values().sum::<i64>(), RECORDS as i64);
    let committed = committed_offsets(&config, "monitor", &["prices"]).await.unwrap();
    assert_eq!(committed.values().sum::<i64>(), RECORDS as i64, "every price was read once");
    for service in services {
        service.abort();
    }
}
