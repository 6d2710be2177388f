//! The thread that owns a member's connection.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::{ConsumerEvent, GroupConfig, RevokeAck};
use crate::batch::Batch;
use crate::context::{GroupContext, Rebalance, carry_out};
use crate::error::{KafkaError, Severity, severity};
use crate::metrics::{self, METRICS};
use crate::record::{Record, TopicNames, TopicPartition};

/// How often an idle thread looks whether it should end.
const IDLE_POLL: Duration = Duration::from_millis(100);

/// How long a slow service is waited for before its partitions are paused. Pausing
/// throws prefetched records away, so short waits go without; but only a member
/// that polls can take part in a rebalance, so long ones must not.
const PAUSE_AFTER: Duration = Duration::from_secs(1);

/// How long a paused member waits for news before it looks for room again.
const PAUSED_POLL: Duration = Duration::from_millis(20);

/// How long the broker may take to tell what is committed, before it is asked again.
const REWIND_TIMEOUT: Duration = Duration::from_secs(5);

/// The service is gone or the member has failed.
pub(super) struct Ended;

pub(super) struct Worker {
    consumer: Arc<BaseConsumer<GroupContext>>,
    events: mpsc::Sender<ConsumerEvent>,
    stop: Arc<AtomicBool>,
    /// The rewind that was asked for last, and the one that was carried out last.
    rewind: Arc<AtomicU64>,
    rewound: u64,
    config: GroupConfig,
    brokers: String,
    topics: TopicNames,
    batch: Batch,
    /// Events that found no room, in order.
    outbox: VecDeque<ConsumerEvent>,
    full_since: Option<Instant>,
    paused: bool,
}

impl Worker {
    pub(super) fn new(
        consumer: Arc<BaseConsumer<GroupContext>>,
        events: mpsc::Sender<ConsumerEvent>,
        stop: Arc<AtomicBool>,
        rewind: Arc<AtomicU64>,
        config: GroupConfig,
        brokers: String,
    ) -> Self {
        let batch = Batch::new(config.limits());
        Self {
            consumer,
            events,
            stop,
            rewind,
            rewound: 0,
            config,
            brokers,
            topics: TopicNames::default(),
            batch,
            outbox: VecDeque::new(),
            full_since: None,
            paused: false,
        }
    }

    pub(super) fn run(mut self) {
        while !self.stop.load(Ordering::Acquire) {
            if self.step().is_err() {
                break;
            }
        }
        self.leave();
    }

    fn step(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        self.rewind_if_asked();
        if self.outbox.is_empty() && self.batch.is_due(now) {
            let records = self.batch.take();
            self.consumer.context().lag.queued(&records);
            self.outbox.push_back(ConsumerEvent::Batch(records));
        }
        if self.flush()? {
            self.resume();
            self.poll(self.batch.patience(IDLE_POLL, now))?;
        } else {
            self.wait_for_room(now)?;
        }
        self.serve_rebalances()
    }

    /// Goes back to the committed offsets of every partition that is held.
    fn rewind_if_asked(&mut self) {
        let epoch = self.rewind.load(Ordering::Acquire);
        if epoch == self.rewound {
            return;
        }
        // The service will not take them.
        self.batch.take();
        self.outbox.retain(|event| !matches!(event, ConsumerEvent::Batch(_)));
        match self.seek_committed() {
            Ok(()) => {
                self.consumer.context().lag.rewinding();
                self.rewound = epoch;
                self.outbox.push_back(ConsumerEvent::Rewound { epoch });
            }
            Err(error) => {
                tracing::debug!(group = self.config.group_id, %error, "asked to rewind again");
                // Rebalances and the member's health go on meanwhile.
                std::thread::park_timeout(PAUSED_POLL);
            }
        }
    }

    fn seek_committed(&self) -> Result<(), ClientError> {
        let assignment = self.consumer.assignment()?;
        if assignment.count() == 0 {
            return Ok(());
        }
        let committed = self.consumer.committed_offsets(assignment, REWIND_TIMEOUT)?;
        let mut targets = TopicPartitionList::with_capacity(committed.count());
        for element in committed.elements() {
            element.error()?;
            let target = match element.offset() {
                Offset::Offset(offset) => Offset::Offset(offset),
                // As `auto.offset.reset` would have it.
                _ => Offset::Beginning,
            };
            targets.add_partition_offset(element.topic(), element.partition(), target)?;
        }
        let sought = self.consumer.seek_partitions(targets, REWIND_TIMEOUT)?;
        sought.elements().iter().try_for_each(|element| element.error())
    }

