//! A transactional producer: records and the offsets they come from become visible
//! together or not at all.
//!
//! The client library's calls block while the brokers answer, so each runs on a blocking
//! thread; see [`Pipeline`](crate::Pipeline) for who waits for them. What the library
//! calls *retriable* is retried here; *abortable* and *fatal* are told apart for the
//! caller as [`Fault`]. A call that does not keep to its time-out is left alone, and its
//! producer with it: that is fatal, too.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use tokio::sync::Notify;

use crate::config::BrokerConfig;
use crate::context::{Journal, lock};
use crate::error::KafkaError;
use crate::metrics::{self, METRICS};
use crate::oauth::TokenResult;
use crate::progress::Progress;
use crate::publisher::to_client;
use crate::record::{NextOffset, Outgoing};

/// One attempt at a call; what takes longer is asked again until its deadline.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How much longer than an attempt should take a call may take. The library looks up the
/// coordinator of a group without a time-out: when a broker dies at the wrong moment, to
/// send offsets never returns.
const GRACE: Duration = Duration::from_secs(5);
/// Between two attempts at a call that the library calls retriable.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Between two looks at whether all records are stored, if no report comes.
const STORED_PAUSE: Duration = Duration::from_millis(1);
/// How long to wait before asking again whether a full queue has room.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);

/// Why a transaction did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It must be aborted and its input read again; the producer goes on.
    Abortable(String),
    /// Another producer with the same transactional id has taken over.
    Fenced(String),
    /// This producer cannot go on; another one can.
    Fatal(String),
    /// The brokers will refuse it however often it is tried.
    Refused(String),
}

impl Fault {
    /// As the client library tells them apart.
    fn of(error: &ClientError) -> Self {
        let reason = error.to_string();
        match error.rdkafka_error_code() {
            Some(Code::Fenced | Code::ProducerFenced) => return Self::Fenced(reason),
            Some(code) if is_refusal(code) => return Self::Refused(reason),
            _ => {}
        }
        match error {
            ClientError::Transaction(error) if error.is_fatal() => Self::Fatal(reason),
            ClientError::Transaction(error) if error.txn_requires_abort() => {
                Self::Abortable(reason)
            }
            // Records that were not stored in time: they can be taken back.
            ClientError::Flush(Code::OperationTimedOut) => Self::Abortable(reason),
            // A record is not taken because its transaction has failed already.
            ClientError::MessageProduction(code) if *code != Code::Fatal => Self::Abortable(reason),
            _ => Self::Fatal(reason),
        }
    }

    /// With what the brokers said of the first record that they did not store.
    fn because(self, failure: Option<(Code, String)>) -> Self {
        match (self, failure) {
            (Self::Abortable(_), Some((code, why))) if is_refusal(code) => Self::Refused(why),
            (Self::Abortable(reason), Some((_, why))) => {
                Self::Abortable(format!("{reason} ({why})"))
            }
            (fault, _) => fault,
        }
    }
}

/// Whether a person has to change something before a record can be stored.
fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::InvalidTopic
            | Code::MessageSizeTooLarge
    )
}

/// What the brokers have said of the records of the open transaction.
#[derive(Debug, Default)]
struct Stored {
    ends: Vec<Stretch>,
    failure: Option<(Code, String)>,
}

/// Records stored in one partition.
#[derive(Debug)]
struct Stretch {
    topic: Arc<str>,
    partition: i32,
    next_offset: i64,
    records: u64,
}

struct Context {
    journal: Journal,
    stored: Mutex<Stored>,
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

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        let mut stored = lock(&self.stored);
        match report {
            Ok(message) => {
                let (topic, partition) = (message.topic(), message.partition());
                let next_offset = message.offset() + 1;
                let known = stored
                    .ends
                    .iter_mut()
                    .find(|end| end.partition == partition && *end.topic == *topic);
                match known {
                    Some(end) => {
                        end.next_offset = end.next_offset.max(next_offset);
                        end.records += 1;
                    }
                    None => {
                        let topic = Arc::from(topic);
                        stored.ends.push(Stretch { topic, partition, next_offset, records: 1 });
                    }
                }
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
                // Those that follow the first are thrown away for its sake.
                let why = || (code, format!("topic `{}`: {error}", message.topic()));
                stored.failure.get_or_insert_with(why);
            }
        }
        drop(stored);
        self.room.notify_waiters();
    }
}

type Client = ThreadedProducer<Context>;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error(transparent)]
    Client(ClientError),
    #[error("the client library did not return from {call} within {}s", limit.as_secs_f64())]
    Stuck { call: &'static str, limit: Duration },
}

/// A transactional producer. Clones share it.
#[derive(Clone)]
pub(crate) struct Transactor {
    producer: Arc<Client>,
    progress: Progress,
    /// How long brokers keep a transaction open that nobody ends.
    timeout: Duration,
}

