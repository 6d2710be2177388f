//! Settings of the scorer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use platform_kafka::{Delivery, GroupConfig, GroupProtocol, TransactionConfig};
use serde::{Deserialize, Serialize};

use super::SettingsError;

/// The scorer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ScorerSettings {
    /// Consumer group of the listings.
    pub(crate) group_id: String,
    /// Names this instance, stable over restarts, such as a pod's name: a restarted scorer
    /// takes its transactions over at once. Empty: a name of its own each start, and a crash
    /// leaves its transaction open until `transaction_timeout_ms`.
    pub(crate) instance: String,
    /// `exactly_once` or `at_least_once`. The embedded broker knows the latter only.
    pub(crate) delivery: DeliveryName,
    /// Milliseconds from a transaction's first record to its commit, which readers of
    /// committed prices wait for; 5 to 10,000.
    pub(crate) commit_interval_ms: u64,
    /// Most listings in a transaction.
    pub(crate) commit_max_records: usize,
    /// Milliseconds after which the broker aborts a transaction that its owner has left open,
    /// 1,000 to 900,000.
    pub(crate) transaction_timeout_ms: u64,
    /// Most listings in a batch.
    pub(crate) batch_max_records: usize,
    /// `classic`, or `consumer`: the broker assigns partitions (KIP-848, Kafka 4.0 or later).
    pub(crate) group_protocol: GroupProtocolName,
    /// Milliseconds of silence after which a scorer's partitions go to others. Shorter than
    /// Kafka's 45,000: prices are awaited, and a scorer that comes back costs little.
    pub(crate) session_timeout_ms: u64,
    /// Milliseconds to finish what is in flight on a revocation or at the end.
    pub(crate) drain_deadline_ms: u64,
    /// Milliseconds that a listing waits at most for sales older than it: for replays, whose
    /// sales come as fast as their listings; 0 to 60,000. 0: not at all.
    pub(crate) sales_wait_ms: u64,
    /// Most bytes of the enrichment cache.
    pub(crate) cache_bytes: u64,
    /// Dead letters in a row that stop the service; 1 or more.
    pub(crate) max_dead_letters_in_a_row: usize,
    /// Share of the last 1,000 listings that stops the service as dead letters; above 0, to 1.
    pub(crate) max_dead_letter_share: f64,
}

/// What is guaranteed of prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryName {
    /// Prices, dead letters and offsets in one transaction.
    ExactlyOnce,
    /// Offsets once prices are acknowledged.
    AtLeastOnce,
}

/// How the group agrees on who reads what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GroupProtocolName {
    /// The members decide.
    Classic,
    /// The broker decides.
    Consumer,
}

impl Default for ScorerSettings {
    fn default() -> Self {
        Self {
            group_id: "homestream-scorer".into(),
            instance: String::new(),
            delivery: DeliveryName::ExactlyOnce,
            commit_interval_ms: 100,
            commit_max_records: 10_000,
            transaction_timeout_ms: 10_000,
            batch_max_records: 500,
            group_protocol: GroupProtocolName::Classic,
            session_timeout_ms: 10_000,
            drain_deadline_ms: 4_000,
            sales_wait_ms: 0,
            cache_bytes: 32 << 20,
            max_dead_letters_in_a_row: 1_000,
            max_dead_letter_share: 0.5,
        }
    }
}

