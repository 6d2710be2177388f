//! Wiring: from settings to running services. The same parts in `up` and one by one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use monitor::{MonitorConfig, MonitorContext, MonitorMetrics};
use platform_kafka::{
    Broker, BrokerConfig, EventClock, Progress, TopicSpec, TopicStatus, check_connection,
    create_topics as create,
};
use platform_model_store::ModelStore;
use platform_schema_registry::{RegistryError, SchemaSource};
use platform_telemetry::{ServiceHealth, Traces};
use prometheus::Registry;
use schemas::RecordKind;
use scorer::{DeadLetterLimit, ScorerConfig, ScorerContext, ScorerMetrics};
use tokio_util::sync::CancellationToken;
use trainer::{TrainerConfig, TrainerContext, TrainerMetrics};

use crate::error::CliError;
use crate::settings::Settings;

/// A broker that does not answer by then is told to the person who waits.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What the services of one process share.
#[derive(Clone)]
pub(crate) struct Deployment {
    pub(crate) broker: BrokerConfig,
    pub(crate) schemas: SchemaSource,
    pub(crate) progress: Progress,
    pub(crate) health: ServiceHealth,
    pub(crate) registry: Registry,
    pub(crate) clock: EventClock,
    pub(crate) shutdown: CancellationToken,
}

/// Starts /metrics, /healthz and /readyz; the address that was bound.
pub(crate) async fn metrics_server(
    settings: &Settings,
    registry: &Registry,
    health: &ServiceHealth,
    shutdown: &CancellationToken,
) -> Result<SocketAddr, CliError> {
    let listen = &settings.metrics.listen;
    let address: SocketAddr = listen
        .parse()
        .with_context(|| format!("metrics.listen is {listen:?}, expected HOST:PORT"))
        .map_err(CliError::Usage)?;
    platform_kafka::register_metrics(registry).map_err(CliError::failed)?;
    platform_schema_registry::register_metrics(registry).map_err(CliError::failed)?;
    platform_telemetry::register_process_metrics(registry).map_err(CliError::failed)?;
    platform_telemetry::serve_metrics(address, registry.clone(), health.clone(), shutdown.clone())
        .await
        .map_err(CliError::failed)
}

/// How long topics keep their records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retention {
    /// As each topic's purpose asks.
    ByTopic,
    /// For good. A replay's records carry their events' dates: a broker that counts days would
    /// delete the nineties at once.
    Keep,
}

/// The topics with their settings.
pub(crate) fn topic_specs(
    settings: &Settings,
    retention: Retention,
) -> Result<Vec<TopicSpec>, CliError> {
    let names = settings.topic_names().map_err(CliError::usage)?;
    let spec = |topic: schemas::TopicSettings| {
        let mut kafka =
            BTreeMap::from([("cleanup.policy".to_owned(), topic.cleanup_policy.to_string())]);
        let kept = (retention == Retention::Keep).then_some(-1);
        if let Some(retention_ms) = kept.or(topic.retention_ms) {
            kafka.insert("retention.ms".to_owned(), retention_ms.to_string());
        }
        if let Some(max_message_bytes) = topic.max_message_bytes {
            kafka.insert("max.message.bytes".to_owned(), max_message_bytes.to_string());
        }
        TopicSpec {
            name: topic.name,
            partitions: topic.partitions.unwrap_or(settings.topics.partitions),
            replication: settings.topics.replication,
            settings: kafka,
        }
    };
    Ok(names.settings().into_iter().map(spec).collect())
}

/// Creates the topics that do not exist.
pub(crate) async fn ensure_topics(
    broker: &Broker,
    settings: &Settings,
    retention: Retention,
) -> Result<Vec<(String, TopicStatus)>, CliError> {
    let outcomes =
        create(broker, &topic_specs(settings, retention)?).await.map_err(CliError::failed)?;
    Ok(outcomes.into_iter().map(|outcome| (outcome.name, outcome.status)).collect())
}

/// The configured broker, once it answers.
pub(crate) async fn connect(settings: &Settings) -> Result<BrokerConfig, CliError> {
    let config = settings.broker().ok_or_else(|| {
        CliError::usage(anyhow!(
            "no broker: give --brokers HOST:PORT or set kafka.brokers (only `up` has its own)"
        ))
    })?;
    check_connection(&config, CONNECT_TIMEOUT).await.map_err(CliError::failed)?;
    Ok(config)
}

/// Where schemas come from, once every record of `writes` has its id in the configured
/// registry; `None` when the process was told to stop first.
pub(crate) async fn schema_source(
    settings: &Settings,
    writes: &[RecordKind],
    shutdown: &CancellationToken,
) -> Result<Option<SchemaSource>, CliError> {
    let config = settings.schema_registry.config().map_err(CliError::usage)?;
    let Some(config) = config else { return Ok(Some(SchemaSource::built_in())) };
    let topics = settings.topic_names().map_err(CliError::usage)?;
    match SchemaSource::connect(&config, topics, writes, shutdown.clone()).await {
        Ok(schemas) => Ok(Some(schemas)),
        Err(RegistryError::Interrupted) => Ok(None),
        Err(error @ RegistryError::Setting { .. }) => Err(CliError::usage(error)),
        Err(error) => Err(CliError::failed(error)),
    }
}

pub(crate) fn open_store(settings: &Settings) -> Result<ModelStore, CliError> {
    ModelStore::open(&settings.model.artifacts)
        .context("model.artifacts (--artifacts)")
        .map_err(CliError::Usage)
}

