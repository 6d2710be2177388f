//! The clock, and times as others write them.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};

use crate::state::Millis;

/// Now.
pub(crate) fn now_ms() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

/// A time as RFC 3339 writes it, in UTC; the last one that can be, for a later one.
pub(crate) fn rfc3339(at: Millis) -> String {
    let at = DateTime::from_timestamp_millis(at).unwrap_or(DateTime::<chrono::Utc>::MAX_UTC);
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads a time as RFC 3339 writes it; `None` for another text.
pub fn parse_time(text: &str) -> Option<Millis> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis())
}
