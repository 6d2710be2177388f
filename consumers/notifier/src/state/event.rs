//! One change of an alert's state, as it stands on the topic.

use model_core::alert::{Alert, AlertState};
use schemas::{AlertError, decode_alert};
use serde::Deserialize;

use super::Millis;

/// Where a change stands on the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The partition. All changes of an alert are in one.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// One change of an alert's state.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertEvent {
    /// Identifier of the change: a repeat of it has the same.
    pub id: String,
    /// Who published it, a URI reference.
    pub source: String,
    /// Identity of the alert over its life.
    pub fingerprint: String,
    /// What happened.
    pub alert: Alert,
    /// The CloudEvent as it was received.
    pub body: String,
    /// Where it stands.
    pub place: Place,
    /// When it was read: the alert's own date is one of event time, which a replay sets to that
    /// of long ago.
    pub read_at: Millis,
}

/// The attributes of a CloudEvent that an [`Alert`] lacks.
#[derive(Deserialize)]
struct Envelope {
    id: String,
    source: String,
}

impl AlertEvent {
    /// Reads a change from a CloudEvent.
    ///
    /// # Errors
    /// [`AlertError`], which names what is wrong.
    pub fn decode(bytes: &[u8], place: Place, read_at: Millis) -> Result<Self, AlertError> {
        let alert = decode_alert(bytes)?;
        let malformed = |detail: String| AlertError::Malformed { detail };
        let envelope: Envelope =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        let body = String::from_utf8(bytes.to_vec()).map_err(|e| malformed(e.to_string()))?;
        Ok(Self {
            id: envelope.id,
            source: envelope.source,
            fingerprint: alert.fingerprint(),
            alert,
            body,
            place,
            read_at,
        })
    }

    /// Whether the condition began, rather than ended.
    pub fn fires(&self) -> bool {
        self.alert.state == AlertState::Firing
    }
}
