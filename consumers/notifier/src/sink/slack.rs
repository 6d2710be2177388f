//! Incoming webhooks of Slack, and of those that understand its payload.

use std::collections::BTreeMap;
use std::fmt::Write;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::InvalidSink;
use super::http::{Http, address, secret_is_missing};
use super::retry::Attempt;
use crate::secret::Secret;
use crate::state::{ALERT_NAME, AlertEvent, Notification};

/// Most characters of a section's text, less what says that there is more.
const SECTION_CHARS: usize = 2_900;
/// Most characters of a header.
const HEADER_CHARS: usize = 150;

/// An incoming webhook.
#[derive(Debug)]
pub(super) struct Slack {
    http: Http,
    url: Secret,
}

impl Slack {
    pub(super) fn new(http: Http, url: Secret) -> Result<Self, InvalidSink> {
        let invalid = |reason: String| InvalidSink { setting: "url", reason };
        let text = url.read().map_err(|reason| InvalidSink::of_secret("url", &reason))?;
        address(&text).map_err(invalid)?;
        Ok(Self { http, url })
    }

    pub(super) async fn send(&self, payload: &Value) -> Attempt {
        match self.url.read().and_then(|url| address(&url)) {
            Ok(url) => {
                let body = payload.to_string().into_bytes();
                self.http.post(url, "application/json", HeaderMap::new(), body).await
            }
            Err(reason) => secret_is_missing(reason),
        }
    }
}

/// A notification for people: what fires and what is over, each alert once.
pub(super) fn payload(notification: &Notification) -> Value {
    let mut latest: BTreeMap<&str, &AlertEvent> = BTreeMap::new();
    for change in &notification.changes {
        latest.insert(&change.event.fingerprint, &change.event);
    }
    let mut changed: Vec<&AlertEvent> = latest.into_values().collect();
    changed.sort_by_key(|event| (event.read_at, event.place));
    let resolved: Vec<&AlertEvent> =
        changed.iter().filter(|event| !event.fires()).copied().collect();
    let mut firing: Vec<&AlertEvent> = notification.firing.iter().map(|event| &**event).collect();
    let known = |event: &&AlertEvent| firing.iter().all(|f| f.fingerprint != event.fingerprint);
    let unknown: Vec<&AlertEvent> = changed
        .iter()
        .filter(|event| event.fires())
        .filter(|event| known(event))
        .copied()
        .collect();
    firing.extend(unknown);

    let title = title(notification, firing.len(), resolved.len());
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": shortened(&title, HEADER_CHARS) },
    })];
    for (heading, events) in [("Firing", &firing), ("Resolved", &resolved)] {
        if !events.is_empty() {
            blocks.push(json!({
                "type": "section",
                "text": { "type": "mrkdwn", "text": section(heading, events) },
            }));
        }
    }
    if !notification.withheld.is_empty() {
        let withheld: Vec<String> =
            notification.withheld.iter().map(|(alert, why)| format!("{alert} ({why})")).collect();
        let text = format!("Not told: {}", escaped(&withheld.join("; ")));
        blocks.push(json!({
            "type": "context",
            "elements": [{ "type": "mrkdwn", "text": shortened(&text, SECTION_CHARS) }],
        }));
    }
    let told: Vec<String> =
        firing.iter().chain(&resolved).map(|event| escaped(&event.alert.summary)).collect();
    let text = format!("{}: {}", escaped(&title), told.join("; "));
    json!({ "text": shortened(&text, SECTION_CHARS), "blocks": blocks })
}

fn title(notification: &Notification, firing: usize, resolved: usize) -> String {
    let of = notification.group.get(ALERT_NAME).map_or("homestream", String::as_str);
    match (firing, resolved, notification.is_repeat()) {
        (_, _, true) => format!("▲ {of}: {firing} still firing"),
        (0, _, _) => format!("● {of}: {resolved} resolved"),
        (_, 0, _) => format!("▲ {of}: {firing} firing"),
        _ => format!("▲ {of}: {firing} firing, {resolved} resolved"),
    }
}

fn section(heading: &str, events: &[&AlertEvent]) -> String {
    let mut text = format!("*{heading}*");
    for (told, event) in events.iter().enumerate() {
        let alert = &event.alert;
        let line = format!(
            "\n• {} — {} to {}, model {}",
            escaped(&alert.summary),
            alert.window.start,
            alert.window.end,
            escaped(&alert.model_version),
        );
        if text.chars().count() + line.chars().count() > SECTION_CHARS {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n… and {} more", events.len() - told);
            break;
        }
        text.push_str(&line);
    }
    text
}

/// Slack's three characters of control.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn shortened(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars - 1).chain(['…']).collect()
}
