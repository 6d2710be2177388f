//! One request of the Confluent API: over the addresses in turn, repeated while it may help.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use crate::config::{Authentication, RegistryConfig};
use crate::error::RegistryError;
use crate::metrics;

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// Largest answer that is read: a schema of some hundred fields takes 50 kB.
const MAX_ANSWER_BYTES: usize = 2 << 20;
/// Most characters of an answer that an error repeats.
const MESSAGE_CHARS: usize = 300;
/// First pause before a request is repeated; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause before a request is repeated.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// Idle connections are closed before a load balancer does.
const IDLE: Duration = Duration::from_secs(30);

/// A request of the Confluent API.
pub(crate) struct Call<'a> {
    /// Its bounded name, for metrics and logs.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    /// Segments behind the address, not yet escaped.
    pub(crate) path: &'a [&'a str],
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<Value>,
}

/// Sends requests.
pub(crate) struct Http {
    client: Client,
    urls: Vec<Url>,
    /// The address that answered last: it is asked first.
    preferred: AtomicUsize,
    authentication: Authentication,
    timeout: Duration,
    retry_for: Duration,
}

impl Http {
    pub(crate) fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        config.authentication.check()?;
        let client = Client::builder()
            .timeout(config.timeout)
            .pool_idle_timeout(IDLE)
            .redirect(Policy::none())
            .build()
            .map_err(|error| RegistryError::Setting {
                setting: "schema_registry",
                reason: format!("the HTTP client cannot be made: {}", reason(&error)),
            })?;
        Ok(Self {
            client,
            urls: config.urls.clone(),
            preferred: AtomicUsize::new(0),
            authentication: config.authentication.clone(),
            timeout: config.timeout,
            retry_for: config.retry_for,
        })
    }

    /// The addresses, for messages.
    pub(crate) fn addresses(&self) -> String {
        let urls: Vec<&str> = self.urls.iter().map(Url::as_str).collect();
        urls.join(", ")
    }

    /// Sends a request until it is answered, or for as long as is configured.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Value, RegistryError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_jitter()
            .without_max_times()
            .with_total_delay(Some(self.retry_for));
        (|| self.send_once(call))
            .retry(pauses)
            .when(RegistryError::is_retriable)
            .notify(|error, pause| {
                tracing::warn!(
                    %error, operation = call.operation, retry_in_ms = pause.as_millis() as u64,
                    "schema registry asked again"
                );
            })
            .await
    }

    /// Sends a request to one address after the other until one answers for all.
    async fn send_once(&self, call: &Call<'_>) -> Result<Value, RegistryError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        for turn in 0..self.urls.len() {
            let at = (first + turn) % self.urls.len();
            let Some(url) = self.urls.get(at) else { continue };
            let result = self.ask(url, call).await;
            metrics::asked(call.operation, result.as_ref().map_or_else(|e| e.result(), |_| "ok"));
            match result {
                Ok(answer) => {
                    self.preferred.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                // A follower may not know yet what its leader knows.
                Err(error @ RegistryError::NotFound { .. }) if call.method == Method::GET => {
                    self.preferred.store(at, Ordering::Relaxed);
                    failures.push(error);
                }
                Err(error) if error.is_retriable() => failures.push(error),
                Err(error) => return Err(error),
            }
        }
        Err(summary(failures))
    }

    async fn ask(&self, base: &Url, call: &Call<'_>) -> Result<Value, RegistryError> {
        let request =
            self.authenticated(self.client.request(call.method.clone(), endpoint(base, call)))?;
        let request = match &call.body {
            Some(body) => request.header(CONTENT_TYPE, MEDIA_TYPE).body(body.to_string()),
            None => request,
        };
        let unreachable = |error: reqwest::Error| RegistryError::Unreachable {
            url: base.to_string(),
            reason: if error.is_timeout() {
                format!(
                    "no answer within {} ms (schema_registry.timeout_ms)",
                    self.timeout.as_millis()
                )
            } else {
                reason(&error)
            },
        };
        let mut response = request.header(ACCEPT, MEDIA_TYPE).send().await.map_err(unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER_BYTES {
                return Err(RegistryError::NotARegistry {
                    url: base.to_string(),
                    reason: format!("its answer is longer than {MAX_ANSWER_BYTES} bytes"),
                });
            }
        }
        judge(base, &response, &body)
    }

    fn authenticated(&self, request: RequestBuilder) -> Result<RequestBuilder, RegistryError> {
        Ok(match &self.authentication {
            Authentication::None => request,
            Authentication::Basic { username, password } => {
                let password = password.read("schema_registry.password_file")?;
                request.basic_auth(username, Some(password.expose()))
            }
            Authentication::Bearer(token) => {
                request.bearer_auth(token.read("schema_registry.bearer_token_file")?.expose())
            }
        })
    }
}

fn endpoint(base: &Url, call: &Call<'_>) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(call.path);
    }
    if !call.query.is_empty() {
        url.query_pairs_mut().extend_pairs(call.query);
    }
    url
}

/// What an answer means.
fn judge(base: &Url, response: &Response, body: &[u8]) -> Result<Value, RegistryError> {
    let (url, status) = (base.to_string(), response.status());
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    if status.is_success() {
        return answer.ok_or_else(|| RegistryError::NotARegistry {
            url,
            reason: format!("HTTP {status}, and the answer is no JSON: {}", shorten(body)),
        });
    }
    let told = |name: &str| answer.as_ref().and_then(|answer| answer.get(name));
    let code = told("error_code").and_then(Value::as_u64).unwrap_or_default();
    let message = match told("message").and_then(Value::as_str) {
        Some(message) => shorten(message.as_bytes()),
        None => shorten(body),
    };
    let number = status.as_u16();
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            RegistryError::AccessRefused { url, status: number, message }
        }
        // 404 with a code of its own is an answer, without one a wrong address.
        StatusCode::NOT_FOUND if code / 100 == 404 => RegistryError::NotFound { url, message },
        StatusCode::NOT_FOUND => {
            RegistryError::NotARegistry { url, reason: format!("HTTP 404: {message}") }
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY => {
            RegistryError::Failing { url, status: number, message }
        }
        _ if status.is_server_error() => RegistryError::Failing { url, status: number, message },
        _ if status.is_redirection() => {
            RegistryError::NotARegistry { url, reason: format!("HTTP {number}, a redirection") }
        }
        _ => RegistryError::Refused { url, status: number, message },
    })
}

/// One error for what all addresses said.
fn summary(mut failures: Vec<RegistryError>) -> RegistryError {
    // "Not found" is what a registry says; the others only failed to answer.
    let found = failures.iter().position(|error| matches!(error, RegistryError::NotFound { .. }));
    if found.is_some() || failures.len() == 1 {
        return failures.swap_remove(found.unwrap_or_default());
    }
    let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
    RegistryError::NoneUsable { failures: failures.join("; ") }
}

/// What the client library says, with the causes that it leaves out.
fn reason(error: &reqwest::Error) -> String {
    let mut source = error.source();
    let mut told = Vec::new();
    while let Some(cause) = source {
        told.push(cause.to_string());
        source = cause.source();
    }
    told.dedup();
    if told.is_empty() { error.to_string() } else { told.join(": ") }
}

/// The beginning of an answer, in one line.
fn shorten(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let escaped = line.chars().filter(|c| !c.is_control());
    let mut short: String = escaped.take(MESSAGE_CHARS).collect();
    if short.is_empty() {
        short.push_str("(no text)");
    } else if line.chars().nth(MESSAGE_CHARS).is_some() {
        short.push_str("...");
    }
    short
}
