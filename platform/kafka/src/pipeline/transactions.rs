//! The transactions of a pipeline: when one begins and ends, and what becomes of one
//! that fails.
//!
//! | what the client library says | what is done |
//! |---|---|
//! | retriable | the call is made again, until the transaction would time out |
//! | abortable | the transaction is aborted, its input read again |
//! | fatal | another producer is made under the same id, the input read again |
//! | nothing, long after a call's time-out | as if it were fatal; the call is left alone |
//! | fenced | the process ends: another one has its id |
//! | refused: rights, unknown topic, size | the process ends: somebody must act |

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::ConsumerGroupMetadata;
use tokio::task::JoinHandle;

use super::{PipelineError, TransactionConfig};
use crate::config::BrokerConfig;
use crate::error::KafkaError;
use crate::group::{GroupConsumer, RevokeAck};
use crate::metrics::{self, METRICS};
use crate::progress::Progress;
use crate::publisher::check;
use crate::record::{NextOffset, Outgoing, TopicPartition};
use crate::transactor::{Fault, Transactor};

/// Pause after the first failure in a row; it doubles with each up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How a transaction ended.
pub(super) enum Ended {
    /// Its records and these offsets are visible.
    Committed { next_offsets: Vec<NextOffset>, took: Duration },
    /// Nothing of it is visible. With the producer to go on with, if it is another.
    Aborted { reason: String, replacement: Option<Transactor> },
    /// The pipeline cannot go on.
    Lost(KafkaError),
}

/// The transaction that is open.
struct Open {
    since: Instant,
    records: usize,
    next_offsets: BTreeMap<TopicPartition, i64>,
}

/// Transactions, one after the other.
pub(super) struct Transactions {
    owner: Owner,
    transactor: Transactor,
    open: Option<Open>,
    ending: Option<JoinHandle<Ended>>,
    /// Partitions are to be given up once nothing is open.
    revocation: Option<RevokeAck>,
    failures_in_a_row: u32,
}

/// Who makes transactions, and how.
#[derive(Clone)]
struct Owner {
    broker: BrokerConfig,
    config: TransactionConfig,
    progress: Progress,
}

impl Transactions {
    pub(super) async fn open(
        broker: &BrokerConfig,
        config: TransactionConfig,
        progress: &Progress,
    ) -> Result<Self, KafkaError> {
        let owner = Owner { broker: broker.clone(), config, progress: progress.clone() };
        let transactor = owner.open().await?;
        Ok(Self {
            owner,
            transactor,
            open: None,
            ending: None,
            revocation: None,
            failures_in_a_row: 0,
        })
    }

    /// Whether partitions wait to be given up.
    pub(super) fn revoking(&self) -> bool {
        self.revocation.is_some()
    }

    /// Partitions are to be given up as soon as nothing is open.
    pub(super) fn give_up(&mut self, ack: RevokeAck) {
        self.revocation = Some(ack);
    }

    /// Sends outputs in the open transaction, or a new one, and notes the offsets that
    /// they stand for. A transaction that fails here is being aborted afterwards.
    pub(super) async fn send(
        &mut self,
        outputs: &[Outgoing],
        next_offsets: Vec<NextOffset>,
        records: usize,
    ) -> Result<(), PipelineError> {
        for (index, output) in outputs.iter().enumerate() {
            check(index, output)?;
        }
        match self.try_send(outputs, next_offsets, records).await {
            Ok(()) => Ok(()),
            Err(fault) => {
                self.abort(fault);
                Ok(())
            }
        }
    }

    async fn try_send(
        &mut self,
        outputs: &[Outgoing],
        next_offsets: Vec<NextOffset>,
        records: usize,
    ) -> Result<(), Fault> {
        if self.open.is_none() {
            self.transactor.begin()?;
        }
        let open = self.open.get_or_insert_with(|| Open {
            since: Instant::now(),
            records: 0,
            next_offsets: BTreeMap::new(),
        });
        for output in outputs {
            self.transactor.send(output).await?;
        }
        open.records += records;
        for next in next_offsets {
            let partition = TopicPartition { topic: next.topic, partition: next.partition };
            open.next_offsets.insert(partition, next.offset);
        }
        Ok(())
    }

