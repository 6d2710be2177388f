//! What the suites share: alerts, a receiver with the faults of real ones, a notifier.

// Each test binary uses some of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model_core::alert::{Alert, AlertState};
use model_core::date::EventDate;
use model_core::drift_report::Window;
use notifier::state::{GroupBy, Grouping, Labelling, Suppressor};
use notifier::{
    NotifierConfig, NotifierContext, NotifierError, NotifierMetrics, Secret, SinkConfig, StartAt,
    Target,
};
use platform_kafka::{BrokerConfig, Header, Outgoing, Progress, Publisher};
use platform_telemetry::ServiceHealth;
use prometheus::Registry;
use schemas::{ALERT_CONTENT_TYPE, TopicNames, encode_alert};
use serde_json::Value;
use standardwebhooks::Webhook as Verifier;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest wait for anything: only a hang reaches it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// What webhooks are signed with.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what}: too late"))
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    within(what, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// An alert of 1996, as a replay publishes it.
pub(crate) fn alert(rule: &str, subject: &str, fires: bool) -> Alert {
    let date = |text| EventDate::parse_iso(text).unwrap();
    Alert {
        rule: rule.into(),
        subject: subject.into(),
        value: 0.3,
        threshold: 0.25,
        state: if fires { AlertState::Firing } else { AlertState::Resolved },
        date: date("1996-07-01"),
        window: Window { start: date("1996-06-01"), end: date("1996-07-01") },
        model_version: "v1".into(),
        summary: format!("{subject}: <it> moved & moved"),
    }
}

/// As the monitor publishes it.
pub(crate) fn outgoing(topics: &TopicNames, alert: &Alert) -> Outgoing {
    let key = alert.fingerprint().into_bytes();
    Outgoing {
        headers: vec![Header::text("content-type", ALERT_CONTENT_TYPE)],
        timestamp_ms: Some(alert.window.end.to_timestamp_ms()),
        ..Outgoing::new(topics.alerts(), key, encode_alert(alert).unwrap())
    }
}

pub(crate) async fn publish(broker: &BrokerConfig, records: Vec<Outgoing>) {
    let publisher = Publisher::new(broker, Progress::new()).unwrap();
    within("publish", publisher.publish(records)).await.unwrap();
}

/// How a receiver behaves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mood {
    /// As it should.
    Well,
    /// Every answer has this status, and a `Retry-After` of so many seconds.
    Answers(u16, Option<u64>),
    /// So many requests are answered with this status, the later ones well.
    Recovers(u16, usize),
    /// Nothing is answered.
    Hangs,
    /// It answers after so long.
    Slow(Duration),
    /// Requests that hold this text are refused with 400.
    Dislikes(&'static str),
}

/// A request as it was received, and how it was answered.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) status: u16,
    pub(crate) at: std::time::Instant,
}

#[derive(Debug)]
struct Kept {
    mood: Mood,
    received: Vec<Received>,
}

/// A receiver on a port of its own, which it keeps while it is down.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let kept = Arc::new(Mutex::new(Kept { mood: Mood::Well, received: Vec::new() }));
        let mut receiver = Self { address, kept, stop: CancellationToken::new(), server: None };
        receiver.begin().await;
        receiver
    }

    /// Starts it, again.
    pub(crate) async fn begin(&mut self) {
        let listener = within("the receiver's port", async {
            loop {
                match TcpListener::bind(self.address).await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        })
        .await;
        self.stop = CancellationToken::new();
        let (stop, kept) = (self.stop.clone(), self.kept.clone());
        // A runtime of its own: with it its connections end, as with a process.
        self.server = Some(tokio::task::spawn_blocking(move || {
            let listener = listener.into_std().unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let routes = Router::new().fallback(answer).with_state(kept);
                let serving = std::future::IntoFuture::into_future(axum::serve(listener, routes));
                tokio::select! {
                    _ = serving => {}
                    () = stop.cancelled() => {}
                }
            });
        }));
    }

    /// Ends it at once, requests under way too: connections are refused or reset.
    pub(crate) async fn end(&mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            server.await.unwrap();
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.kept().mood = mood;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Every request.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.kept().received.clone()
    }

    /// Requests that it has taken.
    pub(crate) fn taken(&self) -> Vec<Received> {
        self.received().into_iter().filter(|received| received.status == 200).collect()
    }

    /// Subject and state of each CloudEvent that it has taken, in order.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        let told = |received: &Received| -> (String, String) {
            let event: Value = serde_json::from_str(&received.body).unwrap();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&event["data"]["subject"]), text(&event["data"]["state"]))
        };
        self.taken().iter().map(told).collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn answer(State(kept): State<Arc<Mutex<Kept>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 22).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let mood = kept.lock().unwrap().mood.clone();
    if let Mood::Slow(pause) = mood {
        tokio::time::sleep(pause).await;
    }
    let (status, asked) = match mood {
        Mood::Well | Mood::Slow(_) => (200, None),
        Mood::Answers(status, asked) => (status, asked),
        Mood::Recovers(status, left) => {
            let left = left - 1;
            kept.lock().unwrap().mood =
                if left == 0 { Mood::Well } else { Mood::Recovers(status, left) };
            (status, None)
        }
        Mood::Hangs => (0, None),
        Mood::Dislikes(text) => (if body.contains(text) { 400 } else { 200 }, None),
    };
    let (headers, at) = (parts.headers, std::time::Instant::now());
    kept.lock().unwrap().received.push(Received { headers, body, status, at });
    if status == 0 {
        std::future::pending::<()>().await;
    }
    let headers: Vec<(&str, String)> =
        asked.map(|seconds| ("retry-after", seconds.to_string())).into_iter().collect();
    let headers = axum::response::AppendHeaders(headers);
    (StatusCode::from_u16(status).unwrap(), headers, "an answer").into_response()
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Whether it is signed, by the library's own verification.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        Verifier::new(secret).unwrap().verify(self.body.as_bytes(), &self.headers).is_ok()
    }
}

