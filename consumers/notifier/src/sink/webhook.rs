//! CloudEvents over HTTP, signed as [Standard Webhooks](https://www.standardwebhooks.com) say.

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schemas::ALERT_CONTENT_TYPE;
use sha2::{Digest, Sha256};
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook as Signer,
};

use super::InvalidSink;
use super::http::{Http, address, secret_is_missing};
use super::retry::Attempt;
use crate::secret::Secret;
use crate::state::{AlertEvent, Notification, Place};
use crate::time::now_ms;

/// Content type of several events in one request.
const BATCH_CONTENT_TYPE: &str = "application/cloudevents-batch+json; charset=UTF-8";
/// Most events in one request.
const MAX_BATCH: usize = 100;

/// A receiver of CloudEvents.
pub(super) struct Webhook {
    http: Http,
    url: Url,
    secret: Secret,
    batch: bool,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// A request, but for its signature: that holds the time at which it is sent.
#[derive(Debug)]
pub(super) struct Message {
    /// The same in every try, so that a receiver can tell a repeat.
    id: String,
    content_type: &'static str,
    body: String,
    pub(super) places: Vec<Place>,
}

impl Webhook {
    pub(super) fn new(
        http: Http,
        url: &str,
        secret: Secret,
        batch: bool,
    ) -> Result<Self, InvalidSink> {
        let url = address(url).map_err(|reason| InvalidSink { setting: "url", reason })?;
        let webhook = Self { http, url, secret, batch };
        webhook.signers().map_err(|reason| InvalidSink::of_secret("secret", &reason))?;
        Ok(webhook)
    }

    /// The requests that tell a notification: of each change, or in a repeat of each alert that
    /// fires.
    pub(super) fn messages(&self, notification: &Notification) -> Vec<Message> {
        let repeat = notification.is_repeat().then_some(notification.at);
        let events: Vec<&AlertEvent> = match repeat {
            Some(_) => notification.firing.iter().map(|event| &**event).collect(),
            None => notification.changes.iter().map(|change| &*change.event).collect(),
        };
        // A repeat on purpose is not one that may be dropped.
        let of_repeat = |id: String| match repeat {
            Some(at) => format!("{id}.{at}"),
            None => id,
        };
        let places = |events: &[&AlertEvent]| events.iter().map(|event| event.place).collect();
        if !self.batch {
            let single = |event: &&AlertEvent| Message {
                id: of_repeat(event.id.clone()),
                content_type: ALERT_CONTENT_TYPE,
                body: event.body.clone(),
                places: places(&[*event]),
            };
            return events.iter().map(single).collect();
        }
        let batched = |events: &[&AlertEvent]| {
            let bodies: Vec<&str> = events.iter().map(|event| &*event.body).collect();
            Message {
                id: of_repeat(batch_id(events)),
                content_type: BATCH_CONTENT_TYPE,
                body: format!("[{}]", bodies.join(",")),
                places: places(events),
            }
        };
        events.chunks(MAX_BATCH).map(batched).collect()
    }

    pub(super) async fn send(&self, message: &Message) -> Attempt {
        match self.headers(message) {
            Ok(headers) => {
                let body = message.body.clone().into_bytes();
                self.http.post(self.url.clone(), message.content_type, headers, body).await
            }
            Err(reason) => secret_is_missing(reason),
        }
    }

    fn headers(&self, message: &Message) -> Result<HeaderMap, String> {
        let timestamp = now_ms().div_euclid(1_000);
        let signatures: Vec<String> = self
            .signers()?
            .iter()
            .map(|signer| signer.sign(&message.id, timestamp, message.body.as_bytes()))
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (HEADER_WEBHOOK_ID, message.id.clone()),
            (HEADER_WEBHOOK_TIMESTAMP, timestamp.to_string()),
            (HEADER_WEBHOOK_SIGNATURE, signatures.join(" ")),
        ] {
            let value = HeaderValue::from_str(&value)
                .map_err(|_| format!("{name} holds characters that no header can"))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(headers)
    }

    /// One a secret: while a secret is changed, a receiver may know the old or the new one.
    fn signers(&self) -> Result<Vec<Signer>, String> {
        let secrets = self.secret.read()?;
        let signer = |secret: &str| {
            // What is wrong with it would show some of it.
            Signer::new(secret).map_err(|_| {
                "it is no secret of Standard Webhooks: expected whsec_ and 24 to 64 bytes in base64"
                    .to_owned()
            })
        };
        secrets.split_whitespace().map(signer).collect()
    }
}

/// The first 32 hexadecimal digits of SHA-256 over the events' ids, each behind its length.
fn batch_id(events: &[&AlertEvent]) -> String {
    let mut hash = Sha256::new();
    for event in events {
        hash.update((event.id.len() as u64).to_be_bytes());
        hash.update(event.id.as_bytes());
    }
    hex::encode(hash.finalize()).chars().take(32).collect()
}
