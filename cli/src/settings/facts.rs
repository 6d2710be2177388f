//! Settings of external facts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use model_core::listing::FactField;
use platform_facts::{
    BreakerSettings, CacheSettings, FactError, HttpMethod, HttpSettings, HttpSource, Lifetimes,
    PostgresSettings, PostgresSource, Secret,
};
use scorer::{FactKind, FactsKey, TakenFact};
use serde::{Deserialize, Serialize};

use super::SettingsError;

/// External facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FactsSettings {
    /// Milliseconds that a batch of listings waits at most for all sources together; 0 to
    /// 10,000. What is not there by then is missing; it is loaded all the same.
    pub(crate) batch_timeout_ms: u64,
    /// The sources, in the order in which they fill listings in.
    pub(crate) sources: Vec<SourceSettings>,
}

impl Default for FactsSettings {
    fn default() -> Self {
        Self { batch_timeout_ms: 50, sources: Vec::new() }
    }
}

/// A source of facts; exactly one of `postgres`, `http` and `file` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SourceSettings {
    /// Its name in estimates, metrics and logs: letters, digits, `_` and `-`.
    pub(crate) name: String,
    /// What it is keyed by: `ListingKey`, `PostalCode` or `attributes.NAME`.
    pub(crate) key: String,
    /// Fields of the dictionary, and the columns that fill them in.
    pub(crate) fields: BTreeMap<String, String>,
    /// Attributes, and the columns that fill them in.
    pub(crate) attributes: BTreeMap<String, Column>,
    /// What the names of all these attributes begin with.
    pub(crate) prefix: String,
    /// Seconds after which facts are asked for again.
    pub(crate) ttl_seconds: u64,
    /// Seconds after which it is asked again whether there is something under a key.
    pub(crate) negative_ttl_seconds: u64,
    /// Seconds of age up to which facts are used while the source does not answer; not less
    /// than the other two.
    pub(crate) stale_limit_seconds: u64,
    /// Milliseconds after which a load is given up; 1 to 60,000.
    pub(crate) timeout_ms: u64,
    /// Loads at a time; 1 to 64.
    pub(crate) concurrency: usize,
    /// Most bytes of the cache.
    pub(crate) cache_bytes: u64,
    /// When the source is left alone.
    pub(crate) breaker: BreakerTable,
    /// A table or view of PostgreSQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) postgres: Option<PostgresTable>,
    /// An HTTP service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http: Option<HttpTable>,
    /// A CSV, Parquet or JSON lines file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<FileTable>,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            name: String::new(),
            key: "ListingKey".into(),
            fields: BTreeMap::new(),
            attributes: BTreeMap::new(),
            prefix: String::new(),
            ttl_seconds: 3_600,
            negative_ttl_seconds: 300,
            stale_limit_seconds: 86_400,
            timeout_ms: 1_000,
            concurrency: 2,
            cache_bytes: 32 << 20,
            breaker: BreakerTable::default(),
            postgres: None,
            http: None,
            file: None,
        }
    }
}

/// A column, and what its values are taken as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Column {
    /// Its values as the source types them.
    Named(String),
    /// Its values as one kind.
    Typed {
        /// The column.
        column: String,
        /// `number` or `text`.
        kind: Kind,
    },
}

/// What values are taken as.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Numbers.
    Number,
    /// Categories.
    Text,
}

/// When a source is left alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BreakerTable {
    /// Failed loads in a row, 1 or more, after which it is not asked for a while.
    pub(crate) failures: u32,
    /// Seconds of that while.
    pub(crate) open_seconds: u64,
}

impl Default for BreakerTable {
    fn default() -> Self {
        Self { failures: 5, open_seconds: 10 }
    }
}

/// A table or view of PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PostgresTable {
    /// `postgresql://user@host:port/database`, without a password.
    pub(crate) url: String,
    /// File of the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password_file: Option<PathBuf>,
    /// Environment variable of the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password_env: Option<String>,
    /// Table or view, with its schema if needed.
    pub(crate) table: String,
    /// Column of the key: a text or an integer.
    pub(crate) key_column: String,
}

/// An HTTP service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HttpTable {
    /// The address; for `get` with `{key}` where the key belongs.
    pub(crate) url: String,
    /// `get`, a request a key, or `post`, one for many.
    pub(crate) method: Method,
    /// File of the `Authorization` header's whole value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorization_file: Option<PathBuf>,
    /// Environment variable of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorization_env: Option<String>,
    /// Further headers.
    pub(crate) headers: BTreeMap<String, String>,
    /// Most bytes of an answer.
    pub(crate) max_body_bytes: usize,
}