pub(crate) fn scorer_parts(
    settings: &Settings,
    deployment: &Deployment,
) -> Result<(ScorerConfig, ScorerContext), CliError> {
    let topics = settings.topic_names().map_err(CliError::usage)?;
    let config = ScorerConfig {
        listings: settings.scorer.group(&topics.listings()),
        delivery: settings.scorer.delivery(deployment.broker.embedded),
        drain_deadline: settings.scorer.drain_deadline(),
        topics,
        model: settings.model.name.clone(),
        market: settings.training.market,
        area: settings.area,
        sales_wait: Duration::from_millis(settings.scorer.sales_wait_ms),
        cache_bytes: settings.scorer.cache_bytes,
        dead_letters: DeadLetterLimit {
            in_a_row: settings.scorer.max_dead_letters_in_a_row,
            share: settings.scorer.max_dead_letter_share,
        },
    };
    let context = ScorerContext {
        broker: deployment.broker.clone(),
        store: open_store(settings)?,
        schemas: deployment.schemas.clone(),
        progress: deployment.progress.clone(),
        health: deployment.health.clone(),
        metrics: ScorerMetrics::register(&deployment.registry).map_err(CliError::failed)?,
        enricher: crate::facts::enricher(&settings.facts, &deployment.registry)?,
        traces: traces(settings)?,
        shutdown: deployment.shutdown.clone(),
    };
    Ok((config, context))
}

fn traces(settings: &Settings) -> Result<Traces, CliError> {
    let Some(config) = settings.traces.config(scorer::SERVICE) else { return Ok(Traces::off()) };
    Traces::otlp(&config).context("traces.otlp_endpoint").map_err(CliError::Usage)
}

pub(crate) fn monitor_parts(
    settings: &Settings,
    deployment: &Deployment,
) -> Result<(MonitorConfig, MonitorContext), CliError> {
    let config = MonitorConfig {
        topics: settings.topic_names().map_err(CliError::usage)?,
        model: settings.model.name.clone(),
        params: settings.monitor.rules.clone(),
        lateness_days: settings.monitor.lateness_days,
    };
    let context = MonitorContext {
        broker: deployment.broker.clone(),
        store: open_store(settings)?,
        schemas: deployment.schemas.clone(),
        progress: deployment.progress.clone(),
        health: deployment.health.clone(),
        metrics: MonitorMetrics::register(&deployment.registry).map_err(CliError::failed)?,
        clock: deployment.clock.clone(),
        shutdown: deployment.shutdown.clone(),
    };
    Ok((config, context))
}

pub(crate) fn trainer_parts(
    settings: &Settings,
    deployment: &Deployment,
) -> Result<(TrainerConfig, TrainerContext), CliError> {
    let config = TrainerConfig {
        topics: settings.topic_names().map_err(CliError::usage)?,
        model: settings.model.name.clone(),
        params: settings.training.clone(),
        area: settings.area,
        policy: settings.retrain.clone(),
    };
    let context = TrainerContext {
        broker: deployment.broker.clone(),
        store: open_store(settings)?,
        schemas: deployment.schemas.clone(),
        progress: deployment.progress.clone(),
        health: deployment.health.clone(),
        metrics: TrainerMetrics::register(&deployment.registry).map_err(CliError::failed)?,
        clock: deployment.clock.clone(),
        shutdown: deployment.shutdown.clone(),
    };
    Ok((config, context))
}

/// A deployment of one service, which writes `writes`, against a remote broker, its metrics
/// served; `None` when it was told to stop first.
pub(crate) async fn alone(
    settings: &Settings,
    writes: &[RecordKind],
    shutdown: CancellationToken,
) -> Result<Option<Deployment>, CliError> {
    let registry = Registry::new();
    let health = ServiceHealth::default();
    let listening = metrics_server(settings, &registry, &health, &shutdown).await?;
    let broker = connect(settings).await?;
    tracing::info!(%listening, "serving /metrics, /healthz and /readyz");
    let Some(schemas) = schema_source(settings, writes, &shutdown).await? else {
        return Ok(None);
    };
    Ok(Some(Deployment {
        broker,
        schemas,
        progress: Progress::new(),
        health,
        registry,
        clock: EventClock::from_records(),
        shutdown,
    }))
}

/// `homestream score`.
pub(crate) async fn score(settings: Settings, stop: CancellationToken) -> Result<(), CliError> {
    let writes = [RecordKind::PriceEstimate];
    let Some(deployment) = alone(&settings, &writes, stop).await? else { return Ok(()) };
    let (config, context) = scorer_parts(&settings, &deployment)?;
    scorer::run(config, context).await.map_err(CliError::failed)
}

/// `homestream monitor`.
pub(crate) async fn monitor(settings: Settings, stop: CancellationToken) -> Result<(), CliError> {
    let writes = [RecordKind::DriftReport];
    let Some(deployment) = alone(&settings, &writes, stop).await? else { return Ok(()) };
    let (config, context) = monitor_parts(&settings, &deployment)?;
    monitor::run(config, context).await.map_err(CliError::failed)
}

/// `homestream train`.
pub(crate) async fn train(settings: Settings, stop: CancellationToken) -> Result<(), CliError> {
    let writes = [RecordKind::RegistryEvent];
    let Some(deployment) = alone(&settings, &writes, stop).await? else { return Ok(()) };
    let (config, context) = trainer_parts(&settings, &deployment)?;
    trainer::run(config, context).await.map_err(CliError::failed)
}
