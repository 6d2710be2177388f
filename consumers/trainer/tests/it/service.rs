//! The trainer on the embedded broker: one version for each thing that asks, restarts included.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model_core::date::EventDate;
use model_core::drift_report::{DriftReport, Verdict, Window};
use model_core::listing::{Facts, Sale};
use model_core::model::{PricingModel, digest};
use model_core::registry::{Registry, RegistryAction, RegistryEvent};
use model_core::training::{RetrainPolicy, StrategyName, TrainingParams};
use platform_kafka::{
    Broker, EmbeddedBroker, Follower, FollowerEvent, Outgoing, Progress, Publisher, ReplayClock,
    TopicSpec, create_topics,
};
use platform_model_store::ModelStore;
use platform_schema_registry::SchemaSource;
use platform_telemetry::ServiceHealth;
use schemas::{Codec, TopicNames};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trainer::{SERVICE, TrainerConfig, TrainerContext, TrainerError, TrainerMetrics};

/// Longest wait for anything: only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(60);
const FIRST: EventDate = EventDate(9_000);
const PARTITIONS: i32 = 2;

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what}: too late"))
}

struct World {
    broker: EmbeddedBroker,
    topics: TopicNames,
    codec: Codec,
    folder: tempfile::TempDir,
}

/// A trainer that runs, and what its process shares with it.
struct Running {
    progress: Progress,
    publisher: Publisher,
    clock: ReplayClock,
    stop: CancellationToken,
    service: JoinHandle<Result<(), TrainerError>>,
}

impl World {
    async fn new() -> Self {
        let broker = EmbeddedBroker::start().unwrap();
        let topics = TopicNames::new("homes.").unwrap();
        let specs: Vec<TopicSpec> = topics
            .settings()
            .into_iter()
            .map(|topic| TopicSpec {
                name: topic.name,
                partitions: topic.partitions.unwrap_or(PARTITIONS),
                replication: 1,
                settings: BTreeMap::new(),
            })
            .collect();
        create_topics(&Broker::Embedded(broker.clone()), &specs).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { broker, topics, codec: Codec::new().unwrap(), folder }
    }

    fn store(&self) -> ModelStore {
        ModelStore::open(self.folder.path()).unwrap()
    }

    fn start(&self) -> Running {
        let progress = Progress::new();
        trainer::register(&progress, &self.topics, PARTITIONS);
        let (clock, ticks) = ReplayClock::new();
        let stop = CancellationToken::new();
        let config = TrainerConfig {
            topics: self.topics.clone(),
            model: "homes".into(),
            params: TrainingParams {
                strategies: vec![StrategyName::ElasticNet],
                min_sales: 200,
                ..TrainingParams::default()
            },
            area: None,
            policy: RetrainPolicy::default(),
        };
        let context = TrainerContext {
            broker: self.broker.config(),
            store: self.store(),
            progress: progress.clone(),
            schemas: SchemaSource::built_in(),
            health: ServiceHealth::default(),
            metrics: TrainerMetrics::register(&prometheus::Registry::new()).unwrap(),
            clock: ticks,
            shutdown: stop.clone(),
        };
        let publisher = Publisher::new(&self.broker.config(), progress.clone()).unwrap();
        let service = tokio::spawn(trainer::run(config, context));
        Running { progress, publisher, clock, stop, service }
    }

    fn sales(&self, count: i32) -> Vec<Outgoing> {
        let topic: Arc<str> = self.topics.sales();
        let sale = |i: i32| {
            let area = 1_000.0 + f64::from(i * 37 % 900);
            let facts = Facts { living_area: Some(area), ..Facts::default() };
            let (key, price) = (i.to_string(), 80.0 * area * (1.0 + f64::from(i % 7) / 100.0));
            let closed_on = FIRST.plus_days(i);
            let sale = Sale { key, closed_on, price, currency: "USD".into(), facts };
            let payload = self.codec.encode_sale(&sale).unwrap();
            Outgoing::new(topic.clone(), sale.key.as_bytes(), payload)
        };
        (0..count).map(sale).collect()
    }

