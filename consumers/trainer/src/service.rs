//! The trainer's loop.

use std::sync::Arc;

use model_core::date::EventDate;
use model_core::drift_report::DriftReport;
use model_core::market::Area;
use model_core::model::{self, ArtifactError, PricingModel};
use model_core::registry::{Registry, RegistryEvent, VersionStatus};
use model_core::training::{
    InvalidPolicy, RetrainPolicy, Training, TrainingArchive, TrainingError, TrainingParams, train,
};
use platform_kafka::{
    BrokerConfig, EventClock, Fold, FoldContext, KafkaError, Outgoing, Progress, PublishError,
    Publisher, Record, run_fold,
};
use platform_model_store::{ModelStore, StoreError};
use platform_telemetry::ServiceHealth;
use schemas::{Codec, CodecError, EncodeError, TopicNames};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::decide::{Trigger, abandoned, registry_events};
use crate::metrics::TrainerMetrics;

/// Name under which the trainer reports progress and health.
pub const SERVICE: &str = "trainer";
/// Identity of the trigger of the first training.
const BOOTSTRAP: &str = "bootstrap";

/// How the trainer works.
#[derive(Clone, Debug)]
pub struct TrainerConfig {
    /// Topic names.
    pub topics: TopicNames,
    /// Name of the model in the registry.
    pub model: String,
    /// Strategies, gates, calibration.
    pub params: TrainingParams,
    /// Sales outside are left out; none: no sale is.
    pub area: Option<Area>,
    /// When to retrain.
    pub policy: RetrainPolicy,
}

/// What a service shares with the process it runs in.
#[derive(Clone)]
pub struct TrainerContext {
    /// The broker.
    pub broker: BrokerConfig,
    /// Where artifacts go.
    pub store: ModelStore,
    /// Positions of every service in the process.
    pub progress: Progress,
    /// Readiness.
    pub health: ServiceHealth,
    /// Metrics.
    pub metrics: TrainerMetrics,
    /// Who tells event time, in days since 1970-01-01; without a replay, the sales do.
    pub clock: EventClock,
    /// Ends the service.
    pub shutdown: CancellationToken,
}

