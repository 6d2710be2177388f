//! Changes of alerts for the tests.

use std::sync::Arc;

use super::{AlertEvent, Labelling, Matcher, Millis, Place};

/// One change: rule and subject, what happens, and in which window's month.
pub(super) fn event(rule: &str, subject: &str, fires: bool, offset: i64) -> AlertEvent {
    of_version(rule, subject, fires, offset, "v1")
}

pub(super) fn of_version(
    rule: &str,
    subject: &str,
    fires: bool,
    offset: i64,
    version: &str,
) -> AlertEvent {
    let state = if fires { "firing" } else { "resolved" };
    let body = format!(
        r#"{{"specversion":"1.0","id":"{rule}-{subject}-{offset}","source":"/test",
        "type":"io.homestream.alert.{state}","subject":"{subject}",
        "time":"1996-07-01T00:00:00Z","datacontenttype":"application/json",
        "data":{{"rule":"{rule}","subject":"{subject}","value":1.5,"threshold":1.0,
        "state":"{state}","date":"1996-07-01",
        "window":{{"start":"1996-06-01","end":"1996-07-01"}},
        "model_version":"{version}","summary":"{rule} of {subject}",
        "fingerprint":"unused"}}}}"#
    );
    let place = Place { partition: 0, offset };
    AlertEvent::decode(body.as_bytes(), place, 1_000 + offset as Millis).unwrap()
}

pub(super) fn labelling() -> Arc<Labelling> {
    Arc::new(Labelling::default())
}

pub(super) fn matchers(texts: &[&str]) -> Vec<Matcher> {
    texts.iter().map(|text| Matcher::parse(text).unwrap()).collect()
}

/// The offsets of places.
pub(super) fn offsets(places: &[Place]) -> Vec<i64> {
    places.iter().map(|place| place.offset).collect()
}
