//! Facts from elsewhere: sources, and the cache that stands between them and whoever asks.
//!
//! A [`FactSource`] answers batches of keys: a [`PostgresSource`], an [`HttpSource`], a
//! [`TableSource`] over a file. A [`FactCache`] in front of it keeps what it answered, and that
//! there was nothing, for stated times; loads a key once however many ask for it; waits no
//! longer than stated; leaves a source alone that keeps failing; and meanwhile answers with
//! what it knew, up to a stated age. Each answer says how good it is.
//!
//! This crate knows keys, columns and values. It must not know listings, models or Kafka.

mod breaker;
mod cache;
mod entry;
mod flight;
mod http;
mod metrics;
mod postgres;
mod secret;
mod source;
mod table;

pub use breaker::{Breaker, BreakerSettings, BreakerState, Permit};
pub use cache::{CacheSettings, FactCache, FactStatus, Looked, Lookup};
pub use entry::{Freshness, Lifetimes};
pub use http::{HttpMethod, HttpSettings, HttpSource};
pub use metrics::FactMetrics;
pub use postgres::{PostgresSettings, PostgresSource};
pub use secret::Secret;
pub use source::{Answer, FactError, FactKey, FactRow, FactSource, FactValue, Load};
pub use table::{FactTable, ReadTable, TableSource};
