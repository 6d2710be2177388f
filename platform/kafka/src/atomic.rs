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
        let transactor =
            Transactor::open(config, transactional_id, TIMEOUT, Progress::new()).await?;
        let transactional_id = transactional_id.to_owned();
        Ok(Self { transactor, transactional_id, brokers: config.bootstrap_servers.clone() })
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
        let ended = match self.send(batch).await {
            Ok(()) => self.transactor.commit_records().await,
            Err(fault) => Err(fault),
        };
        if ended.is_err() {
            // What cannot even be aborted is aborted by the broker in time.
            drop(self.transactor.abort().await);
        }
        match ended {
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
