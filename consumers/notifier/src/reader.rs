//! The reader of one sink: records in, deliveries out, one at a time, offsets after them.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use platform_kafka::dead_letter::{Fault, dead_letter};
use platform_kafka::{
    BrokerConfig, ConsumerEvent, GroupConfig, GroupConsumer, Header, KafkaError, OffsetTracker,
    Publisher, Record, RevokeAck, TopicPartition, committed_offsets, skip_to_end,
};
use schemas::TopicNames;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::history;
use crate::metrics::SinkMetrics;
use crate::outbox::{Delivery, Outbox};
use crate::service::{NotifierError, StartAt};
use crate::sink::{Persistence, Rejection, Sink};
use crate::state::{AlertEvent, Millis, Place};
use crate::time::now_ms;

/// Most changes in memory: beyond it groups wait no longer, and reading pauses.
const MAX_WAITING: usize = 1_000;
/// Most records read at once: alerts are few, and a batch is held in memory.
const BATCH_RECORDS: usize = 200;
/// How long a delivery under way is waited for when its partitions go, or at the end.
const GRACE: Duration = Duration::from_secs(5);
/// Time for the service to answer a revocation: the grace, and a dead letter.
const DRAIN_DEADLINE: Duration = Duration::from_secs(8);
/// How long a notifier that was killed keeps its partitions. Shorter than Kafka's 45 s: alerts
/// are awaited, and one that comes back costs little.
const SESSION_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest sleep: the clock may be set meanwhile.
const LONGEST_SLEEP_MS: Millis = 60_000;
/// Header of a dead letter: the sink that does not take it.
const SINK_HEADER: &str = "homestream.notifier.sink";

/// What a reader is made of.
pub(crate) struct ReaderParts {
    pub(crate) outbox: Outbox,
    pub(crate) metrics: SinkMetrics,
    pub(crate) group: String,
    pub(crate) start_at: StartAt,
    pub(crate) topics: TopicNames,
    pub(crate) broker: BrokerConfig,
    pub(crate) publisher: Arc<Publisher>,
    /// Told once, when the group is joined.
    pub(crate) joined: mpsc::Sender<()>,
    pub(crate) stop: CancellationToken,
}

type Sending = Pin<Box<dyn Future<Output = (Delivery, Vec<Rejection>)> + Send>>;

/// The reader of one sink.
pub(crate) struct Reader {
    sink: Arc<Sink>,
    parts: ReaderParts,
    consumer: GroupConsumer,
    tracker: OffsetTracker,
    /// Records read and not done with, for dead letters.
    records: BTreeMap<Place, Record>,
    sending: Option<Sending>,
    joined: bool,
}

impl Reader {
    /// Reads and delivers until it is told to stop.
    pub(crate) async fn start(sink: Sink, parts: ReaderParts) -> Result<(), NotifierError> {
        let alerts = parts.topics.alerts();
        if parts.start_at == StartAt::Latest
            && committed_offsets(&parts.broker, &parts.group, &[&*alerts]).await?.is_empty()
        {
            skip_to_end(&parts.broker, &parts.group, &[&*alerts]).await?;
        }
        let group = GroupConfig {
            batch_max_records: BATCH_RECORDS,
            drain_deadline: DRAIN_DEADLINE,
            session_timeout: SESSION_TIMEOUT,
            ..GroupConfig::new(parts.group.clone(), &[&*alerts])
        };
        let consumer = GroupConsumer::start(&parts.broker, group)?;
        let mut reader = Self {
            sink: Arc::new(sink),
            parts,
            consumer,
            tracker: OffsetTracker::new(),
            records: BTreeMap::new(),
            sending: None,
            joined: false,
        };
        reader.run().await
    }

