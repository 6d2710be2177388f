//! How a schema registry is reached, checked before anything is sent.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::error::RegistryError;

/// How long one request may take unless told otherwise: registries answer from memory.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a registry that fails is asked again unless told otherwise: time enough to be
/// restarted.
pub const DEFAULT_RETRY_FOR: Duration = Duration::from_secs(15);
/// What a secret is shown as.
const REDACTED: &str = "[redacted]";

/// How a schema registry is reached and used.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    pub(crate) urls: Vec<Url>,
    /// What is sent with every request.
    pub authentication: Authentication,
    /// What becomes of records whose schema id the registry cannot explain.
    pub on_unknown_id: OnUnknownId,
    /// How schemas get their ids at the start.
    pub enrolment: Enrolment,
    /// Longest time of one request.
    pub timeout: Duration,
    /// How long a request that fails is repeated; zero: never.
    pub retry_for: Duration,
}

/// What is sent with every request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    /// Nothing.
    #[default]
    None,
    /// HTTP basic authentication.
    Basic {
        /// The name, or API key.
        username: String,
        /// The password, or API secret.
        password: SecretSource,
    },
    /// A bearer token.
    Bearer(SecretSource),
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// It is here.
    Given(Secret),
    /// The content of a file, without the white space around it. It is read for every
    /// request, so that a token that is renewed in place is used at once.
    File(PathBuf),
}

/// A text that is never shown: debug output and serialisation redact it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// What becomes of records whose schema id the registry cannot explain: it does not know the
/// id, or cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum OnUnknownId {
    /// They cannot be decoded, and go where such records go; the service goes on.
    #[default]
    DeadLetter,
    /// They and those after them wait until the registry explains it.
    Wait,
}

// Derived, the error would not say what is accepted.
impl TryFrom<String> for OnUnknownId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "dead_letter" => Ok(Self::DeadLetter),
            "wait" => Ok(Self::Wait),
            _ => Err(format!(
                "schema_registry.on_unknown_id is {text:?}, expected \"dead_letter\" or \"wait\""
            )),
        }
    }
}

/// How schemas get their ids at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enrolment {
    /// A schema that the registry lacks is registered, if it is compatible.
    #[default]
    Register,
    /// Somebody else registers; a schema that the registry lacks is an error.
    LookUp,
}

impl RegistryConfig {
    /// A registry at `urls`: one address or several, separated by commas, that are tried in
    /// turn. They are of one registry.
    ///
    /// # Errors
    /// [`RegistryError::Setting`] for what is no HTTP address, for one with a password in it,
    /// and for `https` without the feature `tls`.
    pub fn new(urls: &str) -> Result<Self, RegistryError> {
        let urls: Vec<Url> = urls
            .split(',')
            .map(str::trim)
            .filter(|url| !url.is_empty())
            .map(address)
            .collect::<Result<_, _>>()?;
        if urls.is_empty() {
            return Err(url_error("names no address"));
        }
        Ok(Self {
            urls,
            authentication: Authentication::None,
            on_unknown_id: OnUnknownId::default(),
            enrolment: Enrolment::default(),
            timeout: DEFAULT_TIMEOUT,
            retry_for: DEFAULT_RETRY_FOR,
        })
    }
}

fn address(text: &str) -> Result<Url, RegistryError> {
    let url = Url::parse(text)
        .map_err(|error| url_error(&format!("`{}` is no address: {error}", shown(text))))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(url_error(
            "holds a user name or password: use schema_registry.username and password_file",
        ));
    }
    match url.scheme() {
        "http" => Ok(url),
        "https" if cfg!(feature = "tls") => Ok(url),
        "https" => Err(url_error(&format!(
            "`{url}` needs TLS, which this build lacks: build with --features \
             platform-schema-registry/tls"
        ))),
        _ => Err(url_error(&format!("`{}` is no http or https address", shown(text)))),
    }
}

/// An address without what may be a password.
fn shown(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

fn url_error(reason: &str) -> RegistryError {
    RegistryError::Setting { setting: "schema_registry.url", reason: reason.to_owned() }
}

impl Authentication {
    /// Whether its secrets can be read.
    ///
    /// # Errors
    /// [`RegistryError::Setting`] naming the file.
    pub fn check(&self) -> Result<(), RegistryError> {
        match self {
            Self::None => Ok(()),
            Self::Basic { password, .. } => {
                password.read("schema_registry.password_file").map(drop)
            }
            Self::Bearer(token) => token.read("schema_registry.bearer_token_file").map(drop),
        }
    }
}

impl SecretSource {
    /// The secret as it is now.
    pub(crate) fn read(&self, setting: &'static str) -> Result<Secret, RegistryError> {
        let path = match self {
            Self::Given(secret) => return Ok(secret.clone()),
            Self::File(path) => path,
        };
        let failed = |reason: String| RegistryError::Setting {
            setting,
            reason: format!("{}: {reason}", path.display()),
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        match text.trim() {
            "" => Err(failed("the file is empty, expected the secret".to_owned())),
            secret => Ok(Secret::new(secret)),
        }
    }
}

impl Secret {
    /// A secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { REDACTED })
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { REDACTED })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_passwords_in_them_refused_unseen() {
        let config = RegistryConfig::new("http://a:8081, http://b/apis/ccompat/v7,").unwrap();
        let urls: Vec<_> = config.urls.iter().map(Url::as_str).collect();
        assert_eq!(urls, ["http://a:8081/", "http://b/apis/ccompat/v7"]);
        for (urls, told) in [
            (" , ", "names no address"),
            ("localhost:8081", "is no http or https address"),
            ("ftp://a", "is no http or https address"),
            ("ann:hunter2@a", "is no http or https address"),
            ("http://ann:hunter2@a", "schema_registry.username"),
            ("http//ann:hunter2@a", "is no address"),
        ] {
            let error = RegistryConfig::new(urls).unwrap_err().to_string();
            assert!(error.starts_with("schema_registry.url: ") && error.contains(told), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn https_without_tls_says_how_to_build() {
        let error = RegistryConfig::new("https://a").unwrap_err().to_string();
        assert!(error.contains("--features platform-schema-registry/tls"), "{error}");
    }

    #[test]
    fn secrets_are_never_shown() {
        let authentication = Authentication::Basic {
            username: "ann".into(),
            password: SecretSource::Given(Secret::new("hunter2")),
        };
        let shown = format!("{authentication:?}");
        assert!(!shown.contains("hunter2") && shown.contains("ann"), "{shown}");
        let shown = serde_json::to_string(&[Secret::new("hunter2"), Secret::default()]).unwrap();
        assert_eq!(shown, r#"["[redacted]",""]"#);
    }

    #[test]
    fn a_secret_file_is_read_when_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = Authentication::Bearer(SecretSource::File(path.clone()));
        let error = token.check().unwrap_err().to_string();
        assert!(error.starts_with("schema_registry.bearer_token_file: "), "{error}");
        std::fs::write(&path, " \n").unwrap();
        assert!(token.check().unwrap_err().to_string().contains("the file is empty"));
        std::fs::write(&path, "t1\n").unwrap();
        token.check().unwrap();
        let Authentication::Bearer(source) = &token else { panic!("{token:?}") };
        assert_eq!(source.read("x").unwrap(), Secret::new("t1"));
        std::fs::write(&path, "t2").unwrap();
        assert_eq!(source.read("x").unwrap(), Secret::new("t2"));
    }
}
