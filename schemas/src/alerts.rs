//! Alerts as CloudEvents 1.0, JSON, structured mode.
//!
//! JSON has no NaN and no infinity: `value` and `threshold` are then the texts `"NaN"`,
//! `"Infinity"` and `"-Infinity"`, as in the JSON form of Protocol Buffers.

use std::borrow::Cow;

use model_core::alert::{Alert, AlertState};
use model_core::date::EventDate;
use model_core::drift_report::Window;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::error::{MESSAGE_CHARS, shorten, shorten_to};
use crate::ids::Id;

/// Content type of a record that holds an alert.
pub const ALERT_CONTENT_TYPE: &str = "application/cloudevents+json; charset=UTF-8";
/// `source` of every alert.
pub const ALERT_SOURCE: &str = "/homestream/monitor";
/// Largest alert that is read: 1 MiB.
pub const MAX_ALERT_BYTES: usize = 1 << 20;

const SPEC_VERSION: &str = "1.0";
const DATA_CONTENT_TYPE: &str = "application/json";
const TYPE_PREFIX: &str = "io.homestream.alert.";

/// Why bytes cannot be read as an alert, or an alert not be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AlertError {
    /// The record is larger than accepted.
    #[error("alert of {bytes} bytes is larger than the limit of {MAX_ALERT_BYTES} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It is not a CloudEvent in JSON, or its data is not an alert's.
    #[error("alert is no CloudEvent of an alert: {detail}")]
    Malformed {
        /// What is wrong, with line and column.
        detail: String,
    },
    /// An attribute or field has a value that means nothing here.
    #[error("{field} is '{value}', expected {expected}")]
    InvalidValue {
        /// Name of the attribute or field.
        field: &'static str,
        /// The value as received, shortened.
        value: String,
        /// What is accepted, in words.
        expected: &'static str,
    },
}

impl AlertError {
    /// Bounded reason code for metric labels.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Malformed { .. } => "malformed",
            Self::InvalidValue { .. } => "invalid_value",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct CloudEvent<'a> {
    specversion: Cow<'a, str>,
    id: Cow<'a, str>,
    source: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    subject: Cow<'a, str>,
    time: Cow<'a, str>,
    datacontenttype: Cow<'a, str>,
    data: Data<'a>,
}

#[derive(Serialize, Deserialize)]
struct Data<'a> {
    rule: Cow<'a, str>,
    subject: Cow<'a, str>,
    value: Number,
    threshold: Number,
    state: Cow<'a, str>,
    date: Cow<'a, str>,
    window: WindowData<'a>,
    model_version: Cow<'a, str>,
    summary: Cow<'a, str>,
    fingerprint: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct WindowData<'a> {
    start: Cow<'a, str>,
    end: Cow<'a, str>,
}

/// Identifier of one change of an alert's state: the first 32 hexadecimal digits of SHA-256
/// over fingerprint, window id and state, each as its length in bytes (8 bytes, big-endian)
/// and its UTF-8. A repeat of the same change has the same identifier.
pub fn alert_id(alert: &Alert) -> String {
    let mut id = Id::new();
    id.text(&alert.fingerprint());
    id.text(&alert.window.id());
    id.text(alert.state.code());
    id.finish()
}

