//! Configuration: defaults, then file, then environment, then flags; checked once.

mod facts;
mod kafka;
mod notifier;
mod schema_registry;
mod scorer;
mod traces;

use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat};
use model_core::market::Area;
use model_core::monitoring::MonitorParams;
use model_core::training::{RetrainPolicy, TrainingParams};
use platform_kafka::BrokerConfig;
use schemas::TopicNames;
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[cfg(test)]
pub(crate) use self::facts::FileTable;
pub(crate) use self::facts::{FactsSettings, SourceSettings};
use self::kafka::KafkaSettings;
use self::notifier::NotifierSettings;
use self::schema_registry::SchemaRegistrySettings;
use self::scorer::ScorerSettings;
use self::traces::TraceSettings;
use crate::args::Common;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// The broker.
    pub(crate) kafka: KafkaSettings,
    /// Topics.
    pub(crate) topics: TopicSettings,
    /// The schema registry.
    pub(crate) schema_registry: SchemaRegistrySettings,
    /// The model in the registry.
    pub(crate) model: ModelSettings,
    /// Sales outside are left out of index and trainings: `south`, `west`, `north`, `east`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) area: Option<Area>,
    /// The scorer.
    pub(crate) scorer: ScorerSettings,
    /// External facts.
    pub(crate) facts: FactsSettings,
    /// The monitor.
    pub(crate) monitor: MonitorSettings,
    /// The notifier.
    pub(crate) notifier: NotifierSettings,
    /// Training.
    pub(crate) training: TrainingParams,
    /// When to retrain.
    pub(crate) retrain: RetrainPolicy,
    /// Metrics and health.
    pub(crate) metrics: MetricsSettings,
    /// Traces of records.
    pub(crate) traces: TraceSettings,
}

/// Topics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TopicSettings {
    /// Prefix of every topic.
    pub(crate) prefix: String,
    /// Partitions of every topic but the registry's; 1 to 1,000.
    pub(crate) partitions: i32,
    /// Replicas of every partition; 1 to 10.
    pub(crate) replication: i32,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self { prefix: "homes.".into(), partitions: 3, replication: 1 }
    }
}

/// The model in the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ModelSettings {
    /// Its name.
    pub(crate) name: String,
    /// Folder of artifacts.
    pub(crate) artifacts: PathBuf,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self { name: "homes".into(), artifacts: "artifacts".into() }
    }
}

/// The monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MonitorSettings {
    /// Days of event time that events may come late before their window closes; 0 to 365.
    pub(crate) lateness_days: i32,
    /// Windows, thresholds, rules.
    pub(crate) rules: MonitorParams,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        Self { lateness_days: 3, rules: MonitorParams::default() }
    }
}

/// Metrics and health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MetricsSettings {
    /// Address of /metrics, /healthz and /readyz; port 0 takes a free one.
    pub(crate) listen: String,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self { listen: "127.0.0.1:0".into() }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, Error)]
pub(crate) enum SettingsError {
    /// The file is not there or cannot be read.
    #[error("configuration file {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A key is unknown, or a value has the wrong type.
    #[error("configuration: {0}")]
    Shape(String),
    /// A value is out of range.
    #[error("configuration: {setting} is {value}, expected {expected}")]
    Value {
        /// The setting, with its section.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// A section's own check failed.
    #[error("configuration: {0}")]
    Section(String),
}

impl Settings {
    /// The settings in force: defaults, file, environment, flags.
    ///
    /// # Errors
    /// [`SettingsError`], naming the key and the nearest valid one, or the value and its range.
    pub(crate) fn load(common: &Common) -> Result<Self, SettingsError> {
        let environment = Environment::with_prefix("HOMESTREAM")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("training.strategies")
            .with_list_parse_key("retrain.on");
        let mut builder = Config::builder();
        if let Some(path) = &common.config {
            check_readable(path)?;
            builder = builder.add_source(File::from(path.as_path()).format(format_of(path)));
        }
        let merged = builder
            .add_source(environment)
            .build()
            .map_err(|error| SettingsError::Shape(error.to_string()))?;
        let mut settings: Self = merged
            .try_deserialize()
            .map_err(|error| SettingsError::Shape(with_nearest(&error.to_string())))?;
        settings.apply(common);
        settings.kafka.resolve()?;
        settings.schema_registry.take_secrets(|name| std::env::var(name).ok());
        settings.check()?;
        Ok(settings)
    }

    fn apply(&mut self, common: &Common) {
        if let Some(brokers) = &common.brokers {
            self.kafka.brokers.clone_from(brokers);
        }
        if let Some(prefix) = &common.topic_prefix {
            self.topics.prefix.clone_from(prefix);
        }
        if let Some(artifacts) = &common.artifacts {
            self.model.artifacts.clone_from(artifacts);
        }
        if let Some(listen) = &common.metrics_listen {
            self.metrics.listen.clone_from(listen);
        }
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// The first [`SettingsError`] found.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let range = |setting, value: i32, low, high, expected| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(SettingsError::Value { setting, value: value.to_string(), expected })
        };
        range("topics.partitions", self.topics.partitions, 1, 1_000, "1 to 1000")?;
        range("topics.replication", self.topics.replication, 1, 10, "1 to 10")?;
        range("monitor.lateness_days", self.monitor.lateness_days, 0, 365, "0 to 365")?;
        self.scorer.check()?;
        self.traces.check()?;
        self.facts.check()?;
        self.notifier.check()?;
        if let Some(area) = &self.area {
            area.check().map_err(|error| SettingsError::Section(error.to_string()))?;
        }
        if self.model.name.is_empty() {
            let value = String::from("empty");
            return Err(SettingsError::Value { setting: "model.name", value, expected: "a name" });
        }
        let section = |error: String| SettingsError::Section(error);
        if let Some(broker) = self.broker() {
            broker.validate().map_err(|error| section(format!("kafka.properties: {error}")))?;
        }
        self.topic_names()?;
        self.schema_registry.config()?;
        self.training.check().map_err(|error| section(error.to_string()))?;
        self.retrain.check().map_err(|error| section(error.to_string()))?;
        self.monitor.rules.check().map_err(|error| section(format!("monitor.rules.{error}")))?;
        Ok(())
    }

