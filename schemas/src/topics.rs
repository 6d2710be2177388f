//! Names of the topics and the settings they are created with.

use std::sync::Arc;

use thiserror::Error;

use crate::kind::RecordKind;

/// Longest topic name that Kafka accepts, in bytes.
const MAX_TOPIC_BYTES: usize = 249;
/// The name with the longest suffix.
const LONGEST_SUFFIX: &str = DEAD_LETTERS;

const LISTINGS: &str = "listings.v1";
const SALES: &str = "sales.v1";
const PRICES: &str = "prices.v1";
const PRICES_SHADOW: &str = "prices.shadow.v1";
const DRIFT: &str = "drift.v1";
const ALERTS: &str = "alerts.v1";
const MODELS: &str = "models.v1";
const DEAD_LETTERS: &str = "listings.v1.dlq";
const ALERT_DEAD_LETTERS: &str = "alerts.v1.dlq";

const DELETE: &str = "delete";
const COMPACT_DELETE: &str = "compact,delete";
/// Keep for good.
const FOREVER: Option<i64> = Some(-1);
/// As the broker is configured.
const BROKER_DEFAULT: Option<i64> = None;

/// Names of the topics under one prefix. They are made once: services compare a name with
/// that of every record they read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames {
    prefix: String,
    listings: Arc<str>,
    sales: Arc<str>,
    prices: Arc<str>,
    prices_shadow: Arc<str>,
    drift: Arc<str>,
    alerts: Arc<str>,
    models: Arc<str>,
    dead_letters: Arc<str>,
    alert_dead_letters: Arc<str>,
}

/// A prefix that no topic name can begin with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidPrefix {
    /// A character is not allowed.
    #[error(
        "topic prefix '{prefix}' has the character {found:?}, expected letters, digits, '.', '_' \
         or '-'"
    )]
    Character {
        /// The prefix.
        prefix: String,
        /// Its first character that is not allowed.
        found: char,
    },
    /// The topic names would be too long.
    #[error("topic prefix of {bytes} bytes is longer than {limit} bytes")]
    TooLong {
        /// Length of the prefix.
        bytes: usize,
        /// Longest accepted.
        limit: usize,
    },
}

/// Largest batch of the dead-letter topic: twice the broker's default.
const DEAD_LETTER_BYTES: i64 = 2 << 20;

/// What a topic is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Name of the topic.
    pub name: String,
    /// Partitions; `None` leaves it to whoever creates the topics.
    pub partitions: Option<i32>,
    /// Value of `cleanup.policy`.
    pub cleanup_policy: &'static str,
    /// Value of `retention.ms`, -1 keeps for good; `None` leaves it to the broker. Kafka
    /// counts from the records' timestamps: a replay that carries its events' dates as
    /// timestamps is older than any limited retention.
    pub retention_ms: Option<i64>,
    /// Value of `max.message.bytes`; `None` leaves it to the broker. A dead letter is a
    /// record as large as its topic allows, and its headers.
    pub max_message_bytes: Option<i64>,
}

