//! Pricing, market features, calibration, drift decisions and the registry fold.
//!
//! This crate is *pure*: no I/O, no clock, no environment, no randomness of its own.
//! Dates and seeds are arguments, so that every result can be computed again, bit for bit.

pub mod alert;
pub mod backtest;
pub mod calibration;
pub mod date;
pub mod detectors;
pub mod drift;
pub mod drift_report;
pub mod engine;
pub mod estimate;
pub mod evaluation;
pub mod features;
pub mod interchange;
pub mod learn;
pub mod listing;
pub mod market;
pub mod model;
pub mod monitoring;
mod random;
pub mod registry;
pub mod study;
#[cfg(test)]
mod synthetic;
pub mod training;
