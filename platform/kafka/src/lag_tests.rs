use std::sync::Arc;

use rdkafka::statistics::Topic;

use super::*;

/// The library's offset where it knows none.
const UNKNOWN: i64 = -1001;

/// Next to fetch, after the last handed over, last stable, and whether the end was fetched.
fn seen(next: i64, passed: i64, stable: i64, at_end: bool) -> Seen {
    Seen {
        fetch_state: "active".into(),
        next_offset: next,
        app_offset: passed,
        ls_offset: stable,
        eof_offset: if at_end { next } else { UNKNOWN },
        ..Seen::default()
    }
}

fn statistics(topic: &str, partitions: &[(i32, Seen)]) -> Statistics {
    let topics = Topic {
        topic: topic.into(),
        partitions: partitions.iter().cloned().collect(),
        ..Topic::default()
    };
    Statistics { topics: HashMap::from([(topic.to_owned(), topics)]), ..Statistics::default() }
}

fn records(topic: &str, partition: i32, next: i64, timestamp_ms: i64) -> Vec<Record> {
    let record = Record {
        topic: Arc::from(topic),
        partition,
        offset: next - 1,
        timestamp_ms: Some(timestamp_ms),
        key: None,
        payload: None,
        headers: Vec::new(),
    };
    vec![record]
}

fn assignment(topic: &str, partitions: &[i32]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for &partition in partitions {
        list.add_partition(topic, partition);
    }
    list
}

fn value(gauges: &Option<GaugeVec>, group: &str, partition: i32) -> Option<f64> {
    use prometheus::core::Collector;
    let families = gauges.as_ref().unwrap().collect();
    let metrics = families.first()?.get_metric();
    let is = |metric: &prometheus::proto::Metric, name: &str, value: &str| {
        metric.get_label().iter().any(|label| label.name() == name && label.value() == value)
    };
    metrics
        .iter()
        .find(|metric| {
            is(metric, "group", group) && is(metric, "partition", &partition.to_string())
        })
        .map(|metric| metric.get_gauge().get_value())
}

#[test]
fn a_partition_that_ends_in_a_marker_is_caught_up() {
    // Ten records, 0 to 9, and a marker at 10: the member has read them all.
    let mut position = Position { start: Some(0), queued: Some(10), ..Position::default() };
    position.observe(&seen(11, 11, 11, true), true);
    assert_eq!(position.behind(), Some(11));
    position.taken = Some(5);
    assert_eq!(position.behind(), Some(6));
    position.taken = Some(10);
    assert_eq!(position.behind(), Some(0));
    position.holds = true;
    assert_eq!(position.behind(), Some(1), "a record that was read after these");
}

#[test]
fn what_is_fetched_and_not_handed_over_is_behind() {
    let mut position = Position { queued: Some(4), taken: Some(4), ..Position::default() };
    position.observe(&seen(11, 4, 11, true), true);
    assert_eq!(position.behind(), Some(7));
}

#[test]
fn a_partition_without_anything_to_read_is_caught_up() {
    let mut position = Position::default();
    assert_eq!(position.behind(), None);
    position.observe(&seen(100, UNKNOWN, 100, false), true);
    assert_eq!(position.behind(), None, "not known before the end was fetched");
    // A pause throws away what was fetched.
    position.observe(&seen(100, UNKNOWN, 100, true), false);
    assert_eq!(position.behind(), None);
    position.observe(&seen(100, UNKNOWN, 100, true), true);
    assert_eq!(position.behind(), Some(0));
}

#[test]
fn delay_counts_from_the_last_record_taken_or_the_last_time_at_the_end() {
    let mut position = Position { end: Some(10), taken: Some(4), ..Position::default() };
    position.taken_ms = Some(1_000);
    assert_eq!(position.delay_ms(5_000), Some(4_000));
    position.taken = Some(10);
    assert_eq!(position.delay_ms(6_000), Some(0));
    // The last record is old, but nothing has waited since it was taken.
    position.end = Some(11);
    assert_eq!(position.delay_ms(6_500), Some(500));
    position.caught_up_ms = None;
    position.taken_ms = None;
    assert_eq!(position.delay_ms(6_500), None);
}

#[test]
fn partitions_are_exported_while_they_are_ours() {
    let group = "lag-tests-exported";
    let lag = Lag::new(group);
    lag.assigned(&assignment("t", &[0, 1]));
    lag.queued(&records("t", 0, 4, 1));
    lag.taken(&records("t", 0, 4, 1));
    let told = statistics(
        "t",
        &[(0, seen(11, 5, 11, true)), (1, seen(3, 3, 3, true)), (2, seen(9, 9, 9, true))],
    );
    lag.observe(&told);
    assert_eq!(value(&METRICS.lag, group, 0), None, "reported by the member, between two polls");
    lag.report(&records("t", 0, 5, 1));
    assert_eq!(value(&METRICS.lag, group, 0), Some(7.0));
    assert_eq!(value(&METRICS.lag, group, 1), Some(0.0));
    assert_eq!(value(&METRICS.lag, group, 2), None, "another member's");
    assert!(value(&METRICS.delay, group, 0).unwrap() > 1e9, "written in 1970");
    lag.revoked(&assignment("t", &[0]));
    assert_eq!(value(&METRICS.lag, group, 0), None);
    assert_eq!(value(&METRICS.delay, group, 0), None);
    assert_eq!(value(&METRICS.lag, group, 1), Some(0.0));
    drop(lag);
    assert_eq!(value(&METRICS.lag, group, 1), None);
}

#[test]
fn a_rewind_counts_from_where_reading_goes_on() {
    let group = "lag-tests-rewound";
    let lag = Lag::new(group);
    lag.assigned(&assignment("t", &[0]));
    let report = |passed: i64| {
        lag.observe(&statistics("t", &[(0, seen(11, passed, 11, true))]));
        lag.report(&[]);
        value(&METRICS.lag, group, 0)
    };
    lag.queued(&records("t", 0, 10, 1));
    lag.taken(&records("t", 0, 10, 1));
    assert_eq!(report(11), Some(0.0));
    lag.rewinding();
    lag.queued(&records("t", 0, 4, 1));
    lag.rewound();
    assert_eq!(report(5), Some(8.0), "record 3 is read again and not yet taken");
    lag.taken(&records("t", 0, 4, 1));
    assert_eq!(report(5), Some(6.0));
}

#[test]
fn an_empty_queue_around_a_pause_says_nothing() {
    let group = "lag-tests-resumed";
    let lag = Lag::new(group);
    lag.assigned(&assignment("t", &[0]));
    let thrown_away = statistics("t", &[(0, seen(11, UNKNOWN, 11, true))]);
    let report = || {
        lag.observe(&thrown_away);
        lag.report(&[]);
        value(&METRICS.lag, group, 0)
    };
    lag.board.lock().unwrap().paused = true;
    assert_eq!(report(), None);
    lag.resumed();
    assert_eq!(report(), None);
    assert_eq!(report(), Some(0.0));
}
