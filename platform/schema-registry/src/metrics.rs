//! The metrics of this crate, all declared here. Labels are bounded: operations, results,
//! records.

use std::sync::LazyLock;

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

struct Metrics {
    requests: Option<IntCounterVec>,
    unknown_ids: Option<IntCounterVec>,
    waiting: Option<IntGauge>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    requests: counter(
        "homestream_schema_registry_requests_total",
        "Requests to the schema registry, by operation and result.",
        &["operation", "result"],
    ),
    unknown_ids: counter(
        "homestream_schema_registry_unknown_ids_total",
        "Look-ups of schema ids that ended without a schema, by record.",
        &["record"],
    ),
    waiting: IntGauge::new(
        "homestream_schema_registry_waiting",
        "Readers whose records wait for a schema id to be explained.",
    )
    .ok(),
});

fn counter(name: &str, help: &str, labels: &[&str]) -> Option<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), labels).ok()
}

fn count(family: &Option<IntCounterVec>, labels: &[&str]) {
    if let Some(counter) =
        family.as_ref().and_then(|family| family.get_metric_with_label_values(labels).ok())
    {
        counter.inc();
    }
}

/// A request was answered, or not.
pub(crate) fn asked(operation: &'static str, result: &'static str) {
    count(&METRICS.requests, &[operation, result]);
}

/// An id could not be explained.
pub(crate) fn unknown_id(record: &'static str) {
    count(&METRICS.unknown_ids, &[record]);
}

/// Counts a reader among those that wait, for as long as it lives.
pub(crate) struct Waiting;

impl Waiting {
    pub(crate) fn begin() -> Self {
        METRICS.waiting.iter().for_each(IntGauge::inc);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        METRICS.waiting.iter().for_each(IntGauge::dec);
    }
}

/// Makes this crate's metrics part of a registry of metrics.
///
/// # Errors
/// When they are part of it already.
pub fn register_metrics(registry: &Registry) -> Result<(), prometheus::Error> {
    let metrics = &*METRICS;
    for family in [&metrics.requests, &metrics.unknown_ids].into_iter().flatten() {
        registry.register(Box::new(family.clone()))?;
    }
    metrics.waiting.iter().try_for_each(|gauge| registry.register(Box::new(gauge.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_valid_and_registered() {
        let registry = Registry::new();
        register_metrics(&registry).unwrap();
        asked("register", "ok");
        unknown_id("Listing");
        let waiting = Waiting::begin();
        let gauge = METRICS.waiting.as_ref().unwrap();
        assert_eq!((registry.gather().len(), gauge.get()), (3, 1));
        drop(waiting);
        assert_eq!(gauge.get(), 0);
    }
}
