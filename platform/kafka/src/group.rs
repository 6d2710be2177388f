//! A member of a consumer group.
//!
//! Records are handed over at least once: what was not committed before a member
//! ends, or before its partition goes to another, is handed over again. Offsets
//! move only through [`GroupConsumer::commit`].
//!
//! One thread owns the connection and turns what happens into one closed enum on
//! a bounded channel: [`ConsumerEvent`]. When partitions are taken away, the
//! thread waits until the service has acknowledged it, so that the service can
//! finish what is in flight and commit before another member starts. Closing is a
//! revocation of everything, with the same drain.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError as ClientError;
use tokio::sync::mpsc;

use crate::batch::BatchLimits;
use crate::config::BrokerConfig;
use crate::context::GroupContext;
use crate::error::KafkaError;
use crate::lag::{Lag, STATISTICS_INTERVAL_MS};
use crate::record::{NextOffset, Record, TopicPartition};
use crate::thread;
use crate::transactor::positions;

mod worker;

use worker::Worker;

/// Events ready for the service before reading stops: with the batch in its hands
/// and the one being filled, at most four batches in memory.
const EVENTS: usize = 2;

/// The embedded broker's longest session. Every rebalance but the first takes a
/// second less than a session there, even if all members answer at once.
const EMBEDDED_SESSION: Duration = Duration::from_millis(2_000);

/// The embedded broker's members learn of a rebalance from their heartbeat.
const EMBEDDED_HEARTBEAT: Duration = Duration::from_millis(100);

/// How the members of a group agree on who reads what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The members decide (cooperative-sticky). Works with every broker.
    #[default]
    Classic,
    /// The broker decides (KIP-848). Kafka 4.0 or later; session time-out and
    /// heartbeat are the broker's settings then.
    Consumer,
}

/// How a member reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// The group's name; members of one group share its partitions.
    pub group_id: String,
    /// The topics to read.
    pub topics: Vec<String>,
    /// How the members agree on who reads what.
    pub protocol: GroupProtocol,
    /// Most records in a batch. 500: beyond it a transaction or an insert of the
    /// batch gains little, and a drain takes longer.
    pub batch_max_records: usize,
    /// Most bytes in a batch, reached by its last record. 4 MiB: four of the
    /// largest records, sixteen megabytes in memory over all batches.
    pub batch_max_bytes: usize,
    /// How long a batch waits to fill. Zero: it closes as soon as nothing more is
    /// waiting, so an idle service answers at once and a busy one finds full
    /// batches, because records pile up while it works.
    pub batch_max_wait: Duration,
    /// How long the broker waits for a silent member before it gives its
    /// partitions away. 45 s, Kafka's default: survives a restart of the broker. On
    /// the embedded broker at most 2 s.
    pub session_timeout: Duration,
    /// How often a member reports. 3 s, Kafka's default. On the embedded broker at
    /// most 100 ms.
    pub heartbeat_interval: Duration,
    /// How long a member may go without reading before the broker assumes it is
    /// stuck. 5 min, Kafka's default. Back-pressure does not count: a member whose
    /// service is slow pauses its partitions and stays in the group.
    pub max_poll_interval: Duration,
    /// How long a revocation waits for the service to drain. 20 s: below the
    /// session timeout, so that the rest of the group never waits for longer.
    pub drain_deadline: Duration,
}

impl GroupConfig {
    /// A member with the defaults of each field.
    pub fn new(group_id: impl Into<String>, topics: &[&str]) -> Self {
        Self {
            group_id: group_id.into(),
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            protocol: GroupProtocol::Classic,
            batch_max_records: 500,
            batch_max_bytes: 4 * 1024 * 1024,
            batch_max_wait: Duration::ZERO,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            drain_deadline: Duration::from_secs(20),
        }
    }

    /// Refuses settings that cannot work together.
    pub fn validate(&self) -> Result<(), KafkaError> {
        let refuse = |setting: &str, reason: &str| {
            Err(KafkaError::Setting { setting: setting.to_owned(), reason: reason.to_owned() })
        };
        if self.group_id.is_empty() {
            return refuse("group_id", "is empty");
        }
        if self.topics.is_empty() {
            return refuse("topics", "names no topic");
        }
        if self.batch_max_records == 0 || self.batch_max_bytes == 0 {
            return refuse("batch_max_records", "a batch must hold at least one record and byte");
        }
        if self.drain_deadline >= self.session_timeout {
            return refuse("drain_deadline", "must be shorter than session_timeout");
        }
        if self.heartbeat_interval * 3 > self.session_timeout {
            return refuse("heartbeat_interval", "must fit three times into session_timeout");
        }
        if self.max_poll_interval < self.session_timeout {
            return refuse("max_poll_interval", "must not be shorter than session_timeout");
        }
        Ok(())
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            max_records: self.batch_max_records,
            max_bytes: self.batch_max_bytes,
            max_wait: self.batch_max_wait,
        }
    }
}