/// A file that holds a secret; it goes with the value.
pub(crate) fn secret_file(text: &str) -> (tempfile::NamedTempFile, Secret) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let secret = Secret::File(file.path().to_owned());
    (file, secret)
}

pub(crate) fn at_once() -> Grouping {
    Grouping { by: GroupBy::Each, wait_ms: 0, interval_ms: 0, repeat_ms: 0, send_resolved: true }
}

pub(crate) fn sink(name: &str, target: Target) -> SinkConfig {
    SinkConfig {
        name: name.into(),
        target,
        authorization: None,
        timeout: Duration::from_millis(500),
        max_retry: Duration::from_millis(200),
        send_resolved: true,
    }
}

pub(crate) fn webhook(name: &str, url: String, secret: &Secret) -> SinkConfig {
    let secret = secret.clone();
    sink(name, Target::Webhook { url, secret, batch: false, grouping: at_once() })
}

pub(crate) fn config(topics: &TopicNames, sinks: Vec<SinkConfig>) -> NotifierConfig {
    NotifierConfig {
        topics: topics.clone(),
        group: topics.prefix().trim_end_matches('.').to_owned(),
        start_at: StartAt::Earliest,
        sinks,
        labelling: Labelling::default(),
        suppressor: Suppressor::default(),
    }
}

/// A notifier that runs.
pub(crate) struct Running {
    pub(crate) health: ServiceHealth,
    pub(crate) registry: Registry,
    stop: CancellationToken,
    service: JoinHandle<Result<(), NotifierError>>,
}

impl Running {
    pub(crate) fn start(broker: &BrokerConfig, config: NotifierConfig) -> Self {
        let (health, registry) = (ServiceHealth::default(), Registry::new());
        let stop = CancellationToken::new();
        let context = NotifierContext {
            broker: broker.clone(),
            health: health.clone(),
            metrics: NotifierMetrics::register(&registry).unwrap(),
            shutdown: stop.clone(),
        };
        let service = tokio::spawn(notifier::run(config, context));
        Self { health, registry, stop, service }
    }

    /// Waits until its groups have joined.
    pub(crate) async fn ready(&self) {
        let health = &self.health;
        until("ready", || health.waiting_for().is_empty()).await;
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        within("the notifier's end", self.service).await.unwrap().unwrap();
    }

    /// Ends it without a word, as a crash does: nothing is drained, nothing committed.
    pub(crate) async fn kill(self) {
        self.service.abort();
        assert!(self.service.await.unwrap_err().is_cancelled());
    }

    /// The value of a metric, over all of its labels but the sink.
    pub(crate) fn metric(&self, name: &str, sink: &str) -> f64 {
        let families = self.registry.gather();
        let of_name = families.iter().filter(|family| family.name() == name);
        of_name
            .flat_map(|family| family.get_metric())
            .filter(|metric| metric.get_label().iter().any(|label| label.value() == sink))
            .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
            .sum()
    }
}

/// How often each came.
pub(crate) fn counts<T: Ord>(all: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    counts
}
