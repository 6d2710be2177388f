//! TLS and SASL against a real Kafka: what works, and what a person is told when it does not.
//!
//! Needs the listeners of `tests/kafka/cluster start --tls`:
//! `cargo test -p platform-kafka --features real-kafka,tls,zstd --test real_tls`

// The lints exempt test functions but not the helpers of an integration test.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../../tests/kafka/harness.rs"]
mod harness;
#[path = "../support/mod.rs"]
mod support;

mod accepted;
mod refused;

use harness::tls_variable;
use platform_kafka::BrokerConfig;

/// A broker's listener with some properties.
fn listener(variable: &str, properties: &[(&str, &str)]) -> BrokerConfig {
    let mut config = BrokerConfig::remote(tls_variable(variable));
    let properties = properties.iter().map(|&(name, value)| (name.into(), value.into()));
    config.properties.extend(properties);
    config
}

fn password() -> String {
    std::fs::read_to_string(tls_variable("SASL_PASSWORD_FILE")).unwrap().trim_end().to_owned()
}

/// The listener with passwords.
fn sasl(mechanism: &str) -> BrokerConfig {
    listener(
        "TLS_BROKERS",
        &[
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", &tls_variable("TLS_CA")),
            ("sasl.mechanism", mechanism),
            ("sasl.username", &tls_variable("SASL_USER")),
            ("sasl.password", &password()),
        ],
    )
}

/// The listener that asks for a client certificate, without one.
fn mutual_tls() -> BrokerConfig {
    let properties =
        [("security.protocol", "SSL"), ("ssl.ca.location", &tls_variable("TLS_CA") as &str)];
    listener("MTLS_BROKERS", &properties)
}
