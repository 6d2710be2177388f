//! `[schema_registry]`: where ids of schemas come from.

use std::path::PathBuf;
use std::time::Duration;

use platform_schema_registry::{
    Authentication, Enrolment, OnUnknownId, RegistryConfig, Secret, SecretSource,
};
use serde::{Deserialize, Serialize};

use super::SettingsError;

/// The variables of secrets. They are read as they are: what looks like a number in one, such
/// as 007, is none.
const PASSWORD_VARIABLE: &str = "HOMESTREAM__SCHEMA_REGISTRY__PASSWORD";
const TOKEN_VARIABLE: &str = "HOMESTREAM__SCHEMA_REGISTRY__BEARER_TOKEN";

/// A Confluent schema registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SchemaRegistrySettings {
    /// Addresses of one registry's Confluent API, separated by commas and tried in turn;
    /// empty: no registry.
    pub(crate) url: String,
    /// Name, or API key, of basic authentication.
    pub(crate) username: String,
    /// Its password, or API secret.
    pub(crate) password: Secret,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password_file: Option<PathBuf>,
    /// Token of bearer authentication.
    pub(crate) bearer_token: Secret,
    /// A file that holds it, read for every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bearer_token_file: Option<PathBuf>,
    /// What becomes of records whose schema id the registry cannot explain: `dead_letter` or
    /// `wait`.
    pub(crate) on_unknown_id: OnUnknownId,
    /// Whether schemas that the registry lacks are registered at the start.
    pub(crate) auto_register: bool,
    /// Longest time of one request, milliseconds; 1 to 600,000.
    pub(crate) timeout_ms: u64,
    /// How long a request that fails is repeated, milliseconds; 0 to 3,600,000.
    pub(crate) retry_ms: u64,
}

impl Default for SchemaRegistrySettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            username: String::new(),
            password: Secret::default(),
            password_file: None,
            bearer_token: Secret::default(),
            bearer_token_file: None,
            on_unknown_id: OnUnknownId::default(),
            auto_register: true,
            timeout_ms: platform_schema_registry::DEFAULT_TIMEOUT.as_millis() as u64,
            retry_ms: platform_schema_registry::DEFAULT_RETRY_FOR.as_millis() as u64,
        }
    }
}

impl SchemaRegistrySettings {
    /// Takes secrets from the environment as they stand there.
    pub(super) fn take_secrets(&mut self, variable: impl Fn(&str) -> Option<String>) {
        if let Some(password) = variable(PASSWORD_VARIABLE) {
            self.password = Secret::new(password);
        }
        if let Some(token) = variable(TOKEN_VARIABLE) {
            self.bearer_token = Secret::new(token);
        }
    }

    /// The registry; `None` without one.
    ///
    /// # Errors
    /// The first [`SettingsError`] found.
    pub(crate) fn config(&self) -> Result<Option<RegistryConfig>, SettingsError> {
        let authentication = self.authentication()?;
        let range = |setting, value: u64, low, high, expected| {
            if (low..=high).contains(&value) {
                return Ok(Duration::from_millis(value));
            }
            Err(SettingsError::Value { setting, value: value.to_string(), expected })
        };
        let timeout =
            range("schema_registry.timeout_ms", self.timeout_ms, 1, 600_000, "1 to 600000")?;
        let retry_for =
            range("schema_registry.retry_ms", self.retry_ms, 0, 3_600_000, "0 to 3600000")?;
        if self.url.trim().is_empty() {
            return match authentication {
                Authentication::None => Ok(None),
                _ => Err(section("username and bearer_token are for a registry: set url")),
            };
        }
        let mut config = RegistryConfig::new(&self.url)
            .map_err(|error| SettingsError::Section(error.to_string()))?;
        config.authentication = authentication;
        config.on_unknown_id = self.on_unknown_id;
        config.enrolment = if self.auto_register { Enrolment::Register } else { Enrolment::LookUp };
        (config.timeout, config.retry_for) = (timeout, retry_for);
        Ok(Some(config))
    }

