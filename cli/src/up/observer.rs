//! The run's own reader: prices, sales, drift, alerts, registry events, dead letters.

use std::time::Duration;

use model_core::date::EventDate;
use platform_kafka::{
    Follower, FollowerEvent, KafkaError, NextOffset, Progress, Record, dead_letter, payloads,
};
use platform_schema_registry::SchemaSource;
use schemas::{Codec, TopicNames, decode_alert};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::tally::DeadLetterLine;
use super::{Watch, spawn};
use crate::error::CliError;
use crate::serve::Deployment;

const SERVICE: &str = "observer";
const CLOSE_DEADLINE: Duration = Duration::from_secs(3);

/// Registers what the observer reads.
pub(crate) fn register(progress: &Progress, topics: &TopicNames, partitions: i32) {
    for topic in
        [topics.prices(), topics.sales(), topics.drift(), topics.alerts(), topics.dead_letters()]
    {
        progress.reads(SERVICE, &topic, partitions);
    }
    progress.reads(SERVICE, &topics.models(), 1);
}

/// Starts the observer among the services.
pub(crate) fn spawn_observer(
    services: &mut JoinSet<Result<(), anyhow::Error>>,
    deployment: &Deployment,
    topics: &TopicNames,
    watch: Watch,
    first_live: EventDate,
) -> Result<(), CliError> {
    let followed = [
        topics.prices(),
        topics.sales(),
        topics.drift(),
        topics.alerts(),
        topics.dead_letters(),
        topics.models(),
    ];
    let names = followed.each_ref().map(|topic| &**topic);
    let follower =
        Follower::start(&deployment.broker, SERVICE, &names).map_err(CliError::failed)?;
    let observer = Observer {
        codec: deployment.schemas.codec().map_err(CliError::failed)?,
        schemas: deployment.schemas.clone(),
        topics: topics.clone(),
        watch,
        first_live,
        progress: deployment.progress.clone(),
        shutdown: deployment.shutdown.clone(),
    };
    spawn(services, deployment, SERVICE, observer.run(follower));
    Ok(())
}

struct Observer {
    codec: Codec,
    schemas: SchemaSource,
    topics: TopicNames,
    watch: Watch,
    first_live: EventDate,
    progress: Progress,
    shutdown: CancellationToken,
}

impl Observer {
    async fn run(self, mut follower: Follower) -> Result<(), KafkaError> {
        loop {
            let event = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break,
                event = follower.next() => event,
            };
            match event {
                None => break,
                Some(FollowerEvent::Failed(error)) => return Err(error),
                Some(FollowerEvent::CaughtUp) => {}
                Some(FollowerEvent::Records(records)) => {
                    if self.schemas.prepare(&self.codec, payloads(&records)).await.is_break() {
                        break;
                    }
                    records.iter().for_each(|record| self.observe(record));
                    for next in NextOffset::of_batch(&records) {
                        self.progress.processed(SERVICE, &next.topic, next.partition, next.offset);
                    }
                }
            }
        }
        follower.close(CLOSE_DEADLINE).await
    }

    /// Counts one record. What cannot be read is left out: its own service reports it.
    fn observe(&self, record: &Record) {
        let bytes = record.payload.as_deref().unwrap_or_default();
        let topic = &*record.topic;
        self.watch.with(|watched| {
            let tally = &mut watched.tally;
            if *topic == *self.topics.prices() {
                if let Ok(published) = self.codec.decode_price(bytes) {
                    tally.price(&published.estimate);
                }
            } else if *topic == *self.topics.sales() {
                if let Ok(sale) = self.codec.decode_sale(bytes)
                    && sale.closed_on >= self.first_live
                {
                    tally.live_sale(&sale);
                }
            } else if *topic == *self.topics.drift() {
                if self.codec.decode_drift_report(bytes).is_ok() {
                    tally.drift_windows += 1;
                }
            } else if *topic == *self.topics.alerts() {
                if let Ok(alert) = decode_alert(bytes) {
                    watched.display.alert(&alert);
                    tally.alerts.push(alert);
                }
            } else if *topic == *self.topics.models() {
                if let Ok(event) = self.codec.decode_registry_event(bytes) {
                    watched.display.registry_event(&event);
                    tally.registry_event(&event);
                }
            } else {
                tally.dead_letter(dead_letter_line(record));
            }
        });
    }
}

fn dead_letter_line(record: &Record) -> DeadLetterLine {
    let Some(letter) = dead_letter::read_back(record) else { return DeadLetterLine::default() };
    let key = record.key.as_deref().unwrap_or_default();
    DeadLetterLine {
        key: String::from_utf8_lossy(key).into_owned(),
        topic: letter.topic,
        reason: letter.code,
        message: letter.message,
    }
}
