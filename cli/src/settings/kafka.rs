//! Settings of the broker, and where its secrets come from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use platform_kafka::{BrokerConfig, is_secret};
use serde::{Deserialize, Serialize};

use super::SettingsError;

/// The broker. `Debug` never shows secrets.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KafkaSettings {
    /// `host:port`, several separated by commas; empty: the embedded broker, in `up` only.
    pub(crate) brokers: String,
    /// Passed through to librdkafka: `security.protocol`, `sasl.*`, `ssl.*` and so on.
    pub(crate) properties: BTreeMap<String, String>,
    /// More of them, each the content of a file, read at start without its last line break.
    pub(crate) property_files: BTreeMap<String, PathBuf>,
    /// More of them, each the value of an environment variable.
    pub(crate) property_env: BTreeMap<String, String>,
    /// Tokens of `sasl.mechanism` OAUTHBEARER.
    pub(crate) oauth: OauthSettings,
    /// What the files and variables hold.
    #[serde(skip)]
    resolved: BTreeMap<String, String>,
}

/// Tokens of `sasl.mechanism` OAUTHBEARER.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OauthSettings {
    /// The file with the token, read again before the token expires.
    pub(crate) token_file: Option<PathBuf>,
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.redacted();
        f.debug_struct("KafkaSettings")
            .field("brokers", &shown.brokers)
            .field("properties", &shown.properties)
            .field("property_files", &shown.property_files)
            .field("property_env", &shown.property_env)
            .field("oauth", &shown.oauth)
            .finish_non_exhaustive()
    }
}

impl KafkaSettings {
    /// Reads the properties that come from files and variables.
    ///
    /// # Errors
    /// [`SettingsError`] naming the setting and the file or variable, never what it holds.
    pub(super) fn resolve(&mut self) -> Result<(), SettingsError> {
        let mut resolved = BTreeMap::new();
        for (property, path) in &self.property_files {
            let value = content(path)
                .map_err(|reason| refused("property_files", property, &path.display(), reason))?;
            resolved.insert(property.clone(), value);
        }
        for (property, variable) in &self.property_env {
            let value = std::env::var(variable)
                .map_err(|error| refused("property_env", property, variable, error))?;
            if resolved.insert(property.clone(), value).is_some() {
                return Err(given_twice(property));
            }
        }
        if let Some(property) = resolved.keys().find(|name| self.properties.contains_key(*name)) {
            return Err(given_twice(property));
        }
        self.resolved = resolved;
        Ok(())
    }

    /// The broker; `None` without one.
    pub(super) fn broker(&self) -> Option<BrokerConfig> {
        if self.brokers.trim().is_empty() {
            return None;
        }
        let mut broker = BrokerConfig::remote(self.brokers.trim());
        broker.properties.clone_from(&self.properties);
        broker.properties.extend(self.resolved.clone());
        broker.oauth_token_file.clone_from(&self.oauth.token_file);
        Some(broker)
    }

    /// What may be shown.
    pub(super) fn redacted(&self) -> Self {
        let mut shown = Self { resolved: BTreeMap::new(), ..self.clone() };
        for (name, value) in &mut shown.properties {
            if is_secret(name) {
                *value = "[redacted]".into();
            }
        }
        shown
    }
}

/// A file's text without its last line break, which editors and `echo` add.
fn content(path: &Path) -> Result<String, String> {
    let mut text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text) }
}

fn refused(
    table: &str,
    property: &str,
    source: &impl fmt::Display,
    reason: impl fmt::Display,
) -> SettingsError {
    SettingsError::Section(format!("kafka.{table}.\"{property}\": {source}: {reason}"))
}

fn given_twice(property: &str) -> SettingsError {
    SettingsError::Section(format!(
        "kafka: `{property}` is given more than once in properties, property_files and \
         property_env"
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn secret(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn with_password(path: &Path) -> KafkaSettings {
        KafkaSettings {
            brokers: "kafka:9092".into(),
            property_files: BTreeMap::from([("sasl.password".into(), path.to_owned())]),
            ..KafkaSettings::default()
        }
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_never_shown() {
        for (text, expected) in
            [("hunter2\n", "hunter2"), ("hunter2\r\n", "hunter2"), ("a\n\n", "a\n")]
        {
            let file = secret(text);
            let mut settings = with_password(file.path());
            settings.resolve().unwrap();
            let broker = settings.broker().unwrap();
            assert_eq!(broker.properties["sasl.password"], expected);
            let shown = format!(
                "{settings:?} {broker:?} {}",
                toml::to_string_pretty(&settings.redacted()).unwrap()
            );
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(shown.contains(&file.path().display().to_string()), "{shown}");
        }
    }

    #[test]
    fn a_missing_or_empty_file_is_named_with_its_setting() {
        let error = with_password(Path::new("/nowhere/kafka")).resolve().unwrap_err().to_string();
        assert!(
            error.starts_with(
                "configuration: kafka.property_files.\"sasl.password\": /nowhere/kafka: "
            ),
            "{error}"
        );
        let error = with_password(secret("\n").path()).resolve().unwrap_err().to_string();
        assert!(error.ends_with(": is empty"), "{error}");
    }

    #[test]
    fn a_missing_variable_is_named_with_its_setting() {
        let mut settings = KafkaSettings {
            property_env: BTreeMap::from([(
                "sasl.password".into(),
                "HOMESTREAM_TEST_NO_SUCH_VARIABLE".into(),
            )]),
            ..KafkaSettings::default()
        };
        let error = settings.resolve().unwrap_err().to_string();
        assert!(error.contains("kafka.property_env.\"sasl.password\""), "{error}");
        assert!(error.contains("HOMESTREAM_TEST_NO_SUCH_VARIABLE"), "{error}");
        // Cargo sets this one for every test.
        settings.brokers = "kafka:9092".into();
        settings.property_env = BTreeMap::from([("client.rack".into(), "CARGO_PKG_NAME".into())]);
        settings.resolve().unwrap();
        assert_eq!(settings.broker().unwrap().properties["client.rack"], "homestream");
    }

    #[test]
    fn a_property_has_one_source() {
        let file = secret("hunter2");
        let mut settings = with_password(file.path());
        settings.properties.insert("sasl.password".into(), "hunter3".into());
        let error = settings.resolve().unwrap_err().to_string();
        assert!(error.contains("`sasl.password` is given more than once"), "{error}");
        assert!(!error.contains("hunter"), "{error}");
        assert!(!format!("{settings:?}").contains("hunter"));
    }
}
