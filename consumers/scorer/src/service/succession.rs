//! One champion after another, while listings go on being answered.
//!
//! The registry names a champion. Its artifact is read and checked on a thread of its own;
//! its errors on recent sales are computed between batches, a few sales at a time; then it is
//! installed, between two records. One that cannot be served is refused, subscribers are
//! alerted, and the champion before it goes on.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use model_core::alert::{Alert, AlertState};
use model_core::drift_report::Window;
use model_core::estimate::ModelRef;
use model_core::model::PricingModel;
use platform_kafka::{Header, NextOffset, Outgoing, Record};
use schemas::{ALERT_CONTENT_TYPE, encode_alert};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{SERVICE, ScorerError, Service};
use crate::registry::load;

/// Sales on which the next champion's errors are computed between two batches: about as long
/// as a batch takes.
const STEP: usize = 250;
/// A refused champion is tried again this much later: its artifact may be on its way.
const RETRY: Duration = Duration::from_secs(10);

/// What comes of reading an artifact: the model, or why it cannot be served.
type Loaded = Result<Arc<PricingModel>, String>;

/// The champion to come.
#[derive(Default)]
pub(super) struct Succession {
    next: Option<Next>,
    /// Version that is champion and could not be served, once told.
    told: Option<String>,
    /// When a refused champion is tried again.
    retry_at: Option<Instant>,
    /// What has been followed and is not yet reported as done with.
    pub(super) unreported: Vec<NextOffset>,
}

enum Next {
    Loading { reference: ModelRef, task: JoinHandle<Loaded> },
    Loaded { reference: ModelRef, loaded: Loaded },
    Staged { reference: ModelRef },
}

impl Next {
    fn reference(&self) -> &ModelRef {
        match self {
            Self::Loading { reference, .. }
            | Self::Loaded { reference, .. }
            | Self::Staged { reference } => reference,
        }
    }
}

impl Succession {
    /// Returns when [`Service::advance_succession`] has something to do. Safe to use in
    /// `select!`.
    pub(super) async fn ready(&mut self) {
        match (&mut self.next, self.retry_at) {
            (Some(Next::Loading { reference, task }), _) => {
                let ended = |error| Err(format!("its reader ended: {error}"));
                let loaded = task.await.unwrap_or_else(ended);
                let reference = reference.clone();
                self.next = Some(Next::Loaded { reference, loaded });
            }
            (Some(_), _) => {}
            (None, Some(at)) => tokio::time::sleep_until(at).await,
            (None, None) => pending().await,
        }
    }

    /// Whether there is something to do at once.
    fn is_ready(&self) -> bool {
        match &self.next {
            Some(Next::Loading { task, .. }) => task.is_finished(),
            Some(_) => true,
            None => self.retry_at.is_some_and(|at| at <= Instant::now()),
        }
    }
}

impl Service {
    pub(super) fn registry_event(&mut self, record: &Record) {
        match self.codec.decode_registry_event(record.payload.as_deref().unwrap_or_default()) {
            Ok(event) => self.registry.apply(&event),
            Err(error) => tracing::warn!(
                %error, partition = record.partition, offset = record.offset,
                "registry event cannot be read and is left out"
            ),
        }
    }

    /// Begins to read the champion's artifact, unless it serves or comes already.
    pub(super) fn begin_succession(&mut self) {
        let Some(champion) = self.registry.champion() else { return };
        if self.succession.next.as_ref().is_some_and(|next| *next.reference() == champion) {
            return;
        }
        self.processor.engine.discard_staged();
        self.succession.next = None;
        self.succession.retry_at = None;
        if self.processor.engine.champion().is_some_and(|(serving, _)| *serving == champion) {
            return;
        }
        let (store, reference) = (self.registry.store().clone(), champion.clone());
        let read = move || load(&store, &reference).map_err(|error| error.to_string());
        let task = tokio::task::spawn_blocking(read);
        self.succession.next = Some(Next::Loading { reference: champion, task });
    }

