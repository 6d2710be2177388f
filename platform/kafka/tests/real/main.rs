//! The whole crate against a real Kafka: what the embedded broker cannot show.
//!
//! Needs HOMESTREAM_TEST_BROKERS (see `tests/kafka/cluster`):
//! `cargo test -p platform-kafka --features real-kafka --test real`

// The lints exempt test functions but not the helpers of an integration test.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../../tests/kafka/harness.rs"]
mod harness;
#[path = "../support/mod.rs"]
mod support;

mod atomic;
mod groups;
mod lag;
mod topics;
mod transactions;
