//! Consumer groups under the coordinator of a real broker.

use std::collections::BTreeSet;
use std::time::Duration;

use platform_kafka::{
    BrokerConfig, ConsumerEvent, GroupConfig, GroupConsumer, NextOffset, Progress, Publisher,
    TopicPartition, committed_offsets,
};
use tokio::sync::{mpsc, watch};

use crate::harness::{broker, topic, unique};
use crate::support::{next_batch, number, numbered, within};

const CLOSE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_restarted_member_goes_on_at_the_committed_offset() {
    let config = broker();
    let name = topic(&config, "resume", 1).await;
    let group = unique("resume");
    let publisher = Publisher::new(&config, Progress::new()).unwrap();
    within("publish", publisher.publish(numbered(&name, 0, 10))).await.unwrap();

    let start = || GroupConsumer::start(&config, GroupConfig::new(&group, &[&name])).unwrap();
    let mut first = start();
    let mut read = Vec::new();
    while read.len() < 10 {
        read.extend(next_batch(&mut first).await);
    }
    first.commit(&[NextOffset::after(&read[5])]).unwrap();
    within("close", first.close(CLOSE)).await.unwrap();
    let committed = committed_offsets(&config, &group, &[&name]).await.unwrap();
    assert_eq!(committed[&TopicPartition::new(name.as_str(), 0)], 6);

    let mut second = start();
    let mut again = Vec::new();
    while again.len() < 4 {
        again.extend(next_batch(&mut second).await);
    }
    assert_eq!(again.iter().map(number).collect::<Vec<_>>(), [6, 7, 8, 9]);
    within("close", second.close(CLOSE)).await.unwrap();
}

/// What one member saw: which partitions it had and gave up, and each record.
#[derive(Default)]
struct Seen {
    assigned: BTreeSet<TopicPartition>,
    revoked: BTreeSet<TopicPartition>,
}

/// A member that commits what it reads, until told to stop.
async fn serve(
    config: BrokerConfig,
    group: GroupConfig,
    numbers: mpsc::UnboundedSender<usize>,
    settled: watch::Sender<usize>,
    mut stop: watch::Receiver<bool>,
) -> Seen {
    let mut member = GroupConsumer::start(&config, group).unwrap();
    let mut seen = Seen::default();
    loop {
        let event = tokio::select! {
            event = member.next() => event,
            _ = stop.wait_for(|&stop| stop) => break,
        };
        match event {
            Some(ConsumerEvent::Batch(records)) => {
                for record in &records {
                    numbers.send(number(record)).unwrap();
                }
                member.commit(&NextOffset::of_batch(&records)).unwrap();
            }
            Some(ConsumerEvent::Assigned(partitions)) => {
                seen.assigned.extend(partitions);
                settled.send_replace(seen.assigned.len());
            }
            Some(ConsumerEvent::Revoked { partitions, ack }) => {
                seen.revoked.extend(partitions);
                ack.acknowledge();
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    within("close", member.close(CLOSE)).await.unwrap();
    seen
}

#[tokio::test]
async fn a_second_member_takes_partitions_over_and_nothing_is_lost() {
    const EACH: usize = 100;
    let config = broker();
    let name = topic(&config, "rebalance", 4).await;
    let mut group = GroupConfig::new(unique("rebalance"), &[&name]);
    group.heartbeat_interval = Duration::from_millis(300);
    let publisher = Publisher::new(&config, Progress::new()).unwrap();
    let (seen, mut numbers) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let mut read = BTreeSet::new();
    let mut reach = async |count: usize| {
        while read.len() < count {
            read.insert(within("a record", numbers.recv()).await.unwrap());
        }
    };

    let (settled, _) = watch::channel(0);
    let (second_settled, has_second) = watch::channel(0);
    let member =
        |settled| serve(config.clone(), group.clone(), seen.clone(), settled, stopped.clone());
    let first = tokio::spawn(member(settled));
    within("publish", publisher.publish(numbered(&name, 0, EACH))).await.unwrap();
    reach(EACH).await;
    let second = tokio::spawn(member(second_settled));
    // Records flow while the group settles.
    let mut published = EACH;
    let flow = async {
        while *has_second.borrow() < 2 {
            publisher.publish(numbered(&name, published, EACH)).await.unwrap();
            published += EACH;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("the second member's partitions", flow).await;
    within("publish", publisher.publish(numbered(&name, published, EACH))).await.unwrap();
    published += EACH;
    reach(published).await;
    stop.send(true).unwrap();
    let first = within("the first member", first).await.unwrap();
    let second = within("the second member", second).await.unwrap();

    assert_eq!(first.assigned.len(), 4, "it was alone at first");
    assert_eq!(second.assigned.len(), 2, "{:?}", second.assigned);
    assert_eq!(first.revoked, second.assigned, "only what moved was given up");
    let committed = committed_offsets(&config, &group.group_id, &[&name]).await.unwrap();
    assert_eq!(committed.values().sum::<i64>(), published as i64);
}
