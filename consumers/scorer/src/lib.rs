//! The scorer: from listings to published price estimates.
//!
//! # Delivery
//! Exactly once on Kafka: a listing's answer (a price estimate, a `no_estimate` with its
//! reason, or a dead letter) and its offset are committed in one transaction. At least once
//! by setting, and on the embedded broker, whose transactions mean nothing: a listing is
//! committed after its answer is acknowledged. Estimate ids follow from topic, partition,
//! offset and model version.
//!
//! # State
//! The market index is rebuilt from the sales topic at each start, the champion from the
//! registry topic; listings wait until both are caught up, and in a replay, for a bounded time,
//! until the sales before them are in. Models are swapped between
//! records, never within one.

mod cache;
mod dead_letter_limit;
mod enrichment;
mod metrics;
#[cfg(feature = "real-postgres")]
#[cfg(test)]
mod postgres_tests;
mod processor;
mod registry;
mod sales_wait;
mod service;
#[cfg(test)]
mod testing;

pub use dead_letter_limit::{DeadLetterLimit, LimitMet, SHARE_RECORDS};
pub use enrichment::{Enricher, FactKind, FactsKey, FactsSource, TakenFact};
pub use metrics::ScorerMetrics;
pub use processor::{Accepted, Processor};
pub use service::{SERVICE, ScorerConfig, ScorerContext, ScorerError, register, run};
