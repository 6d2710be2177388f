//! The trainer: retrains when drift reports ask for it, and publishes what became of it.
//!
//! # Delivery and state
//! The archive of sales and the registry are folds over their topics, read from the beginning
//! at each start. A trigger (the bootstrap, or the window of a drift report) leads to at most
//! one version: the registry's log names the trigger of every version.
//!
//! # Training
//! One at a time, on a thread of its own; reading goes on meanwhile as far as its bounded
//! channel allows. Everything a training uses is older than the window that asked for it.

mod decide;
mod metrics;
mod service;

pub use decide::{Trigger, registry_events};
pub use metrics::TrainerMetrics;
pub use service::{SERVICE, TrainerConfig, TrainerContext, TrainerError, register, run};
