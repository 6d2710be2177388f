//! Sending batches. [`Publisher::publish`] returns once the broker has
//! acknowledged every record of the batch, on all in-sync replicas; an error says
//! that at least one was not acknowledged, and the others may be stored. The
//! producer is idempotent: its own retries neither repeat nor reorder records.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{Header as ClientHeader, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::util::IntoOpaque;
use tokio::sync::{Notify, oneshot};

use crate::config::BrokerConfig;
use crate::context::{Journal, lock};
use crate::error::{KafkaError, PublishError, delivery_code};
use crate::metrics::{self, METRICS};
use crate::oauth::TokenResult;
use crate::progress::Progress;
use crate::record::{Delivered, Outgoing};

/// Largest record, as key, payload and headers. Most topics take 1 MiB; the dead-letter
/// topic takes a record of that size and its headers.
pub const MAX_RECORD_BYTES: usize = 2_000_000;

/// How long to wait before asking again whether a full queue has room. Room is
/// announced a moment before it exists, so one wait may be missed.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);

/// One record on its way: which batch it belongs to and where in it.
struct Slot {
    batch: Arc<InFlight>,
    index: usize,
}

/// Partition and offset of a record that was stored, or why it was not.
type DeliveryOutcome = Result<(i32, i64), ClientError>;

/// A batch on its way. The last delivery report completes it.
struct InFlight {
    records: Vec<Outgoing>,
    reports: Mutex<Reports>,
}

struct Reports {
    outcomes: Vec<Option<DeliveryOutcome>>,
    missing: usize,
    done: Option<oneshot::Sender<()>>,
}

impl InFlight {
    fn new(records: Vec<Outgoing>) -> (Arc<Self>, oneshot::Receiver<()>) {
        let (done, all_done) = oneshot::channel();
        let reports = Reports {
            outcomes: records.iter().map(|_| None).collect(),
            missing: records.len(),
            done: Some(done),
        };
        (Arc::new(Self { records, reports: Mutex::new(reports) }), all_done)
    }

    /// Notes what became of a record. The last one puts what was stored on the board, then
    /// wakes the caller.
    fn settle(&self, index: usize, outcome: DeliveryOutcome, progress: &Progress) {
        let mut reports = lock(&self.reports);
        if let Some(slot) = reports.outcomes.get_mut(index) {
            *slot = Some(outcome);
        }
        reports.missing = reports.missing.saturating_sub(1);
        if reports.missing > 0 {
            return;
        }
        for (topic, partition, next_offset) in self.ends(&reports.outcomes) {
            progress.produced(topic, partition, next_offset);
        }
        if let Some(done) = reports.done.take() {
            // The caller may have stopped waiting.
            let _ = done.send(());
        }
    }

    /// How far each partition reaches that something was stored in.
    fn ends(&self, outcomes: &[Option<DeliveryOutcome>]) -> Vec<(&str, i32, i64)> {
        let mut ends: Vec<(&str, i32, i64)> = Vec::new();
        for (record, outcome) in self.records.iter().zip(outcomes) {
            let Some(Ok((partition, offset))) = outcome else { continue };
            let known =
                ends.iter_mut().find(|(topic, of, _)| of == partition && *topic == &*record.topic);
            match known {
                Some((.., next_offset)) => *next_offset = (*next_offset).max(offset + 1),
                None => ends.push((&record.topic, *partition, offset + 1)),
            }
        }
        ends
    }
}

struct Context {
    journal: Journal,
    progress: Progress,
    embedded: bool,
    room: Notify,
}

impl rdkafka::ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> TokenResult {
        self.journal.generate_oauth_token(config)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.journal.log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.journal.error(error, reason);
    }
}

