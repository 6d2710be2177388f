//! Pricing while a real PostgreSQL goes away for half a minute and comes back:
//! `tests/postgres/server start DIR`, then with the variables of `DIR/env`
//! `cargo test -p scorer --features real-postgres`.

#![allow(clippy::print_stdout, reason = "the figures of the run")]

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use model_core::estimate::{ExternalFacts, ExternalStatus};
use model_core::listing::{FactField, Listing};
use platform_facts::{
    BreakerSettings, CacheSettings, FactCache, FactMetrics, Lifetimes, PostgresSettings,
    PostgresSource, Secret,
};
use prometheus::Registry;
use tokio_postgres::NoTls;

use crate::enrichment::{Enricher, FactKind, FactsKey, FactsSource, TakenFact};
use crate::testing::listing;

const PATIENCE: Duration = Duration::from_millis(50);
/// What a busy machine may add to a wait.
const SLACK: Duration = Duration::from_secs(1);
/// Homes that are listed again and again.
const HOMES: usize = 500;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see this file's head"))
}

fn password() -> Secret {
    Secret::File(PathBuf::from(variable("HOMESTREAM_TEST_POSTGRES_PASSWORD_FILE")))
}

async fn server(action: &'static str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/postgres/server");
    let folder = variable("HOMESTREAM_TEST_POSTGRES_DIR");
    let run = move || Command::new(script).args([action, &folder]).status().unwrap();
    assert!(tokio::task::spawn_blocking(run).await.unwrap().success(), "{action}");
}

async fn areas() -> FactCache {
    let mut config: tokio_postgres::Config = variable("HOMESTREAM_TEST_POSTGRES").parse().unwrap();
    let (client, connection) =
        config.password(password().read().unwrap()).connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let sql = format!(
        "DROP TABLE IF EXISTS areas; CREATE TABLE areas (listing text PRIMARY KEY, area float8);
         INSERT INTO areas SELECT 'L-' || i, 1000 + i FROM generate_series(0, {HOMES} - 1) AS i"
    );
    client.batch_execute(&sql).await.unwrap();
    let timeout = Duration::from_secs(1);
    let source = PostgresSource::new(PostgresSettings {
        url: variable("HOMESTREAM_TEST_POSTGRES"),
        password: Some(password()),
        table: "areas".into(),
        key_column: "listing".into(),
        columns: vec!["area".into()],
        timeout,
    });
    let settings = CacheSettings {
        name: "areas".into(),
        lifetimes: Lifetimes {
            ttl: Duration::from_secs(2),
            negative_ttl: Duration::from_secs(2),
            stale_limit: Duration::from_secs(20),
        },
        timeout,
        patience: PATIENCE,
        breaker: BreakerSettings { failures: 3, open_for: Duration::from_secs(1) },
        concurrency: 2,
        max_keys_in_flight: 5_000,
        max_bytes: 1 << 20,
    };
    let metrics = FactMetrics::register(&Registry::new()).unwrap();
    FactCache::new(settings, source.unwrap(), &metrics)
}

/// What became of the listings of some time.
#[derive(Debug, Default)]
struct Told {
    batches: usize,
    slowest: Duration,
    fresh: usize,
    stale: usize,
    unavailable: usize,
    filled_in: usize,
}

/// Enriches batch after batch, as the scorer's loop does.
async fn under_load(enricher: &Enricher, lasting: Duration) -> Told {
    let (mut told, began) = (Told::default(), Instant::now());
    while began.elapsed() < lasting {
        let mut listings: Vec<Listing> = (0..100)
            .map(|i| {
                let key = format!("L-{}", (told.batches * 100 + i) % HOMES);
                let mut listing = Listing { key, ..listing() };
                listing.facts.living_area = None;
                listing
            })
            .collect();
        let batch = Instant::now();
        let external = enricher.enrich(listings.iter_mut()).await;
        told.slowest = told.slowest.max(batch.elapsed());
        told.batches += 1;
        told.filled_in += listings.iter().filter(|l| l.facts.living_area.is_some()).count();
        for ExternalFacts { status, .. } in external.iter().flatten() {
            match status {
                ExternalStatus::Fresh => told.fresh += 1,
                ExternalStatus::Stale => told.stale += 1,
                ExternalStatus::Unavailable => told.unavailable += 1,
                ExternalStatus::Missing => panic!("every home has an area"),
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_minute_without_postgres_marks_prices_and_stops_none() {
    let facts = vec![TakenFact { field: FactField::LivingArea, kind: FactKind::AsIs }];
    let source = FactsSource { cache: areas().await, key: FactsKey::ListingKey, facts };
    let enricher = Enricher::new(vec![source]);
    enricher.warm_up();
    under_load(&enricher, Duration::from_secs(1)).await;
    let before = under_load(&enricher, Duration::from_secs(2)).await;
    println!("before: {before:?}");
    assert!(before.fresh > 9 * (before.stale + before.unavailable), "{before:?}");

    server("stop").await;
    let down = under_load(&enricher, Duration::from_secs(30)).await;
    println!("while stopped: {down:?}");
    assert!(down.slowest < PATIENCE + SLACK && down.batches > 1_000, "{down:?}");
    assert!(down.stale > down.fresh, "stale for 20 s: {down:?}");
    assert!(down.unavailable > down.fresh, "and then not known: {down:?}");
    assert_eq!(down.filled_in, down.fresh + down.stale);

    server("restart").await;
    under_load(&enricher, Duration::from_secs(4)).await;
    let after = under_load(&enricher, Duration::from_secs(2)).await;
    println!("after: {after:?}");
    assert!(after.fresh > 9 * (after.stale + after.unavailable), "{after:?}");
}
