//! The cache in front of one source: what is known is answered at once, what is not is loaded
//! once, and nobody waits longer than their patience.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::breaker::{Breaker, BreakerSettings, BreakerState, Permit};
use crate::entry::{Entry, Freshness, Lifetimes};
use crate::flight::{Flight, Flights, Landing, take_off};
use crate::metrics::{FactMetrics, LookupResult, SourceMetrics};
use crate::source::{Answer, FactError, FactKey, FactRow, FactSource};

/// How one source is asked.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// Its name in the settings, in metrics and in estimates.
    pub name: String,
    /// How long what was loaded may be used.
    pub lifetimes: Lifetimes,
    /// A load that takes longer is given up.
    pub timeout: Duration,
    /// A look-up waits for a load no longer than this after the load was asked for, whoever
    /// asked. The load goes on and fills the cache.
    pub patience: Duration,
    /// When the source is left alone.
    pub breaker: BreakerSettings,
    /// Loads at a time.
    pub concurrency: usize,
    /// Most keys that wait for a load or are in one; further ones are not asked for.
    pub max_keys_in_flight: usize,
    /// Most bytes that the cache holds, about.
    pub max_bytes: u64,
}

/// How good an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactStatus {
    /// Within its time to live.
    Fresh,
    /// Older, because the source does not answer.
    Stale,
    /// The source has nothing under this key, or the key is not known.
    Missing,
    /// The source does not answer, and nothing young enough is known.
    Unavailable,
}

/// What is known of one key.
#[derive(Clone, Debug)]
pub struct Looked {
    /// How good it is.
    pub status: FactStatus,
    /// Time since it was loaded; `None` when nothing was.
    pub age: Option<Duration>,
    /// The facts.
    pub row: Option<Arc<FactRow>>,
}

/// The cache in front of one source. Clones share it.
#[derive(Clone)]
pub struct FactCache {
    inner: Arc<Inner>,
}

struct Inner {
    settings: CacheSettings,
    source: Box<dyn FactSource>,
    entries: Cache<FactKey, Entry>,
    flights: Flights,
    breaker: Mutex<Breaker>,
    slots: Semaphore,
    metrics: SourceMetrics,
}

/// A look-up that has begun. [`Lookup::finish`] waits for what it needs.
#[must_use = "a look-up answers when it is finished"]
pub struct Lookup {
    inner: Arc<Inner>,
    keys: Vec<Waiting>,
}

/// One key of a look-up.
enum Waiting {
    /// The answer is there.
    Known(Entry),
    /// There is no key to ask for.
    NoKey,
    /// A load is on its way; what is known until then, if it may be used at all.
    Flight { key: FactKey, known: Option<Entry>, flight: Flight },
    /// No load was made, and why.
    Refused { known: Option<Entry>, why: LookupResult },
}

impl FactCache {
    /// An empty cache in front of a source.
    pub fn new(settings: CacheSettings, source: impl FactSource, metrics: &FactMetrics) -> Self {
        let entries = Cache::builder()
            .max_capacity(settings.max_bytes)
            .weigher(|key: &FactKey, entry: &Entry| entry.bytes(key))
            // Ages are judged at each read; this makes room.
            .time_to_live(settings.lifetimes.stale_limit.max(Duration::from_secs(1)))
            .build();
        let inner = Inner {
            breaker: Mutex::new(Breaker::new(settings.breaker)),
            slots: Semaphore::new(settings.concurrency),
            metrics: metrics.of_source(&settings.name),
            flights: Flights::default(),
            source: Box::new(source),
            entries,
            settings,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The source's name.
    pub fn name(&self) -> &str {
        &self.inner.settings.name
    }

    /// Loads nothing: makes the connection before the first look-up needs it.
    ///
    /// # Errors
    /// Why the source does not answer.
    pub async fn warm_up(&self) -> Result<(), FactError> {
        let timeout = self.inner.settings.timeout;
        match tokio::time::timeout(timeout, self.inner.source.load(&[])).await {
            Ok(answers) => answers.map(drop),
            Err(_) => Err(FactError::Timeout(timeout)),
        }
    }

    /// What the source's breaker lets through.
    pub fn breaker_state(&self) -> BreakerState {
        self.inner.breaker().state()
    }

    /// Begins to look up keys: what is not known and not on its way is loaded, in tasks of
    /// their own. Must be called within a tokio runtime. Does not wait.
    pub fn begin(&self, keys: impl IntoIterator<Item = Option<FactKey>>) -> Lookup {
        let inner = &self.inner;
        let now = Instant::now();
        let mut claims = Claims::new(inner, now);
        let keys = keys.into_iter().map(|key| match key {
            None => Waiting::NoKey,
            Some(key) => match inner.entries.get(&key) {
                Some(entry) if inner.is_fresh(&entry, now) => Waiting::Known(entry),
                _ => claims.join_or_claim(key),
            },
        });
        let keys = keys.collect();
        for departure in claims.departures() {
            tokio::spawn(inner.clone().load(departure));
        }
        Lookup { inner: inner.clone(), keys }
    }
}

/// What one look-up has to load itself, decided under the lock of the flights.
struct Claims<'a> {
    inner: &'a Inner,
    now: Instant,
    flights: Option<MutexGuard<'a, HashMap<FactKey, Flight>>>,
    departures: Vec<Departure>,
}

/// A load that is about to be made.
struct Departure {
    keys: Vec<FactKey>,
    flight: Flight,
    landing: watch::Sender<Option<Arc<Landing>>>,
}

impl<'a> Claims<'a> {
    fn new(inner: &'a Inner, now: Instant) -> Self {
        Self { inner, now, flights: None, departures: Vec::new() }
    }

