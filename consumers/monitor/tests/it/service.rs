//! The monitor on the embedded broker: a window closes once, restarts included.

use std::collections::BTreeMap;
use std::time::Duration;

use model_core::date::EventDate;
use model_core::estimate::{ModelRef, Price, PriceEstimate, PriceOutcome};
use model_core::listing::{Facts, Sale};
use model_core::monitoring::MonitorParams;
use monitor::{MonitorConfig, MonitorContext, MonitorError, MonitorMetrics, SERVICE};
use platform_kafka::{
    Broker, EmbeddedBroker, Follower, FollowerEvent, Outgoing, Progress, Publisher, Record,
    ReplayClock, TopicSpec, create_topics,
};
use platform_model_store::ModelStore;
use platform_schema_registry::SchemaSource;
use platform_telemetry::ServiceHealth;
use schemas::{ALERT_CONTENT_TYPE, Codec, TopicNames, decode_alert};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest wait for anything: only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(60);
/// 1995-01-01.
const JANUARY: EventDate = EventDate(9_131);
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

/// A monitor that runs, and what its process shares with it.
struct Running {
    progress: Progress,
    publisher: Publisher,
    clock: ReplayClock,
    stop: CancellationToken,
    service: JoinHandle<Result<(), MonitorError>>,
    registry: prometheus::Registry,
}

fn estimate(key: &str, on: EventDate) -> PriceEstimate {
    let price = Price {
        estimate: 100_000.0,
        lower: 90_000.0,
        upper: 110_000.0,
        interval_level: 0.9,
        intervals: Vec::new(),
        fsd: 0.1,
        confidence: 60,
        base: 100_000.0,
        contributions: Vec::new(),
        comparables: Vec::new(),
        market_age_days: None,
        features: Vec::new(),
        market_level: 0.0,
        scale: 0.1,
        error_low: -1.0,
        error_high: 1.0,
        degraded: false,
    };
    PriceEstimate {
        listing_key: key.into(),
        event_date: on,
        currency: "USD".into(),
        model: Some(ModelRef { version: "v1".into(), digest: "00".repeat(32) }),
        feature_spec_hash: String::new(),
        outcome: PriceOutcome::Priced(Box::new(price)),
        external_facts: Vec::new(),
    }
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

    fn start(&self) -> Running {
        let progress = Progress::new();
        monitor::register(&progress, &self.topics, PARTITIONS);
        let (clock, ticks) = ReplayClock::new();
        let stop = CancellationToken::new();
        let registry = prometheus::Registry::new();
        let config = MonitorConfig {
            topics: self.topics.clone(),
            model: "homes".into(),
            params: MonitorParams::default(),
            lateness_days: 0,
        };
        let context = MonitorContext {
            broker: self.broker.config(),
            store: ModelStore::open(self.folder.path()).unwrap(),
            progress: progress.clone(),
            schemas: SchemaSource::built_in(),
            health: ServiceHealth::default(),
            metrics: MonitorMetrics::register(&registry).unwrap(),
            clock: ticks,
            shutdown: stop.clone(),
        };
        let publisher = Publisher::new(&self.broker.config(), progress.clone()).unwrap();
        let service = tokio::spawn(monitor::run(config, context));
        Running { progress, publisher, clock, stop, service, registry }
    }

    /// Homes priced at 100,000 in a month and sold for 150,000, outside their interval.
    fn month(&self, from: EventDate, homes: i32) -> Vec<Outgoing> {
        let mut records = Vec::new();
        for i in 0..homes {
            let key = format!("{}-{i}", from.0);
            let payload = self.codec.encode_price(&estimate(&key, from), &key).unwrap();
            records.push(Outgoing::new(self.topics.prices(), key.as_bytes(), payload));
            let (closed_on, price) = (from.plus_days(20), 150_000.0);
            let facts = Facts::default();
            let sale = Sale { key: key.clone(), closed_on, price, currency: "USD".into(), facts };
            let payload = self.codec.encode_sale(&sale).unwrap();
            records.push(Outgoing::new(self.topics.sales(), key.as_bytes(), payload));
        }
        records
    }

    /// Everything on a topic.
    async fn read(&self, topic: &str) -> Vec<Record> {
        let mut follower = Follower::start(&self.broker.config(), "reader", &[topic]).unwrap();
        let mut read = Vec::new();
        loop {
            match within("the topic", follower.next()).await {
                Some(FollowerEvent::Records(records)) => read.extend(records),
                Some(FollowerEvent::CaughtUp) => break,
                other => panic!("{other:?}"),
            }
        }
        follower.close(DEADLINE).await.unwrap();
        read
    }
}

