//! The metrics of this crate, all declared here.

use std::sync::LazyLock;

use prometheus::{GaugeVec, Histogram, HistogramOpts, IntCounterVec, Opts, Registry};

/// By topic, group or partition: all are bounded by the configuration.
pub(crate) struct Metrics {
    pub(crate) published: Option<IntCounterVec>,
    pub(crate) unpublished: Option<IntCounterVec>,
    pub(crate) read: Option<IntCounterVec>,
    pub(crate) read_bytes: Option<IntCounterVec>,
    pub(crate) revocations: Option<IntCounterVec>,
    pub(crate) transactions: Option<IntCounterVec>,
    pub(crate) commit_seconds: Option<Histogram>,
    pub(crate) lag: Option<GaugeVec>,
    pub(crate) delay: Option<GaugeVec>,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    published: counter(
        "homestream_kafka_records_published_total",
        "Records acknowledged by the broker.",
        &["topic"],
    ),
    unpublished: counter(
        "homestream_kafka_records_unpublished_total",
        "Records the broker did not acknowledge.",
        &["topic", "code"],
    ),
    read: counter("homestream_kafka_records_read_total", "Records read.", &["topic", "reader"]),
    read_bytes: counter(
        "homestream_kafka_read_bytes_total",
        "Bytes of keys, payloads and headers read.",
        &["topic", "reader"],
    ),
    revocations: counter(
        "homestream_kafka_revocations_total",
        "Revocations, by whether the service had drained its records in time.",
        &["group", "outcome"],
    ),
    transactions: counter(
        "homestream_kafka_transactions_total",
        "Transactions, by outcome: committed or aborted.",
        &["outcome"],
    ),
    commit_seconds: histogram(
        "homestream_kafka_commit_seconds",
        "Time to commit a transaction, its offsets included.",
    ),
    lag: gauge(
        "homestream_kafka_lag_records",
        "Offsets up to the last stable one that the service has yet to take; 0 at the end, \
         also behind a transaction's marker.",
    ),
    delay: gauge(
        "homestream_kafka_delay_seconds",
        "Seconds since the record was written that the service took last, while more wait; \
         0 at the end.",
    ),
});

/// Half a millisecond to 16 s.
fn histogram(name: &str, help: &str) -> Option<Histogram> {
    let buckets = prometheus::exponential_buckets(0.000_5, 2.0, 16).ok()?;
    Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets)).ok()
}

/// Adds an observation to a histogram.
pub(crate) fn observe(histogram: &Option<Histogram>, value: f64) {
    if let Some(histogram) = histogram {
        histogram.observe(value);
    }
}

fn gauge(name: &str, help: &str) -> Option<GaugeVec> {
    GaugeVec::new(Opts::new(name, help), &["group", "topic", "partition"]).ok()
}

fn counter(name: &str, help: &str, labels: &[&str]) -> Option<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), labels).ok()
}

/// Adds to one counter of a family.
pub(crate) fn add(family: &Option<IntCounterVec>, labels: &[&str], amount: u64) {
    if let Some(counter) =
        family.as_ref().and_then(|family| family.get_metric_with_label_values(labels).ok())
    {
        counter.inc_by(amount);
    }
}

/// Makes this crate's counters part of a registry.
pub fn register_metrics(registry: &Registry) -> Result<(), prometheus::Error> {
    let metrics = &*METRICS;
    let families = [
        &metrics.published,
        &metrics.unpublished,
        &metrics.read,
        &metrics.read_bytes,
        &metrics.revocations,
        &metrics.transactions,
    ];
    if let Some(histogram) = &metrics.commit_seconds {
        registry.register(Box::new(histogram.clone()))?;
    }
    for family in families.into_iter().flatten() {
        registry.register(Box::new(family.clone()))?;
    }
    for family in [&metrics.lag, &metrics.delay].into_iter().flatten() {
        registry.register(Box::new(family.clone()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_valid_and_registered() {
        let registry = Registry::new();
        register_metrics(&registry).unwrap();
        add(&METRICS.read, &["t", "reader"], 2);
        add(&METRICS.read_bytes, &["t", "reader"], 2);
        add(&METRICS.published, &["t"], 1);
        add(&METRICS.unpublished, &["t", "timed_out"], 1);
        add(&METRICS.revocations, &["g", "drained"], 1);
        add(&METRICS.transactions, &["committed"], 1);
        observe(&METRICS.commit_seconds, 0.01);
        for gauges in [&METRICS.lag, &METRICS.delay] {
            gauges.as_ref().unwrap().with_label_values(&["g", "t", "0"]).set(1.0);
        }
        assert_eq!(registry.gather().len(), 9);
    }
}
