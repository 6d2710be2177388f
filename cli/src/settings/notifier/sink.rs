//! Settings of one sink.

use std::path::PathBuf;
use std::time::Duration;

use notifier::state::{GroupBy, Grouping, Labelling};
use notifier::{Secret, SinkConfig, Target};
use serde::{Deserialize, Serialize};

/// Alertmanager's name for groups of one alert.
const EACH: &str = "...";

/// A receiver of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SinkSettings {
    /// Its name in metrics, logs and its consumer group: letters, digits, `_` and `-`.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: SinkKind,
    /// Address of a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Addresses of Alertmanagers: each is told everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) urls: Vec<String>,
    /// File of Slack's address, which is a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url_file: Option<PathBuf>,
    /// Environment variable of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url_env: Option<String>,
    /// File of the secret, or secrets, that a webhook is signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Environment variable of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret_env: Option<String>,
    /// File of the `Authorization` header's whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authorization_file: Option<PathBuf>,
    /// Environment variable of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authorization_env: Option<String>,
    /// Whether the end of an alert is told.
    #[serde(default = "yes")]
    pub(crate) send_resolved: bool,
    /// Whether a webhook gets what is told at once in one request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<bool>,
    /// Labels that alerts are grouped by; `["..."]`: each on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_by: Option<Vec<String>>,
    /// Milliseconds that a new group waits for more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_wait_ms: Option<u64>,
    /// Least milliseconds between what is told of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_interval_ms: Option<u64>,
    /// Milliseconds after which a group that goes on firing is told again; 0: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) repeat_interval_ms: Option<u64>,
    /// Milliseconds after which an Alertmanager is told the state of all alerts again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resend_interval_ms: Option<u64>,
    /// Where Alertmanager's users can look at an alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) generator_url: Option<String>,
    /// Milliseconds after which a request is given up, 1 to 60,000.
    #[serde(default = "ten_seconds")]
    pub(crate) timeout_ms: u64,
    /// Longest milliseconds between two tries of a request, 1 to 3,600,000.
    #[serde(default = "a_minute")]
    pub(crate) max_retry_ms: u64,
}

/// What a sink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub(crate) enum SinkKind {
    /// Alertmanager's API, version 2.
    Alertmanager,
    /// CloudEvents, signed as Standard Webhooks say.
    Webhook,
    /// Slack's incoming webhooks.
    Slack,
}

// Derived, the error would not say what is accepted.
impl TryFrom<String> for SinkKind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let kinds = [Self::Alertmanager, Self::Webhook, Self::Slack];
        kinds.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            format!("kind is {text:?}, expected \"alertmanager\", \"webhook\" or \"slack\"")
        })
    }
}

fn yes() -> bool {
    true
}

fn ten_seconds() -> u64 {
    10_000
}

fn a_minute() -> u64 {
    60_000
}

