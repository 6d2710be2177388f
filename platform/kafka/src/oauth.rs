//! OAUTHBEARER: the token a client shows, read from a file that something else renews, as
//! Kubernetes does with the tokens it projects.
//!
//! The client library asks for a token when a client starts and again when most of its
//! lifetime is over; the file is read each time.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::ClientContext;
use rdkafka::client::{Client, OAuthToken};

use crate::context::lock;
use crate::error::KafkaError;

/// How long a token is used that does not say how long it is valid: five minutes, after most
/// of which the file is read again.
const UNSTATED_LIFETIME_MS: i64 = 300_000;

/// What the client library's callback answers.
pub(crate) type TokenResult = Result<OAuthToken, Box<dyn Error>>;

/// Why there is no token. The token itself is never told.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum TokenError {
    #[error("kafka.oauth.token_file {path}: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error("kafka.oauth.token_file {path} {problem}")]
    Unusable { path: PathBuf, problem: &'static str },
}

/// A token that is still valid.
#[derive(Clone)]
struct Token {
    text: String,
    principal: String,
    expires_ms: i64,
}

impl Token {
    fn into_client(self) -> OAuthToken {
        OAuthToken {
            token: self.text,
            principal_name: self.principal,
            lifetime_ms: self.expires_ms,
        }
    }
}

/// A file with a token.
pub(crate) struct TokenFile {
    path: PathBuf,
    /// The last one, for the moment in which the file is being replaced.
    last: Mutex<Option<Token>>,
}

impl std::fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl TokenFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), last: Mutex::new(None) }
    }

    /// The token in the file; while that cannot be read, the last one for as long as it is
    /// valid.
    pub(crate) fn token(&self) -> TokenResult {
        let now_ms = now_ms();
        match self.read(now_ms) {
            Ok(token) => {
                *lock(&self.last) = Some(token.clone());
                Ok(token.into_client())
            }
            Err(error) => {
                let last = lock(&self.last).clone().filter(|last| last.expires_ms > now_ms);
                match last {
                    Some(last) => {
                        tracing::warn!(%error, "the last token is used while it is valid");
                        Ok(last.into_client())
                    }
                    None => Err(error.into()),
                }
            }
        }
    }

    fn read(&self, now_ms: i64) -> Result<Token, TokenError> {
        let text = std::fs::read_to_string(&self.path).map_err(|error| TokenError::Unreadable {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        let unusable = |problem| Err(TokenError::Unusable { path: self.path.clone(), problem });
        let text = text.trim();
        if text.is_empty() {
            return unusable("is empty");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return unusable("holds more than one token");
        }
        let claims = claims(text).unwrap_or_default();
        let expires_ms = claims.expires_ms.unwrap_or(now_ms + UNSTATED_LIFETIME_MS);
        if expires_ms <= now_ms {
            return unusable("holds a token that has expired: renew it");
        }
        let principal = claims.subject.unwrap_or_else(|| "homestream".to_owned());
        Ok(Token { text: text.to_owned(), principal, expires_ms })
    }
}

/// What a token says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Claims {
    expires_ms: Option<i64>,
    subject: Option<String>,
}

/// The claims of a JSON Web Token; `None` for another kind of token. The signature is the
/// broker's to check.
fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let payload: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    let seconds = payload.get("exp").and_then(serde_json::Value::as_f64);
    let subject = payload.get("sub").and_then(serde_json::Value::as_str);
    Some(Claims {
        expires_ms: seconds.map(|seconds| (seconds * 1_000.0) as i64),
        subject: subject.filter(|subject| !subject.contains('\0')).map(ToOwned::to_owned),
    })
}

/// Gives a client that only asks questions its token: nobody polls such a client, so it would
/// wait in vain for its callback.
#[allow(unsafe_code)]
pub(crate) fn hand_token<C: ClientContext>(client: &Client<C>) -> Result<(), KafkaError> {
    use rdkafka::bindings::rd_kafka_oauthbearer_set_token;

    let refused = |reason: String| KafkaError::Setting {
        setting: "kafka.oauth.token_file".to_owned(),
        reason,
    };
    let token =
        client.context().generate_oauth_token(None).map_err(|error| refused(error.to_string()))?;
    let text = std::ffi::CString::new(token.token).map_err(|error| refused(error.to_string()))?;
    let principal =
        std::ffi::CString::new(token.principal_name).map_err(|error| refused(error.to_string()))?;
    let mut message = [0_u8; 512];
    // SAFETY: the native client lives as long as `client`; both strings end in a null and
    // outlive the call, which copies them; the message is written within its length and ends
    // in a null.
    let code = unsafe {
        rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            text.as_ptr(),
            token.lifetime_ms,
            principal.as_ptr(),
            std::ptr::null_mut(),
            0,
            message.as_mut_ptr().cast(),
            message.len(),
        )
    };
    if code == rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    let said = std::ffi::CStr::from_bytes_until_nul(&message).unwrap_or_default();
    Err(refused(said.to_string_lossy().into_owned()))
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.", part(r#"{"alg":"none"}"#), part(claims))
    }

    fn file(name: &str, text: &str) -> TokenFile {
        let path = std::env::temp_dir().join(format!("homestream-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        TokenFile::new(&path)
    }

    #[test]
    fn a_token_says_who_it_is_for_and_how_long_it_is_valid() {
        let file = file("token", &format!("{}\n", jwt(r#"{"sub":"scorer","exp":2000.5}"#)));
        let token = file.read(1_000_000).unwrap();
        assert_eq!((token.principal.as_str(), token.expires_ms), ("scorer", 2_000_500));
        assert!(!token.text.contains('\n'));
        let error = file.read(2_000_500).err().unwrap().to_string();
        assert!(error.ends_with("holds a token that has expired: renew it"), "{error}");
        assert!(!error.contains(&token.text) && !format!("{file:?}").contains(&token.text));
        std::fs::remove_file(&file.path).unwrap();
    }

    #[test]
    fn a_token_of_another_kind_is_read_again_after_a_while() {
        let file = file("opaque", "abc123");
        let token = file.read(0).unwrap();
        assert_eq!((token.principal.as_str(), token.expires_ms), ("homestream", 300_000));
        std::fs::write(&file.path, "two tokens").unwrap();
        assert!(file.read(0).is_err());
        std::fs::write(&file.path, " \n").unwrap();
        assert!(file.read(0).err().unwrap().to_string().ends_with("is empty"));
        std::fs::remove_file(&file.path).unwrap();
    }

    #[test]
    fn a_missing_file_costs_nothing_while_the_last_token_is_valid() {
        let file = file("gone", "abc123");
        assert_eq!(file.token().unwrap().token, "abc123");
        std::fs::remove_file(&file.path).unwrap();
        assert_eq!(file.token().unwrap().token, "abc123");
        *lock(&file.last) = None;
        let error = file.token().err().unwrap().to_string();
        assert!(error.starts_with("kafka.oauth.token_file "), "{error}");
    }
}
