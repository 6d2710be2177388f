//! What the trainer counts.

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

/// The trainer's metrics.
#[derive(Clone)]
pub struct TrainerMetrics {
    pub(crate) trainings: IntCounterVec,
    pub(crate) training_seconds: Histogram,
    pub(crate) archived_sales: IntGauge,
}

impl TrainerMetrics {
    /// Creates and registers the metrics.
    ///
    /// # Errors
    /// When a metric of the same name is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let trainings = IntCounterVec::new(
            Opts::new(
                "homestream_trainer_trainings_total",
                "Trainings, by result: promoted, rejected or failed.",
            ),
            &["result"],
        )?;
        registry.register(Box::new(trainings.clone()))?;
        let training_seconds = Histogram::with_opts(
            HistogramOpts::new("homestream_trainer_training_seconds", "Time of one training.")
                .buckets(prometheus::exponential_buckets(0.25, 2.0, 12)?),
        )?;
        registry.register(Box::new(training_seconds.clone()))?;
        let archived_sales =
            IntGauge::new("homestream_trainer_archived_sales", "Sales in the archive.")?;
        registry.register(Box::new(archived_sales.clone()))?;
        Ok(Self { trainings, training_seconds, archived_sales })
    }
}
