//! The scorer: from listings to published price estimates.
//!
//! # Delivery
//! At least once. A listing is committed after its answer (a price estimate, a `no_estimate`
//! with its reason, or a dead letter) is acknowledged by the broker. Estimate ids follow from
//! topic, partition, offset and model version.
//!
//! # State
//! The market index is rebuilt from the sales topic at each start, the champion from the
//! registry topic; listings wait until both are caught up. Models are swapped between
//! records, never within one.

mod cache;
mod metrics;
mod processor;
mod registry;
mod service;
#[cfg(test)]
mod testing;

pub use metrics::ScorerMetrics;
pub use processor::{Outcome, Processor};
pub use service::{SERVICE, ScorerConfig, ScorerContext, ScorerError, register, run};