    /// Topic names under the configured prefix.
    ///
    /// # Errors
    /// When the prefix holds a character that Kafka does not accept.
    pub(crate) fn topic_names(&self) -> Result<TopicNames, SettingsError> {
        TopicNames::new(&self.topics.prefix)
            .map_err(|error| SettingsError::Section(format!("topics.prefix: {error}")))
    }

    /// The configured broker; `None` without one.
    pub(crate) fn broker(&self) -> Option<BrokerConfig> {
        self.kafka.broker()
    }

    /// The settings as TOML, secrets redacted.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    pub(crate) fn to_toml(&self) -> Result<String, SettingsError> {
        let mut shown = Self { kafka: self.kafka.redacted(), ..self.clone() };
        shown.facts.redact();
        toml::to_string_pretty(&shown).map_err(|error| SettingsError::Shape(error.to_string()))
    }
}

/// YAML where the file's name says so (`params.yaml`), TOML otherwise.
fn format_of(path: &Path) -> FileFormat {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") => FileFormat::Yaml,
        _ => FileFormat::Toml,
    }
}

fn check_readable(path: &Path) -> Result<(), SettingsError> {
    match std::fs::read_to_string(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(SettingsError::File { path: path.to_owned(), reason: error.to_string() }),
    }
}

/// serde names the unknown key and the valid ones; people want the nearest.
fn with_nearest(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let Some((unknown, valid)) = quoted.split_first() else { return message.to_owned() };
    if !message.starts_with("unknown field") {
        return message.to_owned();
    }
    let nearest = valid
        .iter()
        .map(|name| (strsim::damerau_levenshtein(unknown, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= name.len().max(3) / 2);
    match nearest {
        Some((_, name)) => format!("unknown key `{unknown}`, did you mean `{name}`?"),
        None => message.replacen("unknown field", "unknown key", 1),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn common(file: Option<&Path>) -> Common {
        Common {
            config: file.map(Path::to_owned),
            brokers: None,
            topic_prefix: None,
            artifacts: None,
            metrics_listen: None,
            log_json: false,
        }
    }

    fn load(text: &str) -> Result<Settings, SettingsError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Settings::load(&common(Some(file.path())))
    }

    #[test]
    fn defaults_are_valid_and_survive_toml() {
        let settings = Settings::default();
        settings.check().unwrap();
        assert_eq!(load(&settings.to_toml().unwrap()).unwrap(), settings);
    }

    #[test]
    fn flags_override_the_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"[topics]\nprefix = \"a.\"\npartitions = 5\n").unwrap();
        let flags = Common { topic_prefix: Some("b.".into()), ..common(Some(file.path())) };
        let settings = Settings::load(&flags).unwrap();
        assert_eq!((settings.topics.prefix.as_str(), settings.topics.partitions), ("b.", 5));
    }

    /// The shipped params.yaml states the defaults, so that a change of either is seen.
    #[test]
    fn the_shipped_parameters_are_the_defaults() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../params.yaml");
        assert_eq!(Settings::load(&common(Some(&path))).unwrap(), Settings::default());
        let text = std::fs::read_to_string(path).unwrap();
        let stated = toml::Value::try_from(TrainingParams::default()).unwrap();
        let names = stated.as_table().unwrap().keys();
        let missing: Vec<_> = names.filter(|name| !text.contains(&format!("{name}:"))).collect();
        assert!(missing.is_empty(), "params.yaml does not state {missing:?}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_one() {
        let error = load("[topics]\npartitons = 5\n").unwrap_err().to_string();
        assert_eq!(error, "configuration: unknown key `partitons`, did you mean `partitions`?");
        let error = load("[retrain]\ncooldown = 5\n").unwrap_err().to_string();
        assert!(error.contains("cooldown_days"), "{error}");
    }

    #[test]
    fn a_value_out_of_range_is_named_with_its_range() {
        let error = load("[topics]\npartitions = 0\n").unwrap_err().to_string();
        assert_eq!(error, "configuration: topics.partitions is 0, expected 1 to 1000");
        let error = load("[retrain]\ncooldown_days = 0\n").unwrap_err().to_string();
        assert!(error.contains("retrain.cooldown_days is 0"), "{error}");
        let error = load("[topics]\nprefix = \"homes/\"\n").unwrap_err().to_string();
        assert!(error.contains("topics.prefix"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Settings::load(&common(Some(Path::new("/nowhere.toml")))).unwrap_err();
        assert!(error.to_string().starts_with("configuration file /nowhere.toml:"), "{error}");
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut settings = Settings::default();
        settings.kafka.properties.insert("sasl.password".into(), "hunter2".into());
        settings.kafka.properties.insert("sasl.username".into(), "scorer".into());
        let shown = settings.to_toml().unwrap();
        assert!(!shown.contains("hunter2") && shown.contains("scorer"), "{shown}");
    }
}
