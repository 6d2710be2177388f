//! The scorer's loop: three inputs, one owner of the state.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use model_core::engine::PricingEngine;
use model_core::market::{Area, MarketParams};
use platform_kafka::{
    Batch, BrokerConfig, CatchUp, Delivery, Follower, FollowerEvent, GroupConfig, KafkaError,
    NextOffset, Outgoing, Pipeline, PipelineConfig, PipelineError, Progress, PublishError,
    Publisher, payloads,
};
use platform_model_store::ModelStore;
use platform_schema_registry::SchemaSource;
use platform_telemetry::{ServiceHealth, Traces};
use schemas::{AlertError, Codec, CodecError, EncodeError, TopicNames};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

mod succession;

use self::succession::Succession;
use crate::dead_letter_limit::{DeadLetterCount, DeadLetterLimit, LimitMet, SHARE_RECORDS};
use crate::enrichment::Enricher;
use crate::metrics::ScorerMetrics;
use crate::processor::{Accepted, Processor, trace_record};
use crate::registry::RegistryFollower;
use crate::sales_wait::SalesWait;

/// Name under which the scorer reports progress and health.
pub const SERVICE: &str = "scorer";
/// A follower has nothing to hand over when it ends: this is ample.
const FOLLOWER_DEADLINE: Duration = Duration::from_secs(4);
/// Time for the last spans to be sent.
const TRACES_DEADLINE: Duration = Duration::from_secs(2);
/// How often the way to a rebuilt market index is told.
const CATCH_UP_REPORT: Duration = Duration::from_secs(2);

