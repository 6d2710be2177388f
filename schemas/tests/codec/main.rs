//! The codec from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod examples;
mod golden;
mod hostile;
mod json;
mod registry;
mod round_trip;
mod strategies;
mod writers;