    /// Does the next small step towards the next champion, if there is one.
    pub(super) async fn advance_succession(&mut self) -> Result<(), ScorerError> {
        if !self.succession.is_ready() {
            return Ok(());
        }
        self.succession.ready().await;
        match self.succession.next.take() {
            None => {
                self.begin_succession();
                Ok(())
            }
            Some(Next::Loaded { reference, loaded }) => self.stage(reference, loaded).await,
            Some(Next::Staged { reference }) if self.processor.engine.advance_staged(STEP) => {
                self.install(&reference.version).await
            }
            Some(next) => {
                self.succession.next = Some(next);
                Ok(())
            }
        }
    }

    /// Waits until the champion serves, or is refused.
    pub(super) async fn settle_succession(&mut self) -> Result<(), ScorerError> {
        while self.succession.next.is_some() {
            self.succession.ready().await;
            self.advance_succession().await?;
        }
        Ok(())
    }

    /// Takes the artifact that has been read, or refuses it.
    async fn stage(&mut self, reference: ModelRef, loaded: Loaded) -> Result<(), ScorerError> {
        let staged = loaded.and_then(|model| {
            let engine = &mut self.processor.engine;
            let refused = |error| format!("model {}: {error}", reference.version);
            engine.stage(model, reference.clone()).map_err(refused)
        });
        let Err(why) = staged else {
            self.succession.next = Some(Next::Staged { reference });
            return Ok(());
        };
        tracing::error!(why, "champion refused, the one before it goes on");
        self.context.metrics.swaps.with_label_values(&["refused"]).inc();
        self.succession.retry_at = Some(Instant::now() + RETRY);
        self.tell(&reference.version, Some(&why)).await?;
        self.report_processed();
        Ok(())
    }

    /// Makes the staged champion the one that serves.
    async fn install(&mut self, version: &str) -> Result<(), ScorerError> {
        self.processor.engine.install_staged();
        tracing::info!(version, "champion installed");
        self.context.metrics.swaps.with_label_values(&["installed"]).inc();
        self.tell(version, None).await?;
        self.report_processed();
        Ok(())
    }

    /// Reports what has been followed, once its champion serves.
    pub(super) fn report_processed(&mut self) {
        if self.succession.next.is_some() {
            return;
        }
        for next in self.succession.unreported.drain(..) {
            self.context.progress.processed(SERVICE, &next.topic, next.partition, next.offset);
        }
    }

    /// Tells alert subscribers when a champion is refused, and when one is served again.
    async fn tell(&mut self, version: &str, refused: Option<&str>) -> Result<(), ScorerError> {
        let state = match (refused, &self.succession.told) {
            (Some(_), Some(told)) if told == version => return Ok(()),
            (Some(_), _) => AlertState::Firing,
            (None, Some(_)) => AlertState::Resolved,
            (None, None) => return Ok(()),
        };
        self.succession.told = refused.map(|_| version.to_owned());
        let Some((_, since)) = self.registry.champion_since() else { return Ok(()) };
        let serving = self.processor.engine.champion().map(|(model, _)| model.version.clone());
        let alert = Alert {
            rule: "artifact_refused".into(),
            subject: "champion".into(),
            value: f64::from(u8::from(refused.is_some())),
            threshold: 1.0,
            state,
            date: since,
            window: Window { start: since, end: since.plus_days(1) },
            model_version: serving.unwrap_or_default(),
            summary: match refused {
                Some(why) => format!("not served: {why}"),
                None => format!("{version} is served"),
            },
        };
        let mut outgoing = Outgoing::new(
            self.config.topics.alerts(),
            alert.fingerprint().into_bytes(),
            encode_alert(&alert)?,
        );
        outgoing.headers = vec![Header::text("content-type", ALERT_CONTENT_TYPE)];
        outgoing.timestamp_ms = Some(since.to_timestamp_ms());
        self.publisher.publish(vec![outgoing]).await?;
        Ok(())
    }
}