    /// Waits for a record, and takes what else is there as long as it fits.
    fn poll(&mut self, patience: Duration) -> Result<(), Ended> {
        let mut polled = self.consumer.poll(patience);
        let now = Instant::now();
        while let Some(Ok(message)) = &polled {
            self.batch.push(Record::from_message(message, &mut self.topics), now);
            if self.batch.is_full() {
                break;
            }
            polled = self.consumer.poll(Duration::ZERO);
        }
        match polled {
            None => self.batch.found_nothing(),
            Some(Ok(_)) => {}
            Some(Err(error)) => return self.on_error(&error),
        }
        // Statistics arrive through a poll.
        self.consumer.context().lag.report(self.batch.records());
        Ok(())
    }

    /// Hands events over in order. `false` if the service has no room.
    fn flush(&mut self) -> Result<bool, Ended> {
        while let Some(event) = self.outbox.pop_front() {
            let read = match &event {
                ConsumerEvent::Batch(records) => self.measure(records),
                _ => Vec::new(),
            };
            match self.events.try_send(event) {
                Ok(()) => self.count(&read),
                Err(TrySendError::Full(event)) => {
                    self.outbox.push_front(event);
                    return Ok(false);
                }
                Err(TrySendError::Closed(_)) => return Err(Ended),
            }
        }
        Ok(true)
    }

    /// Records and bytes by topic.
    fn measure(&self, records: &[Record]) -> Vec<(Arc<str>, u64, u64)> {
        let mut totals: Vec<(Arc<str>, u64, u64)> = Vec::new();
        for record in records {
            let bytes = record.size_bytes() as u64;
            match totals.iter_mut().find(|(topic, ..)| *topic == record.topic) {
                Some((_, count, sum)) => {
                    *count += 1;
                    *sum += bytes;
                }
                None => totals.push((Arc::clone(&record.topic), 1, bytes)),
            }
        }
        totals
    }

    fn count(&self, totals: &[(Arc<str>, u64, u64)]) {
        for (topic, count, bytes) in totals {
            let labels = [topic.as_ref(), self.config.group_id.as_str()];
            metrics::add(&METRICS.read, &labels, *count);
            metrics::add(&METRICS.read_bytes, &labels, *bytes);
        }
    }

    /// The service is busy: wait for it, first idly, then as a paused member that
    /// still takes part in rebalances.
    fn wait_for_room(&mut self, now: Instant) -> Result<(), Ended> {
        let full_since = *self.full_since.get_or_insert(now);
        if now.saturating_duration_since(full_since) < PAUSE_AFTER {
            // `GroupConsumer::next` wakes this thread.
            std::thread::park_timeout(PAUSED_POLL);
            return Ok(());
        }
        if !self.paused {
            tracing::debug!(group = self.config.group_id, "the service is slow: paused");
        }
        self.paused = true;
        self.with_assignment(|consumer, assignment| consumer.pause(assignment));
        self.consumer.context().lag.while_paused(&self.consumer);
        self.poll(PAUSED_POLL)
    }

    fn resume(&mut self) {
        self.full_since = None;
        if std::mem::take(&mut self.paused) {
            self.with_assignment(|consumer, assignment| consumer.resume(assignment));
            self.consumer.context().lag.resumed();
        }
    }

    /// The library remembers that a partition was paused when it was taken away, and it would
    /// come back so.
    fn unpause(&self, partitions: &TopicPartitionList) {
        if !self.paused
            && let Err(error) = self.consumer.resume(partitions)
        {
            tracing::warn!(group = self.config.group_id, %error, "new partitions not resumed");
        }
    }

    fn with_assignment(
        &self,
        act: impl FnOnce(
            &BaseConsumer<GroupContext>,
            &TopicPartitionList,
        ) -> rdkafka::error::KafkaResult<()>,
    ) {
        let result =
            self.consumer.assignment().and_then(|assignment| act(&self.consumer, &assignment));
        if let Err(error) = result {
            tracing::debug!(group = self.config.group_id, %error, "pause or resume refused");
        }
    }

    fn serve_rebalances(&mut self) -> Result<(), Ended> {
        while let Some(rebalance) = self.consumer.context().next_rebalance() {
            let served = match &rebalance {
                Rebalance::Assign(partitions) => {
                    let partitions = self.coordinates(partitions);
                    tracing::debug!(
                        group = self.config.group_id,
                        count = partitions.len(),
                        "assigned"
                    );
                    self.outbox.push_back(ConsumerEvent::Assigned(partitions));
                    Ok(())
                }
                Rebalance::Revoke(partitions) => {
                    let partitions = self.coordinates(partitions);
                    self.drain(partitions)
                }
            };
            // The library waits for this whatever became of the service.
            carry_out(&self.consumer, &rebalance);
            if let Rebalance::Assign(partitions) = &rebalance {
                self.unpause(partitions);
            }
            served?;
        }
        Ok(())
    }