    fn authentication(&self) -> Result<Authentication, SettingsError> {
        let password = one_of("password", &self.password, self.password_file.as_ref())?;
        let token = one_of("bearer_token", &self.bearer_token, self.bearer_token_file.as_ref())?;
        match (self.username.as_str(), password, token) {
            ("", None, None) => Ok(Authentication::None),
            ("", None, Some(token)) => Ok(Authentication::Bearer(token)),
            ("", Some(_), _) => Err(section("password is set without username")),
            (_, None, None) => Err(section("username is set without password or password_file")),
            (username, Some(password), None) => {
                Ok(Authentication::Basic { username: username.to_owned(), password })
            }
            (_, _, Some(_)) => Err(section("username and bearer_token exclude each other")),
        }
    }
}

/// A secret that is given in one way, or not at all.
fn one_of(
    name: &str,
    given: &Secret,
    file: Option<&PathBuf>,
) -> Result<Option<SecretSource>, SettingsError> {
    match (given.is_empty(), file) {
        (true, None) => Ok(None),
        (false, None) => Ok(Some(SecretSource::Given(given.clone()))),
        (true, Some(file)) => Ok(Some(SecretSource::File(file.clone()))),
        (false, Some(_)) => Err(section(&format!("{name} and {name}_file exclude each other"))),
    }
}

fn section(reason: &str) -> SettingsError {
    SettingsError::Section(format!("schema_registry: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> SchemaRegistrySettings {
        toml::from_str(toml).unwrap()
    }

    fn refused(toml: &str) -> String {
        read(toml).config().unwrap_err().to_string()
    }

    #[test]
    fn without_an_address_there_is_no_registry() {
        assert!(SchemaRegistrySettings::default().config().unwrap().is_none());
        assert!(refused("bearer_token = 'x'").contains("set url"));
    }

    #[test]
    fn every_setting_arrives() {
        let config = read(
            "url = 'http://a:8081,http://b:8081'\nusername = 'ann'\npassword_file = '/run/p'\n\
             on_unknown_id = 'wait'\nauto_register = false\ntimeout_ms = 7\nretry_ms = 0",
        )
        .config()
        .unwrap()
        .unwrap();
        let password = SecretSource::File("/run/p".into());
        let basic = Authentication::Basic { username: "ann".into(), password };
        assert_eq!(config.authentication, basic);
        assert_eq!(config.on_unknown_id, OnUnknownId::Wait);
        assert_eq!(config.enrolment, Enrolment::LookUp);
        assert_eq!((config.timeout.as_millis(), config.retry_for), (7, Duration::ZERO));
    }

    #[test]
    fn settings_that_contradict_each_other_are_named() {
        for (toml, told) in [
            ("password = 'x'", "schema_registry: password is set without username"),
            ("username = 'x'", "username is set without password"),
            ("username = 'x'\npassword = 'x'\nbearer_token = 'x'", "exclude each other"),
            ("bearer_token = 'x'\nbearer_token_file = 'x'", "bearer_token_file exclude"),
            ("url = 'a:1'", "schema_registry.url: `a:1` is no http or https address"),
            ("timeout_ms = 0", "schema_registry.timeout_ms is 0, expected 1 to 600000"),
            ("retry_ms = 3600001", "schema_registry.retry_ms is 3600001, expected 0 to 3600000"),
        ] {
            let error = refused(toml);
            assert!(error.contains(told), "{error}");
        }
        let error = toml::from_str::<SchemaRegistrySettings>("on_unknown_id = 'skip'").unwrap_err();
        assert!(error.to_string().contains("on_unknown_id is \"skip\", expected"), "{error}");
    }

    #[test]
    fn secrets_come_from_the_environment_letter_by_letter_and_are_not_shown() {
        let mut settings = read("username = 'ann'\nurl = 'http://a'");
        settings.take_secrets(|name| name.ends_with("__PASSWORD").then(|| "007".into()));
        let config = settings.config().unwrap().unwrap();
        let Authentication::Basic { password, .. } = &config.authentication else { panic!() };
        assert_eq!(*password, SecretSource::Given(Secret::new("007")));
        let shown = format!("{settings:?} {}", toml::to_string(&settings).unwrap());
        assert!(!shown.contains("007") && shown.contains("[redacted]"), "{shown}");
    }
}
