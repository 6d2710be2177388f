//! Where alerts go.

mod alertmanager;
mod http;
mod retry;
mod slack;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use self::alertmanager::Alertmanager;
use self::http::Http;
use self::retry::{Attempt, Pauses};
use self::slack::Slack;
use self::webhook::Webhook;
use crate::metrics::SinkMetrics;
use crate::outbox::Delivery;
use crate::secret::Secret;
use crate::state::{Grouping, Place};

/// A sink that cannot work as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{setting} {reason}")]
pub struct InvalidSink {
    /// The setting at fault.
    pub setting: &'static str,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

impl InvalidSink {
    fn of_secret(setting: &'static str, reason: &str) -> Self {
        Self { setting, reason: format!("cannot be used: {reason}") }
    }
}

/// A receiver of alerts.
#[derive(Clone, Debug)]
pub struct SinkConfig {
    /// Its name, in the group's, in metrics and logs.
    pub name: String,
    /// What it is.
    pub target: Target,
    /// The whole value of the `Authorization` header.
    pub authorization: Option<Secret>,
    /// Longest time of one request, a connection included.
    pub timeout: Duration,
    /// Longest pause before a request is repeated.
    pub max_retry: Duration,
    /// Whether the end of an alert is told.
    pub send_resolved: bool,
}

/// What a sink is.
#[derive(Clone, Debug)]
pub enum Target {
    /// Alertmanager's API, version 2.
    Alertmanager {
        /// Its addresses, those of a cluster: each is told everything.
        urls: Vec<String>,
        /// How often the state is told again. Alertmanager takes an alert that it has not heard
        /// of for four times as long for over.
        resend: Duration,
        /// Where an alert can be looked at; `{fingerprint}` stands for its own.
        generator_url: Option<String>,
    },
    /// Any receiver of CloudEvents, signed as Standard Webhooks say.
    Webhook {
        /// Its address.
        url: String,
        /// The secrets that it may know, separated by white space.
        secret: Secret,
        /// Whether what is told at once is one request, in the batched format.
        batch: bool,
        /// When what is told.
        grouping: Grouping,
    },
    /// An incoming webhook of Slack, or of what understands its payload.
    Slack {
        /// Its address, which is a secret.
        url: Secret,
        /// When what is told.
        grouping: Grouping,
    },
}

impl SinkConfig {
    /// Checks what can be checked without reading a secret.
    ///
    /// # Errors
    /// [`InvalidSink`] for the first setting that cannot work.
    pub fn check(&self) -> Result<(), InvalidSink> {
        match &self.target {
            Target::Alertmanager { urls, resend, generator_url } => {
                let http = Http::new(self.timeout, None)?;
                Alertmanager::new(http, urls, *resend, generator_url.clone()).map(drop)
            }
            Target::Webhook { url, .. } => http::address(url)
                .map(drop)
                .map_err(|reason| InvalidSink { setting: "url", reason }),
            Target::Slack { .. } => Ok(()),
        }
    }
}

/// A change that a sink will never take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its places on the topic: of several changes that were told at once, all.
    pub places: Vec<Place>,
    /// The reason.
    pub message: String,
}

/// How long a sink is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Until it has taken or refused it.
    UntilSettled,
    /// Once.
    Once,
}

/// A receiver of alerts that requests can be sent to.
#[derive(Debug)]
pub struct Sink {
    name: Arc<str>,
    kind: Kind,
    max_retry: Duration,
    metrics: SinkMetrics,
}

#[derive(Debug)]
enum Kind {
    Alertmanager(Alertmanager),
    Webhook(Webhook),
    Slack(Slack),
}