    async fn run(&mut self) -> Result<(), NotifierError> {
        let stop = self.parts.stop.clone();
        let mut closing = false;
        loop {
            if !closing {
                self.send_next();
            }
            self.settle();
            let sleep = self.sleep();
            let has_room = closing || self.records.len() < MAX_WAITING;
            let sending = self.sending.is_some();
            tokio::select! {
                biased;
                () = stop.cancelled(), if !closing => {
                    closing = true;
                    self.consumer.begin_close();
                }
                sent = finished(&mut self.sending), if sending => self.sent(sent).await?,
                event = self.consumer.next(), if has_room => match event {
                    None => return Ok(()),
                    Some(event) => self.happened(event, closing).await?,
                },
                () = tokio::time::sleep(sleep), if !sending && !closing => {}
            }
        }
    }

    /// Begins to send what is due, unless something is on its way.
    fn send_next(&mut self) {
        if self.sending.is_some() {
            return;
        }
        let now = now_ms();
        if self.records.len() >= MAX_WAITING {
            self.parts.outbox.hurry(now);
        }
        let Some(delivery) = self.parts.outbox.take(now) else { return };
        let sink = self.sink.clone();
        self.sending = Some(Box::pin(async move {
            let rejections = sink.deliver(&delivery, Persistence::UntilSettled).await;
            (delivery, rejections)
        }));
    }

    fn sleep(&self) -> Duration {
        let now = now_ms();
        let due = self.parts.outbox.due(now).unwrap_or(Millis::MAX);
        let left = due.saturating_sub(now).clamp(0, LONGEST_SLEEP_MS);
        Duration::from_millis(left.unsigned_abs())
    }

    async fn happened(&mut self, event: ConsumerEvent, closing: bool) -> Result<(), NotifierError> {
        match event {
            // What is read while closing is read again by the next.
            ConsumerEvent::Batch(_) if closing => Ok(()),
            ConsumerEvent::Batch(records) => self.read(records).await,
            ConsumerEvent::Assigned(partitions) => self.assigned(&partitions).await,
            ConsumerEvent::Revoked { partitions, ack } => self.revoked(&partitions, ack).await,
            // Nothing here asks for a rewind.
            ConsumerEvent::Rewound { .. } => Ok(()),
            ConsumerEvent::Failed(error) => Err(error.into()),
        }
    }

    async fn read(&mut self, records: Vec<Record>) -> Result<(), NotifierError> {
        for record in records {
            if let Err(error) = self.tracker.begin(&record) {
                tracing::warn!(%error, group = self.parts.group, "record was read before");
                continue;
            }
            let place = Place { partition: record.partition, offset: record.offset };
            let now = now_ms();
            let decoded =
                record.payload.as_deref().map(|bytes| AlertEvent::decode(bytes, place, now));
            match decoded {
                Some(Ok(event)) => {
                    self.records.insert(place, record);
                    self.parts.outbox.observe(event, now);
                }
                Some(Err(error)) => {
                    let fault = Fault {
                        stage: "decode",
                        class_name: "notifier::AlertEvent",
                        code: error.code(),
                        message: format!("sink {}: {error}", self.sink.name()),
                    };
                    self.bury(&record, &fault).await?;
                    self.complete(place);
                }
                // A tombstone: somebody has deleted an alert's history.
                None => self.complete(place),
            }
        }
        Ok(())
    }

    /// Rebuilds what was told of partitions that are new here.
    async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<(), NotifierError> {
        if !self.joined {
            self.joined = true;
            // Nobody waits any more where the service is stopping.
            let _ = self.parts.joined.try_send(());
        }
        if partitions.is_empty() {
            return Ok(());
        }
        let numbers: BTreeSet<i32> = partitions.iter().map(|p| p.partition).collect();
        let alerts = self.parts.topics.alerts();
        let stop = self.parts.stop.clone();
        let reading = history::read(&self.parts.broker, &self.parts.group, &alerts, &numbers);
        let events = tokio::select! {
            events = reading => events?,
            () = stop.cancelled() => return Ok(()),
        };
        let now = now_ms();
        tracing::info!(
            sink = self.sink.name(),
            partitions = numbers.len(),
            changes = events.len(),
            "alerts that were told before"
        );
        for event in events {
            self.parts.outbox.restore(event, now);
        }
        Ok(())
    }

