//! The notifier: a reader of the alerts topic for each sink, none of which waits for another.

use std::sync::Arc;
use std::time::Duration;

use platform_kafka::{BrokerConfig, KafkaError, Progress, PublishError, Publisher};
use platform_telemetry::ServiceHealth;
use schemas::TopicNames;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::metrics::NotifierMetrics;
use crate::outbox::Outbox;
use crate::reader::{Reader, ReaderParts};
use crate::sink::{InvalidSink, Sink, SinkConfig, Target};
use crate::state::{Groups, Labelling, Levels, Suppressor};

/// Name under which the notifier reports health.
pub const SERVICE: &str = "notifier";

/// How the notifier works.
#[derive(Clone, Debug)]
pub struct NotifierConfig {
    /// Topic names.
    pub topics: TopicNames,
    /// What the names of the sinks' consumer groups begin with: `GROUP-notify-SINK`.
    pub group: String,
    /// Where a sink's group begins that has committed nothing yet.
    pub start_at: StartAt,
    /// Where alerts go; names are unique.
    pub sinks: Vec<SinkConfig>,
    /// How alerts get their labels.
    pub labelling: Labelling,
    /// Silences and inhibition, for sinks that have none of their own.
    pub suppressor: Suppressor,
}

/// Where a sink begins that is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest alert on the topic.
    Earliest,
    /// With the next one.
    Latest,
}

/// What a service shares with the process it runs in.
#[derive(Clone)]
pub struct NotifierContext {
    /// The broker.
    pub broker: BrokerConfig,
    /// Readiness.
    pub health: ServiceHealth,
    /// Metrics.
    pub metrics: NotifierMetrics,
    /// Ends the service, after a drain.
    pub shutdown: CancellationToken,
}

/// Why the notifier stopped.
#[derive(Debug, Error)]
pub enum NotifierError {
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// A dead letter could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A sink cannot work as it is configured.
    #[error("notifier.sinks.{sink}: {error}")]
    Sink {
        /// Its name.
        sink: String,
        /// What is wrong.
        error: InvalidSink,
    },
    /// The code that reads for a sink has failed.
    #[error("the reader of a sink ended: {0}")]
    Ended(String),
}

/// The sinks as they are configured; nothing is sent.
///
/// # Errors
/// [`NotifierError::Sink`], naming the sink and the setting.
pub fn sinks(
    config: &NotifierConfig,
    metrics: &NotifierMetrics,
) -> Result<Vec<Sink>, NotifierError> {
    let made = |sink: &SinkConfig| {
        Sink::new(sink, metrics.of_sink(&sink.name))
            .map_err(|error| NotifierError::Sink { sink: sink.name.clone(), error })
    };
    config.sinks.iter().map(made).collect()
}

/// Runs until shutdown or failure.
///
/// A sink's offset is committed when it has taken, or will never take, every change before it;
/// what was read and not committed is read again, by whoever reads next. Nothing but the
/// changes that wait for their group is held in memory, and those are bounded.
///
/// # Errors
/// [`NotifierError`] when a sink cannot work or the broker is lost for good.
pub async fn run(config: NotifierConfig, context: NotifierContext) -> Result<(), NotifierError> {
    context.health.expect(SERVICE);
    let labelling = Arc::new(config.labelling.clone());
    let suppressor = Arc::new(config.suppressor.clone());
    let publisher = Arc::new(Publisher::new(&context.broker, Progress::new())?);
    // One that fails takes the others along, so that somebody learns of it.
    let stop = context.shutdown.child_token();
    let mut readers = JoinSet::new();
    let (joined, mut joins) = tokio::sync::mpsc::channel(config.sinks.len().max(1));
    for (sink, settings) in sinks(&config, &context.metrics)?.into_iter().zip(&config.sinks) {
        let parts = ReaderParts {
            outbox: outbox(settings, &labelling, &suppressor),
            metrics: context.metrics.of_sink(&settings.name),
            group: format!("{}-notify-{}", config.group, settings.name),
            start_at: config.start_at,
            topics: config.topics.clone(),
            broker: context.broker.clone(),
            publisher: publisher.clone(),
            joined: joined.clone(),
            stop: stop.clone(),
        };
        readers.spawn(Reader::start(sink, parts));
    }
    drop(joined);
    let health = context.health.clone();
    let all = config.sinks.len();
    let mut waiting = all;
    let mut result = Ok(());
    loop {
        tokio::select! {
            Some(()) = joins.recv(), if waiting > 0 => {
                waiting -= 1;
                if waiting == 0 {
                    tracing::info!(sinks = all, "every sink's group is joined");
                    health.set_ready(SERVICE);
                }
            }
            ended = readers.join_next() => match ended {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => {
                    stop.cancel();
                    result = result.and(Err(error));
                }
                Some(Err(error)) => {
                    stop.cancel();
                    result = result.and(Err(NotifierError::Ended(error.to_string())));
                }
            },
        }
    }
    health.set_not_ready(SERVICE);
    result
}

fn outbox(sink: &SinkConfig, labelling: &Arc<Labelling>, suppressor: &Arc<Suppressor>) -> Outbox {
    match &sink.target {
        Target::Alertmanager { resend, .. } => {
            Outbox::Levels(Levels::new(ms(*resend), sink.send_resolved, labelling.clone()))
        }
        Target::Webhook { grouping, .. } | Target::Slack { grouping, .. } => {
            Outbox::Groups(Groups::new(grouping.clone(), labelling.clone(), suppressor.clone()))
        }
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