impl Sink {
    /// A sink; nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidSink`] for settings that cannot work, secrets that cannot be read among them.
    pub fn new(config: &SinkConfig, metrics: SinkMetrics) -> Result<Self, InvalidSink> {
        let http = Http::new(config.timeout, config.authorization.clone())?;
        let kind = match &config.target {
            Target::Alertmanager { urls, resend, generator_url } => {
                Kind::Alertmanager(Alertmanager::new(http, urls, *resend, generator_url.clone())?)
            }
            Target::Webhook { url, secret, batch, .. } => {
                Kind::Webhook(Webhook::new(http, url, secret.clone(), *batch)?)
            }
            Target::Slack { url, .. } => Kind::Slack(Slack::new(http, url.clone())?),
        };
        Ok(Self { name: config.name.as_str().into(), kind, max_retry: config.max_retry, metrics })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends what is told at once; what the sink will never take, with the reasons. With
    /// [`Persistence::Once`] that is also what it has not taken now.
    pub async fn deliver(&self, delivery: &Delivery, persistence: Persistence) -> Vec<Rejection> {
        match (&self.kind, delivery) {
            (Kind::Alertmanager(alertmanager), Delivery::States(sent)) => {
                let told = self.states(alertmanager, &sent.alerts, persistence).await;
                // What was only told again has been accounted for.
                if sent.repeat { self.let_go(told) } else { told }
            }
            (Kind::Webhook(webhook), Delivery::Notification(notification)) => {
                let mut rejections = Vec::new();
                for message in webhook.messages(notification) {
                    let sent = self.settle(persistence, || webhook.send(&message)).await;
                    rejections.extend(sent.err().map(|reason| Rejection {
                        places: message.places.clone(),
                        message: reason,
                    }));
                }
                if notification.is_repeat() { self.let_go(rejections) } else { rejections }
            }
            (Kind::Slack(slack), Delivery::Notification(notification)) => {
                let payload = slack::payload(notification);
                let sent = self.settle(persistence, || slack.send(&payload)).await;
                let places = notification.changes.iter().map(|c| c.event.place).collect();
                let refused = sent.err().map(|message| Rejection { places, message });
                refused.into_iter().collect()
            }
            // An outbox makes what its sink takes.
            _ => Vec::new(),
        }
    }

    /// Alertmanager refuses a request for one alert in it: the others are sent on their own.
    async fn states(
        &self,
        alertmanager: &Alertmanager,
        alerts: &[crate::state::StateOfAlert],
        persistence: Persistence,
    ) -> Vec<Rejection> {
        let refused = match self.settle(persistence, || alertmanager.send(alerts)).await {
            Ok(()) => return Vec::new(),
            Err(reason) => reason,
        };
        let rejection = |alert: &crate::state::StateOfAlert, message: String| Rejection {
            places: vec![alert.event.place],
            message,
        };
        if let [alert] = alerts {
            return vec![rejection(alert, refused)];
        }
        let mut rejections = Vec::new();
        for alert in alerts {
            let alone = std::slice::from_ref(alert);
            let sent = self.settle(persistence, || alertmanager.send(alone)).await;
            rejections.extend(sent.err().map(|reason| rejection(alert, reason)));
        }
        rejections
    }

    fn let_go(&self, rejections: Vec<Rejection>) -> Vec<Rejection> {
        for rejection in &rejections {
            tracing::warn!(sink = &*self.name, reason = rejection.message, "repeat refused");
        }
        rejections
    }

    /// Tries until the receiver has taken or refused it; the reason of a refusal.
    async fn settle<F>(
        &self,
        persistence: Persistence,
        attempt: impl Fn() -> F,
    ) -> Result<(), String>
    where
        F: Future<Output = Attempt>,
    {
        let mut pauses = Pauses::new(self.max_retry);
        loop {
            match attempt().await {
                Attempt::Delivered => return Ok(()),
                Attempt::Refused { message } => {
                    self.metrics.failed("refused");
                    return Err(message);
                }
                Attempt::Failed { code, message, .. } if persistence == Persistence::Once => {
                    self.metrics.failed(code);
                    return Err(message);
                }
                Attempt::Failed { code, message, retry_after } => {
                    self.metrics.failed(code);
                    let pause = pauses.next(retry_after);
                    tracing::warn!(
                        sink = &*self.name,
                        reason = message,
                        retry_in_ms = pause.as_millis() as u64,
                        "sink tried again"
                    );
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}
