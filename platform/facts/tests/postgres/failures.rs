//! A server that is slow, refuses, restarts, freezes or is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use platform_facts::{BreakerState, FactCache, FactKey, FactStatus, Secret};
use tokio::task::JoinSet;

use crate::support::{
    PATIENCE, SERVER, SLACK, administrator, cache, look_up, parcels, run, server, settings, until,
};

async fn running(marker: &str) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE state = 'active' AND query LIKE $1 AND pid <> pg_backend_pid()";
    let row = administrator().await.query_one(sql, &[&format!("%{marker}%")]).await.unwrap();
    row.get(0)
}

#[tokio::test]
async fn a_slow_server_delays_nobody_and_its_answer_is_there_the_next_time() {
    let _server = SERVER.read().await;
    drop(parcels("slow_parcels", 10).await);
    run("CREATE VIEW slow AS
         SELECT p.* FROM slow_parcels p, (SELECT pg_sleep(4) OFFSET 0) AS pause")
    .await;
    let mut settings = settings("slow");
    settings.timeout = Duration::from_secs(10);
    let cache = cache(settings);
    let began = Instant::now();
    assert_eq!(look_up(&cache, "p1").await.status, FactStatus::Unavailable);
    assert!(began.elapsed() < PATIENCE + SLACK, "{:?}", began.elapsed());
    let looked = until(&cache, "p1", FactStatus::Fresh).await;
    assert!(looked.row.is_some());
    assert_eq!(cache.breaker_state(), BreakerState::Closed);
}

#[tokio::test]
async fn a_server_that_is_too_slow_is_left_alone_and_left_with_nothing_to_do() {
    let _server = SERVER.read().await;
    drop(parcels("stuck_parcels", 10).await);
    run("CREATE VIEW stuck AS
         SELECT p.* FROM stuck_parcels p, (SELECT pg_sleep(30) OFFSET 0) AS pause")
    .await;
    let mut settings = settings("stuck");
    settings.timeout = Duration::from_millis(300);
    let cache = cache(settings);
    let began = Instant::now();
    while cache.breaker_state() != BreakerState::Open {
        let one = Instant::now();
        assert_eq!(look_up(&cache, "p1").await.status, FactStatus::Unavailable);
        assert!(one.elapsed() < PATIENCE + SLACK, "{:?}", one.elapsed());
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while running("FROM \"stuck\"").await > 0 {
        assert!(began.elapsed() < Duration::from_secs(15), "a query goes on for its 30 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    run("CREATE OR REPLACE VIEW stuck AS SELECT * FROM stuck_parcels").await;
    until(&cache, "p1", FactStatus::Fresh).await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_a_right_one_works_without_a_restart() {
    let _server = SERVER.read().await;
    drop(parcels("guarded", 10).await);
    run("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'right one';
         GRANT SELECT ON guarded TO reader")
    .await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "wrong one\n").unwrap();
    let mut settings = settings("guarded");
    settings.url = settings.url.replace("postgres@", "reader@");
    settings.password = Some(Secret::File(file.path().into()));
    let cache = cache(settings);
    let began = Instant::now();
    while cache.breaker_state() != BreakerState::Open {
        assert_eq!(look_up(&cache, "p1").await.status, FactStatus::Unavailable);
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    std::fs::write(file.path(), "right one\n").unwrap();
    until(&cache, "p1", FactStatus::Fresh).await;
    run("REVOKE SELECT ON guarded FROM reader").await;
    let looked = until(&cache, "p1", FactStatus::Stale).await;
    assert!(looked.row.is_some() && looked.age.unwrap() >= Duration::from_secs(1));
    run("DROP OWNED BY reader; DROP ROLE reader").await;
}

#[tokio::test]
async fn a_restart_is_survived() {
    let _server = SERVER.write().await;
    let cache = parcels("restarted", 10).await;
    until(&cache, "p1", FactStatus::Fresh).await;
    server("restart").await;
    until(&cache, "p2", FactStatus::Fresh).await;
    until(&cache, "p1", FactStatus::Fresh).await;
    assert_eq!(cache.breaker_state(), BreakerState::Closed);
}

#[tokio::test]
async fn a_server_that_freezes_with_its_connections_is_given_up_and_found_again() {
    let _server = SERVER.write().await;
    let cache = parcels("frozen", 10).await;
    until(&cache, "p1", FactStatus::Fresh).await;
    server("pause").await;
    let mut slowest = Duration::ZERO;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(6) {
        let one = Instant::now();
        let status = look_up(&cache, "p1").await.status;
        slowest = slowest.max(one.elapsed());
        let expected = if began.elapsed() < Duration::from_secs(1) {
            FactStatus::Fresh
        } else {
            FactStatus::Stale
        };
        assert!(status == expected || status == FactStatus::Stale, "{status:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server("resume").await;
    assert!(slowest < PATIENCE + SLACK, "{slowest:?}");
    until(&cache, "p1", FactStatus::Fresh).await;
    until(&cache, "p3", FactStatus::Fresh).await;
}

/// What a task under load saw.
#[derive(Default, Debug)]
struct Seen {
    fresh: usize,
    stale: usize,
    missing: usize,
    unavailable: usize,
    batches: usize,
    slowest: Duration,
}

/// Batches of a hundred keys, one after the other, until told to stop.
async fn load(cache: FactCache, task: usize, stop: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let first = (seen.batches * 37 + task * 500) % 2_000;
        let keys = (first..first + 100).map(|i| Some(FactKey::from(format!("p{i}"))));
        let began = Instant::now();
        let answers = cache.begin(keys).finish().await;
        seen.slowest = seen.slowest.max(began.elapsed());
        seen.batches += 1;
        for looked in answers {
            match looked.status {
                FactStatus::Fresh => seen.fresh += 1,
                FactStatus::Stale => seen.stale += 1,
                FactStatus::Missing => seen.missing += 1,
                FactStatus::Unavailable => seen.unavailable += 1,
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seen
}

/// Runs the load for a while.
async fn under_load(cache: &FactCache, during: impl Future<Output = ()>) -> Seen {
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        tasks.spawn(load(cache.clone(), task, stop.clone()));
    }
    during.await;
    stop.store(true, Ordering::Relaxed);
    let mut all = Seen::default();
    while let Some(seen) = tasks.join_next().await {
        let seen = seen.unwrap();
        all.fresh += seen.fresh;
        all.stale += seen.stale;
        all.missing += seen.missing;
        all.unavailable += seen.unavailable;
        all.batches += seen.batches;
        all.slowest = all.slowest.max(seen.slowest);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_seconds_without_a_server_under_load_block_nobody() {
    let _server = SERVER.write().await;
    let cache = parcels("gone", 2_000).await;
    let before = under_load(&cache, tokio::time::sleep(Duration::from_secs(3))).await;
    println!("before: {before:?}");
    assert!(before.fresh > 0, "{before:?}");

    server("stop").await;
    let down = under_load(&cache, tokio::time::sleep(Duration::from_secs(30))).await;
    println!("while stopped: {down:?}");
    assert!(down.slowest < PATIENCE + SLACK, "{down:?}");
    assert!(down.stale > down.fresh + down.missing, "{down:?}");
    assert!(down.batches > 4 * 1_000, "the load stood still: {down:?}");

    server("restart").await;
    let began = Instant::now();
    until(&cache, "p1", FactStatus::Fresh).await;
    println!("recovered after {:?}", began.elapsed());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = under_load(&cache, tokio::time::sleep(Duration::from_secs(3))).await;
    println!("after: {after:?}");
    assert!(after.fresh > 9 * (after.stale + after.unavailable + after.missing), "{after:?}");
    assert_eq!(cache.breaker_state(), BreakerState::Closed);
}
