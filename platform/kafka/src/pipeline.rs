//! Consume, transform, produce: what a service reads, and what becomes of it, with a
//! stated delivery guarantee.
//!
//! The service takes a [`Batch`] from [`Pipeline::next`] and hands what it makes of it
//! to [`Pipeline::answer`]. Under [`Delivery::ExactlyOnce`] outputs and input offsets
//! become visible in one transaction. Several batches share a transaction; it ends
//! when its interval is over, when it is full, and before a partition is given up.
//! While it ends the service may already work on the next batch. A transaction that
//! fails is aborted and its input is read again, so a batch may be answered in vain:
//! `answer` drops outputs of a batch from before a rewind.
//!
//! Order is kept: batches are answered one after the other, records within one in the
//! order given.

use std::future::pending;
use std::time::{Duration, Instant};

use crate::config::BrokerConfig;
use crate::error::{KafkaError, PublishError};
use crate::group::{ConsumerEvent, GroupConfig, GroupConsumer, RevokeAck};
use crate::progress::Progress;
use crate::publisher::Publisher;
use crate::record::{NextOffset, Outgoing, Record, TopicPartition};

mod transactions;

use transactions::{Ended, Transactions};

/// What is guaranteed of outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// None is lost; after a crash some come twice. Offsets are committed once the
    /// outputs are acknowledged.
    AtLeastOnce,
    /// Readers that read committed records see each exactly once.
    ExactlyOnce(TransactionConfig),
}

/// How transactions are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionConfig {
    /// Names this instance. A new process with the same name takes over at once: it
    /// aborts what the old one left open and fences it. Two processes must not share
    /// it.
    pub transactional_id: String,
    /// A transaction ends this long after its first record: what a reader waits for
    /// at most. 100 ms: below it the commit's four requests cost more than the
    /// records; above it prices come late.
    pub commit_interval: Duration,
    /// A transaction ends with this many input records. 10,000: what an abort costs
    /// to do again, well below a second.
    pub max_records: usize,
    /// The broker aborts a transaction that its owner has left open this long, and
    /// readers of its partitions wait for that. 10 s: longer than a broker's restart
    /// stalls a commit.
    pub timeout: Duration,
}

impl TransactionConfig {
    /// Transactions under this id with the defaults of each field.
    pub fn new(transactional_id: impl Into<String>) -> Self {
        Self {
            transactional_id: transactional_id.into(),
            commit_interval: Duration::from_millis(100),
            max_records: 10_000,
            timeout: Duration::from_secs(10),
        }
    }

    /// Refuses settings that cannot work.
    pub fn validate(&self) -> Result<(), KafkaError> {
        let refuse = |setting: &str, reason: &str| {
            Err(KafkaError::Setting { setting: setting.to_owned(), reason: reason.to_owned() })
        };
        if self.transactional_id.is_empty() {
            return refuse("transactional_id", "is empty");
        }
        if self.max_records == 0 {
            return refuse("max_records", "a transaction must hold at least one record");
        }
        if self.commit_interval * 2 > self.timeout {
            return refuse("commit_interval", "must fit twice into the transaction time-out");
        }
        Ok(())
    }
}

/// How a service reads and writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineConfig {
    /// Name of the service on the progress board.
    pub service: &'static str,
    /// What it reads.
    pub group: GroupConfig,
    /// What is guaranteed of what it writes.
    pub delivery: Delivery,
}

/// Records to answer.
#[derive(Debug)]
pub struct Batch {
    /// In order within each partition.
    pub records: Vec<Record>,
    epoch: u64,
}

/// Why a pipeline cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The broker, or the connection to it.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// An output could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Reads, and writes what becomes of it.
pub struct Pipeline {
    consumer: GroupConsumer,
    output: Output,
    service: &'static str,
    progress: Progress,
    /// Grows with every rewind.
    epoch: u64,
    /// Batches are out of date until the consumer has rewound.
    rewinding: bool,
}

enum Output {
    AtLeastOnce(Publisher),
    ExactlyOnce(Box<Transactions>),
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Takes the transactional id over, if there is one, and joins the group.
    ///
    /// # Errors
    /// [`KafkaError`] when a setting cannot be used or the brokers refuse.
    pub async fn start(
        broker: &BrokerConfig,
        config: PipelineConfig,
        progress: Progress,
    ) -> Result<Self, KafkaError> {
        let PipelineConfig { service, group, delivery } = config;
        let output = match delivery {
            Delivery::AtLeastOnce => Output::AtLeastOnce(Publisher::new(broker, progress.clone())?),
            Delivery::ExactlyOnce(transaction) => {
                transaction.validate()?;
                let transactions = Transactions::open(broker, transaction, &progress).await?;
                Output::ExactlyOnce(Box::new(transactions))
            }
        };
        let consumer = GroupConsumer::start(broker, group)?;
        Ok(Self { consumer, output, service, progress, epoch: 0, rewinding: false })
    }

