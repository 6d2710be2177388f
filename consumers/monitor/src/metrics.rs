//! What the monitor measures and counts. Labels are bounded: features of the model, rules.

use model_core::alert::{Alert, AlertState};
use model_core::drift_report::DriftReport;
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, Opts, Registry};

/// The monitor's metrics.
#[derive(Clone)]
pub struct MonitorMetrics {
    drift: GaugeVec,
    drift_threshold: GaugeVec,
    mdape: Gauge,
    coverage: Gauge,
    windows: IntCounter,
    alerts: IntCounterVec,
    pub(crate) unusable: IntCounterVec,
}

impl MonitorMetrics {
    /// Creates and registers the metrics.
    ///
    /// # Errors
    /// When a metric of the same name is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauges = |name: &str, help: &str| -> Result<GaugeVec, prometheus::Error> {
            let gauge = GaugeVec::new(Opts::new(name, help), &["feature"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let gauge = |name: &str, help: &str| -> Result<Gauge, prometheus::Error> {
            let gauge = Gauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let counters = |name: &str, help: &str, label: &str| {
            let counter = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let windows =
            IntCounter::new("homestream_monitor_windows_total", "Windows closed and reported.")?;
        registry.register(Box::new(windows.clone()))?;
        Ok(Self {
            drift: gauges(
                "homestream_monitor_drift_psi",
                "Population stability index of the last window, less what chance explains.",
            )?,
            drift_threshold: gauges(
                "homestream_monitor_drift_psi_threshold",
                "Index from which a feature counts as drifted.",
            )?,
            mdape: gauge(
                "homestream_monitor_mdape_ratio",
                "Median absolute percentage error of the last window, a decimal.",
            )?,
            coverage: gauge(
                "homestream_monitor_coverage90_ratio",
                "Share of sale prices inside their 90 % interval in the last window.",
            )?,
            windows,
            alerts: counters(
                "homestream_monitor_alerts_total",
                "Alerts published, by state: firing or resolved.",
                "state",
            )?,
            unusable: counters(
                "homestream_monitor_unusable_records_total",
                "Records that could not be used, by topic kind.",
                "kind",
            )?,
        })
    }

    pub(crate) fn window_closed(&self, report: &DriftReport, alerts: &[Alert]) {
        self.windows.inc();
        for drift in report.features.iter().chain(&report.estimate) {
            self.drift.with_label_values(&[&drift.feature]).set(drift.value);
            self.drift_threshold.with_label_values(&[&drift.feature]).set(drift.threshold_drift);
        }
        if let Some(accuracy) = &report.accuracy {
            self.mdape.set(accuracy.mdape);
            self.coverage.set(accuracy.coverage90);
        }
        for alert in alerts {
            let state = match alert.state {
                AlertState::Firing => "firing",
                AlertState::Resolved => "resolved",
            };
            self.alerts.with_label_values(&[state]).inc();
        }
    }
}
