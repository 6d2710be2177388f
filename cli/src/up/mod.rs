//! `homestream up`: the whole loop in one process, over a replayed market.
//!
//! The services are the ones that run alone elsewhere; they meet on the broker only. In
//! addition the replay waits, at each step, until everything published so far has been
//! processed by everyone (see `platform_kafka::Progress`). So speed changes nothing but time:
//! a training that a window asks for ends before the next listing is published.

mod display;
mod observer;
mod replay;
mod report;
mod tally;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use platform_kafka::{Broker, EmbeddedBroker, Progress, ReplayClock, topic_record_counts};
use platform_telemetry::ServiceHealth;
use schemas::RecordKind;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::display::Display;
pub(crate) use self::display::write_out;
use self::replay::Replay;
use self::report::{Report, price_lines};
use self::tally::Tally;
use crate::args::UpArgs;
use crate::error::CliError;
use crate::market::Market;
use crate::serve::{self, CONNECT_TIMEOUT, Deployment, Retention};
use crate::settings::Settings;

/// Services get this long to drain; with the summary, an interrupt takes less than 5 s.
const DRAIN_DEADLINE: Duration = Duration::from_millis(3_500);

/// What the run knows of itself, shared by observer and replay.
pub(crate) struct Watched {
    pub(crate) tally: Tally,
    pub(crate) display: Display,
}

/// The run's own view, behind a lock that is held for counting only.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Mutex<Watched>>);

impl Watch {
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Watched) -> T) -> T {
        let mut watched = match self.0.lock() {
            Ok(watched) => watched,
            Err(poisoned) => poisoned.into_inner(),
        };
        f(&mut watched)
    }
}

/// Runs the loop until the replay is over (and, unless told otherwise, until interrupted).
///
/// # Errors
/// Wrong usage for wrong data, mapping or settings; otherwise what failed.
pub(crate) async fn run(
    settings: Settings,
    args: UpArgs,
    interrupted: CancellationToken,
) -> Result<(), CliError> {
    let started = Instant::now();
    let topics = settings.topic_names().map_err(CliError::usage)?;
    check_writable(&args)?;
    let stop = CancellationToken::new();
    let schemas = tokio::select! {
        schemas = serve::schema_source(&settings, &RecordKind::ALL, &stop) => schemas?,
        () = interrupted.cancelled() => None,
    };
    let Some(schemas) = schemas else { return Ok(()) };
    let codec = schemas.codec().map_err(CliError::failed)?;
    let market = Market::load(&args.replay, &topics, codec)?;

    let registry = prometheus::Registry::new();
    let health = ServiceHealth::default();
    let listening = serve::metrics_server(&settings, &registry, &health, &stop).await?;
    let broker = start_broker(&settings).await?;
    serve::ensure_topics(&broker, &settings, Retention::Keep).await?;
    refuse_used_topics(&broker, &settings).await?;

    let progress = Progress::new();
    let (clock, ticks) = ReplayClock::new();
    let days = market.last_event.days_since(market.first_live).max(1).unsigned_abs();
    let watch = Watch(Arc::new(Mutex::new(Watched {
        tally: Tally::default(),
        display: Display::new(u64::from(days)),
    })));
    watch.with(|watched| {
        watched.display.say("metrics", json!(format!("http://{listening}/metrics")));
        for warning in &market.warnings {
            watched.display.say("warning", json!(warning));
        }
        let (history, needed) = (market.plan.history.len(), settings.training.min_sales);
        if history < needed {
            let warning = format!(
                "{history} sales of history, the first training needs {needed}: until then homes \
                 get no estimate (raise --history or lower training.min_sales)"
            );
            watched.display.say("warning", json!(warning));
        }
    });

    let deployment = Deployment {
        broker: broker.config(),
        schemas,
        progress: progress.clone(),
        health,
        registry,
        clock: ticks,
        shutdown: stop.clone(),
    };
    let mut services = JoinSet::new();
    let scorer_metrics = spawn_services(&settings, &deployment, &mut services)?;
    let first_live = market.first_live;
    observer::register(&progress, &topics, settings.topics.partitions);
    observer::spawn_observer(&mut services, &deployment, &topics, watch.clone(), first_live)?;

    let mut replay = Replay::new(&market, &settings, &deployment, watch.clone(), clock)?;
    let mut complete = tokio::select! {
        result = replay.run(args.replay.speed) => { result.map_err(CliError::failed)?; true }
        () = interrupted.cancelled() => false,
    };
    let mut produced = replay.produced();
    produced.elapsed_seconds = started.elapsed().as_secs_f64();
    if complete && !args.exit_when_done {
        watch.with(|watched| {
            watched.display.say("replay", json!("done; serving until Ctrl-C"));
        });
        interrupted.cancelled().await;
    }

    stop.cancel();
    complete &= drain(&mut services).await?;
    produced.complete = complete;
    produced.swaps = scorer_metrics.swaps_installed();
    let report = watch.with(|watched| Report::new(&watched.tally, &produced));
    if let Some(path) = &args.report {
        report.write(path).map_err(CliError::failed)?;
    }
    if let Some(path) = &args.prices {
        let lines = watch.with(|watched| price_lines(&watched.tally));
        std::fs::write(path, lines)
            .with_context(|| format!("cannot write --prices {}", path.display()))
            .map_err(CliError::failed)?;
    }
    watch.with(|watched| watched.display.finish(&report)).map_err(CliError::failed)
}

