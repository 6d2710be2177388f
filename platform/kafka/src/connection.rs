//! Whether a broker answers, and if not, why.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::config::BrokerConfig;
use crate::error::KafkaError;
use crate::refusal::Refusal;
use crate::topics::{Probe, in_background};

/// How long one question of [`check_connection`] waits before it is looked at what the
/// connection attempts said: a refusal should not take seconds to be told.
const ANSWER_PATIENCE: Duration = Duration::from_millis(500);
/// How long errors that are under way are waited for.
const EVENTS_PATIENCE: Duration = Duration::from_millis(20);

/// Asks the broker for its metadata. If none answers within `timeout`, the error
/// names the servers and what each attempt said. A broker that refuses the
/// connection, by its credentials or its TLS, is told from one that does not
/// answer, and at once.
pub async fn check_connection(config: &BrokerConfig, timeout: Duration) -> Result<(), KafkaError> {
    config.validate()?;
    let unreachable = |reason: String| KafkaError::Unreachable {
        brokers: config.bootstrap_servers.clone(),
        reason,
    };
    let deadline = Instant::now() + timeout;
    // The client library retries silently until the timeout; a plain connection
    // attempt says at once, and in words, why there is none.
    let connected = tokio::time::timeout(timeout, any_server_connects(config)).await;
    connected
        .unwrap_or_else(|_| Err(format!("no connection within {} s", timeout.as_secs())))
        .map_err(unreachable)?;
    let mut settings = config.admin()?;
    // Some refusals are told in no other way.
    settings.set("log.connection.close", "true");
    let config = config.clone();
    in_background(move || Probe::new(&settings, &config)?.await_answer(&config, deadline)).await
}

/// The refusal to report: one server of several may be alone in refusing, and a connection
/// may be closed by a broker that stops.
fn verdict(refusals: &[Refusal], servers: usize) -> Option<&Refusal> {
    let last = refusals.last()?;
    ((servers == 1 && last.is_certain()) || refusals.len() > 1).then_some(last)
}

async fn any_server_connects(config: &BrokerConfig) -> Result<(), String> {
    let mut attempts = JoinSet::new();
    for server in config.servers() {
        let server = address(server);
        attempts.spawn(async move {
            TcpStream::connect(&server).await.map_err(|error| format!("{server}: {error}"))
        });
    }
    let mut refusals = Vec::new();
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(refusal)) => refusals.push(refusal),
            Err(error) => refusals.push(error.to_string()),
        }
    }
    Err(refusals.join("; "))
}

/// `host:port` of a bootstrap entry, which may carry a protocol and omit the port.
fn address(server: &str) -> String {
    let server = server.split_once("://").map_or(server, |(_, rest)| rest);
    let has_port = server
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    if has_port { server.to_owned() } else { format!("{server}:9092") }
}

impl Probe {
    /// Asks until a broker answers, or all of them have had the time to refuse.
    fn await_answer(&self, config: &BrokerConfig, deadline: Instant) -> Result<(), KafkaError> {
        let servers = config.servers().count();
        let mut refusals = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let asked = self.consumer.client().fetch_metadata(None, left.min(ANSWER_PATIENCE));
            let Err(error) = asked else { return Ok(()) };
            self.serve_events();
            let journal = self.consumer.client().context();
            refusals.extend(journal.take_refusals());
            if let Some(refusal) = verdict(&refusals, servers) {
                return Err(refusal.clone().into_error(config));
            }
            if Instant::now() >= deadline {
                let detail = journal.take_last_error();
                return Err(KafkaError::Unreachable {
                    brokers: self.brokers.clone(),
                    reason: detail.unwrap_or_else(|| error.to_string()),
                });
            }
        }
    }

    /// Errors reach the journal only through a poll.
    fn serve_events(&self) {
        let until = Instant::now() + EVENTS_PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            // What it returns the journal has noted.
            let _ = self.consumer.poll(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn a_bootstrap_entry_may_have_a_protocol_and_lack_a_port() {
        assert_eq!(address("kafka:9093"), "kafka:9093");
        assert_eq!(address("kafka"), "kafka:9092");
        assert_eq!(address("SASL_SSL://kafka:9093"), "kafka:9093");
        assert_eq!(address("[::1]:9093"), "[::1]:9093");
    }
}