    /// The next batch; `None` once the member has left the group. Ends transactions
    /// that are due and gives partitions up in between. Safe to use in `select!`.
    ///
    /// # Errors
    /// [`PipelineError`]; nothing comes after it.
    pub async fn next(&mut self) -> Result<Option<Batch>, PipelineError> {
        loop {
            if let Output::ExactlyOnce(transactions) = &mut self.output {
                transactions.end_if_due(&self.consumer, Instant::now())?;
            }
            let wait = match &mut self.output {
                Output::AtLeastOnce(_) => None,
                Output::ExactlyOnce(transactions) => Some(transactions.as_mut()),
            };
            let revoking = wait.as_ref().is_some_and(|transactions| transactions.revoking());
            tokio::select! {
                biased;
                ended = until_ended_or_due(wait) => {
                    if let Some(ended) = ended {
                        self.conclude(ended)?;
                    }
                }
                event = self.consumer.next(), if !revoking => match event {
                    None => return Ok(None),
                    Some(ConsumerEvent::Batch(_)) if self.rewinding => {}
                    Some(ConsumerEvent::Batch(records)) => {
                        return Ok(Some(Batch { records, epoch: self.epoch }));
                    }
                    Some(ConsumerEvent::Rewound { epoch }) => {
                        self.rewinding &= epoch != self.epoch;
                    }
                    Some(ConsumerEvent::Assigned(partitions)) => {
                        tracing::info!(service = self.service, partitions = %listed(&partitions), "assigned");
                    }
                    Some(ConsumerEvent::Revoked { partitions, ack }) => {
                        tracing::info!(service = self.service, partitions = %listed(&partitions), "revoked");
                        self.give_up(ack);
                    }
                    Some(ConsumerEvent::Failed(error)) => return Err(error.into()),
                },
            }
        }
    }

    /// Ends transactions that are due, for a service that has a batch and waits for
    /// something else. Returns when the pipeline cannot go on. Safe to use in `select!`.
    pub async fn tend(&mut self) -> PipelineError {
        loop {
            let Output::ExactlyOnce(transactions) = &mut self.output else { pending().await };
            if let Err(error) = transactions.end_if_due(&self.consumer, Instant::now()) {
                return error.into();
            }
            let ended = transactions.until_ended_or_due().await;
            if let Some(Err(error)) = ended.map(|ended| self.conclude(ended)) {
                return error;
            }
        }
    }

    /// Publishes what became of a batch and sees to it that its offsets are committed
    /// with it. Under at-least-once it waits for the acknowledgements; under
    /// exactly-once only for room.
    ///
    /// # Errors
    /// [`PipelineError`]; the batch will be read again by whoever comes next.
    pub async fn answer(
        &mut self,
        batch: &Batch,
        outputs: Vec<Outgoing>,
    ) -> Result<(), PipelineError> {
        let next_offsets = NextOffset::of_batch(&batch.records);
        if let Output::AtLeastOnce(publisher) = &self.output {
            publisher.publish(outputs).await?;
            self.consumer.commit(&next_offsets)?;
            self.processed(&next_offsets);
            return Ok(());
        }
        self.settle().await?;
        let Output::ExactlyOnce(transactions) = &mut self.output else { return Ok(()) };
        if batch.epoch != self.epoch {
            // It is read again, and answered then.
            return Ok(());
        }
        transactions.send(&outputs, next_offsets, batch.records.len()).await?;
        Ok(transactions.end_if_due(&self.consumer, Instant::now())?)
    }

    /// Ends what is open and leaves the group.
    ///
    /// # Errors
    /// [`KafkaError::Timeout`] when that takes longer than `deadline`; what was not
    /// committed is read again by whoever comes next.
    pub async fn close(mut self, deadline: Duration) -> Result<(), PipelineError> {
        self.consumer.begin_close();
        let drained = async {
            // The last revocation ends the open transaction.
            while self.next().await?.is_some() {}
            self.settle().await
        };
        tokio::time::timeout(deadline, drained)
            .await
            .map_err(|_| KafkaError::timeout("leaving the consumer group", deadline))?
    }

    /// Waits for a transaction that is being ended.
    async fn settle(&mut self) -> Result<(), PipelineError> {
        while let Output::ExactlyOnce(transactions) = &mut self.output {
            match transactions.ended().await {
                Some(ended) => self.conclude(ended)?,
                None => break,
            }
        }
        Ok(())
    }

    fn conclude(&mut self, ended: Ended) -> Result<(), PipelineError> {
        let Output::ExactlyOnce(transactions) = &mut self.output else { return Ok(()) };
        match transactions.conclude(ended)? {
            Some(committed) => self.processed(&committed),
            None => {
                self.epoch += 1;
                self.rewinding = true;
                self.consumer.rewind(self.epoch);
            }
        }
        Ok(())
    }

    fn give_up(&mut self, ack: RevokeAck) {
        match &mut self.output {
            // Batches are answered and committed one by one: nothing is in flight.
            Output::AtLeastOnce(_) => ack.acknowledge(),
            Output::ExactlyOnce(transactions) => transactions.give_up(ack),
        }
    }

    fn processed(&self, next_offsets: &[NextOffset]) {
        for next in next_offsets {
            self.progress.processed(self.service, &next.topic, next.partition, next.offset);
        }
    }
}

/// Waits until a transaction has ended (`Some`) or is due to end (`None`).
async fn until_ended_or_due(transactions: Option<&mut Transactions>) -> Option<Ended> {
    match transactions {
        None => pending().await,
        Some(transactions) => transactions.until_ended_or_due().await,
    }
}

/// Partitions by topic, for a log line.
fn listed(partitions: &[TopicPartition]) -> String {
    let shown: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    shown.join(" ")
}
