//! Confluent's schema registry: ids for the schemas that are written, schemas for the ids
//! that are read.
//!
//! [`SchemaSource`] is what a service holds. At the start it gets an id for every record that
//! the process writes: registered under the subject `<topic>-value`, the subject at BACKWARD
//! compatibility, and an incompatible schema refused before a record is produced. Later it
//! explains the ids of records as they come. The registry is asked once for each id; when it
//! is down, a service goes on with the ids that it knows.
//!
//! Whatever speaks Confluent's API will do. The client is ours because the crate that exists,
//! `schema_registry_converter`, has neither compatibility levels nor checks, repeats no
//! request, bounds no answer, and gives back errors without status and address; what it would
//! save is one of five calls.
//!
//! # Invariants
//! - Nothing is sent while a batch holds no id that is new, and nothing at all without a
//!   registry.
//! - Secrets appear in no message, log or debug output.
//! - Answers, remembered schemas and ids are bounded.

mod client;
mod config;
mod enrol;
mod error;
mod http;
mod metrics;
mod source;

pub use client::{RegisteredSchema, RegistryClient, Verdict};
pub use config::{
    Authentication, DEFAULT_RETRY_FOR, DEFAULT_TIMEOUT, Enrolment, OnUnknownId, RegistryConfig,
    Secret, SecretSource,
};
pub use enrol::subject_of;
pub use error::RegistryError;
pub use metrics::register_metrics;
pub use source::SchemaSource;
