//! Errors of a connection that waiting does not help against: a wrong password, an unknown
//! certificate, TLS on one side only. The client library retries them for ever and buries the
//! cause; here each is told from a broker that is merely down, with the setting to look at.

use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};

use crate::config::BrokerConfig;
use crate::error::KafkaError;

/// What a broker refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// User name, password or token.
    Credentials(String),
    /// The TLS handshake.
    Tls(String),
    /// A connection that something was expected of first.
    Closed(Closed, String),
}

/// What a broker that closes a new connection may have expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// A TLS handshake.
    BeforeTls,
    /// A SASL handshake.
    BeforeSasl,
}

impl Closed {
    /// By the library's words for how far a connection had come.
    fn of(message: &str) -> Option<Self> {
        let speaks = |protocol: &str| message.contains(&format!("{protocol}://"));
        if message.contains("in state APIVERSION_QUERY") && !speaks("ssl") && !speaks("sasl_ssl") {
            Some(Self::BeforeTls)
        } else if message.contains("in state UP") && !message.contains("sasl_") {
            Some(Self::BeforeSasl)
        } else {
            None
        }
    }

    fn fix(self) -> &'static str {
        match self {
            Self::BeforeTls => {
                "set `security.protocol` to SSL or SASL_SSL if the port is one for TLS"
            }
            Self::BeforeSasl => {
                "set `security.protocol` to SASL_SSL or SASL_PLAINTEXT, and `sasl.mechanism`, if \
                 the port is one for SASL"
            }
        }
    }
}

impl Refusal {
    /// Whether an error that the library reports is one.
    pub(crate) fn of(error: &ClientError, reason: &str) -> Option<Self> {
        match error.rdkafka_error_code()? {
            Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism => Some(Self::Credentials(reason.to_owned())),
            Code::SSL => Some(Self::Tls(reason.to_owned())),
            Code::BrokerTransportFailure => Self::of_disconnect(reason),
            _ => None,
        }
    }

    /// Whether a log line tells of one: the library reports a connection that the other side
    /// closes nowhere else.
    pub(crate) fn of_log(facility: &str, message: &str) -> Option<Self> {
        if facility != "FAIL" || !message.contains("Disconnected") {
            return None;
        }
        // The name of a thread comes first.
        let told = message.split_once("]: ").map_or(message, |(_, told)| told);
        Closed::of(told).map(|closed| Self::Closed(closed, told.to_owned()))
    }

    fn of_disconnect(reason: &str) -> Option<Self> {
        let is_tls = ["SSL routines", "connecting to a PLAINTEXT broker listener"]
            .iter()
            .any(|mark| reason.contains(mark));
        is_tls.then(|| Self::Tls(reason.to_owned()))
    }

    /// Whether once is enough: a broker that stops closes connections, too.
    pub(crate) fn is_certain(&self) -> bool {
        !matches!(self, Self::Closed(..))
    }

    /// The error that a person reads.
    pub(crate) fn into_error(self, config: &BrokerConfig) -> KafkaError {
        let brokers = config.bootstrap_servers.clone();
        let setting = |name: &str| config.properties.get(name).map(String::as_str);
        match self {
            Self::Credentials(reason) => {
                let fix = match config.oauth_token_file {
                    Some(_) => "check kafka.oauth.token_file",
                    None => "check `sasl.mechanism`, `sasl.username` and `sasl.password`",
                };
                let reader = config.client_id.clone();
                let reason = format!("{}; {fix}", one_line(&reason));
                KafkaError::AccessRefused { brokers, reader, reason }
            }
            Self::Closed(closed, reason) => {
                let reason = format!("{}; {}", one_line(&reason), closed.fix());
                KafkaError::Tls { brokers, reason }
            }
            Self::Tls(reason) => {
                let fix = tls_fix(&reason, setting("ssl.certificate.location").is_some());
                KafkaError::Tls { brokers, reason: format!("{}; {fix}", one_line(&reason)) }
            }
        }
    }
}

fn tls_fix(reason: &str, has_certificate: bool) -> &'static str {
    if reason.contains("certificate verify failed") {
        "set `ssl.ca.location` to the authority that signed the broker's certificate"
    } else if reason.contains("alert") || reason.contains("certificate required") {
        if has_certificate {
            "the broker does not accept the client certificate in `ssl.certificate.location`"
        } else {
            "the broker asks for a client certificate: set `ssl.certificate.location` and \
             `ssl.key.location`"
        }
    } else {
        "check `security.protocol`: the port may not be one for TLS"
    }
}

fn one_line(reason: &str) -> String {
    reason.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: Code, reason: &str) -> Option<String> {
        let refusal = Refusal::of(&ClientError::Global(code), reason)?;
        Some(refusal.into_error(&BrokerConfig::remote("kafka:9093")).to_string())
    }

    #[test]
    fn each_refusal_names_the_setting_to_look_at() {
        let named = |code, reason, setting: &str| {
            let shown = shown(code, reason).unwrap();
            assert!(shown.contains(setting), "{shown}");
            assert!(!shown.contains('\n'), "{shown}");
        };
        named(Code::Authentication, "SASL SCRAM-SHA-512:\nno", "`sasl.password`");
        named(Code::SSL, "certificate verify failed: ...", "`ssl.ca.location`");
        named(Code::SSL, "ssl alert certificate required", "`ssl.key.location`");
        let plain = "closed by peer: connecting to a PLAINTEXT broker listener?";
        named(Code::BrokerTransportFailure, plain, "`security.protocol`");
        named(Code::SSL, "wrong version number", "`security.protocol`");
        let alert = "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate";
        named(Code::BrokerTransportFailure, alert, "`ssl.certificate.location`");
    }

    #[test]
    fn a_connection_that_is_closed_says_what_was_expected_first() {
        let closed = |server: &str, state: &str| {
            let line =
                format!("[thrd:x]: {server}: Disconnected: closed (after 1ms in state {state})");
            Refusal::of_log("FAIL", &line)
        };
        let fix = |server: &str, state: &str| match closed(server, state) {
            Some(Refusal::Closed(closed, _)) => Some(closed),
            _ => None,
        };
        assert_eq!(fix("kafka:9093/1", "APIVERSION_QUERY"), Some(Closed::BeforeTls));
        assert_eq!(fix("ssl://kafka:9093/1", "APIVERSION_QUERY"), None);
        assert_eq!(fix("ssl://kafka:9093/1", "UP"), Some(Closed::BeforeSasl));
        assert_eq!(fix("sasl_ssl://kafka:9093/1", "UP"), None);
        let refusal = closed("kafka:9093/1", "APIVERSION_QUERY").unwrap();
        assert!(!refusal.is_certain());
        let shown = refusal.into_error(&BrokerConfig::remote("kafka:9093")).to_string();
        assert!(shown.contains("set `security.protocol` to SSL"), "{shown}");
    }

    #[test]
    fn a_broker_that_is_down_refuses_nothing() {
        assert_eq!(shown(Code::BrokerTransportFailure, "Connection refused"), None);
        assert_eq!(shown(Code::AllBrokersDown, "1/1 brokers are down"), None);
        assert_eq!(Refusal::of_log("FAIL", "Connect to kafka failed (in state CONNECT)"), None);
        assert_eq!(Refusal::of_log("CONFWARN", "Disconnected in state UP"), None);
    }
}