impl Transactor {
    /// Makes the producer and takes the transactional id over: a transaction that an
    /// earlier owner left open is aborted, and that owner is fenced.
    pub(crate) async fn open(
        config: &BrokerConfig,
        transactional_id: &str,
        timeout: Duration,
        progress: Progress,
    ) -> Result<Self, KafkaError> {
        let settings = config.transactional_producer(transactional_id, timeout)?;
        let context =
            Context { journal: Journal::of(config), stored: Mutex::default(), room: Notify::new() };
        let producer = ThreadedProducer::from_config_and_context(&settings, context)
            .map_err(|error| KafkaError::of_creation(&config.bootstrap_servers, error))?;
        let opened = Self { producer: Arc::new(producer), progress, timeout };
        let deadline = Instant::now() + timeout.max(Duration::from_secs(30));
        let initialised =
            opened.call("init_transactions", deadline, |client| client.init_transactions(ATTEMPT));
        initialised.await.map_err(|error| {
            let detail = opened.context().journal.take_last_error();
            KafkaError::Transaction {
                transactional_id: transactional_id.to_owned(),
                brokers: config.bootstrap_servers.clone(),
                reason: detail
                    .map_or_else(|| error.to_string(), |detail| format!("{error}: {detail}")),
            }
        })?;
        Ok(opened)
    }

    /// Begins a transaction.
    pub(crate) fn begin(&self) -> Result<(), Fault> {
        *lock(&self.context().stored) = Stored::default();
        self.producer.begin_transaction().map_err(|error| self.fault(&CallError::Client(error)))
    }

    /// Hands a record to the send queue, waiting for room.
    pub(crate) async fn send(&self, record: &Outgoing) -> Result<(), Fault> {
        let mut client_record = to_client(record, ());
        loop {
            let room = self.context().room.notified();
            match self.producer.send(client_record) {
                Ok(()) => return Ok(()),
                Err((ClientError::MessageProduction(Code::QueueFull), rejected)) => {
                    client_record = rejected;
                    let _ = tokio::time::timeout(QUEUE_FULL_PAUSE, room).await;
                }
                Err((error, _)) => return Err(self.explained(&CallError::Client(error))),
            }
        }
    }

    /// Ends the transaction: its records and these next offsets become visible.
    pub(crate) async fn commit(
        &self,
        next_offsets: &[NextOffset],
        group: ConsumerGroupMetadata,
    ) -> Result<(), Fault> {
        let offsets = Arc::new(positions(next_offsets).map_err(|error| Fault::of(&error))?);
        let group = Arc::new(group);
        let deadline = Instant::now() + self.timeout;
        self.call("send_offsets_to_transaction", deadline, move |client| {
            client.send_offsets_to_transaction(&offsets, &group, ATTEMPT)
        })
        .await
        .map_err(|error| self.explained(&error))?;
        self.commit_records().await
    }

    /// Ends the transaction: its records become visible.
    pub(crate) async fn commit_records(&self) -> Result<(), Fault> {
        let deadline = Instant::now() + self.timeout;
        self.await_stored(deadline).await;
        self.call("commit_transaction", deadline, |client| client.commit_transaction(ATTEMPT))
            .await
            .map_err(|error| self.explained(&error))?;
        self.tell();
        Ok(())
    }

    /// Waits until no record is under way. To commit does so too, but in steps of 100 ms: it
    /// waits for a report that the polling thread may have taken already.
    async fn await_stored(&self, deadline: Instant) {
        loop {
            let report = self.context().room.notified();
            if self.producer.in_flight_count() == 0 || Instant::now() >= deadline {
                return;
            }
            let _ = tokio::time::timeout(STORED_PAUSE, report).await;
        }
    }

    /// Takes the transaction's records back.
    pub(crate) async fn abort(&self) -> Result<(), Fault> {
        let deadline = Instant::now() + self.timeout;
        self.call("abort_transaction", deadline, |client| client.abort_transaction(ATTEMPT))
            .await
            .map_err(|error| self.fault(&error))
    }