/// A path that cannot be written is told before the run, not after it.
fn check_writable(args: &UpArgs) -> Result<(), CliError> {
    for (flag, path) in [("--report", &args.report), ("--prices", &args.prices)] {
        let Some(path) = path else { continue };
        let opened = std::fs::OpenOptions::new().create(true).append(true).open(path);
        opened
            .with_context(|| format!("cannot write {flag} {}", path.display()))
            .map_err(CliError::usage)?;
    }
    Ok(())
}

async fn start_broker(settings: &Settings) -> Result<Broker, CliError> {
    let Some(config) = settings.broker() else {
        let broker = EmbeddedBroker::start().map_err(CliError::failed)?;
        return Ok(Broker::Embedded(broker));
    };
    platform_kafka::check_connection(&config, CONNECT_TIMEOUT).await.map_err(CliError::failed)?;
    Ok(Broker::Remote(config))
}

/// A replay over topics that hold another one's records would mix two markets.
async fn refuse_used_topics(broker: &Broker, settings: &Settings) -> Result<(), CliError> {
    let specs = serve::topic_specs(settings, Retention::Keep)?;
    let names: Vec<String> = specs.into_iter().map(|spec| spec.name).collect();
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    let counts = topic_record_counts(&broker.config(), &asked).await.map_err(CliError::failed)?;
    match counts.into_iter().find(|(_, records)| *records > 0) {
        Some((topic, records)) => Err(CliError::usage(anyhow!(
            "topic {topic} holds {records} records already: replay under another --topic-prefix"
        ))),
        None => Ok(()),
    }
}

fn spawn_services(
    settings: &Settings,
    deployment: &Deployment,
    services: &mut JoinSet<Result<(), anyhow::Error>>,
) -> Result<scorer::ScorerMetrics, CliError> {
    let topics = settings.topic_names().map_err(CliError::usage)?;
    let partitions = settings.topics.partitions;
    scorer::register(&deployment.progress, &topics, partitions);
    monitor::register(&deployment.progress, &topics, partitions);
    trainer::register(&deployment.progress, &topics, partitions);

    let (config, context) = serve::scorer_parts(settings, deployment)?;
    let metrics = context.metrics.clone();
    spawn(services, deployment, scorer::SERVICE, scorer::run(config, context));
    let (config, context) = serve::monitor_parts(settings, deployment)?;
    spawn(services, deployment, monitor::SERVICE, monitor::run(config, context));
    let (config, context) = serve::trainer_parts(settings, deployment)?;
    spawn(services, deployment, trainer::SERVICE, trainer::run(config, context));
    Ok(metrics)
}

/// Runs a service; its failure ends everyone's waiting.
pub(crate) fn spawn<E: std::error::Error + Send + Sync + 'static>(
    services: &mut JoinSet<Result<(), anyhow::Error>>,
    deployment: &Deployment,
    name: &'static str,
    service: impl Future<Output = Result<(), E>> + Send + 'static,
) {
    let progress = deployment.progress.clone();
    let stop = deployment.shutdown.clone();
    services.spawn(async move {
        let result = service.await;
        match &result {
            Err(error) => progress.fail(name, error.to_string()),
            Ok(()) if !stop.is_cancelled() => progress.fail(name, "ended unexpectedly"),
            Ok(()) => {}
        }
        result.with_context(|| format!("{name} failed"))
    });
}

/// Waits for the services to end; false when the deadline came first.
async fn drain(services: &mut JoinSet<Result<(), anyhow::Error>>) -> Result<bool, CliError> {
    let all = async {
        let mut failure = None;
        while let Some(ended) = services.join_next().await {
            if let Err(error) = ended.map_err(anyhow::Error::from).and_then(|result| result) {
                failure.get_or_insert(error);
            }
        }
        failure
    };
    match tokio::time::timeout(DRAIN_DEADLINE, all).await {
        Ok(None) => Ok(true),
        Ok(Some(error)) => Err(CliError::Failed(error)),
        Err(_) => {
            tracing::warn!("a service was still busy when the drain's deadline came");
            Ok(false)
        }
    }
}
