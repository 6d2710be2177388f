//! What integration tests need to meet a real broker. A crate's test includes it:
//!
//! ```text
//! #[path = "../../../../tests/kafka/harness.rs"]
//! mod harness;
//! ```
//!
//! The broker is the one of the environment, so that any Kafka will do. Names are unique to a
//! run, so that a broker can be used again.

// Each test binary uses some of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use platform_kafka::{Broker, BrokerConfig, TopicSpec, create_topics};

const NO_BROKER: &str = "HOMESTREAM_TEST_BROKERS is not set. Start a broker:\n  \
    tests/kafka/cluster start --tls /tmp/kafka && set -a && . /tmp/kafka/env && set +a\n\
    or set it to the host:port of any Kafka that tests may create topics on";

const NO_TLS: &str = "is not set: these tests need the certificates and users of\n  \
    tests/kafka/cluster start --tls /tmp/kafka && set -a && . /tmp/kafka/env && set +a";

/// The broker to test against.
pub(crate) fn broker() -> BrokerConfig {
    let brokers = std::env::var("HOMESTREAM_TEST_BROKERS").unwrap_or_default();
    assert!(!brokers.is_empty(), "{NO_BROKER}");
    BrokerConfig::remote(brokers)
}

/// A variable that `tests/kafka/cluster start --tls` states.
pub(crate) fn tls_variable(name: &str) -> String {
    let name = format!("HOMESTREAM_TEST_{name}");
    std::env::var(&name).unwrap_or_else(|_| panic!("{name} {NO_TLS}"))
}

/// A name that nothing on the broker has.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test-{name}-{now:x}-{}-{count}", std::process::id())
}

/// Creates a topic with as many replicas as the broker gives by default.
pub(crate) async fn topic(broker: &BrokerConfig, name: &str, partitions: i32) -> String {
    let name = unique(name);
    let spec =
        TopicSpec { name: name.clone(), partitions, replication: -1, settings: BTreeMap::new() };
    let created = create_topics(&Broker::Remote(broker.clone()), &[spec]).await;
    created.unwrap_or_else(|error| panic!("topic {name}: {error}"));
    name
}
