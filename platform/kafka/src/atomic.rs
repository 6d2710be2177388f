//! Batches that become visible whole or not at all.

use std::time::Duration;

use crate::config::BrokerConfig;
use crate::error::KafkaError;
use crate::progress::Progress;
use crate::publisher::check;
use crate::record::Outgoing;
use crate::transactor::{Fault, Transactor};

/// How long the broker keeps a transaction open whose owner has died.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Publishes batches, each in a transaction of its own. Two publishers under one
/// transactional id exclude each other: the later one fences the earlier.
pub struct AtomicPublisher {
    transactor: Transactor,
    transactional_id: String,
    brokers: String,
}

impl std::fmt::Debug for AtomicPublisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AtomicPublisher")
            .field("transactional_id", &self.transactional_id)
            .finish_non_exhaustive()
    }
}

impl AtomicPublisher {
    /// Takes the transactional id over. Not for the embedded broker, whose transactions
    /// report success and mean nothing.
    ///
    /// # Errors
    /// [`KafkaError`] when a setting cannot be used or the brokers refuse.
    pub async fn open(config: &BrokerConfig, transactional_id: &str) -> Result<Self, KafkaError> {
        if config.embedded {
            return Err(KafkaError::Embedded {
                operation: "transactions",
                reason: "it knows none: give --brokers".to_owned(),
            });
        }
        let (opening, id) = (config.clone(), transactional_id.to_owned());
        let (transactional_id, brokers) = (id.clone(), config.bootstrap_servers.clone());
        let open = move || Transactor::open(&opening, &id, TIMEOUT, Progress::new());
        let transactor = blocking(open).await?;
        Ok(Self { transactor, transactional_id, brokers })
    }

    /// Publishes a batch; readers of committed records see all of it or nothing, partition
    /// by partition a moment after this returns (see
    /// [`await_stable`](crate::await_stable)).
    ///
    /// # Errors
    /// [`KafkaError`]; nothing of the batch is visible then.
    pub async fn publish(&self, batch: &[Outgoing]) -> Result<(), KafkaError> {
        for (index, record) in batch.iter().enumerate() {
            check(index, record).map_err(|error| self.failed(&error.to_string()))?;
        }
        let sent = self.send(batch).await;
        let transactor = self.transactor.clone();
        let ended = blocking(move || {
            let outcome = sent.and_then(|()| transactor.commit_records());
            if outcome.is_err() {
                // What cannot even be aborted is aborted by the broker in time.
                drop(transactor.abort());
            }
            Ok(outcome)
        });
        match ended.await? {
            Ok(()) => Ok(()),
            Err(Fault::Fenced(reason)) => {
                let transactional_id = self.transactional_id.clone();
                Err(KafkaError::Fenced { transactional_id, reason })
            }
            Err(Fault::Abortable(reason) | Fault::Fatal(reason) | Fault::Refused(reason)) => {
                Err(self.failed(&reason))
            }
        }
    }

    async fn send(&self, batch: &[Outgoing]) -> Result<(), Fault> {
        self.transactor.begin()?;
        for record in batch {
            self.transactor.send(record).await?;
        }
        Ok(())
    }

    fn failed(&self, reason: &str) -> KafkaError {
        KafkaError::Transaction {
            transactional_id: self.transactional_id.clone(),
            brokers: self.brokers.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// Runs what waits for brokers on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, KafkaError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| KafkaError::Closed { what: "the thread of a transaction" })?
}