/// Why the trainer stopped.
#[derive(Debug, Error)]
pub enum TrainerError {
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The schemas built in cannot be used.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// An output could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// An event could not be encoded.
    #[error("cannot encode a registry event: {0}")]
    Encode(#[from] EncodeError),
    /// The artifact could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The artifact could not be encoded.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A training parameter is out of range.
    #[error(transparent)]
    Parameter(#[from] TrainingError),
    /// The retraining policy is out of range.
    #[error(transparent)]
    Policy(#[from] InvalidPolicy),
    /// The training thread died.
    #[error("the training thread ended abnormally: {0}")]
    Thread(String),
}

/// Registers what the trainer reads, so that [`Progress::settled`] waits for it.
pub fn register(progress: &Progress, topics: &TopicNames, partitions: i32) {
    progress.reads(SERVICE, &topics.sales(), partitions);
    progress.reads(SERVICE, &topics.drift(), partitions);
    progress.reads(SERVICE, &topics.models(), 1);
}

/// Runs until shutdown or failure. A training that cannot learn is logged and counted; the
/// champion goes on.
///
/// # Errors
/// [`TrainerError`] when a parameter is out of range, an artifact cannot be stored or the
/// broker is lost for good.
pub async fn run(config: TrainerConfig, context: TrainerContext) -> Result<(), TrainerError> {
    config.params.check()?;
    config.policy.check()?;
    let topics = [config.topics.sales(), config.topics.models(), config.topics.drift()];
    context.health.expect(SERVICE);
    let fold = FoldContext {
        service: SERVICE,
        broker: context.broker.clone(),
        progress: context.progress.clone(),
        clock: context.clock.clone(),
        shutdown: context.shutdown.clone(),
    };
    let mut service = Service::new(config, context)?;
    run_fold(fold, &topics.each_ref().map(|topic| &**topic), &mut service).await
}

struct Service {
    archive: Option<TrainingArchive>,
    registry: Registry,
    champion: Option<(String, Arc<PricingModel>)>,
    /// Reports read while catching up: their versions may follow on the registry topic.
    waiting: Vec<DriftReport>,
    codec: Codec,
    publisher: Publisher,
    latest_sale: Option<EventDate>,
    /// Sales with which the first training failed: it is tried again with a tenth more.
    bootstrap_failed_with: usize,
    models_topic: Arc<str>,
    config: TrainerConfig,
    context: TrainerContext,
}

impl Fold for Service {
    type Error = TrainerError;

    fn observe(&mut self, record: &Record) {
        let bytes = record.payload.as_deref().unwrap_or_default();
        let topics = &self.config.topics;
        let read = if *record.topic == *topics.sales() {
            self.codec.decode_sale(bytes).map(|sale| {
                let on = record.timestamp_ms.map_or(sale.closed_on, EventDate::from_timestamp_ms);
                let known = self.config.area.is_none_or(|area| area.contains(&sale.facts));
                // The scorer reports invalid sales; here they are just not learned from.
                if known
                    && sale.validate(on).is_ok()
                    && let Some(archive) = &mut self.archive
                {
                    self.latest_sale = self.latest_sale.max(Some(sale.closed_on));
                    archive.insert(sale);
                    self.context.metrics.archived_sales.set(archive.len() as i64);
                }
            })
        } else if *record.topic == *topics.models() {
            self.codec.decode_registry_event(bytes).map(|event| {
                if event.model == self.config.model {
                    // Events that do not fit change nothing, for every reader alike.
                    let _ = self.registry.apply(&event);
                }
            })
        } else {
            self.codec.decode_drift_report(bytes).map(|report| self.waiting.push(report))
        };
        if let Err(error) = read {
            tracing::warn!(
                %error, topic = &*record.topic, partition = record.partition,
                offset = record.offset, "record cannot be read and is left out"
            );
        }
    }

    async fn caught_up(&mut self) -> Result<(), TrainerError> {
        self.close_undecided().await?;
        self.context.health.set_ready(SERVICE);
        self.work().await
    }

    async fn act(&mut self) -> Result<(), TrainerError> {
        self.work().await
    }

    async fn tick(&mut self, event_time: i64) -> Result<(), TrainerError> {
        self.bootstrap(EventDate(i32::try_from(event_time).unwrap_or(i32::MAX))).await
    }
}

impl Service {
    fn new(config: TrainerConfig, context: TrainerContext) -> Result<Self, TrainerError> {
        let codec = Codec::new()?;
        Ok(Self {
            archive: Some(TrainingArchive::new(config.params.market)),
            registry: Registry::default(),
            champion: None,
            waiting: Vec::new(),
            codec,
            publisher: Publisher::new(&context.broker, context.progress.clone())?,
            latest_sale: None,
            bootstrap_failed_with: 0,
            models_topic: config.topics.models(),
            config,
            context,
        })
    }

    /// Rejects versions that a trainer before this one registered and never decided: it died
    /// in between. The next window that asks is answered by a training of its own.
    async fn close_undecided(&mut self) -> Result<(), TrainerError> {
        let undecided: Vec<RegistryEvent> = self
            .registry
            .versions()
            .filter(|(_, version)| version.status == VersionStatus::Candidate)
            .map(|(id, version)| abandoned(&self.config.model, id, version.registered_on))
            .collect();
        self.publish_events(&undecided).await
    }

    async fn publish_events(&mut self, events: &[RegistryEvent]) -> Result<(), TrainerError> {
        let mut outputs = Vec::with_capacity(events.len());
        for event in events {
            let payload = self.codec.encode_registry_event(event)?;
            let key = self.config.model.as_bytes();
            let mut outgoing = Outgoing::new(self.models_topic.clone(), key, payload);
            outgoing.timestamp_ms = Some(event.event_date.to_timestamp_ms());
            outputs.push(outgoing);
        }
        self.publisher.publish(outputs).await?;
        // Our own events come back on the topic; applied now, they change nothing then.
        for event in events {
            let _ = self.registry.apply(event);
        }
        Ok(())
    }

    /// Answers the reports that wait, oldest window first.
    async fn work(&mut self) -> Result<(), TrainerError> {
        if !self.context.clock.is_replay()
            && let Some(latest) = self.latest_sale
        {
            self.bootstrap(latest.plus_days(1)).await?;
        }
        let mut reports = std::mem::take(&mut self.waiting);
        reports.sort_by_key(|report| report.window);
        for report in reports {
            let last = self.registry.versions().map(|(_, version)| version.registered_on).max();
            let asks = self.config.policy.asks(&report, last).join(", ");
            let trigger = Trigger {
                id: report.window.id(),
                as_of: report.window.end,
                why: format!("window {}: {asks}", report.window.id()),
            };
            if !asks.is_empty() && !self.registry.has_trigger(&trigger.id) {
                self.train(trigger).await?;
            }
        }
        Ok(())
    }

    /// The first training, once there are sales enough and no champion.
    async fn bootstrap(&mut self, now: EventDate) -> Result<(), TrainerError> {
        let sales = self.archive.as_ref().map_or(0, TrainingArchive::len);
        let wanted = self.registry.champion().is_none()
            && !self.registry.has_trigger(BOOTSTRAP)
            && sales >= self.config.params.min_sales
            && sales > self.bootstrap_failed_with + self.bootstrap_failed_with / 10;
        if !wanted {
            return Ok(());
        }
        let why = format!("{sales} sales and no champion yet");
        self.train(Trigger { id: BOOTSTRAP.into(), as_of: now, why }).await?;
        if self.registry.champion().is_none() {
            self.bootstrap_failed_with = sales;
        }
        Ok(())
    }

    async fn train(&mut self, trigger: Trigger) -> Result<(), TrainerError> {
        let Some(mut archive) = self.archive.take() else { return Ok(()) };
        tracing::info!(trigger = trigger.id, why = trigger.why, "training");
        let champion = self.champion_model();
        let (params, as_of) = (self.config.params.clone(), trigger.as_of);
        let timer = self.context.metrics.training_seconds.start_timer();
        let (archive, result) = tokio::task::spawn_blocking(move || {
            let result = train(&mut archive, champion.as_deref(), as_of, &params);
            (archive, result)
        })
        .await
        .map_err(|error| TrainerError::Thread(error.to_string()))?;
        timer.observe_duration();
        self.archive = Some(archive);
        match result {
            Ok(training) => self.publish(&trigger, training).await,
            Err(error) => {
                tracing::error!(%error, trigger = trigger.id, "training failed, champion goes on");
                self.context.metrics.trainings.with_label_values(&["failed"]).inc();
                Ok(())
            }
        }
    }

    /// Stores the artifact, then publishes the events that point to it.
    async fn publish(&mut self, trigger: &Trigger, training: Training) -> Result<(), TrainerError> {
        let bytes = training.model.to_bytes()?;
        let digest = self.context.store.put(&bytes)?;
        debug_assert_eq!(digest, model::digest(&bytes));
        let version = self.registry.next_version();
        let events = registry_events(&self.config.model, &version, &digest, trigger, &training);
        self.publish_events(&events).await?;
        let result = if training.gate.passed { "promoted" } else { "rejected" };
        self.context.metrics.trainings.with_label_values(&[result]).inc();
        tracing::info!(version, result, why = training.gate.why, "training done");
        if training.gate.passed {
            self.champion = Some((version, Arc::new(training.model)));
        }
        Ok(())
    }

    /// The champion's model; `None` when there is none or its artifact cannot be used.
    fn champion_model(&mut self) -> Option<Arc<PricingModel>> {
        let version = self.registry.champion()?.to_owned();
        if let Some((known, model)) = &self.champion
            && *known == version
        {
            return Some(model.clone());
        }
        let digest = &self.registry.version(&version)?.digest;
        let loaded = self
            .context
            .store
            .get(digest)
            .map_err(|error| error.to_string())
            .and_then(|bytes| PricingModel::from_bytes(&bytes).map_err(|e| e.to_string()));
        match loaded {
            Ok(model) => {
                let model = Arc::new(model);
                self.champion = Some((version, model.clone()));
                Some(model)
            }
            Err(error) => {
                tracing::error!(error, version, "champion's artifact unusable: compared with none");
                None
            }
        }
    }
}
