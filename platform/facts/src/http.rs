//! Facts from an HTTP service that answers in JSON: `GET`, a request a key, or `POST`, one
//! request for many keys.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::secret::Secret;
use crate::source::{Answer, FactError, FactKey, FactSource, Load, fact_value};

/// Stands for the key in the URL of a `GET`.
const PLACEHOLDER: &str = "{key}";
/// Everything but the characters that RFC 3986 leaves as they are.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Requests that one load of a `GET` source makes side by side.
const MAX_GETS: usize = 16;
/// Keys of one `POST`.
const MAX_POSTED: usize = 500;

/// How keys are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// One request a key; the URL holds `{key}`. 404 and 410 say that there is nothing.
    Get,
    /// One request for many keys: `{"keys": [...]}` is answered by an object with a member for
    /// each key that there is something for.
    Post,
}

/// Which service, and what to take of its answers.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The address; with `{key}` for a `GET`.
    pub url: String,
    /// How keys are asked for.
    pub method: HttpMethod,
    /// The whole value of the `Authorization` header, such as `Bearer abc`.
    pub authorization: Option<Secret>,
    /// Further headers; not secrets.
    pub headers: Vec<(String, String)>,
    /// For each fact, the member of the answer's object; a JSON pointer if it begins with `/`.
    pub columns: Vec<String>,
    /// Time of one request, a connection included.
    pub timeout: Duration,
    /// An answer of more bytes is not read to its end.
    pub max_body_bytes: usize,
}

/// An HTTP service.
pub struct HttpSource {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    settings: HttpSettings,
}

impl HttpSource {
    /// A source that connects when it is first asked.
    ///
    /// # Errors
    /// [`FactError::Setting`] for settings that cannot work, naming the one at fault.
    pub fn new(settings: HttpSettings) -> Result<Self, FactError> {
        check_url(&settings)?;
        let client = Client::builder()
            .connect_timeout(settings.timeout)
            // A key, and the authorization, go where the settings say and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("homestream/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(&settings)?)
            .build()
            .map_err(|error| FactError::Unreachable(error.to_string()))?;
        Ok(Self { inner: Arc::new(Inner { client, settings }) })
    }

    async fn get_each(&self, keys: &[FactKey]) -> Result<Vec<Answer>, FactError> {
        let authorization = self.inner.authorization()?;
        // One slow key must not cost the others: it is given up a little before the load is.
        let timeout = self.inner.settings.timeout;
        let patience = timeout - timeout / 10;
        let mut requests = JoinSet::new();
        for (index, key) in keys.iter().cloned().enumerate() {
            let (inner, authorization) = (self.inner.clone(), authorization.clone());
            requests.spawn(async move {
                let asked = tokio::time::timeout(patience, inner.get(&key, authorization));
                (index, asked.await.unwrap_or(Err(FactError::Timeout(timeout))))
            });
        }
        let mut answers: Vec<Answer> = vec![Answer::Absent; keys.len()];
        while let Some(joined) = requests.join_next().await {
            let (index, result) =
                joined.map_err(|error| FactError::Malformed(error.to_string()))?;
            if let Some(answer) = answers.get_mut(index) {
                *answer = result.unwrap_or_else(Answer::Failed);
            }
        }
        Ok(answers)
    }
}

impl FactSource for HttpSource {
    fn max_keys(&self) -> usize {
        match self.inner.settings.method {
            HttpMethod::Get => MAX_GETS,
            HttpMethod::Post => MAX_POSTED,
        }
    }

    fn load<'a>(&'a self, keys: &'a [FactKey]) -> Load<'a> {
        match self.inner.settings.method {
            _ if keys.is_empty() => Box::pin(std::future::ready(Ok(Vec::new()))),
            HttpMethod::Get => Box::pin(self.get_each(keys)),
            HttpMethod::Post => Box::pin(self.inner.post(keys)),
        }
    }
}

