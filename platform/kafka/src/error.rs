//! What can go wrong, with the coordinates needed to find it and a code from a
//! closed set, so that a metric labelled with it stays bounded.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};

/// An error of the broker, of the connection to it, or of its settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// No broker answers.
    #[error("no Kafka broker answers at {brokers}: {reason}")]
    Unreachable {
        /// The bootstrap servers, `host:port,...`.
        brokers: String,
        /// What the connection attempts said.
        reason: String,
    },
    /// A setting cannot be used.
    #[error("Kafka setting `{setting}`: {reason}")]
    Setting {
        /// The name of the setting.
        setting: String,
        /// Why; never the value of a secret.
        reason: String,
    },
    /// The client could not be made.
    #[error("the Kafka client for {brokers} could not be made: {reason}")]
    Client {
        /// The bootstrap servers.
        brokers: String,
        /// What the client library said.
        reason: String,
    },
    /// The embedded broker refused an operation.
    #[error("embedded broker: {operation}: {reason}")]
    Embedded {
        /// What was attempted.
        operation: &'static str,
        /// What it said.
        reason: String,
    },
    /// A topic that is needed does not exist.
    #[error("topic `{topic}` does not exist at {brokers}")]
    UnknownTopic {
        /// The topic, or the topics of the reader when the broker names none.
        topic: String,
        /// The bootstrap servers.
        brokers: String,
    },
    /// An operation on a topic failed.
    #[error("topic `{topic}`: {operation}: {reason}")]
    Topic {
        /// The topic.
        topic: String,
        /// What was attempted.
        operation: &'static str,
        /// What the broker said.
        reason: String,
    },
    /// An operation on a partition failed.
    #[error("topic `{topic}` partition {partition}: {operation}: {reason}")]
    Partition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// What was attempted.
        operation: &'static str,
        /// What the broker said.
        reason: String,
    },
    /// The broker refused the credentials or the operation.
    #[error("{brokers} refuses access to {reader}: {reason}")]
    AccessRefused {
        /// The bootstrap servers.
        brokers: String,
        /// The group or service.
        reader: String,
        /// What the broker said.
        reason: String,
    },
    /// The connection could not be made secure, or is secured on one side only.
    #[error("no secure connection to {brokers}: {reason}")]
    Tls {
        /// The bootstrap servers.
        brokers: String,
        /// What the client library said, and the setting to look at.
        reason: String,
    },
    /// A consumer cannot go on.
    #[error("consumer `{reader}` of {topics} at {brokers}: {reason}")]
    Consumer {
        /// The group or service.
        reader: String,
        /// Its topics, comma-separated.
        topics: String,
        /// The bootstrap servers.
        brokers: String,
        /// What the client library said.
        reason: String,
    },
    /// Transactions cannot be begun.
    #[error("transactional id `{transactional_id}` at {brokers}: {reason}")]
    Transaction {
        /// The transactional id.
        transactional_id: String,
        /// The bootstrap servers.
        brokers: String,
        /// What the client library said.
        reason: String,
    },
    /// Another process has taken the transactional id over.
    #[error(
        "transactional id `{transactional_id}` was taken over by another process: give each \
         instance an id of its own ({reason})"
    )]
    Fenced {
        /// The transactional id.
        transactional_id: String,
        /// What the client library said.
        reason: String,
    },
    /// Something took longer than it was given.
    #[error("{operation} took longer than {seconds} s")]
    Timeout {
        /// What was attempted.
        operation: &'static str,
        /// The time it was given, in whole seconds.
        seconds: u64,
    },
    /// The consumer or publisher was already closed.
    #[error("{what} is closed")]
    Closed {
        /// What was closed.
        what: &'static str,
    },
}

impl KafkaError {
    /// A code from a closed set, for metrics and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Setting { .. } => "setting",
            Self::Client { .. } => "client",
            Self::Embedded { .. } => "embedded",
            Self::UnknownTopic { .. } => "unknown_topic",
            Self::Topic { .. } => "topic",
            Self::Partition { .. } => "partition",
            Self::AccessRefused { .. } => "access_refused",
            Self::Tls { .. } => "tls",
            Self::Consumer { .. } => "consumer",
            Self::Transaction { .. } => "transaction",
            Self::Fenced { .. } => "fenced",
            Self::Timeout { .. } => "timeout",
            Self::Closed { .. } => "closed",
        }
    }

    pub(crate) fn timeout(operation: &'static str, given: Duration) -> Self {
        Self::Timeout { operation, seconds: given.as_secs() }
    }

    /// An error of making a client: a setting if the library names one.
    pub(crate) fn of_creation(brokers: &str, error: ClientError) -> Self {
        match error {
            ClientError::ClientConfig(_, reason, setting, _) => {
                // The library quotes the value in its text.
                let reason = if is_secret(&setting) { "invalid value".into() } else { reason };
                Self::Setting { setting, reason }
            }
            other => Self::Client { brokers: brokers.to_owned(), reason: other.to_string() },
        }
    }
}

