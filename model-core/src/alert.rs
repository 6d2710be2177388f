//! Alerts: what a person is told when a window closes badly, and when it is over.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::date::{EventDate, iso};
use crate::drift_report::Window;

/// Whether the condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The condition began.
    Firing,
    /// The condition ended.
    Resolved,
}

impl AlertState {
    /// The state's name on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One change of an alert's state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// Name of the rule, such as `feature_drift`.
    pub rule: String,
    /// The feature or metric that the rule looked at, such as `wall` or `mdape`.
    pub subject: String,
    /// The measured value.
    pub value: f64,
    /// The threshold that it crossed.
    pub threshold: f64,
    /// Whether the condition began or ended.
    pub state: AlertState,
    /// When, in event time: the first day after the window.
    #[serde(with = "iso")]
    pub date: EventDate,
    /// The window that decided.
    pub window: Window,
    /// The champion at the time.
    pub model_version: String,
    /// One sentence for people: what changed, from what to what.
    pub summary: String,
}

impl Alert {
    /// Identity of the alert over its life: the same while it fires and when it resolves.
    /// The first 16 hexadecimal digits of SHA-256 over rule and subject.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.rule.as_bytes());
        hash.update([0]);
        hash.update(self.subject.as_bytes());
        hex::encode(hash.finalize()).chars().take(16).collect()
    }
}