impl ScorerSettings {
    /// Checks every value against its range.
    ///
    /// # Errors
    /// The first [`SettingsError`] found.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let range = |setting, value: u64, low, high, expected| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(SettingsError::Value { setting, value: value.to_string(), expected })
        };
        let many =
            |setting, value: usize, expected| range(setting, value as u64, 1, 1 << 20, expected);
        range("scorer.commit_interval_ms", self.commit_interval_ms, 5, 10_000, "5 to 10000")?;
        many("scorer.commit_max_records", self.commit_max_records, "1 to 1048576")?;
        many("scorer.batch_max_records", self.batch_max_records, "1 to 1048576")?;
        range(
            "scorer.transaction_timeout_ms",
            self.transaction_timeout_ms,
            (2 * self.commit_interval_ms).max(1_000),
            900_000,
            "1000 to 900000, and twice scorer.commit_interval_ms or more",
        )?;
        range(
            "scorer.session_timeout_ms",
            self.session_timeout_ms,
            1_000,
            300_000,
            "1000 to 300000",
        )?;
        range(
            "scorer.drain_deadline_ms",
            self.drain_deadline_ms,
            1,
            self.session_timeout_ms - 1,
            "1 or more, and less than scorer.session_timeout_ms",
        )?;
        range("scorer.sales_wait_ms", self.sales_wait_ms, 0, 60_000, "0 to 60000")?;
        if self.max_dead_letters_in_a_row == 0 {
            return Err(SettingsError::Value {
                setting: "scorer.max_dead_letters_in_a_row",
                value: "0".into(),
                expected: "1 or more",
            });
        }
        let share = self.max_dead_letter_share;
        if !(share > 0.0 && share <= 1.0) {
            return Err(SettingsError::Value {
                setting: "scorer.max_dead_letter_share",
                value: share.to_string(),
                expected: "above 0, and 1 or less",
            });
        }
        if self.group_id.is_empty() {
            return Err(SettingsError::Value {
                setting: "scorer.group_id",
                value: "empty".into(),
                expected: "a name",
            });
        }
        Ok(())
    }

    /// How listings are read.
    pub(crate) fn group(&self, listings: &str) -> GroupConfig {
        let session_timeout = Duration::from_millis(self.session_timeout_ms);
        let defaults = GroupConfig::new(&self.group_id, &[listings]);
        GroupConfig {
            protocol: match self.group_protocol {
                GroupProtocolName::Classic => GroupProtocol::Classic,
                GroupProtocolName::Consumer => GroupProtocol::Consumer,
            },
            batch_max_records: self.batch_max_records,
            session_timeout,
            heartbeat_interval: (session_timeout / 4).min(defaults.heartbeat_interval),
            max_poll_interval: session_timeout.max(defaults.max_poll_interval),
            drain_deadline: self.drain_deadline(),
            ..defaults
        }
    }

    /// What is guaranteed of prices on this kind of broker.
    pub(crate) fn delivery(&self, embedded: bool) -> Delivery {
        if embedded || self.delivery == DeliveryName::AtLeastOnce {
            return Delivery::AtLeastOnce;
        }
        let instance = match self.instance.as_str() {
            "" => unique_name(),
            named => named.to_owned(),
        };
        Delivery::ExactlyOnce(TransactionConfig {
            commit_interval: Duration::from_millis(self.commit_interval_ms),
            max_records: self.commit_max_records,
            timeout: Duration::from_millis(self.transaction_timeout_ms),
            ..TransactionConfig::new(format!("{}-{instance}", self.group_id))
        })
    }

    /// Time to finish what is in flight.
    pub(crate) fn drain_deadline(&self) -> Duration {
        Duration::from_millis(self.drain_deadline_ms)
    }
}

/// A name that no other process has: process ids repeat between hosts, starts at the same
/// nanosecond hardly.
fn unique_name() -> String {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", std::process::id(), started.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_broker_knows_no_transactions() {
        let settings = ScorerSettings { instance: "scorer-0".into(), ..Default::default() };
        assert_eq!(settings.delivery(true), Delivery::AtLeastOnce);
        let Delivery::ExactlyOnce(transaction) = settings.delivery(false) else {
            panic!("exactly once is the default");
        };
        assert_eq!(transaction.transactional_id, "homestream-scorer-scorer-0");
        assert_eq!(transaction.validate(), Ok(()));
        let settings = ScorerSettings { delivery: DeliveryName::AtLeastOnce, ..settings };
        assert_eq!(settings.delivery(false), Delivery::AtLeastOnce);
    }

    #[test]
    fn instances_without_a_name_do_not_share_one() {
        let settings = ScorerSettings::default();
        assert_ne!(settings.delivery(false), settings.delivery(false));
    }

    #[test]
    fn every_group_that_passes_the_check_is_valid() {
        for session_timeout_ms in [1_000, 10_000, 300_000] {
            let drain_deadline_ms = session_timeout_ms - 1;
            let settings =
                ScorerSettings { session_timeout_ms, drain_deadline_ms, ..Default::default() };
            assert!(settings.check().is_ok());
            assert_eq!(settings.group("listings").validate(), Ok(()));
        }
    }

    #[test]
    fn a_share_is_a_share() {
        for share in [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
            let settings = ScorerSettings { max_dead_letter_share: share, ..Default::default() };
            let error = settings.check().unwrap_err().to_string();
            assert!(error.contains("scorer.max_dead_letter_share"), "{error}");
        }
    }

    #[test]
    fn a_drain_longer_than_the_session_is_refused() {
        let settings = ScorerSettings { drain_deadline_ms: 10_000, ..Default::default() };
        let error = settings.check().unwrap_err().to_string();
        assert!(error.contains("scorer.drain_deadline_ms is 10000"), "{error}");
    }
}
