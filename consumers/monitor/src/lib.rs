//! The monitor: windowed drift statistics and accuracy, in event time, and the alerts that
//! follow from them.
//!
//! # Delivery and state
//! The state is a fold over the topics: at each start prices, sales and the registry are read
//! from the beginning. Reports and alerts of windows that the drift topic already holds are
//! computed again, for the state, and not published again.
//!
//! # Time
//! Windows close when event time passes their end. In a replay the replay's clock says when;
//! elsewhere event time is the latest date among prices and sales, less the allowed lateness.

mod metrics;
mod reference;
mod service;

pub use metrics::MonitorMetrics;
pub use service::{MonitorConfig, MonitorContext, MonitorError, SERVICE, register, run};