/// An alert as a CloudEvent: the value of a record with content type
/// [`ALERT_CONTENT_TYPE`], keyed by [`Alert::fingerprint`].
///
/// # Errors
/// [`AlertError::TooLarge`] when its texts are larger than readers accept.
pub fn encode_alert(alert: &Alert) -> Result<Vec<u8>, AlertError> {
    let event = CloudEvent {
        specversion: SPEC_VERSION.into(),
        id: alert_id(alert).into(),
        source: ALERT_SOURCE.into(),
        kind: format!("{TYPE_PREFIX}{}", alert.state.code()).into(),
        subject: Cow::Borrowed(&alert.subject),
        time: format!("{}T00:00:00Z", alert.date).into(),
        datacontenttype: DATA_CONTENT_TYPE.into(),
        data: Data {
            rule: Cow::Borrowed(&alert.rule),
            subject: Cow::Borrowed(&alert.subject),
            value: Number(alert.value),
            threshold: Number(alert.threshold),
            state: alert.state.code().into(),
            date: alert.date.to_string().into(),
            window: WindowData {
                start: alert.window.start.to_string().into(),
                end: alert.window.end.to_string().into(),
            },
            model_version: Cow::Borrowed(&alert.model_version),
            summary: Cow::Borrowed(&alert.summary),
            fingerprint: alert.fingerprint().into(),
        },
    };
    let bytes = serde_json::to_vec(&event).map_err(malformed)?;
    if bytes.len() > MAX_ALERT_BYTES {
        return Err(AlertError::TooLarge { bytes: bytes.len() });
    }
    Ok(bytes)
}

/// Reads an alert from a CloudEvent. Attributes and fields that are not known are read past,
/// as CloudEvents asks.
///
/// # Errors
/// [`AlertError`], which names what is wrong.
pub fn decode_alert(bytes: &[u8]) -> Result<Alert, AlertError> {
    if bytes.len() > MAX_ALERT_BYTES {
        return Err(AlertError::TooLarge { bytes: bytes.len() });
    }
    let event: CloudEvent<'_> = serde_json::from_slice(bytes).map_err(malformed)?;
    if event.specversion != SPEC_VERSION {
        return Err(invalid("specversion", &event.specversion, "'1.0'"));
    }
    let state = [AlertState::Firing, AlertState::Resolved]
        .into_iter()
        .find(|state| event.kind.strip_prefix(TYPE_PREFIX) == Some(state.code()))
        .ok_or_else(|| {
            invalid(
                "type",
                &event.kind,
                "'io.homestream.alert.firing' or 'io.homestream.alert.resolved'",
            )
        })?;
    let data = event.data;
    if data.state != state.code() {
        return Err(invalid("data.state", &data.state, "the state that the type names"));
    }
    Ok(Alert {
        rule: data.rule.into_owned(),
        subject: data.subject.into_owned(),
        value: data.value.0,
        threshold: data.threshold.0,
        state,
        date: date("data.date", &data.date)?,
        window: Window {
            start: date("data.window.start", &data.window.start)?,
            end: date("data.window.end", &data.window.end)?,
        },
        model_version: data.model_version.into_owned(),
        summary: data.summary.into_owned(),
    })
}

fn date(field: &'static str, text: &str) -> Result<EventDate, AlertError> {
    EventDate::parse_iso(text).ok_or_else(|| invalid(field, text, "a date such as '1996-07-01'"))
}

fn malformed(error: serde_json::Error) -> AlertError {
    AlertError::Malformed { detail: shorten_to(MESSAGE_CHARS, &error.to_string()) }
}

fn invalid(field: &'static str, value: &str, expected: &'static str) -> AlertError {
    AlertError::InvalidValue { field, value: shorten(value), expected }
}