impl Context {
    /// Notes what became of a record. The embedded broker's board counts bytes and so is told
    /// of each; otherwise it is told of batches.
    fn settle(&self, slot: &Slot, outcome: DeliveryOutcome) {
        if self.embedded
            && let Some(record) = slot.batch.records.get(slot.index)
        {
            let bytes = record.size_bytes();
            match &outcome {
                Ok((partition, offset)) => {
                    self.progress.delivered(&record.topic, *partition, offset + 1, bytes);
                }
                Err(_) => self.progress.dismissed(&record.topic, bytes),
            }
        }
        slot.batch.settle(slot.index, outcome, &self.progress);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Slot>;

    fn delivery(&self, report: &DeliveryResult<'_>, slot: Box<Slot>) {
        let outcome = match report {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        self.settle(&slot, outcome);
        self.room.notify_waiters();
    }
}

/// Sends records. Clones share one connection and its queue.
#[derive(Clone)]
pub struct Publisher {
    producer: Arc<ThreadedProducer<Context>>,
    brokers: Arc<str>,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

impl Publisher {
    /// A publisher that reports what it delivers to `progress`.
    pub fn new(config: &BrokerConfig, progress: Progress) -> Result<Self, KafkaError> {
        let context = Context {
            journal: Journal::of(config),
            progress,
            embedded: config.embedded,
            room: Notify::new(),
        };
        let producer = ThreadedProducer::from_config_and_context(&config.producer()?, context)
            .map_err(|error| KafkaError::of_creation(&config.bootstrap_servers, error))?;
        Ok(Self { producer: Arc::new(producer), brokers: config.bootstrap_servers.as_str().into() })
    }

    /// Sends a batch in its order and waits until every record is acknowledged.
    ///
    /// Waits, without limit, while the send queue is full, and on the embedded
    /// broker while readers are too far behind (see [`Progress::reads`]). A caller
    /// that stops waiting does not stop the records already handed over.
    pub async fn publish(&self, batch: Vec<Outgoing>) -> Result<Vec<Delivered>, PublishError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        for (index, record) in batch.iter().enumerate() {
            check(index, record)?;
        }
        let (in_flight, all_done) = InFlight::new(batch);
        for (index, record) in in_flight.records.iter().enumerate() {
            if self.context().embedded {
                self.context().progress.admit(&record.topic, record.size_bytes()).await;
            }
            self.enqueue(record, Slot { batch: Arc::clone(&in_flight), index }).await;
        }
        // Every slot settles, so the sender is used and never dropped unused.
        let _ = all_done.await;
        let outcomes = std::mem::take(&mut lock(&in_flight.reports).outcomes);
        self.conclude(&in_flight.records, outcomes)
    }

    /// Waits until nothing is under way, at most `deadline`. Batches that are
    /// awaited need no flush.
    pub async fn flush(&self, deadline: Duration) -> Result<(), PublishError> {
        let producer = Arc::clone(&self.producer);
        let flushed = tokio::task::spawn_blocking(move || producer.flush(deadline)).await;
        if matches!(flushed, Ok(Ok(()))) {
            return Ok(());
        }
        Err(PublishError::Unflushed {
            in_flight: usize::try_from(self.producer.in_flight_count()).unwrap_or(0),
            seconds: deadline.as_secs(),
        })
    }

    fn context(&self) -> &Context {
        self.producer.client().context()
    }

    /// Hands one record to the send queue, waiting for room. What goes wrong is
    /// reported through the slot.
    async fn enqueue(&self, record: &Outgoing, slot: Slot) {
        let mut client_record = to_client(record, Box::new(slot));
        loop {
            let room = self.context().room.notified();
            match self.producer.send(client_record) {
                Ok(()) => return,
                Err((ClientError::MessageProduction(RDKafkaErrorCode::QueueFull), rejected)) => {
                    client_record = rejected;
                    let _ = tokio::time::timeout(QUEUE_FULL_PAUSE, room).await;
                }
                Err((error, rejected)) => {
                    self.context().settle(&rejected.delivery_opaque, Err(error));
                    return;
                }
            }
        }
    }

    fn conclude(
        &self,
        batch: &[Outgoing],
        outcomes: Vec<Option<DeliveryOutcome>>,
    ) -> Result<Vec<Delivered>, PublishError> {
        let total = batch.len();
        let mut delivered: Vec<Delivered> = Vec::with_capacity(total);
        let mut stored: Vec<(&Arc<str>, u64)> = Vec::new();
        let mut failed = 0;
        let mut first = None;
        for ((index, record), outcome) in batch.iter().enumerate().zip(outcomes) {
            match outcome.unwrap_or(Err(ClientError::Canceled)) {
                Ok((partition, offset)) => {
                    match stored.iter_mut().find(|(topic, _)| **topic == record.topic) {
                        Some((_, records)) => *records += 1,
                        None => stored.push((&record.topic, 1)),
                    }
                    let topic = Arc::clone(&record.topic);
                    delivered.push(Delivered { topic, partition, offset });
                }
                Err(error) => {
                    failed += 1;
                    let code = delivery_code(&error);
                    metrics::add(&METRICS.unpublished, &[&record.topic, code], 1);
                    first.get_or_insert((index, code, error));
                }
            }
        }
        for (topic, records) in stored {
            metrics::add(&METRICS.published, &[topic], records);
        }
        let Some((index, code, error)) = first else { return Ok(delivered) };
        let fatal = self.producer.client().fatal_error();
        Err(PublishError::Unacknowledged {
            failed,
            total,
            index,
            topic: batch.get(index).map(|record| Arc::clone(&record.topic)).unwrap_or_default(),
            brokers: self.brokers.to_string(),
            code,
            reason: fatal.map_or_else(|| error.to_string(), |(_, reason)| reason),
        })
    }
}

/// Refuses a record that no broker takes.
pub(crate) fn check(index: usize, record: &Outgoing) -> Result<(), PublishError> {
    let topic = || Arc::clone(&record.topic);
    let bytes = record.size_bytes();
    if bytes > MAX_RECORD_BYTES {
        let limit_bytes = MAX_RECORD_BYTES;
        return Err(PublishError::TooLarge { index, topic: topic(), bytes, limit_bytes });
    }
    if record.topic.is_empty() || record.topic.contains('\0') {
        let reason = "the topic name is empty or contains a null character";
        return Err(PublishError::Invalid { index, topic: topic(), reason });
    }
    if record.headers.iter().any(|header| header.name.contains('\0')) {
        let reason = "a header name contains a null character";
        return Err(PublishError::Invalid { index, topic: topic(), reason });
    }
    Ok(())
}

/// A record as the client library takes it.
pub(crate) fn to_client<O: IntoOpaque>(
    record: &Outgoing,
    opaque: O,
) -> BaseRecord<'_, [u8], [u8], O> {
    let mut client_record = BaseRecord::with_opaque_to(record.topic.as_ref(), opaque);
    client_record.key = record.key.as_deref();
    client_record.payload = record.payload.as_deref();
    client_record.timestamp = record.timestamp_ms.map(|timestamp_ms| timestamp_ms.max(1));
    if !record.headers.is_empty() {
        let headers = OwnedHeaders::new_with_capacity(record.headers.len());
        client_record.headers = Some(record.headers.iter().fold(headers, |headers, header| {
            let value = header.value.as_deref();
            headers.insert(ClientHeader { key: &header.name, value })
        }));
    }
    client_record
}
