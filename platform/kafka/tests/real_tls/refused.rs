//! Connections that are refused: at once, in one line, with the setting to look at.

use std::time::{Duration, Instant};

use platform_kafka::{BrokerConfig, ConsumerEvent, GroupConfig, GroupConsumer, check_connection};

use crate::accepted::token_listener;
use crate::harness::{broker, tls_variable, topic, unique};
use crate::support::within;
use crate::{listener, mutual_tls, password, sasl};

/// What a person is told, and that it takes no time-out to be told.
async fn refusal(config: &BrokerConfig) -> (&'static str, String) {
    let began = Instant::now();
    let error = check_connection(config, Duration::from_secs(30)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10), "{error}");
    let shown = error.to_string();
    assert!(!shown.contains('\n'), "{shown}");
    assert!(shown.contains(&config.bootstrap_servers), "{shown}");
    (error.code(), shown)
}

#[tokio::test]
async fn a_wrong_password() {
    for mechanism in ["SCRAM-SHA-512", "PLAIN"] {
        let mut config = sasl(mechanism);
        config.properties.insert("sasl.password".into(), "hunter2".into());
        let (code, shown) = refusal(&config).await;
        assert_eq!(code, "access_refused", "{shown}");
        assert!(shown.contains("`sasl.password`") && !shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn a_wrong_password_ends_a_member() {
    let name = topic(&sasl("PLAIN"), "refused", 1).await;
    let mut config = sasl("SCRAM-SHA-512");
    config.properties.insert("sasl.password".into(), "hunter2".into());
    let group = GroupConfig::new(unique("refused"), &[&name]);
    let mut member = GroupConsumer::start(&config, group).unwrap();
    match within("a failure", member.next()).await {
        Some(ConsumerEvent::Failed(error)) => {
            assert_eq!(error.code(), "access_refused", "{error}");
            assert!(!error.to_string().contains(&password()), "{error}");
        }
        other => panic!("expected a failure, got {other:?}"),
    }
}

#[tokio::test]
async fn a_mechanism_that_the_broker_lacks() {
    let (code, shown) = refusal(&sasl("SCRAM-SHA-256")).await;
    assert_eq!(code, "access_refused", "{shown}");
    assert!(shown.contains("`sasl.mechanism`"), "{shown}");
}

#[tokio::test]
async fn an_authority_that_did_not_sign_the_broker() {
    let mut config = sasl("SCRAM-SHA-512");
    config.properties.insert("ssl.ca.location".into(), tls_variable("TLS_OTHER_CA"));
    let (code, shown) = refusal(&config).await;
    assert_eq!(code, "tls", "{shown}");
    assert!(shown.contains("`ssl.ca.location`"), "{shown}");
}

#[tokio::test]
async fn no_client_certificate() {
    let (code, shown) = refusal(&mutual_tls()).await;
    assert_eq!(code, "tls", "{shown}");
    assert!(shown.contains("`ssl.certificate.location`"), "{shown}");
}

#[tokio::test]
async fn plain_text_to_a_port_for_tls() {
    let (code, shown) = refusal(&listener("TLS_BROKERS", &[])).await;
    assert_eq!(code, "tls", "{shown}");
    assert!(shown.contains("`security.protocol`"), "{shown}");
}

#[tokio::test]
async fn no_password_where_one_is_asked_for() {
    let mut config = mutual_tls();
    config.bootstrap_servers = tls_variable("TLS_BROKERS");
    let (code, shown) = refusal(&config).await;
    assert_eq!(code, "tls", "{shown}");
    assert!(shown.contains("`sasl.mechanism`"), "{shown}");
}

#[tokio::test]
async fn tls_to_a_port_for_plain_text() {
    let mut config = mutual_tls();
    config.bootstrap_servers = broker().bootstrap_servers;
    let (code, shown) = refusal(&config).await;
    assert_eq!(code, "tls", "{shown}");
    assert!(shown.contains("`security.protocol`"), "{shown}");
}

#[tokio::test]
async fn a_token_that_cannot_be_used() {
    let (config, file) = token_listener("unknown", "not-a-token-of-this-broker");
    let (code, shown) = refusal(&config).await;
    assert_eq!(code, "access_refused", "{shown}");
    assert!(shown.contains("kafka.oauth.token_file"), "{shown}");
    std::fs::remove_file(&file).unwrap();
    let error = check_connection(&config, Duration::from_secs(30)).await.unwrap_err();
    assert_eq!(error.code(), "setting");
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
}
