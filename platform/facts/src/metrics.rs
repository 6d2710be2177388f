//! What is counted of each source. Labels are bounded: sources are named in the settings.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// How a look-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookupResult {
    /// Facts from the cache, within their time to live.
    Hit,
    /// From the cache: there is nothing under this key.
    Negative,
    /// Loaded for this look-up.
    Miss,
    /// Facts beyond their time to live, because the source does not answer.
    Stale,
    /// Not loaded in time.
    Timeout,
    /// The load failed.
    Error,
    /// The breaker is open.
    Open,
    /// Too many keys are on their way already.
    Busy,
    /// The listing does not have the field that the source is keyed by.
    NoKey,
}

impl LookupResult {
    const ALL: [Self; 9] = [
        Self::Hit,
        Self::Negative,
        Self::Miss,
        Self::Stale,
        Self::Timeout,
        Self::Error,
        Self::Open,
        Self::Busy,
        Self::NoKey,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Negative => "negative",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Timeout => "timeout",
            Self::Error => "error",
            Self::Open => "open",
            Self::Busy => "busy",
            Self::NoKey => "no_key",
        }
    }
}

/// The metrics of every source of facts.
#[derive(Clone)]
pub struct FactMetrics {
    lookups: IntCounterVec,
    loads: IntCounterVec,
    load_seconds: HistogramVec,
    breaker: IntGaugeVec,
}

impl FactMetrics {
    /// Creates and registers the metrics.
    ///
    /// # Errors
    /// When a metric of the same name is registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let lookups = IntCounterVec::new(
            Opts::new(
                "homestream_facts_lookups_total",
                "Look-ups of external facts, by source and result.",
            ),
            &["source", "result"],
        )?;
        let loads = IntCounterVec::new(
            Opts::new(
                "homestream_facts_loads_total",
                "Loads from external sources, by source and result: ok, error or timeout.",
            ),
            &["source", "result"],
        )?;
        let load_seconds = HistogramVec::new(
            HistogramOpts::new(
                "homestream_facts_load_seconds",
                "Time of one load from an external source, failed ones included.",
            )
            .buckets(prometheus::exponential_buckets(0.000_5, 3.0, 10)?),
            &["source"],
        )?;
        let breaker = IntGaugeVec::new(
            Opts::new(
                "homestream_facts_breaker_state",
                "Circuit breaker of a source: 0 closed, 1 half open, 2 open.",
            ),
            &["source"],
        )?;
        registry.register(Box::new(lookups.clone()))?;
        registry.register(Box::new(loads.clone()))?;
        registry.register(Box::new(load_seconds.clone()))?;
        registry.register(Box::new(breaker.clone()))?;
        Ok(Self { lookups, loads, load_seconds, breaker })
    }

    pub(crate) fn of_source(&self, source: &str) -> SourceMetrics {
        let lookups =
            LookupResult::ALL.map(|r| self.lookups.with_label_values(&[source, r.label()]));
        let load = |result: &str| self.loads.with_label_values(&[source, result]);
        SourceMetrics {
            lookups,
            loads_ok: load("ok"),
            loads_failed: load("error"),
            loads_timed_out: load("timeout"),
            load_seconds: self.load_seconds.with_label_values(&[source]),
            breaker: self.breaker.with_label_values(&[source]),
        }
    }
}

/// The metrics of one source, their labels resolved once.
pub(crate) struct SourceMetrics {
    lookups: [IntCounter; LookupResult::ALL.len()],
    pub(crate) loads_ok: IntCounter,
    pub(crate) loads_failed: IntCounter,
    pub(crate) loads_timed_out: IntCounter,
    pub(crate) load_seconds: Histogram,
    pub(crate) breaker: IntGauge,
}

impl SourceMetrics {
    pub(crate) fn looked_up(&self, result: LookupResult) {
        self.lookups[result as usize].inc();
    }

    #[cfg(test)]
    pub(crate) fn lookups(&self, result: LookupResult) -> u64 {
        self.lookups[result as usize].get()
    }
}
