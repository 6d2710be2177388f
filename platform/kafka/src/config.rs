//! Where the broker is, and the settings of each kind of client.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::error::{KafkaError, is_secret};
use crate::publisher::MAX_RECORD_BYTES;

/// Pause before a transactional request is sent again.
const TRANSACTION_RETRY_MS: &str = "10";
/// How long the embedded broker holds back an empty answer. It holds it for the
/// whole time even when a record arrives meanwhile, so this is the price of one
/// hop in the worst case; each idle reader costs one request in this time.
const EMBEDDED_FETCH_WAIT_MS: &str = "3";

/// Properties that carry the delivery guarantee or the identity of a client.
/// They are refused in [`BrokerConfig::properties`].
const RESERVED: [&str; 18] = [
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "client.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "isolation.level",
    "group.id",
    "group.protocol",
    "heartbeat.interval.ms",
    "log.queue",
    "max.poll.interval.ms",
    "metadata.broker.list",
    "request.required.acks",
    "session.timeout.ms",
    "transactional.id",
];

/// Where a broker is and how to speak to it. `Debug` never shows secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerConfig {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// Whether this is the [`EmbeddedBroker`](crate::EmbeddedBroker), whose
    /// clients need other settings.
    pub embedded: bool,
    /// Passed through to librdkafka: `security.*`, `sasl.*`, `ssl.*`,
    /// `compression.type` and so on. Those the delivery guarantee rests on are
    /// refused.
    pub properties: BTreeMap<String, String>,
    /// The file that holds the token of `sasl.mechanism` OAUTHBEARER. It is read
    /// again before the token expires.
    pub oauth_token_file: Option<PathBuf>,
    /// The name under which clients appear in the broker's logs and quotas.
    pub client_id: String,
}

impl fmt::Debug for BrokerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: BTreeMap<&str, &str> = self
            .properties
            .iter()
            .map(|(name, value)| {
                (name.as_str(), if is_secret(name) { "[redacted]" } else { value.as_str() })
            })
            .collect();
        f.debug_struct("BrokerConfig")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("embedded", &self.embedded)
            .field("properties", &properties)
            .field("oauth_token_file", &self.oauth_token_file)
            .field("client_id", &self.client_id)
            .finish()
    }
}

