//! The monitor's loop.

use std::sync::Arc;

use model_core::date::EventDate;
use model_core::drift_report::DriftReport;
use model_core::monitoring::{ClosedWindow, InvalidSetting, Monitor, MonitorParams};
use platform_kafka::{
    BrokerConfig, EventClock, Fold, FoldContext, Header, KafkaError, Outgoing, Progress,
    PublishError, Publisher, Record, payloads, run_fold,
};
use platform_model_store::ModelStore;
use platform_schema_registry::SchemaSource;
use platform_telemetry::ServiceHealth;
use schemas::{
    ALERT_CONTENT_TYPE, AlertError, Codec, CodecError, EncodeError, TopicNames, encode_alert,
};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::metrics::MonitorMetrics;
use crate::reference::ReferenceFollower;

/// Name under which the monitor reports progress and health.
pub const SERVICE: &str = "monitor";

/// How the monitor works.
#[derive(Clone, Debug)]
pub struct MonitorConfig {
    /// Topic names.
    pub topics: TopicNames,
    /// Name of the model in the registry.
    pub model: String,
    /// Windows, thresholds, rules.
    pub params: MonitorParams,
    /// Days of event time that events may come late, where no replay clock says.
    pub lateness_days: i32,
}

/// What a service shares with the process it runs in.
#[derive(Clone)]
pub struct MonitorContext {
    /// The broker.
    pub broker: BrokerConfig,
    /// Where artifacts are.
    pub store: ModelStore,
    /// Positions of every service in the process.
    pub progress: Progress,
    /// Where schemas come from.
    pub schemas: SchemaSource,
    /// Readiness.
    pub health: ServiceHealth,
    /// Metrics.
    pub metrics: MonitorMetrics,
    /// Who tells event time, in days since 1970-01-01.
    pub clock: EventClock,
    /// Ends the service.
    pub shutdown: CancellationToken,
}