/// A number that survives JSON even when it is not finite.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            finite if finite.is_finite() => serializer.serialize_f64(finite),
            nan if nan.is_nan() => serializer.serialize_str("NaN"),
            infinite if infinite > 0.0 => serializer.serialize_str("Infinity"),
            _ => serializer.serialize_str("-Infinity"),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number, \"NaN\", \"Infinity\" or \"-Infinity\"")]
        enum Form {
            Finite(f64),
            Text(NonFinite),
        }
        #[derive(Deserialize)]
        enum NonFinite {
            #[serde(rename = "NaN")]
            NaN,
            Infinity,
            #[serde(rename = "-Infinity")]
            NegativeInfinity,
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Finite(number) => number,
            Form::Text(NonFinite::NaN) => f64::NAN,
            Form::Text(NonFinite::Infinity) => f64::INFINITY,
            Form::Text(NonFinite::NegativeInfinity) => f64::NEG_INFINITY,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert() -> Alert {
        Alert {
            rule: "feature_drift".into(),
            subject: "wall".into(),
            value: 0.31,
            threshold: 0.2,
            state: AlertState::Firing,
            date: EventDate::parse_iso("1996-07-01").unwrap(),
            window: Window {
                start: EventDate::parse_iso("1996-06-01").unwrap(),
                end: EventDate::parse_iso("1996-07-01").unwrap(),
            },
            model_version: "v3".into(),
            summary: "wall: stucco went from 2 % to 9 %".into(),
        }
    }

    #[test]
    fn an_alert_is_this_cloud_event() {
        let json = String::from_utf8(encode_alert(&alert()).unwrap()).unwrap();
        let expected = concat!(
            r#"{"specversion":"1.0","id":"ID","source":"/homestream/monitor","#,
            r#""type":"io.homestream.alert.firing","subject":"wall","#,
            r#""time":"1996-07-01T00:00:00Z","datacontenttype":"application/json","#,
            r#""data":{"rule":"feature_drift","subject":"wall","value":0.31,"threshold":0.2,"#,
            r#""state":"firing","date":"1996-07-01","#,
            r#""window":{"start":"1996-06-01","end":"1996-07-01"},"model_version":"v3","#,
            r#""summary":"wall: stucco went from 2 % to 9 %","fingerprint":"FP"}}"#
        )
        .replace("ID", &alert_id(&alert()))
        .replace("FP", &alert().fingerprint());
        assert_eq!(json, expected);
    }

    #[test]
    fn an_alert_comes_back_even_with_numbers_that_json_lacks() {
        for value in [0.1 + 0.2, -0.0, f64::INFINITY, f64::NEG_INFINITY, 5e-324] {
            for state in [AlertState::Firing, AlertState::Resolved] {
                let alert = Alert { value, threshold: value, state, ..alert() };
                assert_eq!(decode_alert(&encode_alert(&alert).unwrap()), Ok(alert));
            }
        }
        let nan = Alert { value: f64::NAN, ..alert() };
        assert!(decode_alert(&encode_alert(&nan).unwrap()).unwrap().value.is_nan());
        let unnamed = Alert { subject: String::new(), ..alert() };
        assert_eq!(decode_alert(&encode_alert(&unnamed).unwrap()), Ok(unnamed));
    }

    #[test]
    fn the_id_follows_fingerprint_window_and_state_alone() {
        let id = alert_id(&alert());
        let later = Window { end: EventDate(9_999), ..alert().window };
        assert_eq!(id, alert_id(&Alert { value: 9.0, summary: "other".into(), ..alert() }));
        assert_ne!(id, alert_id(&Alert { state: AlertState::Resolved, ..alert() }));
        assert_ne!(id, alert_id(&Alert { window: later, ..alert() }));
        assert_ne!(id, alert_id(&Alert { subject: "roof".into(), ..alert() }));
    }

    #[test]
    fn what_is_no_alert_is_refused_with_the_attribute_named() {
        let json = String::from_utf8(encode_alert(&alert()).unwrap()).unwrap();
        for (from, to, expected) in [
            ("\"1.0\"", "\"0.3\"", "specversion is '0.3'"),
            ("alert.firing", "alert.silenced", "type is 'io.homestream.alert.silenced'"),
            ("\"state\":\"firing\"", "\"state\":\"resolved\"", "data.state is 'resolved'"),
            ("\"end\":\"1996-07-01\"", "\"end\":\"July\"", "data.window.end is 'July'"),
            ("\"value\":0.31", "\"value\":\"high\"", "expected a number"),
            ("\"rule\":\"feature_drift\",", "", "missing field `rule`"),
        ] {
            let error = decode_alert(json.replace(from, to).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert_eq!(decode_alert(b"").unwrap_err().code(), "malformed");
        assert_eq!(decode_alert(&[b' '; MAX_ALERT_BYTES + 1]).unwrap_err().code(), "too_large");
        let extended = json.replace("\"specversion\"", "\"traceparent\":\"00-1\",\"specversion\"");
        assert_eq!(decode_alert(extended.as_bytes()), Ok(alert()));
    }
}
