//! What the notifier measures and counts. Labels are bounded: sinks are named in the settings.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// The notifier's metrics.
#[derive(Clone)]
pub struct NotifierMetrics {
    delivered: IntCounterVec,
    repeated: IntCounterVec,
    failed: IntCounterVec,
    dead_letters: IntCounterVec,
    suppressed: IntCounterVec,
    delay: HistogramVec,
    firing: IntGaugeVec,
}

/// The metrics of one sink.
#[derive(Clone, Debug)]
pub struct SinkMetrics {
    sink: String,
    failed: IntCounterVec,
    suppressed: IntCounterVec,
    pub(crate) delivered: IntCounter,
    pub(crate) repeated: IntCounter,
    pub(crate) dead_letters: IntCounter,
    pub(crate) delay: Histogram,
    pub(crate) firing: IntGauge,
}

impl NotifierMetrics {
    /// Creates and registers the metrics.
    ///
    /// # Errors
    /// When a metric of the same name is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let delay = HistogramVec::new(
            HistogramOpts::new(
                "homestream_notifier_delay_seconds",
                "Time from reading a change to its delivery, waits of its group included.",
            )
            .buckets(prometheus::exponential_buckets(0.005, 4.0, 10)?),
            &["sink"],
        )?;
        registry.register(Box::new(delay.clone()))?;
        let firing = IntGaugeVec::new(
            Opts::new("homestream_notifier_firing_alerts", "Alerts that fire, told or not."),
            &["sink"],
        )?;
        registry.register(Box::new(firing.clone()))?;
        Ok(Self {
            delivered: counters(
                "homestream_notifier_delivered_total",
                "Changes of alerts that a sink has taken.",
                &["sink"],
            )?,
            repeated: counters(
                "homestream_notifier_repeats_total",
                "Times that a sink was told again of what goes on.",
                &["sink"],
            )?,
            failed: counters(
                "homestream_notifier_failed_total",
                "Requests that a sink has not taken, by reason: unreachable, timeout, \
                 too_many_requests, server_error, refused, secret.",
                &["sink", "reason"],
            )?,
            dead_letters: counters(
                "homestream_notifier_dead_letters_total",
                "Changes that a sink will never take, or that cannot be read.",
                &["sink"],
            )?,
            suppressed: counters(
                "homestream_notifier_suppressed_total",
                "Changes that were kept quiet, by reason: silenced, inhibited.",
                &["sink", "reason"],
            )?,
            delay,
            firing,
        })
    }

    /// The metrics of one sink, its label resolved once.
    pub fn of_sink(&self, sink: &str) -> SinkMetrics {
        SinkMetrics {
            sink: sink.to_owned(),
            failed: self.failed.clone(),
            suppressed: self.suppressed.clone(),
            delivered: self.delivered.with_label_values(&[sink]),
            repeated: self.repeated.with_label_values(&[sink]),
            dead_letters: self.dead_letters.with_label_values(&[sink]),
            delay: self.delay.with_label_values(&[sink]),
            firing: self.firing.with_label_values(&[sink]),
        }
    }
}

impl SinkMetrics {
    pub(crate) fn failed(&self, reason: &str) {
        self.failed.with_label_values(&[&*self.sink, reason]).inc();
    }

    pub(crate) fn suppressed(&self, reason: &str) {
        self.suppressed.with_label_values(&[&*self.sink, reason]).inc();
    }
}
