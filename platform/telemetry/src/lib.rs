//! Logs, metrics and health, the same for every service.

mod health;
mod process;
mod server;
mod tracing_setup;

pub use health::ServiceHealth;
pub use process::register_process_metrics;
pub use server::{TelemetryError, serve_metrics};
pub use tracing_setup::{LogFormat, init_tracing};