impl BrokerConfig {
    /// A remote broker without further properties.
    pub fn remote(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            embedded: false,
            properties: BTreeMap::new(),
            oauth_token_file: None,
            client_id: "homestream".to_owned(),
        }
    }

    /// Refuses settings that no client could use or that would void the delivery
    /// guarantee.
    pub fn validate(&self) -> Result<(), KafkaError> {
        if self.bootstrap_servers.trim().is_empty() {
            return Err(KafkaError::Setting {
                setting: "bootstrap.servers".into(),
                reason: "is empty; give host:port".into(),
            });
        }
        if let Some(name) = self.properties.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(KafkaError::Setting {
                setting: name.clone(),
                reason: "is set by homestream and cannot be passed through".into(),
            });
        }
        self.validate_token()
    }

    /// A token file and the mechanism that uses it belong together.
    fn validate_token(&self) -> Result<(), KafkaError> {
        let mechanism = ["sasl.mechanism", "sasl.mechanisms"]
            .iter()
            .find_map(|name| self.properties.get(*name));
        let uses_token = mechanism.is_some_and(|name| name.eq_ignore_ascii_case("OAUTHBEARER"));
        match (uses_token, &self.oauth_token_file) {
            (true, None) => Err(KafkaError::Setting {
                setting: "sasl.mechanism".into(),
                reason: "is OAUTHBEARER, which needs kafka.oauth.token_file".into(),
            }),
            (false, Some(_)) => Err(KafkaError::Setting {
                setting: "kafka.oauth.token_file".into(),
                reason: "has no use unless `sasl.mechanism` is OAUTHBEARER".into(),
            }),
            _ => Ok(()),
        }
    }

    /// The `host:port` parts.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &str> {
        self.bootstrap_servers.split(',').map(str::trim).filter(|server| !server.is_empty())
    }

    /// What every client has in common.
    pub(crate) fn client(&self) -> Result<ClientConfig, KafkaError> {
        self.validate()?;
        let mut client = self.defaults();
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        if self.properties.contains_key("debug") {
            client.set_log_level(RDKafkaLogLevel::Debug);
        }
        Ok(client)
    }

    fn defaults(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", &self.client_id)
            // Brokers close idle connections by design: not worth a line.
            .set("log.connection.close", "false")
            .set("socket.keepalive.enable", "true")
            // Nagle's algorithm would hold back small batches.
            .set("socket.nagle.disable", "true")
            .set_log_level(RDKafkaLogLevel::Info);
        client
    }

    /// A client for questions outside the record path.
    pub(crate) fn admin(&self) -> Result<ClientConfig, KafkaError> {
        let mut client = self.client()?;
        client.set("allow.auto.create.topics", "false");
        Ok(client)
    }

    pub(crate) fn producer(&self) -> Result<ClientConfig, KafkaError> {
        let mut producer = self.client()?;
        let mut set = |name: &str, value: &str| {
            if !self.properties.contains_key(name) {
                producer.set(name, value);
            }
        };
        // `publish` hands over whole batches and waits for them: lingering longer
        // only adds to each hop. The embedded broker stores what comes in one
        // request as one unit and serves one unit a fetch, so lone records cost.
        set("linger.ms", "1");
        // Memory a slow broker may cost before `publish` waits: 64 MiB.
        set("queue.buffering.max.kbytes", "65536");
        // Time until a record that cannot be delivered is reported as such. Longer
        // than a broker restart, shorter than the patience of an operator.
        set("delivery.timeout.ms", "120000");
        // The Java clients' partitioner: other producers and readers of our
        // topics agree on where a key lives.
        set("partitioner", "murmur2_random");
        set("message.max.bytes", &MAX_RECORD_BYTES.to_string());
        producer.set("acks", "all").set("enable.idempotence", "true");
        Ok(producer)
    }

    /// A producer whose records become visible by transaction. A record that cannot
    /// be delivered is reported when the transaction would have timed out.
    pub(crate) fn transactional_producer(
        &self,
        transactional_id: &str,
        timeout: Duration,
    ) -> Result<ClientConfig, KafkaError> {
        let mut producer = self.producer()?;
        let timeout = timeout.as_millis().to_string();
        // The user's own setting stays.
        if producer.get("retry.backoff.ms").is_none() {
            // A transaction that begins while the brokers still finish the one before is put off
            // by this much: by the library's own 100 ms every third commit waited.
            producer.set("retry.backoff.ms", TRANSACTION_RETRY_MS);
        }
        producer
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", &timeout)
            .set("delivery.timeout.ms", &timeout);
        Ok(producer)
    }

    pub(crate) fn consumer(&self, group_id: &str) -> Result<ClientConfig, KafkaError> {
        let mut consumer = self.client()?;
        let mut set = |name: &str, value: &str| {
            if !self.properties.contains_key(name) {
                consumer.set(name, value);
            }
        };
        // Prefetched bytes a slow service may cost: 16 MiB a consumer.
        set("queued.max.messages.kbytes", "16384");
        set("queued.min.messages", "10000");
        // Time to the next fetch once the prefetch queue has room again. The
        // library's second would stall a service that has just caught up.
        set("fetch.queue.backoff.ms", "10");
        set("allow.auto.create.topics", "false");
        if self.embedded {
            set("fetch.wait.max.ms", EMBEDDED_FETCH_WAIT_MS);
            set("fetch.error.backoff.ms", "50");
        }
        consumer
            .set("group.id", group_id)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // What a transaction has not committed may never have happened.
            .set("isolation.level", "read_committed")
            // A group without a committed offset starts at the oldest record:
            // skipping what came before its first start would be a silent loss.
            .set("auto.offset.reset", "earliest");
        Ok(consumer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_redacts_secrets() {
        let mut config = BrokerConfig::remote("b:9092");
        for name in ["sasl.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"] {
            config.properties.insert(name.into(), "hunter2".into());
        }
        config.properties.insert("sasl.username".into(), "alice".into());
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("alice"), "{shown}");
    }

    #[test]
    fn the_guarantee_cannot_be_configured_away() {
        let mut config = BrokerConfig::remote("b:9092");
        config.properties.insert("enable.auto.commit".into(), "true".into());
        let error = config.validate().unwrap_err();
        assert_eq!(
            error.to_string(),
            "Kafka setting `enable.auto.commit`: is set by homestream and cannot be passed through"
        );
        assert_eq!(BrokerConfig::remote(" ").validate().unwrap_err().code(), "setting");
    }

    #[test]
    fn a_token_file_and_its_mechanism_belong_together() {
        let mut config = BrokerConfig::remote("b:9092");
        config.oauth_token_file = Some("/run/token".into());
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains("`kafka.oauth.token_file`"), "{error}");
        config.properties.insert("sasl.mechanism".into(), "OAUTHBEARER".into());
        assert_eq!(config.validate(), Ok(()));
        config.oauth_token_file = None;
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains("needs kafka.oauth.token_file"), "{error}");
    }

    #[test]
    fn properties_override_our_defaults() {
        let mut config = BrokerConfig::remote("b:9092");
        config.properties.insert("linger.ms".into(), "20".into());
        let producer = config.producer().unwrap();
        assert_eq!(producer.get("linger.ms"), Some("20"));
        assert_eq!(producer.get("acks"), Some("all"));
    }
}