    async fn revoked(
        &mut self,
        partitions: &[TopicPartition],
        ack: RevokeAck,
    ) -> Result<(), NotifierError> {
        let deadline = Instant::now() + GRACE;
        if self.sending.is_some() {
            match tokio::time::timeout_at(deadline, finished(&mut self.sending)).await {
                Ok(sent) => self.sent(sent).await?,
                // It is sent again: here, or by who reads its partition next.
                Err(_) => self.sending = None,
            }
        }
        self.settle();
        self.tracker.revoke(partitions);
        let numbers: BTreeSet<i32> = partitions.iter().map(|p| p.partition).collect();
        self.parts.outbox.forget(&numbers);
        self.records.retain(|place, _| !numbers.contains(&place.partition));
        ack.acknowledge();
        Ok(())
    }

    /// A delivery has ended.
    async fn sent(&mut self, sent: (Delivery, Vec<Rejection>)) -> Result<(), NotifierError> {
        self.sending = None;
        let (delivery, rejections) = sent;
        let refused = self.bury_rejected(&rejections).await?;
        let now = now_ms();
        let metrics = &self.parts.metrics;
        if delivery.is_repeat() {
            metrics.repeated.inc();
        }
        for event in delivery.events().iter().filter(|e| !refused.contains(&e.place)) {
            metrics.delivered.inc();
            metrics.delay.observe((now - event.read_at).max(0) as f64 / 1_000.0);
        }
        self.parts.outbox.delivered(&delivery, now);
        Ok(())
    }

    /// Publishes the dead letters of what a sink will never take; their places.
    async fn bury_rejected(
        &mut self,
        rejections: &[Rejection],
    ) -> Result<BTreeSet<Place>, NotifierError> {
        let mut refused = BTreeSet::new();
        for rejection in rejections {
            let sink = self.sink.name();
            tracing::error!(sink, reason = rejection.message, "alert refused");
            let fault = Fault {
                stage: "deliver",
                class_name: "notifier::Sink",
                code: "refused",
                message: format!("sink {sink}: {}", rejection.message),
            };
            for place in &rejection.places {
                refused.insert(*place);
                // Of what was told before, or belongs to another now, there is no record.
                if let Some(record) = self.records.get(place).cloned() {
                    self.bury(&record, &fault).await?;
                }
            }
        }
        Ok(refused)
    }

    async fn bury(&mut self, record: &Record, fault: &Fault) -> Result<(), NotifierError> {
        let mut letter = dead_letter(record, self.parts.topics.alert_dead_letters(), fault);
        letter.headers.push(Header::text(SINK_HEADER, self.sink.name()));
        self.parts.publisher.publish(vec![letter]).await?;
        self.parts.metrics.dead_letters.inc();
        Ok(())
    }

    /// Accounts for what is done with, and commits. What cannot be committed is told again
    /// after a restart.
    fn settle(&mut self) {
        let parts = &mut self.parts;
        for why in parts.outbox.take_suppressed() {
            parts.metrics.suppressed(why.code());
        }
        parts.metrics.firing.set(i64::try_from(parts.outbox.firing()).unwrap_or(i64::MAX));
        for place in parts.outbox.take_done() {
            self.records.remove(&place);
            self.complete(place);
        }
        match self.consumer.commit(&self.tracker.take_committable()) {
            // It has left the group.
            Ok(()) | Err(KafkaError::Closed { .. }) => {}
            Err(error) => {
                tracing::warn!(%error, group = self.parts.group, "offsets not committed");
            }
        }
    }

    fn complete(&mut self, place: Place) {
        let partition = TopicPartition::new(self.parts.topics.alerts(), place.partition);
        // A partition that was revoked meanwhile is no longer tracked.
        let _ = self.tracker.complete(&partition, place.offset);
    }
}

/// Waits for a delivery under way; never, if there is none.
async fn finished(sending: &mut Option<Sending>) -> (Delivery, Vec<Rejection>) {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}