    /// Makes a call that blocks, and makes it again while the library says that this may
    /// help, until `deadline`.
    async fn call<F>(&self, name: &'static str, deadline: Instant, call: F) -> Result<(), CallError>
    where
        F: Fn(&Client) -> Result<(), ClientError> + Clone + Send + 'static,
    {
        retried(deadline, || {
            let (client, call) = (Arc::clone(&self.producer), call.clone());
            bounded(name, ATTEMPT + GRACE, move || call(&client))
        })
        .await
    }

    fn explained(&self, error: &CallError) -> Fault {
        self.fault(error).because(lock(&self.context().stored).failure.take())
    }

    /// As [`Fault::of`]. What ended the producer for good stands behind every later error, which
    /// says no more than that it has ended.
    fn fault(&self, error: &CallError) -> Fault {
        match (self.producer.client().fatal_error(), error) {
            (Some((Code::Fenced | Code::ProducerFenced, reason)), _) => Fault::Fenced(reason),
            (Some((_, reason)), _) => Fault::Fatal(reason),
            (None, CallError::Client(error)) => Fault::of(error),
            (None, CallError::Stuck { .. }) => Fault::Fatal(error.to_string()),
        }
    }

    /// Tells the board and the counters what was committed.
    fn tell(&self) {
        let stored = std::mem::take(&mut *lock(&self.context().stored));
        for end in stored.ends {
            self.progress.produced(&end.topic, end.partition, end.next_offset);
            metrics::add(&METRICS.published, &[&end.topic], end.records);
        }
    }

    fn context(&self) -> &Context {
        self.producer.client().context()
    }
}

/// The client library's list of next offsets.
pub(crate) fn positions(next_offsets: &[NextOffset]) -> Result<TopicPartitionList, ClientError> {
    let mut positions = TopicPartitionList::with_capacity(next_offsets.len());
    for next in next_offsets {
        let offset = rdkafka::Offset::Offset(next.offset);
        positions.add_partition_offset(&next.topic, next.partition, offset)?;
    }
    Ok(positions)
}

/// Asks again while the library says that asking again may help, until `deadline`.
async fn retried<C>(deadline: Instant, mut call: impl FnMut() -> C) -> Result<(), CallError>
where
    C: Future<Output = Result<(), CallError>>,
{
    loop {
        match call().await {
            Err(CallError::Client(error)) if is_retriable(&error) && Instant::now() < deadline => {
                tracing::debug!(%error, "asked again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// Makes a call on a thread that may block. One that takes longer than `limit` is left alone.
async fn bounded(
    name: &'static str,
    limit: Duration,
    call: impl FnOnce() -> Result<(), ClientError> + Send + 'static,
) -> Result<(), CallError> {
    match tokio::time::timeout(limit, tokio::task::spawn_blocking(call)).await {
        Ok(Ok(outcome)) => outcome.map_err(CallError::Client),
        // It panicked, or the runtime is ending.
        Ok(Err(_)) => Err(CallError::Client(ClientError::Canceled)),
        Err(_) => {
            tracing::error!(call = name, "the client library does not return: it is left alone");
            Err(CallError::Stuck { call: name, limit })
        }
    }
}

/// Whether a call may succeed later. A commit first waits for its records to be stored: those
/// of a partition that changes its leader take longer than one attempt.
fn is_retriable(error: &ClientError) -> bool {
    match error {
        ClientError::Transaction(error) => error.is_retriable(),
        ClientError::Flush(code) => *code == Code::OperationTimedOut,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn records_that_take_long_to_be_stored_are_waited_for_until_the_deadline() {
        let slow = || Err(CallError::Client(ClientError::Flush(Code::OperationTimedOut)));
        let mut attempts = 0;
        let stored_at_last = || {
            attempts += 1;
            std::future::ready(if attempts < 3 { slow() } else { Ok(()) })
        };
        retried(Instant::now() + Duration::from_secs(60), stored_at_last).await.unwrap();
        assert_eq!(attempts, 3);
        let error = retried(Instant::now(), || std::future::ready(slow())).await.unwrap_err();
        let CallError::Client(error) = error else { panic!("{error}") };
        assert!(matches!(Fault::of(&error), Fault::Abortable(_)));
    }

    #[tokio::test]
    async fn a_call_that_never_returns_is_given_up() {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let stuck = move || released.recv().map_err(|_| ClientError::Canceled);
        let error = bounded("commit", Duration::from_millis(10), stuck).await.unwrap_err();
        let told = "the client library did not return from commit within 0.01s";
        assert_eq!(error.to_string(), told);
        release.send(()).unwrap();
        bounded("commit", Duration::from_secs(60), || Ok(())).await.unwrap();
    }

    #[test]
    fn a_taken_over_id_is_told_from_a_failed_record() {
        let of = |code| Fault::of(&ClientError::MessageProduction(code));
        assert!(matches!(of(Code::ProducerFenced), Fault::Fenced(_)));
        assert!(matches!(of(Code::Fenced), Fault::Fenced(_)));
        assert!(matches!(of(Code::PurgeQueue), Fault::Abortable(_)));
        assert!(matches!(of(Code::Fatal), Fault::Fatal(_)));
        assert!(matches!(of(Code::TopicAuthorizationFailed), Fault::Refused(_)));
        assert!(matches!(Fault::of(&ClientError::Canceled), Fault::Fatal(_)));
    }

    #[test]
    fn the_first_record_that_failed_explains_a_failed_transaction() {
        let failed = || Fault::Abortable("aborted".into());
        let because = |code, why: &str| failed().because(Some((code, why.into())));
        assert_eq!(
            because(Code::MessageTimedOut, "late"),
            Fault::Abortable("aborted (late)".into())
        );
        assert_eq!(because(Code::MessageSizeTooLarge, "big"), Fault::Refused("big".into()));
        assert_eq!(failed().because(None), failed());
    }
}