impl SinkSettings {
    /// How the sink is reached.
    ///
    /// # Errors
    /// The first value that cannot work, in words.
    pub(super) fn config(&self, labelling: &Labelling) -> Result<SinkConfig, String> {
        let name_is_good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(name_is_good) {
            return Err(format!(
                "name is {:?}, expected 1 to 64 letters, digits, _ and -",
                self.name
            ));
        }
        within("timeout_ms", self.timeout_ms, 1, 60_000)?;
        within("max_retry_ms", self.max_retry_ms, 1, 3_600_000)?;
        self.check_kind()?;
        let target = match self.kind {
            SinkKind::Alertmanager => {
                let resend = self.resend_interval_ms.unwrap_or(60_000);
                within("resend_interval_ms", resend, 100, 3_600_000)?;
                Target::Alertmanager {
                    urls: self.urls.clone(),
                    resend: Duration::from_millis(resend),
                    generator_url: self.generator_url.clone(),
                }
            }
            SinkKind::Webhook => Target::Webhook {
                url: self.url.clone().ok_or("url is missing: where is the webhook?")?,
                secret: secret("secret", &self.secret_file, &self.secret_env)?
                    .ok_or("secret_file (or secret_env) is missing: webhooks are signed")?,
                batch: self.batch.unwrap_or(false),
                grouping: self.grouping(labelling)?,
            },
            SinkKind::Slack => Target::Slack {
                url: secret("url", &self.url_file, &self.url_env)?
                    .ok_or("url_file (or url_env) is missing: Slack's address is a secret")?,
                grouping: self.grouping(labelling)?,
            },
        };
        let config = SinkConfig {
            name: self.name.clone(),
            target,
            authorization: secret(
                "authorization",
                &self.authorization_file,
                &self.authorization_env,
            )?,
            timeout: Duration::from_millis(self.timeout_ms),
            max_retry: Duration::from_millis(self.max_retry_ms),
            send_resolved: self.send_resolved,
        };
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    /// A setting that means nothing for this kind is a mistake.
    fn check_kind(&self) -> Result<(), String> {
        use SinkKind::{Alertmanager, Slack, Webhook};
        let given: [(&str, bool, &[SinkKind]); 12] = [
            ("url", self.url.is_some(), &[Webhook]),
            ("urls", !self.urls.is_empty(), &[Alertmanager]),
            ("url_file", self.url_file.is_some(), &[Slack]),
            ("url_env", self.url_env.is_some(), &[Slack]),
            ("secret_file", self.secret_file.is_some(), &[Webhook]),
            ("secret_env", self.secret_env.is_some(), &[Webhook]),
            ("batch", self.batch.is_some(), &[Webhook]),
            ("group_by", self.group_by.is_some(), &[Webhook, Slack]),
            ("group_wait_ms", self.group_wait_ms.is_some(), &[Webhook, Slack]),
            ("group_interval_ms", self.group_interval_ms.is_some(), &[Webhook, Slack]),
            ("repeat_interval_ms", self.repeat_interval_ms.is_some(), &[Webhook, Slack]),
            ("resend_interval_ms", self.resend_interval_ms.is_some(), &[Alertmanager]),
        ];
        for (setting, _, kinds) in given.iter().filter(|(_, given, _)| *given) {
            if kinds.contains(&self.kind) {
                continue;
            }
            return Err(match (self.kind, *setting) {
                (Alertmanager, setting)
                    if setting.starts_with("group") || setting.starts_with("repeat") =>
                {
                    format!("{setting} is Alertmanager's own: set it there, and take it out here")
                }
                (Alertmanager, "url") => "url: an Alertmanager has urls, a list".to_owned(),
                (Slack, "url") => "url is a secret of Slack: put it in url_file".to_owned(),
                (kind, setting) => {
                    format!("{setting} means nothing for the kind {}", kind.name())
                }
            });
        }
        if self.generator_url.is_some() && self.kind != Alertmanager {
            return Err(format!("generator_url means nothing for the kind {}", self.kind.name()));
        }
        Ok(())
    }

    /// People are told a while later and together, programs at once and one by one.
    fn grouping(&self, labelling: &Labelling) -> Result<Grouping, String> {
        let (by, wait, interval, repeat): (&[&str], u64, u64, u64) = match self.kind {
            SinkKind::Slack => {
                (&["alertname", "model_version", "source"], 30_000, 300_000, 14_400_000)
            }
            _ => (&[EACH], 0, 0, 0),
        };
        let names: Vec<String> = match &self.group_by {
            Some(names) => names.iter().map(|name| Labelling::canonical(name).to_owned()).collect(),
            None => by.iter().map(|&name| name.to_owned()).collect(),
        };
        let by = if names == [EACH] {
            GroupBy::Each
        } else {
            known("group_by", &names, labelling)?;
            GroupBy::Labels(names)
        };
        let ms = |setting, given: Option<u64>, default| {
            let value = given.unwrap_or(default);
            within(setting, value, 0, 2_592_000_000)?;
            i64::try_from(value).map_err(|error| error.to_string())
        };
        Ok(Grouping {
            by,
            wait_ms: ms("group_wait_ms", self.group_wait_ms, wait)?,
            interval_ms: ms("group_interval_ms", self.group_interval_ms, interval)?,
            repeat_ms: ms("repeat_interval_ms", self.repeat_interval_ms, repeat)?,
            send_resolved: self.send_resolved,
        })
    }
}

impl SinkKind {
    fn name(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Webhook => "webhook",
            Self::Slack => "slack",
        }
    }
}

/// Whether alerts have labels of these names.
pub(super) fn known(setting: &str, names: &[String], labelling: &Labelling) -> Result<(), String> {
    match names.iter().find(|name| !labelling.knows(name)) {
        None => Ok(()),
        Some(unknown) => Err(format!(
            "{setting}: no alert has a label {unknown:?}, expected some of {} or of notifier.labels",
            notifier::state::OWN.join(", ")
        )),
    }
}

fn within(setting: &str, value: u64, low: u64, high: u64) -> Result<(), String> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(format!("{setting} is {value}, expected {low} to {high}"))
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
