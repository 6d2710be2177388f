//! The callbacks every client shares: the library's log lines go to `tracing`,
//! its error texts are kept for the error that follows.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError as ClientError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;

use crate::config::BrokerConfig;
use crate::lag::Lag;
use crate::oauth::{TokenFile, TokenResult};
use crate::refusal::Refusal;

/// Locks a mutex whose data stays valid when a holder panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many refusals are kept for who asks.
const MOST_REFUSALS: usize = 8;

/// Forwards log lines and remembers what went wrong last.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Lines for people go to the debug level.
    quiet: bool,
    token: Option<TokenFile>,
    last_error: Mutex<Option<String>>,
    refusals: Mutex<Vec<Refusal>>,
}

impl Journal {
    /// Of a client that needs no token: the embedded broker's.
    pub(crate) fn new(embedded: bool) -> Self {
        Self { quiet: embedded, ..Self::default() }
    }

    pub(crate) fn of(config: &BrokerConfig) -> Self {
        let token = config.oauth_token_file.as_deref().map(TokenFile::new);
        Self { quiet: config.embedded, token, ..Self::default() }
    }

    /// Of a client that only asks questions: what goes wrong is in the answer, once.
    pub(crate) fn of_questions(config: &BrokerConfig) -> Self {
        Self { quiet: true, ..Self::of(config) }
    }

    /// Whether clients show a token.
    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Errors that waiting does not help against, each once.
    pub(crate) fn take_refusals(&self) -> Vec<Refusal> {
        std::mem::take(&mut *lock(&self.refusals))
    }

    /// Only a client that asks whether it is refused looks at them: a few are enough.
    fn note_refusal(&self, refusal: Option<Refusal>) {
        let mut refusals = lock(&self.refusals);
        if refusals.len() < MOST_REFUSALS {
            refusals.extend(refusal);
        }
    }

    /// The text of the last error the library reported, once.
    pub(crate) fn take_last_error(&self) -> Option<String> {
        lock(&self.last_error).take()
    }
}

impl ClientContext for Journal {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> TokenResult {
        match &self.token {
            Some(file) => file.token(),
            None => Err("kafka.oauth.token_file is not set".into()),
        }
    }

    /// The embedded broker's clients chatter when it starts and stops, which is
    /// of no use to a person at a terminal; a remote broker's warnings are.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.note_refusal(Refusal::of_log(facility, message));
        use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
        match level {
            Emerg | Alert | Critical | Error if !self.quiet => {
                tracing::warn!(target: "librdkafka", facility, "{message}");
            }
            Emerg | Alert | Critical | Error | Warning | Notice | Info => {
                tracing::debug!(target: "librdkafka", facility, "{message}");
            }
            Debug => tracing::trace!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: ClientError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        // That all brokers are down follows from what each of them said before.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *lock(&self.last_error) = Some(reason.to_owned());
        }
        self.note_refusal(Refusal::of(&error, reason));
        if self.quiet {
            tracing::debug!(target: "librdkafka", %error, "{reason}");
        } else {
            tracing::warn!(target: "librdkafka", %error, "{reason}");
        }
    }
}

impl ConsumerContext for Journal {}

/// A rebalance the library asks for and the worker has yet to carry out.
#[derive(Debug)]
pub(crate) enum Rebalance {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
}

/// Context of a group member. A rebalance is only noted here; the worker thread
/// carries it out between two polls, where it owns its state.
#[derive(Debug)]
pub(crate) struct GroupContext {
    pub(crate) journal: Journal,
    pub(crate) lag: Arc<Lag>,
    rebalances: Mutex<VecDeque<Rebalance>>,
    unattended: AtomicBool,
}

impl GroupContext {
    pub(crate) fn new(config: &BrokerConfig, lag: Arc<Lag>) -> Self {
        Self {
            journal: Journal::of(config),
            lag,
            rebalances: Mutex::new(VecDeque::new()),
            unattended: AtomicBool::new(false),
        }
    }

    pub(crate) fn next_rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    /// From now on nobody carries rebalances out: give partitions up at once.
    pub(crate) fn leave_unattended(&self) {
        self.unattended.store(true, Ordering::Release);
    }
}

impl ClientContext for GroupContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn stats(&self, statistics: Statistics) {
        self.lag.observe(&statistics);
    }

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

impl ConsumerContext for GroupContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let rebalance = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                Rebalance::Assign(partitions.clone())
            }
            _ => Rebalance::Revoke(partitions.clone()),
        };
        if self.unattended.load(Ordering::Acquire) {
            carry_out(consumer, &rebalance);
        } else {
            lock(&self.rebalances).push_back(rebalance);
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let Err(error) = result else { return };
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::NoOffset) {
            return;
        }
        // The records since the last commit will be read again: a repeat, no loss.
        for position in offsets.elements() {
            tracing::warn!(
                topic = position.topic(),
                partition = position.partition(),
                next_offset = ?position.offset(),
                %error,
                "offset commit failed"
            );
        }
    }
}

/// Tells the library that an assignment is taken on or given up.
pub(crate) fn carry_out(consumer: &BaseConsumer<GroupContext>, rebalance: &Rebalance) {
    let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
    let result = match rebalance {
        Rebalance::Assign(partitions) if cooperative => consumer.incremental_assign(partitions),
        Rebalance::Assign(partitions) => consumer.assign(partitions),
        Rebalance::Revoke(partitions) if cooperative => consumer.incremental_unassign(partitions),
        Rebalance::Revoke(_) => consumer.unassign(),
    };
    match rebalance {
        Rebalance::Assign(partitions) => consumer.context().lag.assigned(partitions),
        Rebalance::Revoke(partitions) => consumer.context().lag.revoked(partitions),
    }
    if let Err(error) = result {
        tracing::warn!(%error, ?rebalance, "the client library refused a rebalance");
    }
}
