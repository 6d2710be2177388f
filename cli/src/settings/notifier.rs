//! Settings of the notifier: where alerts go, and which are kept quiet.

mod sink;
mod suppress;

use std::collections::{BTreeMap, BTreeSet};

use notifier::state::{Labelling, Suppressor};
use notifier::{NotifierConfig, StartAt};
use schemas::TopicNames;
use serde::{Deserialize, Serialize};

use self::sink::SinkSettings;
use self::suppress::{InhibitionSettings, SilenceSettings};
use super::SettingsError;

/// The notifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NotifierSettings {
    /// What the consumer group of each sink begins with: `GROUP-notify-SINK`.
    pub(crate) group_id: String,
    /// Where a sink begins that is new: `earliest` or `latest`.
    pub(crate) start_at: StartAtName,
    /// Severity of alerts whose rule is not among `severity`.
    pub(crate) default_severity: String,
    /// Severities by rule.
    pub(crate) severity: BTreeMap<String, String>,
    /// Labels that every alert gets.
    pub(crate) labels: BTreeMap<String, String>,
    /// Where alerts go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) sinks: Vec<SinkSettings>,
    /// Alerts that make others pointless while they fire.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) inhibit: Vec<InhibitionSettings>,
    /// Alerts that are kept quiet for a time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) silences: Vec<SilenceSettings>,
}

/// Where a sink begins that is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub(crate) enum StartAtName {
    /// With the oldest alert on the topic.
    Earliest,
    /// With the next one.
    Latest,
}

// Derived, the error would not say what is accepted.
impl TryFrom<String> for StartAtName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            _ => Err(format!("notifier.start_at is {text:?}, expected \"earliest\" or \"latest\"")),
        }
    }
}

impl Default for NotifierSettings {
    fn default() -> Self {
        Self {
            group_id: "homestream".into(),
            start_at: StartAtName::Earliest,
            default_severity: Labelling::default().default_severity,
            severity: BTreeMap::new(),
            labels: BTreeMap::new(),
            sinks: Vec::new(),
            inhibit: Vec::new(),
            silences: Vec::new(),
        }
    }
}

impl NotifierSettings {
    /// Checks every value; secrets are read by the commands that need them.
    ///
    /// # Errors
    /// The first one that cannot work, with its setting.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let section = |reason: String| SettingsError::Section(format!("notifier.{reason}"));
        if self.group_id.is_empty() {
            return Err(section("group_id is empty, expected a name".into()));
        }
        self.check_labels().map_err(section)?;
        let mut names = BTreeSet::new();
        for (index, sink) in self.sinks.iter().enumerate() {
            let named = |reason: String| {
                let name = if sink.name.is_empty() { index.to_string() } else { sink.name.clone() };
                section(format!("sinks.{name}: {reason}"))
            };
            sink.config(&self.labelling()).map_err(named)?;
            if !names.insert(&sink.name) {
                return Err(named("name: there is another sink of this name".into()));
            }
        }
        self.suppressor().map(drop).map_err(section)
    }

    fn check_labels(&self) -> Result<(), String> {
        if self.default_severity.is_empty() {
            return Err("default_severity is empty, expected one such as \"warning\"".into());
        }
        for name in self.labels.keys() {
            let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty()
                || !name.chars().all(good)
                || name.starts_with(|c: char| c.is_ascii_digit())
            {
                return Err(format!(
                    "labels: {name:?} is no name of a label, expected letters, digits and _"
                ));
            }
            if notifier::state::OWN.contains(&name.as_str()) || name == "rule" {
                return Err(format!(
                    "labels: every alert has {name:?} already, choose another name"
                ));
            }
        }
        Ok(())
    }

    fn labelling(&self) -> Labelling {
        Labelling {
            default_severity: self.default_severity.clone(),
            severity: self.severity.clone(),
            labels: self.labels.clone(),
        }
    }

    /// Silences and inhibition.
    fn suppressor(&self) -> Result<Suppressor, String> {
        let labelling = self.labelling();
        let silence = |(index, silence): (usize, &SilenceSettings)| {
            silence.silence(&labelling).map_err(|error| format!("silences.{index}: {error}"))
        };
        let inhibition = |(index, rule): (usize, &InhibitionSettings)| {
            rule.inhibition(&labelling).map_err(|error| format!("inhibit.{index}: {error}"))
        };
        Ok(Suppressor {
            silences: self.silences.iter().enumerate().map(silence).collect::<Result<_, _>>()?,
            inhibitions: self
                .inhibit
                .iter()
                .enumerate()
                .map(inhibition)
                .collect::<Result<_, _>>()?,
        })
    }

    /// How the notifier works.
    ///
    /// # Errors
    /// The first value that cannot work.
    pub(crate) fn config(&self, topics: TopicNames) -> Result<NotifierConfig, SettingsError> {
        let section = |reason: String| SettingsError::Section(format!("notifier.{reason}"));
        let labelling = self.labelling();
        let sinks = self
            .sinks
            .iter()
            .map(|sink| {
                sink.config(&labelling)
                    .map_err(|reason| section(format!("sinks.{}: {reason}", sink.name)))
            })
            .collect::<Result<_, _>>()?;
        Ok(NotifierConfig {
            topics,
            group: self.group_id.clone(),
            start_at: match self.start_at {
                StartAtName::Earliest => StartAt::Earliest,
                StartAtName::Latest => StartAt::Latest,
            },
            sinks,
            suppressor: self.suppressor().map_err(section)?,
            labelling,
        })
    }
}

#[cfg(test)]
mod tests;
