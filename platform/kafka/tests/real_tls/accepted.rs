//! Connections that are accepted, and everything that goes over them.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use platform_kafka::{
    BrokerConfig, Follower, GroupConfig, GroupConsumer, Progress, Publisher, check_connection,
    end_offsets,
};

use crate::harness::{tls_variable, topic, unique};
use crate::support::{next_batch, number, numbered, until_caught_up, within};
use crate::{listener, mutual_tls, sasl};

/// Uses every kind of client once.
async fn round_trip(config: &BrokerConfig) {
    check_connection(config, Duration::from_secs(10)).await.unwrap();
    let name = topic(config, "secure", 1).await;
    let publisher = Publisher::new(config, Progress::new()).unwrap();
    within("publish", publisher.publish(numbered(&name, 0, 100))).await.unwrap();
    let mut follower = Follower::start(config, "tests", &[&name]).unwrap();
    assert_eq!(until_caught_up(&mut follower).await.len(), 100);
    let group = GroupConfig::new(unique("secure"), &[&name]);
    let mut member = GroupConsumer::start(config, group).unwrap();
    let mut read = Vec::new();
    while read.len() < 100 {
        read.extend(next_batch(&mut member).await.iter().map(number));
    }
    assert_eq!(read, (0..100).collect::<Vec<_>>());
    let ends = end_offsets(config, &[&name]).await.unwrap();
    assert_eq!(ends.values().map(|range| range.high).sum::<i64>(), 100);
}

#[tokio::test]
async fn scram_over_tls_with_zstd() {
    let mut config = sasl("SCRAM-SHA-512");
    config.properties.insert("compression.type".into(), "zstd".into());
    round_trip(&config).await;
}

#[tokio::test]
async fn a_plain_password_over_tls() {
    round_trip(&sasl("PLAIN")).await;
}

#[tokio::test]
async fn a_client_certificate() {
    let mut config = mutual_tls();
    for (name, variable) in
        [("ssl.certificate.location", "TLS_CERTIFICATE"), ("ssl.key.location", "TLS_KEY")]
    {
        config.properties.insert(name.into(), tls_variable(variable));
    }
    round_trip(&config).await;
}

/// A token that nobody signed, as the test broker accepts it.
fn token(lifetime: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let claims = format!(
        r#"{{"sub":"homestream","iat":{now:.3},"exp":{:.3}}}"#,
        now + lifetime.as_secs_f64()
    );
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims))
}

pub(crate) fn token_listener(name: &str, text: &str) -> (BrokerConfig, PathBuf) {
    let file = std::env::temp_dir().join(unique(name));
    std::fs::write(&file, text).unwrap();
    let mut config = listener(
        "TLS_BROKERS",
        &[
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", &tls_variable("TLS_CA")),
            ("sasl.mechanism", "OAUTHBEARER"),
        ],
    );
    config.oauth_token_file = Some(file.clone());
    (config, file)
}

#[tokio::test]
async fn a_token_from_a_file() {
    let (config, file) = token_listener("token", &token(Duration::from_secs(600)));
    round_trip(&config).await;
    std::fs::remove_file(file).unwrap();
}

/// The broker ends sessions whose token has expired: going on for longer than one token lives
/// needs the next one. Brokers take a new one once a second at most, so it must not be short.
#[tokio::test]
async fn a_token_that_is_renewed_in_its_file() {
    let lifetime = Duration::from_secs(10);
    let (config, file) = token_listener("renewed", &token(lifetime));
    let name = topic(&config, "renewed", 1).await;
    let publisher = Publisher::new(&config, Progress::new()).unwrap();
    let group = GroupConfig::new(unique("renewed"), &[&name]);
    let mut member = GroupConsumer::start(&config, group).unwrap();
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < lifetime * 2 + lifetime / 2 {
        std::fs::write(&file, token(lifetime)).unwrap();
        within("publish", publisher.publish(numbered(&name, count, 1))).await.unwrap();
        for record in next_batch(&mut member).await {
            assert_eq!(number(&record), count);
            count += 1;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(count > 10, "{count}");
    std::fs::remove_file(file).unwrap();
}
