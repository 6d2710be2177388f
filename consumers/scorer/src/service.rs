//! The scorer's loop: three inputs, one owner of the state.

use std::sync::Arc;
use std::time::Duration;

use model_core::engine::{InstallError, PricingEngine};
use model_core::market::MarketParams;
use platform_kafka::{
    BrokerConfig, ConsumerEvent, Follower, FollowerEvent, GroupConfig, GroupConsumer, KafkaError,
    NextOffset, Outgoing, Progress, PublishError, Publisher, Record,
};
use platform_model_store::ModelStore;
use platform_telemetry::ServiceHealth;
use schemas::{Codec, CodecError, EncodeError, TopicNames};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::metrics::ScorerMetrics;
use crate::processor::{Outcome, Processor};
use crate::registry::RegistryFollower;

/// Name under which the scorer reports progress and health.
pub const SERVICE: &str = "scorer";
/// A drain that takes longer is given up: well below the broker's session time-out, so that
/// partitions are not taken away in the middle of it.
const DRAIN_DEADLINE: Duration = Duration::from_secs(4);

/// How the scorer works.
#[derive(Clone, Debug)]
pub struct ScorerConfig {
    /// Topic names.
    pub topics: TopicNames,
    /// Consumer group of the listings.
    pub group_id: String,
    /// Name of the model in the registry.
    pub model: String,
    /// Bounds of the market index; a champion brings its own way to look at it.
    pub market: MarketParams,
    /// Most bytes of the enrichment cache.
    pub cache_bytes: u64,
    /// Dead letters in a row that stop the service: then it is not the records that are
    /// wrong, but what reads them.
    pub max_dead_letters_in_a_row: usize,
}

/// What a service shares with the process it runs in.
#[derive(Clone)]
pub struct ScorerContext {
    /// The broker.
    pub broker: BrokerConfig,
    /// Where artifacts are.
    pub store: ModelStore,
    /// Positions of every service in the process.
    pub progress: Progress,
    /// Readiness.
    pub health: ServiceHealth,
    /// Metrics.
    pub metrics: ScorerMetrics,
    /// Ends the service, after a drain.
    pub shutdown: CancellationToken,
}

/// Why the scorer stopped.
#[derive(Debug, Error)]
pub enum ScorerError {
    /// The broker.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The schemas built in cannot be used.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// An output could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// An answer could not be encoded.
    #[error("cannot encode an answer: {0}")]
    Encode(#[from] EncodeError),
    /// Something is wrong with more than the records.
    #[error(
        "{count} records in a row could not be used, the last at {topic}[{partition}]@{offset}: \
         see the dead-letter topic, or raise scorer.max_dead_letters_in_a_row"
    )]
    TooManyDeadLetters {
        /// Dead letters in a row.
        count: usize,
        /// Topic of the last.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
    },
}

/// Registers what the scorer reads, so that [`Progress::settled`] waits for it.
pub fn register(progress: &Progress, topics: &TopicNames, partitions: i32) {
    progress.reads(SERVICE, &topics.listings(), partitions);
    progress.reads(SERVICE, &topics.sales(), partitions);
    progress.reads(SERVICE, &topics.models(), 1);
}

/// Runs until shutdown or failure.
///
/// Delivery is at least once: a listing's offset is committed after its answer is
/// acknowledged. The answer's id follows from topic, partition, offset and model version, so
/// that a repeat can be told.
///
/// # Errors
/// [`ScorerError`] when the broker is lost for good, or too many records in a row are bad.
pub async fn run(config: ScorerConfig, context: ScorerContext) -> Result<(), ScorerError> {
    let codec = Arc::new(Codec::new()?);
    let followed = [config.topics.sales(), config.topics.models()];
    let mut service = Service {
        processor: Processor::new(
            PricingEngine::new(config.market),
            config.cache_bytes,
            codec.clone(),
            &config.topics,
            context.metrics.clone(),
        ),
        registry: RegistryFollower::new(config.model.clone(), context.store.clone()),
        publisher: Publisher::new(&context.broker, context.progress.clone())?,
        codec,
        dead_letters_in_a_row: 0,
        sales_topic: config.topics.sales(),
        caught_up: false,
        context,
        config,
    };
    let context = service.context.clone();
    let followed = followed.each_ref().map(String::as_str);
    let mut follower = Follower::start(&context.broker, SERVICE, &followed)?;
    let result = service.run(&mut follower).await;
    follower.close(DRAIN_DEADLINE).await?;
    result
}

struct Service {
    processor: Processor,
    registry: RegistryFollower,
    publisher: Publisher,
    codec: Arc<Codec>,
    dead_letters_in_a_row: usize,
    sales_topic: String,
    caught_up: bool,
    context: ScorerContext,
    config: ScorerConfig,
}

impl Service {
    async fn run(&mut self, follower: &mut Follower) -> Result<(), ScorerError> {
        // Listings wait until the market index and the registry are as the topics have them.
        while !self.caught_up {
            tokio::select! {
                biased;
                () = self.context.shutdown.cancelled() => return Ok(()),
                event = follower.next() => self.follow(event).await?,
            }
        }
        self.context.health.set_ready("market_index");
        let topic = self.config.topics.listings();
        let listings = GroupConfig::new(&self.config.group_id, &[&topic]);
        let mut consumer = GroupConsumer::start(&self.context.broker, listings)?;
        self.context.health.set_ready("listings");
        let result = self.score(follower, &mut consumer).await;
        consumer.close(DRAIN_DEADLINE).await?;
        result
    }