    /// Waits until the service has finished with these partitions.
    fn drain(&mut self, partitions: Vec<TopicPartition>) -> Result<(), Ended> {
        let deadline = Instant::now() + self.config.drain_deadline;
        // Records the service has not seen go to the next owner.
        let revoked: BTreeSet<TopicPartition> = partitions.iter().cloned().collect();
        let keep = |record: &Record| !revoked.contains(&record.topic_partition());
        self.batch.retain(keep);
        for event in &mut self.outbox {
            if let ConsumerEvent::Batch(records) = event {
                records.retain(keep);
            }
        }
        self.outbox
            .retain(|event| !matches!(event, ConsumerEvent::Batch(records) if records.is_empty()));

        let (drained, is_drained) = std_mpsc::channel();
        let ack = RevokeAck { drained };
        self.outbox.push_back(ConsumerEvent::Revoked { partitions, ack });
        while !self.flush()? {
            if Instant::now() >= deadline {
                self.outbox.clear();
                return self.drained_too_late();
            }
            std::thread::park_timeout(PAUSED_POLL);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match is_drained.recv_timeout(left) {
            Err(std_mpsc::RecvTimeoutError::Timeout) => self.drained_too_late(),
            // A dropped acknowledgement is one.
            Ok(()) | Err(std_mpsc::RecvTimeoutError::Disconnected) => {
                self.count_revocation("drained");
                Ok(())
            }
        }
    }

    fn drained_too_late(&self) -> Result<(), Ended> {
        tracing::warn!(
            group = self.config.group_id,
            drain_deadline_seconds = self.config.drain_deadline.as_secs(),
            "the service did not drain in time: its records in flight will be read again"
        );
        self.count_revocation("too_late");
        Ok(())
    }

    fn count_revocation(&self, outcome: &str) {
        metrics::add(&METRICS.revocations, &[&self.config.group_id, outcome], 1);
    }

    fn coordinates(&mut self, partitions: &TopicPartitionList) -> Vec<TopicPartition> {
        let elements = partitions.elements();
        elements
            .iter()
            .map(|element| TopicPartition {
                topic: self.topics.intern(element.topic()),
                partition: element.partition(),
            })
            .collect()
    }

    fn on_error(&mut self, error: &ClientError) -> Result<(), Ended> {
        let detail = self.consumer.client().context().journal.take_last_error();
        let reason = detail.unwrap_or_else(|| error.to_string());
        let reader = self.config.group_id.clone();
        let topics = self.config.topics.join(",");
        let brokers = self.brokers.clone();
        let failure = match severity(error) {
            Severity::Transient => {
                tracing::debug!(group = reader, reason, "reading goes on");
                return Ok(());
            }
            Severity::UnknownTopic => {
                let named = self.config.topics.iter().find(|topic| reason.contains(*topic));
                KafkaError::UnknownTopic { topic: named.cloned().unwrap_or(topics), brokers }
            }
            Severity::AccessRefused => KafkaError::AccessRefused { brokers, reader, reason },
            Severity::Fatal => KafkaError::Consumer { reader, topics, brokers, reason },
        };
        self.outbox.push_back(ConsumerEvent::Failed(failure));
        while !self.flush()? {
            std::thread::park_timeout(PAUSED_POLL);
        }
        Err(Ended)
    }

    /// Leaves the group: a revocation of everything, drained like any other.
    fn leave(mut self) {
        // What the service has not seen is given up.
        self.batch.take();
        self.outbox.retain(|event| !matches!(event, ConsumerEvent::Batch(_)));
        if let Err(error) = self.consumer.close_queue() {
            tracing::debug!(group = self.config.group_id, %error, "closing refused");
        } else {
            // The drain and what the broker needs to hear of it.
            let deadline = Instant::now() + self.config.drain_deadline + Duration::from_secs(5);
            while !self.consumer.closed() && Instant::now() < deadline {
                // Records and errors no longer matter.
                let _ = self.consumer.poll(PAUSED_POLL);
                if self.serve_rebalances().is_err() {
                    break;
                }
            }
        }
        self.consumer.context().leave_unattended();
        while let Some(rebalance) = self.consumer.context().next_rebalance() {
            carry_out(&self.consumer, &rebalance);
        }
        // Dropping the connection waits for what is left; only then does the
        // service see the end of its events.
        let Self { consumer, events, .. } = self;
        drop(consumer);
        drop(events);
    }
}
