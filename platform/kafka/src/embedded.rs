//! A broker inside the process, for `homestream up` without a cluster and for
//! tests: librdkafka's mock cluster, which speaks the real protocol over TCP on
//! 127.0.0.1.

use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use crate::config::BrokerConfig;
use crate::context::Journal;
use crate::error::KafkaError;
use crate::topics::{TopicSpec, TopicStatus};

/// How long the first member of a group waits for others before partitions are
/// handed out. Kafka's default of 3 s serves fleets that start together; in one
/// process it would only delay every start.
const INITIAL_REBALANCE_DELAY_MS: i32 = 50;

/// The producer that hosts the mock cluster never sends a record.
struct Host(Journal);

impl rdkafka::ClientContext for Host {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Host {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// A broker inside the process. Clones share it; it ends with the last of them,
/// and its records with it.
#[derive(Clone)]
pub struct EmbeddedBroker {
    host: Arc<ThreadedProducer<Host>>,
    config: BrokerConfig,
}

impl std::fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedBroker").field("config", &self.config).finish_non_exhaustive()
    }
}

impl EmbeddedBroker {
    /// Starts one broker on a free port of 127.0.0.1.
    pub fn start() -> Result<Self, KafkaError> {
        let failed = |reason: String| KafkaError::Embedded { operation: "start", reason };
        let mut client = ClientConfig::new();
        client
            .set("test.mock.num.brokers", "1")
            .set("client.id", "homestream-embedded-broker")
            .set_log_level(RDKafkaLogLevel::Info);
        let host = ThreadedProducer::from_config_and_context(&client, Host(Journal::new(true)))
            .map_err(|error| failed(error.to_string()))?;
        shorten_initial_rebalance(&host);
        let bootstrap_servers = host
            .client()
            .mock_cluster()
            .map(|cluster| cluster.bootstrap_servers())
            .ok_or_else(|| failed("the client library made no mock cluster".to_owned()))?;
        let config = BrokerConfig { embedded: true, ..BrokerConfig::remote(bootstrap_servers) };
        Ok(Self { host: Arc::new(host), config })
    }

    /// How to reach it.
    pub fn config(&self) -> BrokerConfig {
        self.config.clone()
    }

    /// Creates a topic. Replication and settings have no meaning here.
    pub fn create_topic(&self, spec: &TopicSpec) -> Result<TopicStatus, KafkaError> {
        let failed = |reason: String| KafkaError::Topic {
            topic: spec.name.clone(),
            operation: "create",
            reason,
        };
        let cluster = self
            .host
            .client()
            .mock_cluster()
            .ok_or_else(|| failed("the embedded broker is gone".to_owned()))?;
        match cluster.create_topic(&spec.name, spec.partitions, 1) {
            Ok(()) => Ok(TopicStatus::Created),
            Err(ClientError::MockCluster(RDKafkaErrorCode::TopicAlreadyExists)) => {
                Ok(TopicStatus::Existing)
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// The Rust bindings wrap every setting of the mock cluster but this one.
#[allow(unsafe_code)]
fn shorten_initial_rebalance(host: &ThreadedProducer<Host>) {
    use rdkafka::bindings::{
        rd_kafka_handle_mock_cluster, rd_kafka_mock_group_initial_rebalance_delay_ms,
    };
    // SAFETY: the native client lives as long as `host`, and the mock cluster as
    // long as the native client. The first call returns null or that cluster; the
    // second enqueues a message to the cluster's own thread.
    unsafe {
        let cluster = rd_kafka_handle_mock_cluster(host.client().native_ptr());
        if !cluster.is_null() {
            rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, INITIAL_REBALANCE_DELAY_MS);
        }
    }
}

/// The broker the services of one process share.
#[derive(Clone, Debug)]
pub enum Broker {
    /// Inside the process.
    Embedded(EmbeddedBroker),
    /// A cluster somewhere.
    Remote(BrokerConfig),
}

impl Broker {
    /// How to reach it.
    pub fn config(&self) -> BrokerConfig {
        match self {
            Self::Embedded(broker) => broker.config(),
            Self::Remote(config) => config.clone(),
        }
    }
}
