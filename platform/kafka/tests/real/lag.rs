//! Lag and delay, as Prometheus is told them.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use platform_kafka::{
    BrokerConfig, ConsumerEvent, GroupConfig, GroupConsumer, NextOffset, Record, TopicPartition,
    end_offsets, register_metrics,
};
use prometheus::Registry;

use crate::harness::{broker, topic, unique};
use crate::support::{DEADLINE, next_batch, number, within};
use crate::transactions::{End, transaction};

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let registry = Registry::new();
    register_metrics(&registry).unwrap();
    registry
});

/// A gauge of one group, by partition.
fn gauge(name: &str, group: &str) -> BTreeMap<i32, f64> {
    let families = REGISTRY.gather();
    let family = families.iter().find(|family| family.name() == name);
    let metrics = family.map(|family| family.get_metric()).unwrap_or_default();
    let label = |metric: &prometheus::proto::Metric, name: &str| {
        let found = metric.get_label().iter().find(|label| label.name() == name);
        found.map(|label| label.value().to_owned()).unwrap_or_default()
    };
    metrics
        .iter()
        .filter(|metric| label(metric, "group") == group)
        .map(|metric| (label(metric, "partition").parse().unwrap(), metric.get_gauge().get_value()))
        .collect()
}

fn lag(group: &str) -> BTreeMap<i32, f64> {
    gauge("homestream_kafka_lag_records", group)
}

fn delay(group: &str) -> BTreeMap<i32, f64> {
    gauge("homestream_kafka_delay_seconds", group)
}

/// Waits until a group's lag is this, or fails showing what it was last.
async fn until_lag(group: &str, expected: &[(i32, f64)]) {
    let expected: BTreeMap<i32, f64> = expected.iter().copied().collect();
    let mut shown = BTreeMap::new();
    let reached = async {
        loop {
            shown = lag(group);
            if shown == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(DEADLINE, reached).await.is_err() {
        panic!("lag {shown:?}, expected {expected:?}");
    }
}

fn start(config: &BrokerConfig, group: &str, topic: &str, batch: usize) -> GroupConsumer {
    let mut config = config.clone();
    config.properties.insert("statistics.interval.ms".into(), "100".into());
    let mut group = GroupConfig::new(group, &[topic]);
    group.batch_max_records = batch;
    GroupConsumer::start(&config, group).unwrap()
}

async fn read(member: &mut GroupConsumer, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while records.len() < count {
        records.extend(next_batch(member).await);
    }
    records
}

#[tokio::test]
async fn lag_reaches_zero_behind_a_marker() {
    let config = broker();
    let name = topic(&config, "lag", 2).await;
    let group = unique("lag");
    transaction(&config, &name, 0, 0..10, End::Commit).await;
    transaction(&config, &name, 1, 0..4, End::Abort).await;

    let mut member = start(&config, &group, &name, 500);
    let records = read(&mut member, 10).await;
    until_lag(&group, &[(0, 0.0), (1, 0.0)]).await;
    assert_eq!(delay(&group), BTreeMap::from([(0, 0.0), (1, 0.0)]));
    member.commit(&NextOffset::of_batch(&records)).unwrap();
    within("close", member.close(DEADLINE)).await.unwrap();
    assert_eq!(lag(&group), BTreeMap::new(), "what is not ours is not ours to report");
    assert_eq!(delay(&group), BTreeMap::new());

    // The committed offset is the last record's; only a marker follows it. By the offsets of
    // the group it would be 1 behind for ever.
    let committed = platform_kafka::committed_offsets(&config, &group, &[&name]).await.unwrap();
    let ends = end_offsets(&config, &[&name]).await.unwrap();
    let place = TopicPartition::new(name.as_str(), 0);
    assert_eq!(ends[&place].high - committed[&place], 1);
    let mut member = start(&config, &group, &name, 500);
    // Events are served; no record comes.
    tokio::select! {
        () = until_lag(&group, &[(0, 0.0), (1, 0.0)]) => {}
        () = async { loop { assigned_only(&mut member).await } } => {}
    }
    within("close", member.close(DEADLINE)).await.unwrap();
}

async fn assigned_only(member: &mut GroupConsumer) {
    match member.next().await {
        Some(ConsumerEvent::Assigned(_)) => {}
        other => panic!("expected nothing to read, got {other:?}"),
    }
}

#[tokio::test]
async fn lag_and_delay_grow_while_the_service_takes_nothing() {
    const FIRST: usize = 300;
    let config = broker();
    let name = topic(&config, "paused", 1).await;
    let group = unique("paused");
    transaction(&config, &name, 0, 0..FIRST, End::Commit).await;
    let mut member = start(&config, &group, &name, 10);
    let taken = next_batch(&mut member).await;
    let first_taken = taken.len();

    // The member reads ahead and pauses; what the service has not taken is behind.
    let behind = |written: usize, markers: usize| (written + markers - first_taken) as f64;
    until_lag(&group, &[(0, behind(FIRST, 1))]).await;
    let delay_before = delay(&group)[&0];
    assert!(delay_before > 0.0);
    // A paused member does not fetch, and yet notices what is written.
    tokio::time::sleep(Duration::from_secs(2)).await;
    transaction(&config, &name, 0, FIRST..FIRST + 50, End::Commit).await;
    transaction(&config, &name, 0, 0..7, End::Abort).await;
    until_lag(&group, &[(0, behind(FIRST + 50 + 7, 3))]).await;
    assert!(delay(&group)[&0] > delay_before + 1.0, "{:?} {delay_before}", delay(&group));

    let rest = read(&mut member, FIRST + 50 - first_taken).await;
    let numbers: Vec<usize> = taken.iter().chain(&rest).map(number).collect();
    assert_eq!(numbers, (0..FIRST + 50).collect::<Vec<_>>());
    until_lag(&group, &[(0, 0.0)]).await;
    assert_eq!(delay(&group), BTreeMap::from([(0, 0.0)]));
    within("close", member.close(DEADLINE)).await.unwrap();
}
