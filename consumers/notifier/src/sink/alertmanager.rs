//! Alertmanager's API, version 2: `POST /api/v2/alerts`.
//!
//! Grouping, inhibition and silences are Alertmanager's own; it is told the state of every
//! alert, again and again, as Prometheus tells it.
//!
//! # Time
//! An alert's date is one of event time: in a replay, of long ago. Alertmanager reads its times
//! by the clock: an alert that began in 1996 has waited for its group long since, and one that
//! ended then is over before it is told. So `startsAt` and `endsAt` are when we read that it
//! fires and that it is over, and the dates of the event are annotations.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::Serialize;
use tokio::task::JoinSet;

use super::InvalidSink;
use super::http::{Http, address};
use super::retry::Attempt;
use crate::state::{Labels, Millis, StateOfAlert};
use crate::time::{now_ms, rfc3339};

/// An alert that is not told again within so many intervals is over: Prometheus's own factor.
const INTERVALS_TO_LIVE: u32 = 4;
/// Stands for the alert's own in the address where it can be looked at.
const FINGERPRINT: &str = "{fingerprint}";

/// An Alertmanager, or several that form a cluster.
#[derive(Debug)]
pub(super) struct Alertmanager {
    http: Http,
    urls: Vec<Url>,
    time_to_live: Duration,
    generator_url: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostableAlert<'a> {
    labels: &'a Labels,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<String>,
}

impl Alertmanager {
    pub(super) fn new(
        http: Http,
        urls: &[String],
        resend: Duration,
        generator_url: Option<String>,
    ) -> Result<Self, InvalidSink> {
        let invalid = |reason: String| InvalidSink { setting: "urls", reason };
        let endpoint = |text: &String| {
            let mut url = address(text).map_err(invalid)?;
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty().extend(["api", "v2", "alerts"]);
            }
            Ok(url)
        };
        let urls: Vec<Url> = urls.iter().map(endpoint).collect::<Result<_, _>>()?;
        if urls.is_empty() {
            return Err(invalid("name no address of an Alertmanager".into()));
        }
        if let Some(url) = &generator_url {
            Url::parse(url).map_err(|error| InvalidSink {
                setting: "generator_url",
                reason: format!("is no address: {error}"),
            })?;
        }
        Ok(Self { http, urls, time_to_live: resend * INTERVALS_TO_LIVE, generator_url })
    }

    /// Tells all addresses. It is delivered when one of them has taken it: the others hear of
    /// it when the state is told again.
    pub(super) async fn send(&self, alerts: &[StateOfAlert]) -> Attempt {
        let body = match serde_json::to_vec(&self.postable(alerts, now_ms())) {
            Ok(body) => body,
            Err(error) => return Attempt::Refused { message: error.to_string() },
        };
        let mut requests = JoinSet::new();
        for url in self.urls.iter().cloned() {
            let (http, body) = (self.http.clone(), body.clone());
            requests.spawn(async move {
                let attempt =
                    http.post(url.clone(), "application/json", HeaderMap::new(), body).await;
                (url, attempt)
            });
        }
        let mut outcomes = Vec::with_capacity(self.urls.len());
        while let Some(joined) = requests.join_next().await {
            outcomes.extend(joined.ok());
        }
        overall(outcomes)
    }

    fn postable<'a>(&self, alerts: &'a [StateOfAlert], now: Millis) -> Vec<PostableAlert<'a>> {
        // Counted from when it is sent: it may have been waiting.
        let to_live = Millis::try_from(self.time_to_live.as_millis()).unwrap_or(Millis::MAX);
        let postable = |state: &'a StateOfAlert| PostableAlert {
            labels: &state.labels,
            annotations: annotations(state),
            starts_at: rfc3339(state.starts_at),
            ends_at: rfc3339(state.ends_at.unwrap_or(now.saturating_add(to_live))),
            generator_url: self
                .generator_url
                .as_ref()
                .map(|url| url.replace(FINGERPRINT, &state.event.fingerprint)),
        };
        alerts.iter().map(postable).collect()
    }
}

fn annotations(state: &StateOfAlert) -> BTreeMap<&'static str, String> {
    let alert = &state.event.alert;
    BTreeMap::from([
        ("summary", alert.summary.clone()),
        ("value", alert.value.to_string()),
        ("threshold", alert.threshold.to_string()),
        ("event_date", alert.date.to_string()),
        ("window", format!("{} to {}", alert.window.start, alert.window.end)),
        ("fingerprint", state.event.fingerprint.clone()),
        ("event_id", state.event.id.clone()),
    ])
}

/// One accepted it, or one may accept it later, or all refuse it.
fn overall(outcomes: Vec<(Url, Attempt)>) -> Attempt {
    let accepted = outcomes.iter().any(|(_, attempt)| *attempt == Attempt::Delivered);
    let mut worst = Attempt::Refused { message: "no address was asked".into() };
    for (url, attempt) in outcomes {
        match attempt {
            Attempt::Delivered => {}
            Attempt::Failed { message, .. } | Attempt::Refused { message } if accepted => {
                tracing::warn!(%url, reason = message, "one Alertmanager of several did not take it");
            }
            Attempt::Failed { code, message, retry_after } => {
                worst = Attempt::Failed { code, message: format!("{url}: {message}"), retry_after };
            }
            Attempt::Refused { message } => {
                if matches!(worst, Attempt::Refused { .. }) {
                    worst = Attempt::Refused { message: format!("{url}: {message}") };
                }
            }
        }
    }
    if accepted { Attempt::Delivered } else { worst }
}