/// What happens to a member. Assigned comes before the first record of its
/// partitions, Revoked after the last.
#[derive(Debug)]
pub enum ConsumerEvent {
    /// Records, in order within each partition.
    Batch(Vec<Record>),
    /// Partitions this member reads from now on, besides those it has.
    Assigned(Vec<TopicPartition>),
    /// Partitions to give up: finish what is in flight, commit, acknowledge. Other
    /// partitions keep flowing.
    Revoked {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// To be acknowledged; dropping it acknowledges too.
        ack: RevokeAck,
    },
    /// What was read and not committed before a rewind comes again
    /// after this.
    Rewound {
        /// The number given to `rewind`.
        epoch: u64,
    },
    /// The member cannot go on; nothing comes after this.
    Failed(KafkaError),
}

/// Tells the member's thread that a revocation is drained.
#[derive(Debug)]
pub struct RevokeAck {
    drained: std::sync::mpsc::Sender<()>,
}

impl RevokeAck {
    /// The service has finished with the revoked partitions. Commits asked for
    /// before this still reach the broker ahead of the revocation.
    pub fn acknowledge(self) {
        // The thread may have stopped waiting at its deadline.
        let _ = self.drained.send(());
    }
}

/// A member of a consumer group.
#[derive(Debug)]
pub struct GroupConsumer {
    events: mpsc::Receiver<ConsumerEvent>,
    consumer: WeakConsumer,
    thread: std::thread::Thread,
    stop: Arc<AtomicBool>,
    /// The rewind that was asked for last.
    rewind: Arc<AtomicU64>,
    brokers: String,
    group: GroupConfig,
    lag: Arc<Lag>,
}

/// The thread owns the connection; the service borrows it to commit.
struct WeakConsumer(Weak<BaseConsumer<GroupContext>>);

impl std::fmt::Debug for WeakConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WeakConsumer")
    }
}