    fn report(&self, end: EventDate, fired: &str) -> Outgoing {
        let report = DriftReport {
            window: Window { start: end.plus_days(-30), end },
            model_version: "v1".into(),
            verdict: Verdict::Drift,
            fired: vec![fired.to_owned()],
            ..DriftReport::default()
        };
        let payload = self.codec.encode_drift_report(&report).unwrap();
        Outgoing::new(self.topics.drift(), report.window.id().as_bytes(), payload)
    }

    /// The registry's log as any reader finds it.
    async fn log(&self) -> Vec<RegistryEvent> {
        let topic = self.topics.models();
        let mut follower = Follower::start(&self.broker.config(), "reader", &[&topic]).unwrap();
        let mut log = Vec::new();
        loop {
            match within("the log", follower.next()).await {
                Some(FollowerEvent::Records(records)) => log.extend(records.iter().map(|record| {
                    self.codec.decode_registry_event(record.payload.as_deref().unwrap()).unwrap()
                })),
                Some(FollowerEvent::CaughtUp) => break,
                other => panic!("{other:?}"),
            }
        }
        follower.close(DEADLINE).await.unwrap();
        log
    }
}

impl Running {
    async fn publish(&self, records: Vec<Outgoing>) {
        within("publishing", self.publisher.publish(records)).await.unwrap();
        within("the trainer", self.progress.settled()).await.unwrap();
    }

    async fn tick(&self, day: EventDate) {
        assert!(self.clock.advance(i64::from(day.0)));
        let reached = self.progress.watermark_reached(&[SERVICE], i64::from(day.0));
        within("the clock", reached).await.unwrap();
        within("the trainer", self.progress.settled()).await.unwrap();
    }

    async fn stop(self) {
        self.stop.cancel();
        within("the end", self.service).await.unwrap().unwrap();
    }
}

fn actions(log: &[RegistryEvent]) -> Vec<(&str, RegistryAction)> {
    log.iter().map(|event| (event.version.as_str(), event.action)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_leads_to_one_version_restarts_included() {
    use RegistryAction::{Evaluated, Promoted, Registered};
    let world = World::new().await;
    let running = world.start();
    running.publish(world.sales(150)).await;
    running.tick(FIRST.plus_days(150)).await;
    assert!(world.log().await.is_empty(), "too few sales");

    running.publish(world.sales(400)).await;
    running.tick(FIRST.plus_days(250)).await;
    let log = world.log().await;
    let first = [("v1", Registered), ("v1", Evaluated), ("v1", Promoted)];
    assert_eq!(actions(&log), first);
    let lineage = log[0].lineage.as_ref().unwrap();
    assert_eq!(lineage.trigger, "bootstrap");
    assert_eq!(lineage.trained_through, FIRST.plus_days(249), "nothing from later on");
    let stored = world.store().get(log[0].digest.as_ref().unwrap()).unwrap();
    assert_eq!(&digest(&stored), log[0].digest.as_ref().unwrap());
    PricingModel::from_bytes(&stored).unwrap();

    // Within the cool-down, and by a rule that asks for nothing.
    running.publish(vec![world.report(FIRST.plus_days(300), "feature_drift:wall")]).await;
    running.publish(vec![world.report(FIRST.plus_days(350), "no_estimate_share:x")]).await;
    running.tick(FIRST.plus_days(360)).await;
    assert_eq!(world.log().await.len(), 3);
    let asking = world.report(FIRST.plus_days(390), "feature_drift:wall");
    running.publish(vec![asking.clone()]).await;
    let log = world.log().await;
    assert_eq!(actions(&log)[3..5], [("v2", Registered), ("v2", Evaluated)]);
    let window = Window { start: FIRST.plus_days(360), end: FIRST.plus_days(390) };
    assert_eq!(log[3].lineage.as_ref().unwrap().trigger, window.id());
    assert!(log[4].metrics.contains_key("champion_mdape"), "compared with the champion");
    running.publish(vec![asking]).await;
    running.stop().await;
    assert_eq!(world.log().await, log, "a repeated report asks for nothing");

    let again = world.start();
    // What is there already is not on this board: a record of its own tells when it is read.
    again.publish(world.sales(1)).await;
    again.tick(FIRST.plus_days(400)).await;
    again.stop().await;
    assert_eq!(world.log().await, log, "after a restart nothing is trained again");
    assert_eq!(Registry::fold(&log).versions().count(), 2);
}
