//! Sending batches. [`Publisher::publish`] returns once the broker has
//! acknowledged every record of the batch, on all in-sync replicas; an error says
//! that at least one was not acknowledged, and the others may be stored. The
//! producer is idempotent: its own retries neither repeat nor reorder records.

use std::sync::atomic::{AtomicUsize, Ordering};
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
    topic: Arc<str>,
    bytes: usize,
}

type DeliveryOutcome = Result<Delivered, ClientError>;

/// A batch on its way. The last delivery report completes it.
struct InFlight {
    outcomes: Mutex<Vec<Option<DeliveryOutcome>>>,
    missing: AtomicUsize,
    done: Mutex<Option<oneshot::Sender<()>>>,
}

impl InFlight {
    fn new(records: usize) -> (Arc<Self>, oneshot::Receiver<()>) {
        let (done, all_done) = oneshot::channel();
        let outcomes = (0..records).map(|_| None).collect();
        let batch = Self {
            outcomes: Mutex::new(outcomes),
            missing: AtomicUsize::new(records),
            done: Mutex::new(Some(done)),
        };
        (Arc::new(batch), all_done)
    }

    fn settle(&self, index: usize, outcome: DeliveryOutcome) {
        if let Some(slot) = lock(&self.outcomes).get_mut(index) {
            *slot = Some(outcome);
        }
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(done) = lock(&self.done).take()
        {
            // The caller may have stopped waiting.
            let _ = done.send(());
        }
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
    fn not_stored(&self, slot: &Slot, error: ClientError) {
        if self.embedded {
            self.progress.dismissed(&slot.topic, slot.bytes);
        }
        slot.batch.settle(slot.index, Err(error));
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Slot>;

    fn delivery(&self, report: &DeliveryResult<'_>, slot: Box<Slot>) {
        match report {
            Ok(message) => {
                let (partition, offset) = (message.partition(), message.offset());
                // On the board before `publish` returns.
                if self.embedded {
                    self.progress.delivered(&slot.topic, partition, offset + 1, slot.bytes);
                } else {
                    self.progress.produced(&slot.topic, partition, offset + 1);
                }
                let topic = Arc::clone(&slot.topic);
                slot.batch.settle(slot.index, Ok(Delivered { topic, partition, offset }));
            }
            Err((error, _)) => self.not_stored(&slot, error.clone()),
        }
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
        let (in_flight, all_done) = InFlight::new(batch.len());
        for (index, record) in batch.iter().enumerate() {
            let slot = Slot {
                batch: Arc::clone(&in_flight),
                index,
                topic: Arc::clone(&record.topic),
                bytes: record.size_bytes(),
            };
            if self.context().embedded {
                self.context().progress.admit(&record.topic, slot.bytes).await;
            }
            self.enqueue(record, slot).await;
        }
        // Every slot settles, so the sender is used and never dropped unused.
        let _ = all_done.await;
        let outcomes = std::mem::take(&mut *lock(&in_flight.outcomes));
        self.conclude(&batch, outcomes)
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
                    self.context().not_stored(&rejected.delivery_opaque, error);
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
        let mut failed = 0;
        let mut first = None;
        for ((index, record), outcome) in batch.iter().enumerate().zip(outcomes) {
            match outcome.unwrap_or(Err(ClientError::Canceled)) {
                Ok(position) => {
                    metrics::add(&METRICS.published, &[&position.topic], 1);
                    delivered.push(position);
                }
                Err(error) => {
                    failed += 1;
                    let code = delivery_code(&error);
                    metrics::add(&METRICS.unpublished, &[&record.topic, code], 1);
                    first.get_or_insert((index, code, error));
                }
            }
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