impl GroupConsumer {
    /// Joins the group. Events follow once the broker has answered.
    pub fn start(config: &BrokerConfig, group: GroupConfig) -> Result<Self, KafkaError> {
        group.validate()?;
        let mut settings = config.consumer(&group.group_id)?;
        let (session, heartbeat) = match config.embedded {
            true => (
                group.session_timeout.min(EMBEDDED_SESSION),
                group.heartbeat_interval.min(EMBEDDED_HEARTBEAT),
            ),
            false => (group.session_timeout, group.heartbeat_interval),
        };
        settings.set("max.poll.interval.ms", group.max_poll_interval.as_millis().to_string());
        match group.protocol {
            GroupProtocol::Consumer => {
                settings.set("group.protocol", "consumer");
            }
            GroupProtocol::Classic => {
                settings
                    .set("session.timeout.ms", session.as_millis().to_string())
                    .set("heartbeat.interval.ms", heartbeat.as_millis().to_string());
                if !config.properties.contains_key("partition.assignment.strategy") {
                    // A member that joins or leaves moves only the partitions that
                    // must move; the others keep flowing.
                    settings.set("partition.assignment.strategy", "cooperative-sticky");
                }
            }
        }
        if !config.properties.contains_key("statistics.interval.ms") {
            settings.set("statistics.interval.ms", STATISTICS_INTERVAL_MS);
        }
        let lag = Arc::new(Lag::new(&group.group_id));
        let context = GroupContext::new(config, Arc::clone(&lag));
        let consumer = BaseConsumer::from_config_and_context(&settings, context)
            .map_err(|error| KafkaError::of_creation(&config.bootstrap_servers, error))?;
        let topics: Vec<&str> = group.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| KafkaError::Consumer {
            reader: group.group_id.clone(),
            topics: group.topics.join(","),
            brokers: config.bootstrap_servers.clone(),
            reason: error.to_string(),
        })?;
        let consumer = Arc::new(consumer);
        let weak = WeakConsumer(Arc::downgrade(&consumer));
        let (sender, events) = mpsc::channel(EVENTS);
        let stop = Arc::new(AtomicBool::new(false));
        let rewind = Arc::new(AtomicU64::new(0));
        let reader = thread::Reader {
            name: group.group_id.clone(),
            topics: group.topics.join(","),
            brokers: config.bootstrap_servers.clone(),
        };
        let worker = Worker::new(
            consumer,
            sender.clone(),
            Arc::clone(&stop),
            Arc::clone(&rewind),
            group.clone(),
            config.bootstrap_servers.clone(),
        );
        let thread = thread::spawn(reader, sender, ConsumerEvent::Failed, move || worker.run())?;
        let brokers = config.bootstrap_servers.clone();
        Ok(Self { events, consumer: weak, thread, stop, rewind, brokers, group, lag })
    }

    /// The next event; `None` once the member has left the group. Safe to use in
    /// `select!`.
    pub async fn next(&mut self) -> Option<ConsumerEvent> {
        let event = self.events.recv().await;
        // The thread may be waiting for room.
        self.thread.unpark();
        match &event {
            Some(ConsumerEvent::Batch(records)) => self.lag.taken(records),
            Some(ConsumerEvent::Rewound { .. }) => self.lag.rewound(),
            _ => {}
        }
        event
    }

    /// Asks the broker to store these next offsets and returns without waiting. A
    /// failure is logged with its coordinates and costs a repeat after a restart,
    /// never a loss.
    pub fn commit(&self, next_offsets: &[NextOffset]) -> Result<(), KafkaError> {
        if next_offsets.is_empty() {
            return Ok(());
        }
        let failed = |error: ClientError| KafkaError::Consumer {
            reader: self.group.group_id.clone(),
            topics: self.group.topics.join(","),
            brokers: self.brokers.clone(),
            reason: format!("commit: {error}"),
        };
        let offsets = positions(next_offsets).map_err(failed)?;
        self.connection()?.commit(&offsets, CommitMode::Async).map_err(failed)
    }

    /// Who this member is, for a transaction that commits its offsets.
    pub(crate) fn group_metadata(&self) -> Result<ConsumerGroupMetadata, KafkaError> {
        let closed = KafkaError::Closed { what: "the group consumer" };
        self.connection()?.group_metadata().ok_or(closed)
    }

    /// Goes back to what is committed: a transaction was aborted. Batches that come
    /// before [`ConsumerEvent::Rewound`] of this `epoch`, a number that grows, are
    /// out of date.
    pub(crate) fn rewind(&self, epoch: u64) {
        self.rewind.store(epoch, Ordering::Release);
        self.thread.unpark();
    }

    fn connection(&self) -> Result<Arc<BaseConsumer<GroupContext>>, KafkaError> {
        self.consumer.0.upgrade().ok_or(KafkaError::Closed { what: "the group consumer" })
    }

    /// Begins to leave the group: a last [`ConsumerEvent::Revoked`] follows, then
    /// `None`. For a service that drains through its ordinary loop.
    pub fn begin_close(&self) {
        self.stop.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Leaves the group. Call it once everything in flight is done and committed:
    /// batches not yet taken are given up and will be read again.
    pub async fn close(mut self, deadline: Duration) -> Result<(), KafkaError> {
        self.begin_close();
        let drained = async {
            // Dropping a revocation acknowledges it.
            while self.next().await.is_some() {}
        };
        tokio::time::timeout(deadline, drained)
            .await
            .map_err(|_| KafkaError::timeout("leaving the consumer group", deadline))
    }
}

impl Drop for GroupConsumer {
    fn drop(&mut self) {
        self.begin_close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_together_are_refused() {
        let valid = GroupConfig::new("g", &["t"]);
        assert_eq!(valid.validate(), Ok(()));
        let refused = |change: fn(&mut GroupConfig)| {
            let mut config = valid.clone();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert_eq!(
            refused(|config| config.drain_deadline = config.session_timeout),
            "Kafka setting `drain_deadline`: must be shorter than session_timeout"
        );
        assert!(refused(|config| config.topics.clear()).contains("`topics`"));
        assert!(refused(|config| config.group_id.clear()).contains("`group_id`"));
        assert!(refused(|config| config.batch_max_records = 0).contains("`batch_max_records`"));
        assert!(
            refused(|config| config.max_poll_interval = Duration::from_secs(1))
                .contains("`max_poll_interval`")
        );
    }
}