/// Why the monitor stopped.
#[derive(Debug, Error)]
pub enum MonitorError {
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The schemas built in cannot be used.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// An output could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A report could not be encoded.
    #[error("cannot encode a report: {0}")]
    Encode(#[from] EncodeError),
    /// An alert could not be encoded.
    #[error("cannot encode an alert: {0}")]
    Alert(#[from] AlertError),
    /// A parameter is out of range.
    #[error("monitor.rules.{0}")]
    Parameter(#[from] InvalidSetting),
}

/// Registers what the monitor reads, so that [`Progress::settled`] waits for it.
pub fn register(progress: &Progress, topics: &TopicNames, partitions: i32) {
    progress.reads(SERVICE, &topics.prices(), partitions);
    progress.reads(SERVICE, &topics.sales(), partitions);
    progress.reads(SERVICE, &topics.models(), 1);
    progress.reads(SERVICE, &topics.drift(), partitions);
}

/// Runs until shutdown or failure.
///
/// # Errors
/// [`MonitorError`] when a parameter is out of range or the broker is lost for good.
pub async fn run(config: MonitorConfig, context: MonitorContext) -> Result<(), MonitorError> {
    let topics = [
        config.topics.prices(),
        config.topics.sales(),
        config.topics.models(),
        config.topics.drift(),
    ];
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
    monitor: Monitor,
    reference: ReferenceFollower,
    codec: Codec,
    publisher: Publisher,
    /// Windows that end by then are on the drift topic already.
    reported_until: EventDate,
    latest_event: Option<EventDate>,
    drift_topic: Arc<str>,
    alerts_topic: Arc<str>,
    config: MonitorConfig,
    context: MonitorContext,
}

impl Fold for Service {
    type Error = MonitorError;

    async fn prepare(&mut self, records: &[Record]) {
        // Stopped or not: the loop looks for itself.
        let _ = self.context.schemas.prepare(&self.codec, payloads(records)).await;
    }

    fn observe(&mut self, record: &Record) {
        let bytes = record.payload.as_deref().unwrap_or_default();
        let topics = &self.config.topics;
        let (kind, error) = if *record.topic == *topics.prices() {
            match self.codec.decode_price(bytes) {
                Ok(published) => {
                    self.saw(published.estimate.event_date);
                    return self.monitor.observe_estimate(&published.estimate);
                }
                Err(error) => ("price", error),
            }
        } else if *record.topic == *topics.sales() {
            match self.codec.decode_sale(bytes) {
                Ok(sale) => {
                    let on =
                        record.timestamp_ms.map_or(sale.closed_on, EventDate::from_timestamp_ms);
                    // The scorer reports invalid sales; here they are just not counted.
                    if sale.validate(on).is_ok() {
                        self.saw(sale.closed_on);
                        self.monitor.observe_sale(&sale);
                    }
                    return;
                }
                Err(error) => ("sale", error),
            }
        } else if *record.topic == *topics.models() {
            match self.codec.decode_registry_event(bytes) {
                Ok(event) => return self.reference.apply(&event, &mut self.monitor),
                Err(error) => ("registry_event", error),
            }
        } else {
            match self.codec.decode_drift_report(bytes) {
                Ok(report) => {
                    self.reported_until = self.reported_until.max(report.window.end);
                    return;
                }
                Err(error) => ("drift_report", error),
            }
        };
        self.context.metrics.unusable.with_label_values(&[kind]).inc();
        tracing::warn!(
            %error, topic = &*record.topic, partition = record.partition, offset = record.offset,
            "record cannot be read and is left out"
        );
    }

    async fn caught_up(&mut self) -> Result<(), MonitorError> {
        self.context.health.set_ready(SERVICE);
        self.advance_by_records().await
    }

    async fn act(&mut self) -> Result<(), MonitorError> {
        self.advance_by_records().await
    }

    async fn tick(&mut self, event_time: i64) -> Result<(), MonitorError> {
        self.advance(event_date(event_time)).await
    }
}

impl Service {
    fn new(config: MonitorConfig, context: MonitorContext) -> Result<Self, MonitorError> {
        let codec = context.schemas.codec()?;
        Ok(Self {
            monitor: Monitor::new(config.params.clone())?,
            reference: ReferenceFollower::new(config.model.clone(), context.store.clone()),
            codec,
            publisher: Publisher::new(&context.broker, context.progress.clone())?,
            reported_until: EventDate(i32::MIN),
            latest_event: None,
            drift_topic: config.topics.drift(),
            alerts_topic: config.topics.alerts(),
            config,
            context,
        })
    }

    fn saw(&mut self, date: EventDate) {
        self.latest_event = self.latest_event.max(Some(date));
    }

    async fn advance_by_records(&mut self) -> Result<(), MonitorError> {
        match (self.context.clock.is_replay(), self.latest_event) {
            (false, Some(latest)) => {
                self.advance(latest.plus_days(-self.config.lateness_days)).await
            }
            _ => Ok(()),
        }
    }

    /// Closes windows that end on or before `now` and publishes what is new.
    async fn advance(&mut self, now: EventDate) -> Result<(), MonitorError> {
        for closed in self.monitor.advance(now) {
            if closed.report.window.end <= self.reported_until {
                continue;
            }
            self.context.metrics.window_closed(&closed.report, &closed.alerts);
            let outputs = self.outputs(&closed)?;
            self.publisher.publish(outputs).await?;
            self.reported_until = closed.report.window.end;
            log_window(&closed.report);
        }
        Ok(())
    }

    /// Alerts first: a report on the topic means that its alerts are, too.
    fn outputs(&self, closed: &ClosedWindow) -> Result<Vec<Outgoing>, MonitorError> {
        let timestamp_ms = Some(closed.report.window.end.to_timestamp_ms());
        let mut outputs = Vec::with_capacity(closed.alerts.len() + 1);
        for alert in &closed.alerts {
            let mut outgoing = Outgoing::new(
                self.alerts_topic.clone(),
                alert.fingerprint().into_bytes(),
                encode_alert(alert)?,
            );
            outgoing.headers = vec![Header::text("content-type", ALERT_CONTENT_TYPE)];
            outgoing.timestamp_ms = timestamp_ms;
            outputs.push(outgoing);
        }
        let mut report = Outgoing::new(
            self.drift_topic.clone(),
            closed.report.window.id().into_bytes(),
            self.codec.encode_drift_report(&closed.report)?,
        );
        report.timestamp_ms = timestamp_ms;
        outputs.push(report);
        Ok(outputs)
    }
}

/// A clock counts days since 1970-01-01.
fn event_date(days: i64) -> EventDate {
    EventDate(i32::try_from(days).unwrap_or(i32::MAX))
}

fn log_window(report: &DriftReport) {
    tracing::info!(
        window = report.window.id(),
        verdict = report.verdict.code(),
        estimates = report.n_estimates,
        sales = report.n_sales,
        fired = ?report.fired,
        "window closed"
    );
}
