//! Reading whole topics from the beginning, for a state that is rebuilt at every
//! start: the registry, the market index.
//!
//! A follower is no group member and commits nothing: every start reads every
//! record again, in order within a partition. Each topic has its own thread and
//! connection, so between topics there is no order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::sync::mpsc;

use crate::batch::{Batch, BatchLimits};
use crate::config::BrokerConfig;
use crate::context::Journal;
use crate::error::{KafkaError, Severity, severity};
use crate::metrics::{self, METRICS};
use crate::oauth::hand_token;
use crate::record::{Record, TopicNames};
use crate::thread;
use crate::topics::{partitions_of, range_of};

/// What is waiting is handed over at once, up to these sizes: a state is rebuilt
/// faster in larger steps, and 4 MiB bound what a slow caller costs.
const LIMITS: BatchLimits =
    BatchLimits { max_records: 500, max_bytes: 4 * 1024 * 1024, max_wait: Duration::ZERO };

/// Events ready for the caller before reading stops.
const EVENTS: usize = 2;

/// How often an idle thread looks whether it should end.
const IDLE_POLL: Duration = Duration::from_millis(100);

/// What a follower reports.
#[derive(Debug)]
pub enum FollowerEvent {
    /// Records of one topic, in order within each partition.
    Records(Vec<Record>),
    /// Once: everything that was there when the follower started has been handed
    /// over, for every partition of every topic.
    CaughtUp,
    /// The follower cannot go on; nothing comes after this.
    Failed(KafkaError),
}

/// Reads all partitions of some topics from the beginning.
#[derive(Debug)]
pub struct Follower {
    events: mpsc::Receiver<FollowerEvent>,
    stop: Arc<AtomicBool>,
    way: Arc<Way>,
    failed: bool,
}

/// How far a follower has come with what was there when it started, in offsets: what
/// compaction or a transaction's markers took away is included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatchUp {
    /// Offsets passed.
    pub done: u64,
    /// Offsets to pass; grows while topics are being asked how far they reach.
    pub of: u64,
}

impl CatchUp {
    /// The share that is done, 0 to 1.
    pub fn share(&self) -> f64 {
        if self.of == 0 { 1.0 } else { self.done as f64 / self.of as f64 }
    }
}

#[derive(Debug, Default)]
struct Way {
    done: AtomicU64,
    of: AtomicU64,
}

impl Follower {
    /// Starts reading. `service` names the reader in logs, metrics and the broker.
    pub fn start(
        config: &BrokerConfig,
        service: &'static str,
        topics: &[&str],
    ) -> Result<Self, KafkaError> {
        if topics.is_empty() {
            return Err(KafkaError::Setting {
                setting: "topics".to_owned(),
                reason: "names no topic to follow".to_owned(),
            });
        }
        let (sender, events) = mpsc::channel(EVENTS);
        let stop = Arc::new(AtomicBool::new(false));
        let behind = Arc::new(AtomicUsize::new(topics.len()));
        let way = Arc::new(Way::default());
        for &topic in topics {
            // Without a group id the library hands no records over. It is never
            // joined; the broker sees it as the reader's name.
            let mut settings =
                config.consumer(&format!("{}-follow-{service}", config.client_id))?;
            settings.set("enable.partition.eof", "true");
            let consumer = BaseConsumer::from_config_and_context(&settings, Journal::of(config))
                .map_err(|error| KafkaError::of_creation(&config.bootstrap_servers, error))?;
            let reader = TopicReader {
                consumer,
                brokers: config.bootstrap_servers.clone(),
                service,
                topic: topic.to_owned(),
                events: sender.clone(),
                stop: Arc::clone(&stop),
                behind: Arc::clone(&behind),
                way: Arc::clone(&way),
            };
            let named = thread::Reader {
                name: service.to_owned(),
                topics: topic.to_owned(),
                brokers: config.bootstrap_servers.clone(),
            };
            thread::spawn(named, sender.clone(), FollowerEvent::Failed, move || reader.run())?;
        }
        Ok(Self { events, stop, way, failed: false })
    }

    /// How far the follower has come with what was there when it started.
    pub fn catch_up(&self) -> CatchUp {
        CatchUp {
            done: self.way.done.load(Ordering::Relaxed),
            of: self.way.of.load(Ordering::Relaxed),
        }
    }

    /// The next event; `None` after a failure. Safe to use in `select!`.
    pub async fn next(&mut self) -> Option<FollowerEvent> {
        if self.failed {
            return None;
        }
        let event = self.events.recv().await;
        if matches!(event, Some(FollowerEvent::Failed(_))) {
            self.failed = true;
            self.stop.store(true, Ordering::Release);
        }
        event
    }