impl Running {
    async fn publish(&self, records: Vec<Outgoing>) {
        within("publishing", self.publisher.publish(records)).await.unwrap();
        within("the monitor", self.progress.settled()).await.unwrap();
    }

    async fn tick(&self, day: EventDate) {
        assert!(self.clock.advance(i64::from(day.0)));
        let reached = self.progress.watermark_reached(&[SERVICE], i64::from(day.0));
        within("the clock", reached).await.unwrap();
        within("the monitor", self.progress.settled()).await.unwrap();
    }

    async fn stop(self) {
        self.stop.cancel();
        within("the end", self.service).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_reported_once_and_alerts_are_told_restarts_included() {
    let world = World::new().await;
    let (drift, alerts) = (world.topics.drift(), world.topics.alerts());
    let running = world.start();
    running.publish(world.month(JANUARY, 40)).await;
    running.tick(JANUARY.plus_days(30)).await;
    assert!(world.read(&drift).await.is_empty(), "January is not over");

    running.tick(JANUARY.plus_days(31)).await;
    let reports = world.read(&drift).await;
    assert_eq!(reports.len(), 1);
    let record = &reports[0];
    assert_eq!(record.key.as_deref(), Some(b"1995-01-01/1995-02-01".as_slice()));
    assert_eq!(record.timestamp_ms, Some(JANUARY.plus_days(31).to_timestamp_ms()));
    let report = world.codec.decode_drift_report(record.payload.as_deref().unwrap()).unwrap();
    assert_eq!((report.n_estimates, report.n_sales), (40, 40));
    let accuracy = report.accuracy.unwrap();
    assert_eq!((accuracy.n, accuracy.coverage90), (40, 0.0));
    assert!((accuracy.mdape - 1.0 / 3.0).abs() < 1e-9);

    let told = world.read(&alerts).await;
    let coverage = told.iter().find(|record| {
        decode_alert(record.payload.as_deref().unwrap()).unwrap().rule == "coverage"
    });
    let coverage = coverage.expect("an alert about coverage");
    assert_eq!(coverage.header("content-type"), Some(ALERT_CONTENT_TYPE.as_bytes()));
    let alert = decode_alert(coverage.payload.as_deref().unwrap()).unwrap();
    assert_eq!(coverage.key.as_deref(), Some(alert.fingerprint().as_bytes()));
    running.stop().await;

    let again = world.start();
    let junk = vec![
        Outgoing::new(world.topics.prices(), "junk", "no price"),
        Outgoing::new(world.topics.sales(), "junk", "no sale"),
    ];
    again.publish(junk).await;
    again.tick(JANUARY.plus_days(45)).await;
    assert_eq!(world.read(&drift).await, reports, "January is not reported again");
    assert_eq!(world.read(&alerts).await, told, "nor its alerts");
    let unusable = again
        .registry
        .gather()
        .into_iter()
        .find(|family| family.name() == "homestream_monitor_unusable_records_total");
    assert_eq!(unusable.unwrap().get_metric().len(), 2, "junk is counted by kind");

    again.publish(world.month(JANUARY.plus_days(31), 40)).await;
    again.tick(JANUARY.plus_days(59)).await;
    assert_eq!(world.read(&drift).await.len(), 2);
    assert_eq!(world.read(&alerts).await.len(), told.len(), "still firing is not told again");
    again.stop().await;
}
