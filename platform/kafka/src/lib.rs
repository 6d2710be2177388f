//! Kafka for homestream's services: the only crate that names the Kafka client.
//! It moves bytes; it knows neither schemas nor models.
//!
//! # Delivery guarantee
//!
//! **At least once.** Offsets move only when the caller says so, auto-commit and
//! auto-store are off and cannot be switched on, and [`Publisher::publish`]
//! returns only after the broker has acknowledged every record of the batch
//! (`acks=all`, idempotent producer). A service that publishes its outputs, dead
//! letters included, *then* calls [`GroupConsumer::commit`] loses nothing when it
//! is killed at any instant; what was read and not yet committed is read again.
//! A reader that must not repeat its effects derives the identity of an output
//! from the coordinates of its input (topic, partition, offset).
//!
//! Order is kept per partition, for keys as well as for the records of one
//! `publish` call.
//!
//! # The parts
//!
//! | part | what it does |
//! |---|---|
//! | [`Broker`], [`EmbeddedBroker`], [`BrokerConfig`] | where the broker is: a remote cluster, or librdkafka's mock cluster inside the process |
//! | [`create_topics`], [`check_connection`], [`end_offsets`] | what is asked of a broker outside the record path |
//! | [`Publisher`] | sends batches and awaits every acknowledgement |
//! | [`GroupConsumer`] | a member of a consumer group: one thread, one closed enum of events |
//! | [`Follower`] | reads whole topics from the beginning, without a group |
//! | [`OffsetTracker`] | pure: which next offset may be committed |
//! | [`Progress`] | pure: when is everything that was published also processed |
//! | [`dead_letter`] | pure: a record and a fault to a dead letter, and back |
//!
//! # The embedded broker
//!
//! It speaks the real protocol over TCP, groups and rebalances included, yet
//! differs from Kafka: records live in memory, at most 5 MiB or 100,000 a
//! partition (a [`Publisher`] therefore waits for the registered readers before
//! it would overrun them, see [`Progress::reads`]); topic settings have no
//! effect; a topic that is written to without being created is created with four
//! partitions; transactions report success and mean nothing.

mod atomic;
mod batch;
mod clock;
mod config;
mod connection;
mod context;
pub mod dead_letter;
mod describe;
mod embedded;
mod error;
mod fold;
mod follower;
mod group;
mod lag;
mod metrics;
mod oauth;
mod offsets;
mod pipeline;
mod progress;
mod publisher;
mod record;
mod refusal;
mod stable;
mod thread;
mod topics;
mod transactor;

pub use atomic::AtomicPublisher;
pub use clock::{EventClock, ReplayClock};
pub use config::BrokerConfig;
pub use connection::check_connection;
pub use describe::{TopicDescription, describe_topics};
pub use embedded::{Broker, EmbeddedBroker};
pub use error::{KafkaError, PublishError, is_secret};
pub use fold::{Fold, FoldContext, run_fold};
pub use follower::{CatchUp, Follower, FollowerEvent};
pub use group::{ConsumerEvent, GroupConfig, GroupConsumer, GroupProtocol, RevokeAck};
pub use metrics::register_metrics;
pub use offsets::{OffsetTracker, TrackerError};
pub use pipeline::{Batch, Delivery, Pipeline, PipelineConfig, PipelineError, TransactionConfig};
pub use progress::{Progress, ProgressError};
pub use publisher::{MAX_RECORD_BYTES, Publisher};
pub use record::{Delivered, Header, NextOffset, Outgoing, Record, TopicPartition, payloads};
pub use stable::await_stable;
pub use topics::{
    OffsetRange, TopicOutcome, TopicSpec, TopicStatus, committed_offsets, create_topics,
    end_offsets, skip_to_end, topic_record_counts,
};