impl Default for HttpTable {
    fn default() -> Self {
        Self {
            url: String::new(),
            method: Method::Get,
            authorization_file: None,
            authorization_env: None,
            headers: BTreeMap::new(),
            max_body_bytes: 1 << 20,
        }
    }
}

/// How keys are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    /// A request a key.
    Get,
    /// One request for many keys.
    Post,
}

/// A file of facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FileTable {
    /// The file; it is read again when it has changed.
    pub(crate) path: PathBuf,
    /// Column of the key.
    pub(crate) key_column: String,
    /// Most bytes of facts that are held in memory.
    pub(crate) max_table_bytes: usize,
}

impl Default for FileTable {
    fn default() -> Self {
        Self { path: PathBuf::new(), key_column: String::new(), max_table_bytes: 256 << 20 }
    }
}

impl FactsSettings {
    /// Checks every value.
    ///
    /// # Errors
    /// The first one that cannot work, with its source and setting.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if self.batch_timeout_ms > 10_000 {
            return Err(SettingsError::Value {
                setting: "facts.batch_timeout_ms",
                value: self.batch_timeout_ms.to_string(),
                expected: "0 to 10000",
            });
        }
        let mut names = BTreeSet::new();
        for (index, source) in self.sources.iter().enumerate() {
            let named = |reason: String| {
                let name =
                    if source.name.is_empty() { index.to_string() } else { source.name.clone() };
                SettingsError::Section(format!("facts.sources.{name}: {reason}"))
            };
            source.check().map_err(named)?;
            if !names.insert(&source.name) {
                return Err(named("name: there is another source of this name".into()));
            }
        }
        Ok(())
    }

    /// Takes out what may be secret.
    pub(super) fn redact(&mut self) {
        let headers = self.sources.iter_mut().filter_map(|source| source.http.as_mut());
        for value in headers.flat_map(|http| http.headers.values_mut()) {
            *value = "[redacted]".into();
        }
    }

    /// How one of the sources is asked.
    pub(crate) fn cache(&self, source: &SourceSettings) -> CacheSettings {
        CacheSettings {
            name: source.name.clone(),
            lifetimes: Lifetimes {
                ttl: Duration::from_secs(source.ttl_seconds),
                negative_ttl: Duration::from_secs(source.negative_ttl_seconds),
                stale_limit: Duration::from_secs(source.stale_limit_seconds),
            },
            timeout: Duration::from_millis(source.timeout_ms),
            patience: Duration::from_millis(self.batch_timeout_ms),
            breaker: BreakerSettings {
                failures: source.breaker.failures,
                open_for: Duration::from_secs(source.breaker.open_seconds),
            },
            concurrency: source.concurrency,
            max_keys_in_flight: MAX_KEYS_IN_FLIGHT,
            max_bytes: source.cache_bytes,
        }
    }
}

/// Ten batches of listings: beyond that a slow source is not given more to do.
const MAX_KEYS_IN_FLIGHT: usize = 5_000;

impl SourceSettings {
    fn check(&self) -> Result<(), String> {
        let name_is_good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(name_is_good) {
            return Err(format!(
                "name is {:?}, expected 1 to 64 letters, digits, _ and -",
                self.name
            ));
        }
        self.key()?;
        if self.facts()?.is_empty() {
            return Err("fields and attributes are empty: name the facts to take".into());
        }
        for (setting, value, low, high) in [
            ("ttl_seconds", self.ttl_seconds, 1, 31_536_000),
            ("negative_ttl_seconds", self.negative_ttl_seconds, 0, 31_536_000),
            ("stale_limit_seconds", self.stale_limit_seconds, 1, 31_536_000),
            ("timeout_ms", self.timeout_ms, 1, 60_000),
            ("concurrency", self.concurrency as u64, 1, 64),
            ("breaker.failures", self.breaker.failures.into(), 1, 1_000_000),
            ("breaker.open_seconds", self.breaker.open_seconds, 1, 86_400),
        ] {
            if !(low..=high).contains(&value) {
                return Err(format!("{setting} is {value}, expected {low} to {high}"));
            }
        }
        let least = self.ttl_seconds.max(self.negative_ttl_seconds);
        if self.stale_limit_seconds < least {
            return Err(format!(
                "stale_limit_seconds is {}, expected at least {least}: the larger of ttl_seconds \
                 and negative_ttl_seconds",
                self.stale_limit_seconds
            ));
        }
        self.check_kind()
    }

    fn check_kind(&self) -> Result<(), String> {
        match (&self.postgres, &self.http, &self.file) {
            (Some(_), None, None) => {
                let settings = self.postgres()?.ok_or_else(String::new)?;
                within("postgres", PostgresSource::new(settings).map(drop))
            }
            (None, Some(_), None) => {
                let settings = self.http()?.ok_or_else(String::new)?;
                within("http", HttpSource::new(settings).map(drop))
            }
            (None, None, Some(file)) => {
                let path = file.path.to_string_lossy();
                filled("file", &[("path", &path), ("key_column", &file.key_column)])
            }
            _ => Err("expected exactly one of the tables postgres, http and file".into()),
        }
    }

