//! What the scorer counts. Labels are bounded: outcomes, reason codes, lookups.

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

/// The scorer's metrics.
#[derive(Clone)]
pub struct ScorerMetrics {
    pub(crate) listings: IntCounterVec,
    pub(crate) dead_letters: IntCounterVec,
    pub(crate) enrichment: IntCounterVec,
    pub(crate) batch_seconds: Histogram,
    pub(crate) indexed_sales: IntGauge,
    pub(crate) catch_up_ratio: Gauge,
    pub(crate) swaps: IntCounterVec,
}

impl ScorerMetrics {
    /// Creates and registers the metrics.
    ///
    /// # Errors
    /// When a metric of the same name is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, label: &str| -> Result<_, prometheus::Error> {
            let counter = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let batch_seconds = Histogram::with_opts(
            HistogramOpts::new("homestream_scorer_batch_seconds", "Time to price one batch.")
                .buckets(prometheus::exponential_buckets(0.000_1, 4.0, 9)?),
        )?;
        registry.register(Box::new(batch_seconds.clone()))?;
        let indexed_sales =
            IntGauge::new("homestream_scorer_indexed_sales", "Sales in the market index.")?;
        registry.register(Box::new(indexed_sales.clone()))?;
        let catch_up_ratio = Gauge::new(
            "homestream_scorer_catch_up_ratio",
            "Share of the sales and registry records at the start that are read, 0 to 1.",
        )?;
        registry.register(Box::new(catch_up_ratio.clone()))?;
        Ok(Self {
            listings: counter(
                "homestream_scorer_listings_total",
                "Listings answered, by outcome: priced, or a no_estimate reason.",
                "outcome",
            )?,
            dead_letters: counter(
                "homestream_scorer_dead_letters_total",
                "Records sent to the dead-letter topic, by reason code.",
                "reason",
            )?,
            enrichment: counter(
                "homestream_scorer_enrichment_lookups_total",
                "Look-ups of the enrichment cache, by result.",
                "result",
            )?,
            swaps: counter(
                "homestream_scorer_model_swaps_total",
                "Changes of champion, by result: installed or refused.",
                "result",
            )?,
            batch_seconds,
            indexed_sales,
            catch_up_ratio,
        })
    }

    /// Champions installed so far.
    pub fn swaps_installed(&self) -> u64 {
        self.swaps.with_label_values(&["installed"]).get()
    }
}