/// Whether the value of a client property must never be shown.
pub fn is_secret(property: &str) -> bool {
    const MARKS: [&str; 8] = [
        "password",
        "secret",
        "token",
        "credential",
        ".pem",
        "jaas",
        "oauthbearer.config",
        "private",
    ];
    let property = property.to_ascii_lowercase();
    MARKS.iter().any(|mark| property.contains(mark))
}

/// Why a batch was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A record is larger than a broker accepts. Nothing of the batch was sent.
    #[error(
        "record {index} for topic `{topic}` has {bytes} bytes; at most {limit_bytes} can be sent"
    )]
    TooLarge {
        /// The position in the batch.
        index: usize,
        /// The topic it was meant for.
        topic: Arc<str>,
        /// Its size.
        bytes: usize,
        /// The largest size.
        limit_bytes: usize,
    },
    /// A topic or header name cannot be sent. Nothing of the batch was sent.
    #[error("record {index} for topic `{topic}`: {reason}")]
    Invalid {
        /// The position in the batch.
        index: usize,
        /// The topic it was meant for.
        topic: Arc<str>,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Some records were not acknowledged. Others of the batch may be stored.
    #[error(
        "{failed} of {total} records were not acknowledged; the first is record {index} for \
         topic `{topic}` at {brokers}: {reason}"
    )]
    Unacknowledged {
        /// How many were not acknowledged.
        failed: usize,
        /// How many the batch has.
        total: usize,
        /// The position of the first one in the batch.
        index: usize,
        /// Its topic.
        topic: Arc<str>,
        /// The bootstrap servers.
        brokers: String,
        /// A code from a closed set.
        code: &'static str,
        /// What the client library said.
        reason: String,
    },
    /// Flushing ran out of time with records still under way.
    #[error("{in_flight} records were still under way after {seconds} s")]
    Unflushed {
        /// Records still under way.
        in_flight: usize,
        /// The time given, in whole seconds.
        seconds: u64,
    },
}

impl PublishError {
    /// A code from a closed set, for metrics and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Invalid { .. } => "invalid",
            Self::Unacknowledged { code, .. } => code,
            Self::Unflushed { .. } => "unflushed",
        }
    }
}

/// The bounded code of a failed delivery.
pub(crate) fn delivery_code(error: &ClientError) -> &'static str {
    match error.rdkafka_error_code() {
        Some(Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut) => {
            "timed_out"
        }
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
            "unknown_topic"
        }
        Some(Code::MessageSizeTooLarge) => "too_large",
        Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed) => "access_refused",
        Some(Code::PurgeQueue | Code::PurgeInflight) => "closed",
        Some(Code::Fatal) => "fatal",
        _ => "not_acknowledged",
    }
}

/// What a consumer does about an error the client library reports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The library retries by itself.
    Transient,
    /// The topic is not there.
    UnknownTopic,
    /// Credentials or rights are missing: waiting does not help.
    AccessRefused,
    /// The consumer cannot go on.
    Fatal,
}

pub(crate) fn severity(error: &ClientError) -> Severity {
    if matches!(error, ClientError::MessageConsumptionFatal(_)) {
        return Severity::Fatal;
    }
    match error.rdkafka_error_code() {
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
            Severity::UnknownTopic
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::Authentication,
        ) => Severity::AccessRefused,
        Some(Code::AutoOffsetReset | Code::Fatal | Code::InconsistentGroupProtocol) => {
            Severity::Fatal
        }
        _ => Severity::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_their_coordinates() {
        let error = KafkaError::Unreachable {
            brokers: "kafka:9092".into(),
            reason: "connection refused".into(),
        };
        assert_eq!(error.to_string(), "no Kafka broker answers at kafka:9092: connection refused");
        assert_eq!(error.code(), "unreachable");
    }

    #[test]
    fn a_secret_is_not_quoted_from_the_library() {
        let secret = ClientError::ClientConfig(
            rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            "Invalid value \"hunter2\"".into(),
            "sasl.password".into(),
            "hunter2".into(),
        );
        let shown = KafkaError::of_creation("b:1", secret);
        assert_eq!(shown.to_string(), "Kafka setting `sasl.password`: invalid value");
    }

    #[test]
    fn waiting_helps_against_a_lost_connection_only() {
        let of = |code| severity(&ClientError::MessageConsumption(code));
        assert_eq!(of(Code::AllBrokersDown), Severity::Transient);
        assert_eq!(of(Code::BrokerTransportFailure), Severity::Transient);
        assert_eq!(of(Code::PollExceeded), Severity::Transient);
        assert_eq!(of(Code::UnknownTopicOrPartition), Severity::UnknownTopic);
        assert_eq!(of(Code::GroupAuthorizationFailed), Severity::AccessRefused);
        assert_eq!(
            severity(&ClientError::MessageConsumptionFatal(Code::BrokerTransportFailure)),
            Severity::Fatal
        );
    }
}
