//! Reading the answers as their users do: committed records only.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use platform_kafka::{Follower, FollowerEvent, Record};

use crate::support::{DEADLINE, World};

/// Once everything is answered, how long repeats are waited for: longer than a transaction
/// that a dead scorer has left open lasts.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// The answers so far, by ListingKey.
pub(crate) struct Answers<'w> {
    world: &'w World,
    follower: Follower,
    /// How often each listing was answered.
    pub(crate) times: BTreeMap<String, u32>,
    pub(crate) dead_letters: u64,
    /// Longest time from a listing's timestamp to its price readable, of those that were
    /// listed after `watched_from`.
    pub(crate) slowest: Duration,
    pub(crate) watched_from_ms: i64,
    /// Model versions by partition, in order, repeats left out.
    pub(crate) versions: BTreeMap<i32, Vec<String>>,
}

impl<'w> Answers<'w> {
    pub(crate) fn follow(world: &'w World) -> Self {
        let topics = [world.topics.prices(), world.topics.dead_letters()];
        let topics = topics.each_ref().map(|topic| &**topic);
        Self {
            world,
            follower: Follower::start(&world.broker, "test", &topics).unwrap(),
            times: BTreeMap::new(),
            dead_letters: 0,
            slowest: Duration::ZERO,
            watched_from_ms: i64::MAX,
            versions: BTreeMap::new(),
        }
    }

    /// Reads on for a while.
    pub(crate) async fn read_for(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        while let Ok(event) = tokio::time::timeout_at(until, self.follower.next()).await {
            self.take(event.expect("the follower goes on"));
        }
    }

    /// Reads until this many listings are answered, dead letters included.
    pub(crate) async fn read_until(&mut self, count: usize) {
        let until = tokio::time::Instant::now() + DEADLINE;
        while self.count() < count {
            let event = tokio::time::timeout_at(until, self.follower.next()).await;
            let Ok(event) = event else {
                panic!("{} of {count} are answered after {DEADLINE:?}", self.count());
            };
            self.take(event.expect("the follower goes on"));
        }
    }

    /// Asserts that `count` listings are answered, each once, and stays to see that it stays
    /// so.
    pub(crate) async fn assert_exactly_once(&mut self, count: usize) {
        self.read_until(count).await;
        self.read_for(AFTERWARDS).await;
        let repeated: Vec<_> = self.times.iter().filter(|(_, times)| **times != 1).collect();
        assert!(repeated.is_empty(), "{} answered more than once: {repeated:?}", repeated.len());
        assert_eq!(self.count(), count, "answers to listings that nobody published");
    }

    pub(crate) fn count(&self) -> usize {
        self.times.len() + self.dead_letters as usize
    }

    fn take(&mut self, event: FollowerEvent) {
        match event {
            FollowerEvent::Records(records) => records.iter().for_each(|record| self.note(record)),
            FollowerEvent::CaughtUp => {}
            FollowerEvent::Failed(error) => panic!("{error}"),
        }
    }

    fn note(&mut self, record: &Record) {
        if *record.topic == *self.world.topics.dead_letters() {
            self.dead_letters += 1;
            return;
        }
        let listed_ms = record.timestamp_ms.unwrap();
        if listed_ms >= self.watched_from_ms {
            let waited = Duration::from_millis(u64::try_from(now_ms() - listed_ms).unwrap_or(0));
            self.slowest = self.slowest.max(waited);
        }
        let published = self.world.codec.decode_price(record.payload.as_deref().unwrap()).unwrap();
        let version = published.estimate.model.expect("a champion").version;
        let versions = self.versions.entry(record.partition).or_default();
        if versions.last() != Some(&version) {
            versions.push(version);
        }
        *self.times.entry(published.estimate.listing_key).or_default() += 1;
    }
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