impl TopicNames {
    /// Names under a prefix such as `homes.`; the separator is part of it.
    ///
    /// # Errors
    /// [`InvalidPrefix`] when Kafka would refuse the names.
    pub fn new(prefix: &str) -> Result<Self, InvalidPrefix> {
        let limit = MAX_TOPIC_BYTES - LONGEST_SUFFIX.len();
        if prefix.len() > limit {
            return Err(InvalidPrefix::TooLong { bytes: prefix.len(), limit });
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(found) = prefix.chars().find(|c| !allowed(c)) {
            return Err(InvalidPrefix::Character { prefix: prefix.to_owned(), found });
        }
        let name = |suffix: &str| Arc::from(format!("{prefix}{suffix}"));
        Ok(Self {
            prefix: prefix.to_owned(),
            listings: name(LISTINGS),
            sales: name(SALES),
            prices: name(PRICES),
            prices_shadow: name(PRICES_SHADOW),
            drift: name(DRIFT),
            alerts: name(ALERTS),
            models: name(MODELS),
            dead_letters: name(DEAD_LETTERS),
            alert_dead_letters: name(ALERT_DEAD_LETTERS),
        })
    }

    /// The prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Homes offered for sale.
    pub fn listings(&self) -> Arc<str> {
        self.listings.clone()
    }

    /// Closed sales.
    pub fn sales(&self) -> Arc<str> {
        self.sales.clone()
    }

    /// The champion's price estimates.
    pub fn prices(&self) -> Arc<str> {
        self.prices.clone()
    }

    /// A challenger's price estimates.
    pub fn prices_shadow(&self) -> Arc<str> {
        self.prices_shadow.clone()
    }

    /// Drift reports.
    pub fn drift(&self) -> Arc<str> {
        self.drift.clone()
    }

    /// Alerts, as CloudEvents.
    pub fn alerts(&self) -> Arc<str> {
        self.alerts.clone()
    }

    /// The model registry's log.
    pub fn models(&self) -> Arc<str> {
        self.models.clone()
    }

    /// Listings that could not be priced for a fault of theirs.
    pub fn dead_letters(&self) -> Arc<str> {
        self.dead_letters.clone()
    }

    /// Alerts that a sink will never take.
    pub fn alert_dead_letters(&self) -> Arc<str> {
        self.alert_dead_letters.clone()
    }

    /// The topic that holds the champion's records of this kind.
    pub fn of(&self, kind: RecordKind) -> Arc<str> {
        match kind {
            RecordKind::Listing => self.listings(),
            RecordKind::Sale => self.sales(),
            RecordKind::PriceEstimate => self.prices(),
            RecordKind::DriftReport => self.drift(),
            RecordKind::RegistryEvent => self.models(),
        }
    }

    /// The Avro records that a topic holds; `None` for one that holds others, or is not ours.
    pub fn kind_of(&self, topic: &str) -> Option<RecordKind> {
        if *topic == *self.prices_shadow {
            return Some(RecordKind::PriceEstimate);
        }
        let names = [&self.listings, &self.sales, &self.prices, &self.drift, &self.models];
        let at = names.into_iter().position(|name| **name == *topic)?;
        RecordKind::ALL.get(at).copied()
    }

    /// Every topic with its settings.
    pub fn settings(&self) -> [TopicSettings; 9] {
        let topic = |name: &Arc<str>, cleanup_policy, retention_ms| TopicSettings {
            name: name.to_string(),
            // The registry's log is one sequence; the others scale with their consumers.
            partitions: (*name == self.models).then_some(1),
            cleanup_policy,
            retention_ms,
            max_message_bytes: [&self.dead_letters, &self.alert_dead_letters]
                .contains(&name)
                .then_some(DEAD_LETTER_BYTES),
        };
        [
            topic(&self.listings, DELETE, BROKER_DEFAULT),
            topic(&self.sales, DELETE, FOREVER),
            topic(&self.prices, COMPACT_DELETE, BROKER_DEFAULT),
            topic(&self.prices_shadow, DELETE, BROKER_DEFAULT),
            topic(&self.drift, DELETE, BROKER_DEFAULT),
            topic(&self.alerts, DELETE, BROKER_DEFAULT),
            topic(&self.models, DELETE, FOREVER),
            topic(&self.dead_letters, DELETE, BROKER_DEFAULT),
            topic(&self.alert_dead_letters, DELETE, BROKER_DEFAULT),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_prefix_and_settings_cover_each_of_them() {
        let topics = TopicNames::new("homes.").unwrap();
        let names = [
            topics.listings(),
            topics.sales(),
            topics.prices(),
            topics.prices_shadow(),
            topics.drift(),
            topics.alerts(),
            topics.models(),
            topics.dead_letters(),
            topics.alert_dead_letters(),
        ]
        .map(|name| name.to_string());
        assert_eq!(names[3], "homes.prices.shadow.v1");
        assert_eq!(names[7], "homes.listings.v1.dlq");
        assert_eq!(names[8], "homes.alerts.v1.dlq");
        let settings = topics.settings();
        assert_eq!(settings.clone().map(|topic| topic.name), names);
        for topic in settings {
            assert_eq!(topic.partitions, (topic.name == "homes.models.v1").then_some(1));
            let dead_letters = topic.name.ends_with(".dlq");
            assert_eq!(topic.max_message_bytes, dead_letters.then_some(2_097_152));
        }
        assert_eq!(&*TopicNames::new("").unwrap().models(), "models.v1");
    }

    #[test]
    fn a_topic_tells_its_records_and_records_their_topic() {
        let topics = TopicNames::new("homes.").unwrap();
        for kind in RecordKind::ALL {
            assert_eq!(topics.kind_of(&topics.of(kind)), Some(kind));
        }
        assert_eq!(topics.kind_of(&topics.prices_shadow()), Some(RecordKind::PriceEstimate));
        for other in [&*topics.alerts(), &*topics.dead_letters(), "listings.v1", ""] {
            assert_eq!(topics.kind_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_prefix_that_kafka_would_refuse_is_refused_here() {
        let error = TopicNames::new("homes/").unwrap_err();
        assert_eq!(error, InvalidPrefix::Character { prefix: "homes/".into(), found: '/' });
        assert!(TopicNames::new("hömes.").is_err());
        assert!(TopicNames::new(&"h".repeat(234)).is_ok());
        assert_eq!(
            TopicNames::new(&"h".repeat(235)),
            Err(InvalidPrefix::TooLong { bytes: 235, limit: 234 })
        );
    }
}
