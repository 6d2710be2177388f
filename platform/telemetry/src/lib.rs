//! Logs, metrics, traces and health, the same for every service.

mod health;
mod process;
mod server;
mod traces;
mod tracing_setup;

pub use health::ServiceHealth;
pub use process::register_process_metrics;
pub use server::{TelemetryError, serve_metrics};
pub use traces::{
    BatchTrace, RecordPlace, TRACEPARENT, TRACESTATE, TraceConfig, TraceError, Traces,
};
pub use tracing_setup::{LogFormat, init_tracing};