    /// Begins to end the open transaction when it is time to, and gives partitions up
    /// when nothing is open.
    pub(super) fn end_if_due(
        &mut self,
        consumer: &GroupConsumer,
        now: Instant,
    ) -> Result<(), KafkaError> {
        if self.ending.is_some() {
            return Ok(());
        }
        match &self.open {
            None => {
                if let Some(ack) = self.revocation.take() {
                    ack.acknowledge();
                }
            }
            Some(open) if self.is_due(open, now) => {
                let group = consumer.group_metadata()?;
                if let Some(open) = self.open.take() {
                    self.commit(open, group);
                }
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn is_due(&self, open: &Open, now: Instant) -> bool {
        self.revocation.is_some()
            || open.records >= self.owner.config.max_records
            || now >= open.since + self.owner.config.commit_interval
    }

    fn commit(&mut self, open: Open, group: ConsumerGroupMetadata) {
        let next_offsets: Vec<NextOffset> = open
            .next_offsets
            .into_iter()
            .map(|(place, offset)| NextOffset {
                topic: place.topic,
                partition: place.partition,
                offset,
            })
            .collect();
        let (owner, transactor) = (self.owner.clone(), self.transactor.clone());
        let pause = self.pause();
        self.ending = Some(tokio::spawn(async move {
            let began = Instant::now();
            match transactor.commit(&next_offsets, group).await {
                Ok(()) => Ended::Committed { next_offsets, took: began.elapsed() },
                Err(fault) => owner.recover(&transactor, fault, open.since, pause).await,
            }
        }));
    }

    fn abort(&mut self, fault: Fault) {
        let since = self.open.take().map_or_else(Instant::now, |open| open.since);
        let (owner, transactor) = (self.owner.clone(), self.transactor.clone());
        let pause = self.pause();
        self.ending =
            Some(tokio::spawn(
                async move { owner.recover(&transactor, fault, since, pause).await },
            ));
    }

    /// How long to pause after another failure.
    fn pause(&self) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << self.failures_in_a_row.min(16)).min(LONGEST_PAUSE)
    }

    /// Waits until the transaction that is being ended has ended (`Some`), or there is
    /// something to do (`None`). Safe to use in `select!`.
    pub(super) async fn until_ended_or_due(&mut self) -> Option<Ended> {
        if self.ending.is_some() {
            return self.ended().await;
        }
        match &self.open {
            Some(open) if !self.revoking() && open.records < self.owner.config.max_records => {
                let due = open.since + self.owner.config.commit_interval;
                tokio::time::sleep_until(due.into()).await;
            }
            None if !self.revoking() => std::future::pending().await,
            _ => {}
        }
        None
    }

    /// How the transaction that is being ended has ended; `None` if there is none.
    pub(super) async fn ended(&mut self) -> Option<Ended> {
        let ended = self.ending.as_mut()?.await;
        self.ending = None;
        Some(ended.unwrap_or_else(|error| Ended::Lost(self.owner.failed(&error.to_string()))))
    }

    /// The offsets that were committed; `None` when the input must be read again.
    pub(super) fn conclude(&mut self, ended: Ended) -> Result<Option<Vec<NextOffset>>, KafkaError> {
        match ended {
            Ended::Committed { next_offsets, took } => {
                self.failures_in_a_row = 0;
                metrics::add(&METRICS.transactions, &["committed"], 1);
                metrics::observe(&METRICS.commit_seconds, took.as_secs_f64());
                Ok(Some(next_offsets))
            }
            Ended::Aborted { reason, replacement } => {
                self.failures_in_a_row += 1;
                metrics::add(&METRICS.transactions, &["aborted"], 1);
                tracing::warn!(reason, "transaction aborted, its records are read again");
                if let Some(transactor) = replacement {
                    self.transactor = transactor;
                }
                Ok(None)
            }
            Ended::Lost(error) => Err(error),
        }
    }
}

impl Owner {
    async fn open(&self) -> Result<Transactor, KafkaError> {
        let TransactionConfig { transactional_id, timeout, .. } = &self.config;
        Transactor::open(&self.broker, transactional_id, *timeout, self.progress.clone()).await
    }

    /// Undoes a transaction that failed.
    async fn recover(
        &self,
        transactor: &Transactor,
        fault: Fault,
        since: Instant,
        pause: Duration,
    ) -> Ended {
        tokio::time::sleep(pause).await;
        let fault = match fault {
            Fault::Abortable(reason) => match transactor.abort().await {
                Ok(()) => return Ended::Aborted { reason, replacement: None },
                Err(fault) => fault,
            },
            fault => fault,
        };
        // The broker takes the id away from an owner that let its time run out, too.
        let expired = since.elapsed() >= self.config.timeout;
        match fault {
            Fault::Refused(reason) => {
                // Nothing more is sent; an abort spares readers the time-out.
                drop(transactor.abort().await);
                Ended::Lost(self.failed(&reason))
            }
            Fault::Fenced(reason) if !expired => Ended::Lost(KafkaError::Fenced {
                transactional_id: self.config.transactional_id.clone(),
                reason,
            }),
            Fault::Fenced(reason) | Fault::Fatal(reason) | Fault::Abortable(reason) => {
                match self.open().await {
                    Ok(replacement) => Ended::Aborted { reason, replacement: Some(replacement) },
                    Err(error) => Ended::Lost(error),
                }
            }
        }
    }

    fn failed(&self, reason: &str) -> KafkaError {
        KafkaError::Transaction {
            transactional_id: self.config.transactional_id.clone(),
            brokers: self.broker.bootstrap_servers.clone(),
            reason: reason.to_owned(),
        }
    }
}