    /// Joins the load that a key is in, or puts it into one of our own.
    fn join_or_claim(&mut self, key: FactKey) -> Waiting {
        let (inner, now) = (self.inner, self.now);
        let flights = self.flights.get_or_insert_with(|| inner.flights.lock());
        // Read again: a load fills the cache before it takes its keys off the flights.
        let known = inner.entries.get(&key);
        if let Some(flight) = flights.get(&key) {
            return Waiting::Flight { flight: flight.clone(), key, known };
        }
        let known = match known {
            Some(entry) if inner.is_fresh(&entry, now) => return Waiting::Known(entry),
            known => known,
        };
        if !inner.breaker().admits(now) {
            return Waiting::Refused { known, why: LookupResult::Open };
        }
        if flights.len() >= inner.settings.max_keys_in_flight {
            return Waiting::Refused { known, why: LookupResult::Busy };
        }
        let flight = board(&mut self.departures, &key, inner.source.max_keys().max(1), now);
        flights.insert(key.clone(), flight.clone());
        Waiting::Flight { key, known, flight }
    }

    fn departures(self) -> Vec<Departure> {
        self.departures
    }
}

/// Puts a key into the last load that has room, or into a new one.
fn board(departures: &mut Vec<Departure>, key: &FactKey, room: usize, now: Instant) -> Flight {
    match departures.last_mut() {
        Some(departure) if departure.keys.len() < room => {
            departure.keys.push(key.clone());
            departure.flight.clone()
        }
        _ => {
            let (flight, landing) = take_off(now);
            let keys = vec![key.clone()];
            departures.push(Departure { keys, flight: flight.clone(), landing });
            flight
        }
    }
}

impl Inner {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fresh(&self, entry: &Entry, now: Instant) -> bool {
        entry.freshness(&self.settings.lifetimes, now) == Freshness::Fresh
    }

    /// Makes a load and tells everyone who waits for it.
    async fn load(self: Arc<Self>, departure: Departure) {
        let Departure { keys, landing, .. } = departure;
        let mut arrival = Arrival { inner: &self, keys: &keys, landing, permit: None };
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await;
        arrival.permit = self.admit();
        if arrival.permit.is_none() {
            return arrival.land(Landing::Failed(LookupResult::Open));
        }
        let timer = self.metrics.load_seconds.start_timer();
        let load = tokio::time::timeout(self.settings.timeout, self.source.load(&keys));
        let answers = match load.await {
            Ok(answers) => answers.and_then(|answers| one_each(answers, keys.len())),
            Err(_) => Err(FactError::Timeout(self.settings.timeout)),
        };
        timer.observe_duration();
        let landing = match answers {
            Ok(answers) => self.keep(&keys, answers),
            Err(error) => Err(error),
        };
        match landing {
            Ok(entries) => {
                self.metrics.loads_ok.inc();
                arrival.settle(None);
                arrival.land(Landing::Loaded(entries));
            }
            Err(error) => {
                let result = self.count_failure(&error);
                arrival.settle(Some(&error));
                arrival.land(Landing::Failed(result));
            }
        }
    }

    fn admit(&self) -> Option<Permit> {
        let mut breaker = self.breaker();
        let permit = breaker.admit(Instant::now());
        self.metrics.breaker.set(breaker.state().gauge());
        permit
    }

    fn count_failure(&self, error: &FactError) -> LookupResult {
        if matches!(error, FactError::Timeout(_)) {
            self.metrics.loads_timed_out.inc();
            LookupResult::Timeout
        } else {
            self.metrics.loads_failed.inc();
            LookupResult::Error
        }
    }