impl Inner {
    fn authorization(&self) -> Result<Option<HeaderValue>, FactError> {
        let Some(secret) = &self.settings.authorization else { return Ok(None) };
        let mut value = HeaderValue::from_str(&secret.read()?).map_err(|_| {
            FactError::Refused("the authorization holds characters that no header can".into())
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn get(
        &self,
        key: &FactKey,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, FactError> {
        // As a part of a path these would lead elsewhere, escaped or not.
        if matches!(&**key, "." | "..") {
            return Ok(Answer::Absent);
        }
        let escaped = utf8_percent_encode(key, ESCAPED).to_string();
        let url = self.settings.url.replace(PLACEHOLDER, &escaped);
        let response = send(self.client.get(url), authorization).await?;
        if matches!(
            response.status(),
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::NO_CONTENT
        ) {
            return Ok(Answer::Absent);
        }
        match self.read(response).await? {
            Value::Null => Ok(Answer::Absent),
            Value::Object(object) => Ok(self.found(&Value::Object(object))),
            _ => Err(FactError::Malformed("expected a JSON object".into())),
        }
    }

    async fn post(&self, keys: &[FactKey]) -> Result<Vec<Answer>, FactError> {
        let keys_sent: Vec<&str> = keys.iter().map(|key| &**key).collect();
        let request = self.client.post(&self.settings.url).json(&json!({ "keys": keys_sent }));
        let response = send(request, self.authorization()?).await?;
        let Value::Object(objects) = self.read(response).await? else {
            return Err(FactError::Malformed("expected a JSON object with a member a key".into()));
        };
        let answer = |key: &FactKey| match objects.get(&**key) {
            None | Some(Value::Null) => Answer::Absent,
            Some(object @ Value::Object(_)) => self.found(object),
            Some(_) => Answer::Failed(FactError::Malformed(format!(
                "the member of key {key:?} is not an object"
            ))),
        };
        Ok(keys.iter().map(answer).collect())
    }

    /// The body of a good answer.
    async fn read(&self, mut response: Response) -> Result<Value, FactError> {
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(FactError::Unreachable(format!("status {status}")));
        }
        if !status.is_success() {
            return Err(FactError::Refused(format!("status {status}")));
        }
        let limit = self.settings.max_body_bytes;
        let too_large =
            || FactError::Malformed(format!("more than {limit} bytes (max_body_bytes)"));
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body)
            .map_err(|error| FactError::Malformed(format!("not JSON: {error}")))
    }

    fn found(&self, object: &Value) -> Answer {
        let value = |column: &String| {
            let value =
                if column.starts_with('/') { object.pointer(column) } else { object.get(column) };
            value.and_then(fact_value)
        };
        Answer::Found(self.settings.columns.iter().map(value).collect())
    }
}

async fn send(
    request: RequestBuilder,
    authorization: Option<HeaderValue>,
) -> Result<Response, FactError> {
    let request = match authorization {
        Some(value) => request.header(AUTHORIZATION, value),
        None => request,
    };
    request.send().await.map_err(failure)
}

/// What went wrong, without the URL: it holds the key.
fn failure(error: reqwest::Error) -> FactError {
    let error = error.without_url();
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !told.ends_with(&text) {
            told = format!("{told}: {text}");
        }
        cause = inner.source();
    }
    FactError::Unreachable(told)
}

fn check_url(settings: &HttpSettings) -> Result<(), FactError> {
    let wrong = |reason: &str| Err(FactError::Setting { setting: "url", reason: reason.into() });
    let probe = settings.url.replace(PLACEHOLDER, "key");
    let Ok(url) = Url::parse(&probe) else {
        return wrong("is no URL: expected http://host/path");
    };
    match url.scheme() {
        "http" => {}
        "https" if cfg!(feature = "tls") => {}
        "https" => {
            return wrong("asks for TLS, which this build lacks: build with the feature tls");
        }
        _ => return wrong("expected http:// or https://"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("holds a user or a password: use authorization_file or authorization_env");
    }
    let holder = settings.url.contains(PLACEHOLDER);
    if settings.method == HttpMethod::Get && !holder {
        return wrong("lacks {key}, which a GET needs (or set method = \"post\")");
    }
    if settings.method == HttpMethod::Post && holder {
        return wrong("holds {key}: a POST sends its keys in the body");
    }
    // In the host a key would choose whom to ask.
    if Url::parse(&settings.url.replace(PLACEHOLDER, "other")).is_ok_and(|other| {
        (other.host_str(), other.port(), other.scheme())
            != (url.host_str(), url.port(), url.scheme())
    }) {
        return wrong("holds {key} before the path");
    }
    Ok(())
}

fn headers(settings: &HttpSettings) -> Result<HeaderMap, FactError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let wrong = |reason: &str| FactError::Setting {
            setting: "headers",
            reason: format!("{name}: {reason}"),
        };
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("is no header"))?;
        if parsed == AUTHORIZATION {
            return Err(wrong("use authorization_file or authorization_env"));
        }
        let value = HeaderValue::from_str(value).map_err(|_| wrong("has no value for a header"))?;
        headers.insert(parsed, value);
    }
    Ok(headers)
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