    /// Stops reading and waits for the threads to end.
    pub async fn close(mut self, deadline: Duration) -> Result<(), KafkaError> {
        self.stop.store(true, Ordering::Release);
        let ended = async { while self.events.recv().await.is_some() {} };
        tokio::time::timeout(deadline, ended)
            .await
            .map_err(|_| KafkaError::timeout("closing a follower", deadline))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// The thread of one topic. One topic a connection, because the library reports
/// the end of a partition without saying of which topic.
struct TopicReader {
    consumer: BaseConsumer<Journal>,
    brokers: String,
    service: &'static str,
    topic: String,
    events: mpsc::Sender<FollowerEvent>,
    stop: Arc<AtomicBool>,
    /// Topics that have not caught up.
    behind: Arc<AtomicUsize>,
    way: Arc<Way>,
}

/// What a partition held when the follower started and has not handed over yet.
struct Stretch {
    next: i64,
    end: i64,
}

/// Nobody listens any more.
struct Gone;

impl TopicReader {
    fn run(self) {
        match self.begin() {
            Ok(stretches) => drop(self.follow(stretches)),
            Err(error) => drop(self.send(FollowerEvent::Failed(error))),
        }
    }

    /// Assigns all partitions from their beginning and returns the ends to reach.
    fn begin(&self) -> Result<BTreeMap<i32, Stretch>, KafkaError> {
        let mut stretches = BTreeMap::new();
        let mut assignment = TopicPartitionList::new();
        let failed = |error: ClientError| KafkaError::Topic {
            topic: self.topic.clone(),
            operation: "assign",
            reason: error.to_string(),
        };
        // Questions come before the first poll.
        if self.consumer.client().context().has_token() {
            hand_token(self.consumer.client())?;
        }
        for partition in partitions_of(&self.consumer, &self.topic, &self.brokers)? {
            let range = range_of(&self.consumer, &self.topic, partition)?;
            if range.low < range.high {
                self.way.of.fetch_add(range.high.abs_diff(range.low), Ordering::Relaxed);
                stretches.insert(partition, Stretch { next: range.low, end: range.high });
            }
            assignment
                .add_partition_offset(&self.topic, partition, Offset::Beginning)
                .map_err(failed)?;
        }
        self.consumer.assign(&assignment).map_err(failed)?;
        Ok(stretches)
    }

    fn follow(&self, mut stretches: BTreeMap<i32, Stretch>) -> Result<(), Gone> {
        let mut batch = Batch::new(LIMITS);
        let mut topics = TopicNames::default();
        let mut caught_up = false;
        while !self.stop.load(Ordering::Acquire) {
            let now = Instant::now();
            if batch.is_due(now) {
                self.hand_over(batch.take())?;
            }
            if !caught_up && stretches.is_empty() {
                // What was read must be seen before the news that it was.
                self.hand_over(batch.take())?;
                caught_up = true;
                if self.behind.fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.send(FollowerEvent::CaughtUp)?;
                }
            }
            match self.consumer.poll(batch.patience(IDLE_POLL, now)) {
                None => batch.found_nothing(),
                Some(Ok(message)) => {
                    if !caught_up {
                        self.pass(&mut stretches, message.partition(), message.offset() + 1);
                    }
                    batch.push(Record::from_message(&message, &mut topics), now);
                }
                // The last offsets of a partition may be a transaction's markers,
                // which are never handed over.
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    self.pass(&mut stretches, partition, i64::MAX);
                }
                Some(Err(error)) => self.on_error(&error)?,
            }
        }
        Ok(())
    }

    /// A partition has been read up to `next`.
    fn pass(&self, stretches: &mut BTreeMap<i32, Stretch>, partition: i32, next: i64) {
        let Some(stretch) = stretches.get_mut(&partition) else { return };
        let reached = next.min(stretch.end);
        self.way.done.fetch_add(reached.abs_diff(stretch.next), Ordering::Relaxed);
        stretch.next = reached;
        if reached == stretch.end {
            stretches.remove(&partition);
        }
    }

    fn hand_over(&self, records: Vec<Record>) -> Result<(), Gone> {
        if records.is_empty() {
            return Ok(());
        }
        let bytes: usize = records.iter().map(Record::size_bytes).sum();
        let labels = [self.topic.as_str(), self.service];
        metrics::add(&METRICS.read, &labels, records.len() as u64);
        metrics::add(&METRICS.read_bytes, &labels, bytes as u64);
        self.send(FollowerEvent::Records(records))
    }

    fn on_error(&self, error: &ClientError) -> Result<(), Gone> {
        let detail = self.consumer.client().context().take_last_error();
        let reason = detail.unwrap_or_else(|| error.to_string());
        let brokers = self.brokers.clone();
        let failure = match severity(error) {
            Severity::Transient => {
                tracing::debug!(topic = self.topic, service = self.service, reason, "read again");
                return Ok(());
            }
            Severity::UnknownTopic => {
                KafkaError::UnknownTopic { topic: self.topic.clone(), brokers }
            }
            Severity::AccessRefused => {
                KafkaError::AccessRefused { brokers, reader: self.service.to_owned(), reason }
            }
            Severity::Fatal => KafkaError::Consumer {
                reader: self.service.to_owned(),
                topics: self.topic.clone(),
                brokers,
                reason,
            },
        };
        self.send(FollowerEvent::Failed(failure))?;
        Err(Gone)
    }

    /// Waits while the caller is busy: back-pressure down to the fetch.
    fn send(&self, event: FollowerEvent) -> Result<(), Gone> {
        self.events.blocking_send(event).map_err(|_| Gone)
    }
}
