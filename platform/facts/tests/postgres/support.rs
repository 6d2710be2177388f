//! The server of the tests, tables on it, and caches in front of them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use platform_facts::{
    BreakerSettings, CacheSettings, FactCache, FactKey, FactMetrics, FactStatus, FactValue,
    Lifetimes, Looked, PostgresSettings, PostgresSource, Secret,
};
use tokio::sync::RwLock;
use tokio_postgres::NoTls;

/// Tests that stop or freeze the server write, the others read.
pub(crate) static SERVER: RwLock<()> = RwLock::const_new(());

pub(crate) const PATIENCE: Duration = Duration::from_millis(50);
/// What a busy machine may add to a wait; far below what waiting for the server would take.
pub(crate) const SLACK: Duration = Duration::from_secs(1);

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: see the head of tests/postgres/main.rs"))
}

pub(crate) fn url() -> String {
    variable("HOMESTREAM_TEST_POSTGRES")
}

pub(crate) fn password() -> Secret {
    Secret::File(PathBuf::from(variable("HOMESTREAM_TEST_POSTGRES_PASSWORD_FILE")))
}

/// `tests/postgres/server ACTION`.
pub(crate) async fn server(action: &'static str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/postgres/server");
    let folder = variable("HOMESTREAM_TEST_POSTGRES_DIR");
    let ended = tokio::task::spawn_blocking(move || {
        Command::new(script).args([action, &folder]).status().unwrap()
    });
    assert!(ended.await.unwrap().success(), "tests/postgres/server {action}");
}

/// Runs SQL as the administrator.
pub(crate) async fn run(sql: &str) {
    let client = administrator().await;
    client.batch_execute(sql).await.unwrap();
}

pub(crate) async fn administrator() -> tokio_postgres::Client {
    let mut config: tokio_postgres::Config = url().parse().unwrap();
    config.password(password().read().unwrap());
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) fn settings(table: &str) -> PostgresSettings {
    PostgresSettings {
        url: url(),
        password: Some(password()),
        table: table.into(),
        key_column: "parcel".into(),
        columns: vec!["zone".into(), "depth".into()],
        timeout: Duration::from_secs(1),
    }
}

pub(crate) fn cache_settings(source: &PostgresSettings) -> CacheSettings {
    CacheSettings {
        name: source.table.clone(),
        lifetimes: Lifetimes {
            ttl: Duration::from_secs(1),
            negative_ttl: Duration::from_secs(1),
            stale_limit: Duration::from_secs(120),
        },
        timeout: source.timeout,
        patience: PATIENCE,
        breaker: BreakerSettings { failures: 3, open_for: Duration::from_secs(1) },
        concurrency: 2,
        max_keys_in_flight: 2_000,
        max_bytes: 1 << 20,
    }
}

pub(crate) fn cache(source: PostgresSettings) -> FactCache {
    let settings = cache_settings(&source);
    let metrics = FactMetrics::register(&prometheus::Registry::new()).unwrap();
    FactCache::new(settings, PostgresSource::new(source).unwrap(), &metrics)
}

/// A cache over a fresh table of `rows` parcels `p0`, `p1` ... in zone `A`.
pub(crate) async fn parcels(table: &str, rows: usize) -> FactCache {
    run(&format!(
        "DROP TABLE IF EXISTS {table} CASCADE;
         CREATE TABLE {table} (parcel text PRIMARY KEY, zone text, depth float8);
         INSERT INTO {table} SELECT 'p' || i, 'A', i FROM generate_series(0, {rows} - 1) AS i"
    ))
    .await;
    cache(settings(table))
}

pub(crate) async fn look_up(cache: &FactCache, key: &str) -> Looked {
    cache.begin([Some(FactKey::from(key))]).finish().await.remove(0)
}

/// Looks up until the answer has this status.
pub(crate) async fn until(cache: &FactCache, key: &str, status: FactStatus) -> Looked {
    let until = async {
        loop {
            let looked = look_up(cache, key).await;
            if looked.status == status {
                return looked;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), until).await;
    waited.unwrap_or_else(|_| panic!("{key} does not become {status:?}"))
}

pub(crate) fn text(text: &str) -> Option<FactValue> {
    Some(FactValue::Text(text.into()))
}

pub(crate) fn number(number: f64) -> Option<FactValue> {
    Some(FactValue::Number(number))
}
