//! The notifier between a real Kafka and a real Alertmanager, both receivers restarted under
//! fire.
//!
//! Needs HOMESTREAM_TEST_BROKERS (see `tests/kafka/cluster`) and Alertmanager, which the suite
//! starts by `tests/alertmanager/server`, or an address of one in HOMESTREAM_TEST_ALERTMANAGER
//! for the test that needs no restarts:
//! `cargo test -p notifier --features real-alertmanager --test alertmanager`

// The lints exempt test functions but not the helpers of an integration test.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../../tests/kafka/harness.rs"]
mod harness;
#[path = "../support/mod.rs"]
mod support;

mod fire;
mod server;
mod state;
