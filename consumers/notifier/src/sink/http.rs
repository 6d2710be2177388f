//! One request: posted, timed out, its answer judged.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url};

use super::InvalidSink;
use super::retry::{Attempt, retry_after};
use crate::secret::Secret;
use crate::time::now_ms;

/// Most characters of an answer that an error repeats.
const MESSAGE_CHARS: usize = 300;
/// Most bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Idle connections are closed before a load balancer does.
const IDLE: Duration = Duration::from_secs(30);

/// Posts requests.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client,
    authorization: Option<Secret>,
    timeout: Duration,
}

impl Http {
    pub(super) fn new(
        timeout: Duration,
        authorization: Option<Secret>,
    ) -> Result<Self, InvalidSink> {
        if let Some(secret) = &authorization {
            secret.read().map_err(|reason| InvalidSink::of_secret("authorization", &reason))?;
        }
        let client = Client::builder()
            .connect_timeout(timeout)
            .timeout(timeout)
            .pool_idle_timeout(IDLE)
            // Secrets and signatures go where the settings say and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("homestream/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| InvalidSink { setting: "url", reason: told(&error) })?;
        Ok(Self { client, authorization, timeout })
    }

    /// Posts a body and judges the answer.
    pub(super) async fn post(
        &self,
        url: Url,
        content_type: &'static str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Attempt {
        let mut request = self
            .client
            .post(url)
            .headers(headers)
            .header(CONTENT_TYPE, HeaderValue::from_static(content_type))
            .body(body);
        if let Some(secret) = &self.authorization {
            match secret.read().and_then(|value| sensitive(&value)) {
                Ok(value) => request = request.header(AUTHORIZATION, value),
                Err(message) => return secret_is_missing(message),
            }
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return self.failure(&error),
        };
        let status = response.status();
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|value| retry_after(value, now_ms()));
        Attempt::of_answer(status, asked, &beginning(response).await)
    }

    fn failure(&self, error: &reqwest::Error) -> Attempt {
        let (code, message) = if error.is_timeout() {
            let waited = self.timeout.as_millis();
            ("timeout", format!("no answer within {waited} ms (timeout_ms)"))
        } else {
            ("unreachable", told(error))
        };
        Attempt::Failed { code, message, retry_after: None }
    }
}

/// A secret that is not there now may be there soon: somebody is changing it.
pub(super) fn secret_is_missing(message: String) -> Attempt {
    Attempt::Failed { code: "secret", message, retry_after: None }
}

/// An address, checked.
pub(super) fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no address: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or a password: use authorization_file".into());
    }
    match url.scheme() {
        "http" => Ok(url),
        "https" if cfg!(feature = "tls") => Ok(url),
        "https" => Err("asks for TLS, which this build lacks: build with the feature tls".into()),
        _ => Err("is no address of http:// or https://".into()),
    }
}

fn sensitive(value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| "the authorization holds characters that no header can".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// What went wrong, without the address: it may be a secret.
fn told(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    causes.dedup();
    if causes.is_empty() { "the request failed".to_owned() } else { causes.join(": ") }
}

/// The beginning of an answer, in one line.
async fn beginning(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            break;
        }
    }
    let text = String::from_utf8_lossy(&body);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_passwords_in_them_not_repeated() {
        assert!(address("http://localhost:9093/").is_ok());
        for (wrong, told) in [
            ("localhost:9093", "is no address of http"),
            ("//x", "is no address: "),
            ("http://ann:hunter2@a", "authorization_file"),
            ("ftp://a", "is no address of http"),
        ] {
            let error = address(wrong).unwrap_err();
            assert!(error.contains(told) && !error.contains("hunter2"), "{error}");
        }
        assert_eq!(address("https://a").is_ok(), cfg!(feature = "tls"));
    }
}