    async fn score(
        &mut self,
        follower: &mut Follower,
        consumer: &mut GroupConsumer,
    ) -> Result<(), ScorerError> {
        loop {
            tokio::select! {
                biased;
                () = self.context.shutdown.cancelled() => return Ok(()),
                event = follower.next() => self.follow(event).await?,
                event = consumer.next() => match event {
                    None => return Ok(()),
                    Some(ConsumerEvent::Batch(records)) => self.answer(&records, consumer).await?,
                    Some(ConsumerEvent::Assigned(partitions)) => {
                        tracing::info!(partitions = partitions.len(), "listings assigned");
                    }
                    // Batches are answered and committed one by one: nothing is in flight here.
                    Some(ConsumerEvent::Revoked { partitions, ack }) => {
                        tracing::info!(partitions = partitions.len(), "listings revoked");
                        ack.acknowledge();
                    }
                    Some(ConsumerEvent::Failed(error)) => return Err(error.into()),
                },
            }
        }
    }

    /// Takes in sales and registry events.
    async fn follow(&mut self, event: Option<FollowerEvent>) -> Result<(), ScorerError> {
        match event {
            None => {
                self.context.shutdown.cancel();
                Ok(())
            }
            Some(FollowerEvent::Failed(error)) => Err(error.into()),
            Some(FollowerEvent::CaughtUp) => {
                self.caught_up = true;
                self.swap();
                Ok(())
            }
            Some(FollowerEvent::Records(records)) => {
                let mut dead_letters = Vec::new();
                for record in &records {
                    if *record.topic == *self.sales_topic {
                        dead_letters.extend(self.processor.sale(record));
                    } else {
                        self.registry_event(record);
                    }
                }
                // Every instance follows all sales; the topic's first dead letter is enough
                // for people, so only what is new since the start is reported.
                if self.caught_up && !dead_letters.is_empty() {
                    self.publisher.publish(dead_letters).await?;
                }
                if self.caught_up {
                    self.swap();
                }
                self.processed(&records);
                Ok(())
            }
        }
    }

    fn registry_event(&mut self, record: &Record) {
        match self.codec.decode_registry_event(record.payload.as_deref().unwrap_or_default()) {
            Ok(event) => self.registry.apply(&event),
            Err(error) => tracing::warn!(
                %error, partition = record.partition, offset = record.offset,
                "registry event cannot be read and is left out"
            ),
        }
    }

    /// Installs the champion when it has changed. One that cannot be served is refused and
    /// the champion before it goes on.
    fn swap(&mut self) {
        let serving = self.processor.engine.champion().map(|(reference, _)| reference.clone());
        let refused = match self.registry.champion_other_than(serving.as_ref()) {
            Ok(None) => return,
            Ok(Some((model, reference))) => {
                let version = reference.version.clone();
                match self.processor.engine.install(model, reference) {
                    Ok(()) => {
                        tracing::info!(version, "champion installed");
                        self.context.metrics.swaps.with_label_values(&["installed"]).inc();
                        return;
                    }
                    Err(error @ InstallError::Window { .. }) => format!("{version}: {error}"),
                }
            }
            Err(error) => error.to_string(),
        };
        tracing::error!(refused, "champion refused, the one before it goes on");
        self.context.metrics.swaps.with_label_values(&["refused"]).inc();
    }

    /// Prices a batch, publishes the answers and commits the batch once they are acknowledged.
    async fn answer(
        &mut self,
        records: &[Record],
        consumer: &GroupConsumer,
    ) -> Result<(), ScorerError> {
        let timer = self.context.metrics.batch_seconds.start_timer();
        let mut outputs: Vec<Outgoing> = Vec::with_capacity(records.len());
        for record in records {
            match self.processor.listing(record)? {
                Outcome::Answered(outgoing) => {
                    self.dead_letters_in_a_row = 0;
                    outputs.push(outgoing);
                }
                Outcome::DeadLetter(outgoing) => {
                    self.dead_letters_in_a_row += 1;
                    outputs.push(outgoing);
                }
            }
        }
        timer.observe_duration();
        self.publisher.publish(outputs).await?;
        consumer.commit(&NextOffset::of_batch(records))?;
        self.processed(records);
        match records.last() {
            Some(last) if self.dead_letters_in_a_row >= self.config.max_dead_letters_in_a_row => {
                Err(ScorerError::TooManyDeadLetters {
                    count: self.dead_letters_in_a_row,
                    topic: last.topic.to_string(),
                    partition: last.partition,
                    offset: last.offset,
                })
            }
            _ => Ok(()),
        }
    }

    fn processed(&self, records: &[Record]) {
        for next in NextOffset::of_batch(records) {
            self.context.progress.processed(SERVICE, &next.topic, next.partition, next.offset);
        }
    }
}
