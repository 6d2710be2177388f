//! The cache before a source of the tests' own. Time stands still unless everyone waits: then
//! it jumps to the next thing that is due.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::source::{FactValue, Load};

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_millis(50);

/// What the fake does with the next loads.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    /// Answers after a while; keys that begin with `no` are not there, those that begin with
    /// `bad` fail.
    Answers(Duration),
    Fails,
    Panics,
    Never,
}

struct Fake {
    mood: Mutex<Mood>,
    loads: AtomicUsize,
    asked: Mutex<BTreeMap<String, usize>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Fake {
    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

/// The fake, as the cache holds it.
struct Source(Arc<Fake>);

/// Counts the loads that are under way, dropped ones too.
struct UnderWay(Arc<Fake>);

impl UnderWay {
    fn new(fake: &Arc<Fake>) -> Self {
        let now = fake.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        fake.most_under_way.fetch_max(now, Ordering::SeqCst);
        Self(fake.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl FactSource for Source {
    fn max_keys(&self) -> usize {
        10
    }

    fn load<'a>(&'a self, keys: &'a [FactKey]) -> Load<'a> {
        Box::pin(async move {
            let fake = &self.0;
            let nth = fake.loads.fetch_add(1, Ordering::SeqCst) + 1;
            let _under_way = UnderWay::new(fake);
            for key in keys {
                *fake.asked.lock().unwrap().entry(key.to_string()).or_default() += 1;
            }
            let mood = *fake.mood.lock().unwrap();
            match mood {
                Mood::Answers(after) => tokio::time::sleep(after).await,
                Mood::Fails => return Err(FactError::Unreachable("down".into())),
                Mood::Panics => panic!("a defect of the source"),
                Mood::Never => std::future::pending().await,
            }
            let answer = |key: &FactKey| match &**key {
                key if key.starts_with("no") => Answer::Absent,
                key if key.starts_with("bad") => Answer::Failed(FactError::Refused(key.into())),
                _ => Answer::Found(Box::new([Some(FactValue::Number(nth as f64))])),
            };
            Ok(keys.iter().map(answer).collect())
        })
    }
}

fn settings() -> CacheSettings {
    CacheSettings {
        name: "fake".into(),
        lifetimes: Lifetimes {
            ttl: 60 * SECOND,
            negative_ttl: 10 * SECOND,
            stale_limit: 300 * SECOND,
        },
        timeout: SECOND,
        patience: PATIENCE,
        breaker: BreakerSettings { failures: 3, open_for: 5 * SECOND },
        concurrency: 2,
        max_keys_in_flight: 100,
        max_bytes: 1 << 20,
    }
}

fn cache_with(settings: CacheSettings, mood: Mood) -> (FactCache, Arc<Fake>) {
    let fake = Arc::new(Fake {
        mood: Mutex::new(mood),
        loads: AtomicUsize::new(0),
        asked: Mutex::default(),
        under_way: AtomicUsize::new(0),
        most_under_way: AtomicUsize::new(0),
    });
    let metrics = FactMetrics::register(&prometheus::Registry::new()).unwrap();
    (FactCache::new(settings, Source(fake.clone()), &metrics), fake)
}

fn cache(mood: Mood) -> (FactCache, Arc<Fake>) {
    cache_with(settings(), mood)
}

const AT_ONCE: Mood = Mood::Answers(Duration::ZERO);

async fn look_up(cache: &FactCache, key: &str) -> Looked {
    cache.begin([Some(FactKey::from(key))]).finish().await.remove(0)
}

/// Status, age in seconds, and which load the facts are from.
async fn seen(cache: &FactCache, key: &str) -> (FactStatus, Option<u64>, Option<usize>) {
    let looked = look_up(cache, key).await;
    let load = looked.row.map(|row| match row[0] {
        Some(FactValue::Number(number)) => number as usize,
        _ => panic!("{row:?}"),
    });
    (looked.status, looked.age.map(|age| age.as_secs()), load)
}

fn counted(cache: &FactCache, result: LookupResult) -> u64 {
    cache.inner.metrics.lookups(result)
}

use FactStatus::{Fresh, Missing, Stale, Unavailable};

#[tokio::test(start_paused = true)]
async fn facts_are_loaded_again_when_their_time_is_over_and_not_before() {
    let (cache, fake) = cache(AT_ONCE);
    assert_eq!(seen(&cache, "a").await, (Fresh, Some(0), Some(1)));
    tokio::time::advance(59 * SECOND).await;
    assert_eq!(seen(&cache, "a").await, (Fresh, Some(59), Some(1)));
    tokio::time::advance(SECOND).await;
    assert_eq!(seen(&cache, "a").await, (Fresh, Some(0), Some(2)));
    assert_eq!(fake.loads(), 2);
    assert_eq!((counted(&cache, LookupResult::Hit), counted(&cache, LookupResult::Miss)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn that_there_is_nothing_is_kept_too_for_a_time_of_its_own() {
    let (cache, fake) = cache(AT_ONCE);
    assert_eq!(seen(&cache, "no-1").await, (Missing, Some(0), None));
    tokio::time::advance(9 * SECOND).await;
    assert_eq!(seen(&cache, "no-1").await, (Missing, Some(9), None));
    assert_eq!((fake.loads(), counted(&cache, LookupResult::Negative)), (1, 1));
    tokio::time::advance(SECOND).await;
    assert_eq!(seen(&cache, "no-1").await, (Missing, Some(0), None));
    assert_eq!(fake.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_source_fails_what_is_known_is_served_up_to_its_limit() {
    let (cache, fake) = cache(AT_ONCE);
    seen(&cache, "a").await;
    seen(&cache, "no-1").await;
    fake.set(Mood::Fails);
    tokio::time::advance(60 * SECOND).await;
    assert_eq!(seen(&cache, "a").await, (Stale, Some(60), Some(1)));
    assert_eq!(seen(&cache, "no-1").await, (Stale, Some(60), None));
    assert_eq!(seen(&cache, "b").await, (Unavailable, None, None));
    tokio::time::advance(240 * SECOND).await;
    assert_eq!(seen(&cache, "a").await, (Stale, Some(300), Some(1)));
    tokio::time::advance(SECOND).await;
    assert_eq!(seen(&cache, "a").await, (Unavailable, None, None));
    fake.set(AT_ONCE);
    tokio::time::advance(5 * SECOND).await;
    let (status, age, _) = seen(&cache, "a").await;
    assert_eq!((status, age), (Fresh, Some(0)));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_look_ups_of_a_key_are_one_load() {
    let (cache, fake) = cache(Mood::Answers(PATIENCE / 2));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let cache = cache.clone();
        tasks.spawn(async move { seen(&cache, "a").await });
    }
    while let Some(result) = tasks.join_next().await {
        assert_eq!(result.unwrap(), (Fresh, Some(0), Some(1)));
    }
    assert_eq!(fake.loads(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nor_are_they_more_on_several_threads() {
    // Real time: with the patience of service, a busy machine ends the test before its loads.
    let settings = CacheSettings { patience: 60 * SECOND, timeout: 60 * SECOND, ..settings() };
    let (cache, fake) = cache_with(settings, Mood::Answers(Duration::from_millis(1)));
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..400 {
        let cache = cache.clone();
        tasks.spawn(async move { look_up(&cache, &format!("k{}", i % 40)).await.status });
    }
    while let Some(result) = tasks.join_next().await {
        assert_eq!(result.unwrap(), Fresh);
    }
    let asked = fake.asked.lock().unwrap();
    assert_eq!(asked.len(), 40);
    assert!(asked.values().all(|times| *times == 1), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_loaded_in_parts_side_by_side_and_each_key_once() {
    let (cache, fake) = cache(Mood::Answers(PATIENCE / 10));
    let keys: Vec<_> = (0..70).map(|i| Some(FactKey::from(format!("k{}", i % 35)))).collect();
    let answers = cache.begin(keys.into_iter().chain([None])).finish().await;
    assert_eq!(answers.len(), 71);
    assert!(answers[..70].iter().all(|looked| looked.status == Fresh));
    assert_eq!(answers[70].status, Missing, "there was no key to ask for");
    assert_eq!(fake.loads(), 4, "35 keys, 10 at a time");
    assert_eq!(fake.most_under_way.load(Ordering::SeqCst), 2);
    assert!(fake.asked.lock().unwrap().values().all(|times| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_source_delays_nobody_beyond_their_patience_and_fills_the_cache() {
    let (cache, fake) = cache(Mood::Answers(3 * PATIENCE));
    let began = Instant::now();
    assert_eq!(seen(&cache, "a").await, (Unavailable, None, None));
    assert_eq!(began.elapsed(), PATIENCE);
    let again = Instant::now();
    assert_eq!(seen(&cache, "a").await.0, Unavailable, "the same load is not waited for twice");
    assert_eq!(again.elapsed(), Duration::ZERO);
    tokio::time::sleep(3 * PATIENCE).await;
    assert_eq!(seen(&cache, "a").await, (Fresh, Some(0), Some(1)));
    assert_eq!((fake.loads(), counted(&cache, LookupResult::Timeout)), (1, 2));
}

#[tokio::test]
async fn a_load_gets_on_though_its_askers_never_rest() {
    let (cache, _) = cache_with(
        CacheSettings { patience: Duration::ZERO, ..settings() },
        Mood::Answers(Duration::from_millis(1)),
    );
    let began = std::time::Instant::now();
    while look_up(&cache, "a").await.status != Fresh {
        assert!(began.elapsed() < 10 * SECOND, "the load does not get its turn");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_costs_little_waiting_and_bounded_memory() {
    let (cache, fake) = cache(Mood::Never);
    let began = Instant::now();
    let (mut waited, mut batches) = (Duration::ZERO, 0);
    while began.elapsed() < 60 * SECOND {
        let keys = (0..50).map(|i| Some(FactKey::from(format!("{batches}-{i}"))));
        let start = Instant::now();
        let answers = cache.begin(keys).finish().await;
        assert!(start.elapsed() <= PATIENCE, "{:?}", start.elapsed());
        assert!(answers.iter().all(|looked| looked.status == Unavailable));
        assert!(cache.inner.flights.lock().len() <= 100);
        waited += start.elapsed();
        batches += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(batches > 2_000, "{batches}");
    assert!(waited < 3 * SECOND, "{waited:?} of a minute");
    assert!(fake.loads() < 30, "{} loads: the breaker keeps it from being asked", fake.loads());
    assert_eq!(fake.most_under_way.load(Ordering::SeqCst), 2);
    assert!(counted(&cache, LookupResult::Open) > 0 && counted(&cache, LookupResult::Busy) > 0);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_left_alone_and_found_again_when_it_answers() {
    let (cache, fake) = cache(Mood::Fails);
    for i in 0..50 {
        assert_eq!(seen(&cache, &format!("k{i}")).await.0, Unavailable);
    }
    assert_eq!((fake.loads(), cache.breaker_state()), (3, BreakerState::Open));
    fake.set(AT_ONCE);
    assert_eq!(seen(&cache, "a").await.0, Unavailable, "it is not asked yet");
    tokio::time::advance(5 * SECOND).await;
    assert_eq!(seen(&cache, "a").await, (Fresh, Some(0), Some(4)));
    assert_eq!(cache.breaker_state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_fails_costs_the_others_nothing() {
    let (cache, _) = cache(AT_ONCE);
    let keys = ["a", "bad-1", "no-1"].map(|key| Some(FactKey::from(key)));
    for _ in 0..10 {
        let answers = cache.begin(keys.clone()).finish().await;
        let statuses: Vec<_> = answers.iter().map(|looked| looked.status).collect();
        assert_eq!(statuses[1], Unavailable);
        assert_eq!((statuses[0], statuses[2]), (Fresh, Missing));
        tokio::time::advance(70 * SECOND).await;
    }
    assert_eq!(cache.breaker_state(), BreakerState::Closed);
    for _ in 0..3 {
        assert_eq!(seen(&cache, "bad-1").await.0, Unavailable);
    }
    assert_eq!(cache.breaker_state(), BreakerState::Open, "nothing but failures");
}

#[tokio::test(start_paused = true)]
async fn a_defect_in_a_source_is_a_failure_like_any_other() {
    let (cache, fake) = cache(Mood::Panics);
    for _ in 0..3 {
        assert_eq!(seen(&cache, "a").await.0, Unavailable);
    }
    assert_eq!(cache.breaker_state(), BreakerState::Open);
    assert!(cache.inner.flights.lock().is_empty());
    fake.set(AT_ONCE);
    tokio::time::advance(5 * SECOND).await;
    assert_eq!(seen(&cache, "a").await.0, Fresh);
}

#[tokio::test(start_paused = true)]
async fn what_the_cache_cannot_hold_is_still_answered() {
    let (cache, fake) = cache_with(CacheSettings { max_bytes: 0, ..settings() }, AT_ONCE);
    assert_eq!(seen(&cache, "a").await, (Fresh, Some(0), Some(1)));
    assert_eq!(seen(&cache, "a").await.0, Fresh);
    assert!(fake.loads() <= 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the source does and whenever it is asked: nothing is served beyond its limit,
    /// nothing is called fresh that is not, and nobody waits longer than their patience.
    #[test]
    fn no_answer_is_better_than_it_says(
        steps in proptest::collection::vec((0..4_u8, 0..4_u8, 0..120_u64), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (cache, fake) = cache(AT_ONCE);
            for (mood, key, seconds) in steps {
                fake.set(match mood {
                    0 => AT_ONCE,
                    1 => Mood::Answers(2 * PATIENCE),
                    2 => Mood::Fails,
                    _ => Mood::Never,
                });
                let key = ["a", "b", "no-1", "no-2"][usize::from(key)];
                let began = Instant::now();
                let looked = look_up(&cache, key).await;
                assert!(began.elapsed() <= PATIENCE);
                let seconds_old = looked.age.map(|age| age.as_secs_f64());
                match looked.status {
                    Fresh => {
                        assert!(looked.row.is_some() && !key.starts_with("no"));
                        assert!(seconds_old.unwrap() < 60.0);
                    }
                    Missing => {
                        assert!(looked.row.is_none() && key.starts_with("no"));
                        assert!(seconds_old.unwrap() < 10.0);
                    }
                    Stale => assert!((10.0..=300.0).contains(&seconds_old.unwrap())),
                    Unavailable => assert!(looked.age.is_none() && looked.row.is_none()),
                }
                tokio::time::advance(Duration::from_secs(seconds)).await;
            }
        });
    }
}