    /// Takes answers into the cache. When no key at all could be asked for, the load failed.
    fn keep(
        &self,
        keys: &[FactKey],
        answers: Vec<Answer>,
    ) -> Result<HashMap<FactKey, Option<Entry>>, FactError> {
        let loaded_at = Instant::now();
        let mut entries = HashMap::with_capacity(keys.len());
        let mut failure = None;
        for (key, answer) in keys.iter().zip(answers) {
            let row = match answer {
                Answer::Found(row) => Some(Arc::new(row)),
                Answer::Absent => None,
                Answer::Failed(error) => {
                    failure = Some(error);
                    entries.insert(key.clone(), None);
                    continue;
                }
            };
            let entry = Entry { loaded_at, row };
            self.entries.insert(key.clone(), entry.clone());
            entries.insert(key.clone(), Some(entry));
        }
        match failure {
            Some(error) if entries.values().all(Option::is_none) => Err(error),
            Some(error) => {
                tracing::warn!(source = self.settings.name, %error, "facts of some keys cannot be had");
                Ok(entries)
            }
            None => Ok(entries),
        }
    }
}

/// A source that answers too few keys or too many is not understood at all.
fn one_each(answers: Vec<Answer>, keys: usize) -> Result<Vec<Answer>, FactError> {
    if answers.len() == keys {
        return Ok(answers);
    }
    Err(FactError::Malformed(format!("{} answers for {keys} keys", answers.len())))
}

/// Sees to it that a load is told of, however it ends: a task that dies counts as a failure,
/// and its keys can be asked for again.
struct Arrival<'a> {
    inner: &'a Inner,
    keys: &'a [FactKey],
    landing: watch::Sender<Option<Arc<Landing>>>,
    permit: Option<Permit>,
}

impl Arrival<'_> {
    /// Tells the breaker.
    fn settle(&mut self, error: Option<&FactError>) {
        let Some(permit) = self.permit.take() else { return };
        let mut breaker = self.inner.breaker();
        let before = breaker.state();
        match error {
            None => breaker.succeeded(permit),
            Some(_) => breaker.failed(permit, Instant::now()),
        }
        let after = breaker.state();
        drop(breaker);
        self.inner.metrics.breaker.set(after.gauge());
        let source = &self.inner.settings.name;
        match error {
            None if before != after => tracing::info!(source, "source of facts answers again"),
            Some(error) if before == BreakerState::Closed && after == BreakerState::Open => {
                tracing::warn!(source, %error, "source of facts is left alone for a while");
            }
            Some(error) => tracing::debug!(source, %error, "load of facts failed"),
            None => {}
        }
    }

    fn land(self, landing: Landing) {
        self.landing.send_replace(Some(Arc::new(landing)));
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.settle(Some(&FactError::Malformed("the load's task died".into())));
        }
        self.inner.flights.remove(self.keys);
    }
}

impl Lookup {
    /// Waits for what is on its way, no longer than the settings' patience after each load was
    /// asked for, and answers each key, in their order.
    pub async fn finish(self) -> Vec<Looked> {
        let Self { inner, keys } = self;
        if keys.iter().any(|waiting| matches!(waiting, Waiting::Flight { .. })) {
            // Loads must get on even where nobody has the patience to wait for them any more.
            tokio::task::yield_now().await;
        }
        let mut answers = Vec::with_capacity(keys.len());
        for waiting in keys {
            answers.push(match waiting {
                Waiting::NoKey => inner.no_key(),
                Waiting::Known(entry) => {
                    let result = match entry.row {
                        Some(_) => LookupResult::Hit,
                        None => LookupResult::Negative,
                    };
                    inner.answer(entry, result)
                }
                Waiting::Refused { known, why } => inner.without_a_load(known, why),
                Waiting::Flight { key, known, mut flight } => {
                    let landed = flight.landed(flight.started + inner.settings.patience).await;
                    match landed.and_then(|landing| landing.of(&key)) {
                        Ok(entry) => inner.answer(entry, LookupResult::Miss),
                        Err(why) => inner.without_a_load(known, why),
                    }
                }
            });
        }
        answers
    }
}

impl Inner {
    fn no_key(&self) -> Looked {
        self.metrics.looked_up(LookupResult::NoKey);
        Looked { status: FactStatus::Missing, age: None, row: None }
    }

    fn answer(&self, entry: Entry, result: LookupResult) -> Looked {
        self.metrics.looked_up(result);
        let status = match (result, &entry.row) {
            (LookupResult::Stale, _) => FactStatus::Stale,
            (_, Some(_)) => FactStatus::Fresh,
            (_, None) => FactStatus::Missing,
        };
        Looked { status, age: Some(entry.age(Instant::now())), row: entry.row }
    }

    /// What was known before, if it is young enough.
    fn without_a_load(&self, known: Option<Entry>, why: LookupResult) -> Looked {
        let now = Instant::now();
        match known {
            Some(entry) if entry.freshness(&self.settings.lifetimes, now) != Freshness::Expired => {
                self.answer(entry, LookupResult::Stale)
            }
            _ => {
                self.metrics.looked_up(why);
                Looked { status: FactStatus::Unavailable, age: None, row: None }
            }
        }
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