    /// What the source is keyed by.
    pub(crate) fn key(&self) -> Result<FactsKey, String> {
        match self.key.as_str() {
            "ListingKey" => Ok(FactsKey::ListingKey),
            "PostalCode" => Ok(FactsKey::PostalCode),
            key => match key.strip_prefix("attributes.") {
                Some(name) if !name.is_empty() => Ok(FactsKey::Attribute(name.to_owned())),
                _ => Err(format!(
                    "key is {key:?}, expected ListingKey, PostalCode or attributes.NAME"
                )),
            },
        }
    }

    /// What is taken, each with its column.
    pub(crate) fn facts(&self) -> Result<Vec<(TakenFact, String)>, String> {
        let mut facts = Vec::with_capacity(self.fields.len() + self.attributes.len());
        for (name, column) in &self.fields {
            let field = FactField::in_dictionary(name).ok_or_else(|| {
                let known: Vec<&str> =
                    FactField::DICTIONARY.iter().map(|(name, _)| *name).collect();
                format!(
                    "fields.{name} is no field that can be filled in, expected one of {}",
                    known.join(", ")
                )
            })?;
            facts.push((TakenFact { field, kind: FactKind::AsIs }, column.clone()));
        }
        for (name, column) in &self.attributes {
            let field = FactField::Attribute(format!("{}{name}", self.prefix));
            let (kind, column) = match column {
                Column::Named(column) => (FactKind::AsIs, column),
                Column::Typed { column, kind: Kind::Number } => (FactKind::Number, column),
                Column::Typed { column, kind: Kind::Text } => (FactKind::Text, column),
            };
            facts.push((TakenFact { field, kind }, column.clone()));
        }
        match facts.iter().find(|(_, column)| column.is_empty()) {
            Some((fact, _)) => Err(format!("the column of {:?} is empty", fact.field)),
            None => Ok(facts),
        }
    }

    /// The columns, in the order of [`Self::facts`].
    pub(crate) fn columns(&self) -> Result<Vec<String>, String> {
        Ok(self.facts()?.into_iter().map(|(_, column)| column).collect())
    }

    /// The table or view, if that is what this is.
    pub(crate) fn postgres(&self) -> Result<Option<PostgresSettings>, String> {
        let Some(table) = &self.postgres else { return Ok(None) };
        let needed =
            [("url", &*table.url), ("table", &table.table), ("key_column", &table.key_column)];
        filled("postgres", &needed)?;
        Ok(Some(PostgresSettings {
            url: table.url.clone(),
            password: secret("postgres.password", &table.password_file, &table.password_env)?,
            table: table.table.clone(),
            key_column: table.key_column.clone(),
            columns: self.columns()?,
            timeout: Duration::from_millis(self.timeout_ms),
        }))
    }

    /// The service, if that is what this is.
    pub(crate) fn http(&self) -> Result<Option<HttpSettings>, String> {
        let Some(http) = &self.http else { return Ok(None) };
        filled("http", &[("url", &http.url)])?;
        Ok(Some(HttpSettings {
            url: http.url.clone(),
            method: match http.method {
                Method::Get => HttpMethod::Get,
                Method::Post => HttpMethod::Post,
            },
            authorization: secret(
                "http.authorization",
                &http.authorization_file,
                &http.authorization_env,
            )?,
            headers: http.headers.clone().into_iter().collect(),
            columns: self.columns()?,
            timeout: Duration::from_millis(self.timeout_ms),
            max_body_bytes: http.max_body_bytes,
        }))
    }
}

fn filled(table: &str, settings: &[(&str, &str)]) -> Result<(), String> {
    match settings.iter().find(|(_, value)| value.trim().is_empty()) {
        Some((setting, _)) => Err(format!("{table}.{setting} is missing")),
        None => Ok(()),
    }
}

fn within(table: &str, result: Result<(), FactError>) -> Result<(), String> {
    result.map_err(|error| format!("{table}.{error}"))
}

fn secret(
    setting: &str,
    file: &Option<PathBuf>,
    variable: &Option<String>,
) -> Result<Option<Secret>, String> {
    match (file, variable) {
        (Some(_), Some(_)) => Err(format!("{setting}_file and {setting}_env are both given")),
        (Some(file), None) => Ok(Some(Secret::File(file.clone()))),
        (None, Some(variable)) => Ok(Some(Secret::Environment(variable.clone()))),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
