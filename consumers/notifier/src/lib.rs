//! The notifier: takes alerts from their topic to people, through Alertmanager, signed webhooks
//! and Slack.
//!
//! # Delivery
//! **At least once, in order for each alert.** Every sink is a consumer group of its own, so one
//! that hangs delays only itself, and its queue stays in Kafka. An offset is committed when the
//! sink has taken every change before it; a change that it will never take becomes a dead
//! letter first. A change that is delivered again has the same identifier.
//!
//! # State
//! What fires is a fold over the topic, made again at each start from the changes that were
//! committed before. Nothing else is kept: a group's clocks start anew.
//!
//! # Time
//! Alerts carry event time. What is told when, and when an alert began for Alertmanager, goes by
//! the clock at which a change was read.

mod history;
mod metrics;
mod outbox;
mod reader;
mod sample;
mod secret;
mod service;
mod sink;
pub mod state;
mod time;

pub use metrics::{NotifierMetrics, SinkMetrics};
pub use outbox::Delivery;
pub use sample::{Outcome, test_sinks};
pub use secret::Secret;
pub use service::{NotifierConfig, NotifierContext, NotifierError, SERVICE, StartAt, run, sinks};
pub use sink::{InvalidSink, Persistence, Rejection, Sink, SinkConfig, Target};
pub use time::parse_time;
