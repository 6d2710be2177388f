//! The notifier as its users run it, on the embedded broker, with receivers that fail.

// The lints exempt test functions but not the helpers of an integration test.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod delivery;
mod failures;
mod payloads;
mod world;