/// How the scorer works.
#[derive(Clone, Debug)]
pub struct ScorerConfig {
    /// Topic names.
    pub topics: TopicNames,
    /// How listings are read, and with whom.
    pub listings: GroupConfig,
    /// What is guaranteed of the answers.
    pub delivery: Delivery,
    /// Time to finish what is in flight when the service ends; below the session time-out,
    /// so that partitions are not taken away in the middle of it.
    pub drain_deadline: Duration,
    /// Name of the model in the registry.
    pub model: String,
    /// Bounds of the market index; a champion brings its own way to look at it.
    pub market: MarketParams,
    /// Sales outside are left out; none: no sale is.
    pub area: Option<Area>,
    /// How long a listing waits at most for sales that are older than it, by the records'
    /// timestamps: for replays, whose sales come as fast as their listings. Zero: not at all.
    pub sales_wait: Duration,
    /// Most bytes of the enrichment cache.
    pub cache_bytes: u64,
    /// Dead letters that stop the service: then it is not the records that are wrong, but
    /// what reads them.
    pub dead_letters: DeadLetterLimit,
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
    /// Where schemas come from.
    pub schemas: SchemaSource,
    /// Readiness.
    pub health: ServiceHealth,
    /// Metrics.
    pub metrics: ScorerMetrics,
    /// External facts.
    pub enricher: Enricher,
    /// Where spans go.
    pub traces: Traces,
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
    /// Listings cannot be read or answered any more.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// An answer could not be encoded.
    #[error("cannot encode an answer: {0}")]
    Encode(#[from] EncodeError),
    /// An alert could not be encoded.
    #[error("cannot encode an alert: {0}")]
    Alert(#[from] AlertError),
    /// Something is wrong with more than the records.
    #[error(
        "{count} {of} could not be used, up to {topic}[{partition}]@{offset}: see the reasons \
         with `homestream dlq list`, or raise {setting}",
        of = match limit {
            LimitMet::InARow => "records in a row".to_owned(),
            LimitMet::Share => format!("of the last {SHARE_RECORDS} records"),
        },
        setting = match limit {
            LimitMet::InARow => "scorer.max_dead_letters_in_a_row",
            LimitMet::Share => "scorer.max_dead_letter_share",
        },
    )]
    TooManyDeadLetters {
        /// The limit that was met.
        limit: LimitMet,
        /// Dead letters.
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
/// Under [`Delivery::ExactlyOnce`] an answer and its listing's offset become visible in one
/// transaction; under at-least-once the offset is committed after the answer is acknowledged.
/// The answer's id follows from topic, partition, offset and model version, so that a repeat
/// can be told.
///
/// # Errors
/// [`ScorerError`] when the broker is lost for good, or too many records in a row are bad.
pub async fn run(config: ScorerConfig, context: ScorerContext) -> Result<(), ScorerError> {
    context.health.expect("market_index");
    context.health.expect("listings");
    context.enricher.warm_up();
    let codec = Arc::new(context.schemas.codec()?);
    let followed = [config.topics.sales(), config.topics.models()];
    let mut service = Service {
        processor: Processor::new(
            PricingEngine::new(config.market),
            config.area,
            config.cache_bytes,
            codec.clone(),
            &config.topics,
            context.metrics.clone(),
        ),
        registry: RegistryFollower::new(config.model.clone(), context.store.clone()),
        publisher: Publisher::new(&context.broker, context.progress.clone())?,
        codec,
        dead_letters: DeadLetterCount::new(config.dead_letters),
        succession: Succession::default(),
        listings_topic: config.topics.listings(),
        sales_topic: config.topics.sales(),
        sales_wait: SalesWait::new(config.sales_wait),
        caught_up: false,
        context,
        config,
    };
    let context = service.context.clone();
    let followed = followed.each_ref().map(|topic| &**topic);
    let mut follower = Follower::start(&context.broker, SERVICE, &followed)?;
    let result = service.run(&mut follower).await;
    follower.close(FOLLOWER_DEADLINE).await?;
    let traces = context.traces.clone();
    // A collector that does not answer is no reason to fail.
    let _ = tokio::task::spawn_blocking(move || traces.close(TRACES_DEADLINE)).await;
    result
}

struct Service {
    processor: Processor,
    registry: RegistryFollower,
    publisher: Publisher,
    codec: Arc<Codec>,
    dead_letters: DeadLetterCount,
    succession: Succession,
    listings_topic: Arc<str>,
    sales_topic: Arc<str>,
    sales_wait: SalesWait,
    caught_up: bool,
    context: ScorerContext,
    config: ScorerConfig,
}

impl Service {
    async fn run(&mut self, follower: &mut Follower) -> Result<(), ScorerError> {
        // Listings wait until the market index and the registry are as the topics have them.
        let mut report = tokio::time::interval(CATCH_UP_REPORT);
        report.tick().await;
        while !self.caught_up {
            tokio::select! {
                biased;
                () = self.context.shutdown.cancelled() => return Ok(()),
                _ = report.tick() => self.report_catch_up(follower.catch_up()),
                event = follower.next() => self.follow(event).await?,
            }
        }
        self.report_catch_up(follower.catch_up());
        self.context.health.set_ready("market_index");
        let config = PipelineConfig {
            service: SERVICE,
            group: self.config.listings.clone(),
            delivery: self.config.delivery.clone(),
        };
        let progress = self.context.progress.clone();
        let mut pipeline = Pipeline::start(&self.context.broker, config, progress).await?;
        self.context.health.set_ready("listings");
        let result = self.score(follower, &mut pipeline).await;
        let closed = pipeline.close(self.config.drain_deadline).await;
        result.and(closed.map_err(ScorerError::from))
    }

    async fn score(
        &mut self,
        follower: &mut Follower,
        pipeline: &mut Pipeline,
    ) -> Result<(), ScorerError> {
        loop {
            tokio::select! {
                biased;
                () = self.context.shutdown.cancelled() => return Ok(()),
                event = follower.next() => self.follow_and_tend(event, pipeline).await?,
                batch = pipeline.next() => match batch? {
                    None => return Ok(()),
                    Some(batch) => {
                        self.await_sales(&batch, follower, pipeline).await?;
                        self.answer(&batch, pipeline).await?;
                        self.advance_succession().await?;
                    }
                },
                () = self.succession.ready() => self.advance_succession().await?,
            }
        }
    }

    fn report_catch_up(&self, way: CatchUp) {
        self.context.metrics.catch_up_ratio.set(way.share());
        tracing::info!(
            sales = self.processor.engine.indexed_sales(),
            records = way.done,
            of = way.of,
            "market index at {:.0} %",
            100.0 * way.share()
        );
    }

    /// Follows sales until those before a batch's listings are in, or the wait is over.
    async fn await_sales(
        &mut self,
        batch: &Batch,
        follower: &mut Follower,
        pipeline: &mut Pipeline,
    ) -> Result<(), ScorerError> {
        let Some(deadline) = self.sales_wait.begin(&batch.records) else { return Ok(()) };
        while self.sales_wait.goes_on() {
            tokio::select! {
                biased;
                () = self.context.shutdown.cancelled() => return Ok(()),
                error = pipeline.tend() => return Err(error.into()),
                event = follower.next() => self.follow_and_tend(event, pipeline).await?,
                () = tokio::time::sleep_until(deadline) => self.sales_wait.give_up(),
            }
        }
        Ok(())
    }

    /// Takes in sales and registry events. Their schemas may have to be asked for.
    async fn follow_and_tend(
        &mut self,
        event: Option<FollowerEvent>,
        pipeline: &mut Pipeline,
    ) -> Result<(), ScorerError> {
        tokio::select! {
            biased;
            followed = self.follow(event) => followed,
            error = pipeline.tend() => Err(error.into()),
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
                self.begin_succession();
                self.settle_succession().await
            }
            Some(FollowerEvent::Records(records)) => {
                if self.context.schemas.prepare(&self.codec, payloads(&records)).await.is_break() {
                    return Ok(());
                }
                let mut dead_letters = Vec::new();
                let mut registered = false;
                for record in &records {
                    if *record.topic == *self.sales_topic {
                        self.sales_wait.saw(record);
                        dead_letters.extend(self.processor.sale(record));
                    } else {
                        self.registry_event(record);
                        registered = true;
                    }
                }
                // Every instance follows all sales; the topic's first dead letter is enough
                // for people, so only what is new since the start is reported.
                if self.caught_up && !dead_letters.is_empty() {
                    self.publisher.publish(dead_letters).await?;
                }
                if registered && self.caught_up {
                    self.begin_succession();
                }
                // An event of the registry is done with when its champion serves.
                self.succession.unreported.extend(NextOffset::of_batch(&records));
                self.report_processed();
                Ok(())
            }
        }
    }

    /// Asks for the schemas of a batch that are not known yet, which may take a while.
    async fn explain(
        &self,
        batch: &Batch,
        pipeline: &mut Pipeline,
    ) -> Result<ControlFlow<()>, ScorerError> {
        tokio::select! {
            biased;
            explained = self.context.schemas.prepare(&self.codec, payloads(&batch.records)) => {
                Ok(explained)
            }
            error = pipeline.tend() => Err(error.into()),
        }
    }

    /// Prices a batch and hands the answers on.
    async fn answer(&mut self, batch: &Batch, pipeline: &mut Pipeline) -> Result<(), ScorerError> {
        // Told to stop while schemas were waited for: whoever comes next reads the batch again.
        if self.explain(batch, pipeline).await?.is_break() {
            return Ok(());
        }
        let timer = self.context.metrics.batch_seconds.start_timer();
        let traces = self.context.traces.clone();
        let trace = traces.batch(&self.listings_topic, batch.records.len());
        let mut accepted: Vec<_> =
            batch.records.iter().map(|record| self.processor.accept(record)).collect();
        let external = self.context.enricher.enrich(accepted.iter_mut().flatten()).await;
        let mut external = external.into_iter();
        let good = batch.records.iter().zip(&accepted).filter_map(|(record, accepted)| {
            let listing = accepted.as_ref().ok()?;
            Some(Accepted { record, listing, external: external.next().unwrap_or_default() })
        });
        let mut prices = self.processor.price(good.collect())?.into_iter();
        let mut outputs: Vec<Outgoing> = Vec::with_capacity(batch.records.len());
        for (record, accepted) in batch.records.iter().zip(accepted) {
            self.dead_letters.record(accepted.is_err());
            match accepted {
                Ok(_) => outputs.extend(prices.next().map(|mut price| {
                    trace_record(&trace, record, &mut price);
                    price
                })),
                Err(dead_letter) => outputs.push(dead_letter),
            }
        }
        timer.observe_duration();
        pipeline.answer(batch, outputs).await?;
        match (self.dead_letters.met(), batch.records.last()) {
            (Some((limit, count)), Some(last)) => Err(ScorerError::TooManyDeadLetters {
                limit,
                count,
                topic: last.topic.to_string(),
                partition: last.partition,
                offset: last.offset,
            }),
            _ => Ok(()),
        }
    }
}
