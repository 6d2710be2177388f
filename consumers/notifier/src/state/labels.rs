//! What an alert is told apart by, with the names that Alertmanager's users know.

use std::collections::BTreeMap;

use super::AlertEvent;

/// Names and values. A label without a value is as good as absent.
pub type Labels = BTreeMap<String, String>;

/// The label that holds the rule.
pub const ALERT_NAME: &str = "alertname";
/// The label that holds how bad it is.
pub const SEVERITY: &str = "severity";

/// The labels that alerts have of themselves.
pub const OWN: [&str; 5] = [ALERT_NAME, "subject", "model_version", "source", SEVERITY];

/// How alerts get their labels. No rule is known here: a rule that nobody has named gets the
/// severity of all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelling {
    /// Severity of alerts whose rule has none of its own.
    pub default_severity: String,
    /// Severities by rule.
    pub severity: BTreeMap<String, String>,
    /// Labels that every alert gets, such as `env`.
    pub labels: Labels,
}

impl Default for Labelling {
    fn default() -> Self {
        Self {
            default_severity: "warning".into(),
            severity: BTreeMap::new(),
            labels: Labels::new(),
        }
    }
}

impl Labelling {
    /// The labels of the alert that a change belongs to, if it begins there.
    pub fn of(&self, event: &AlertEvent) -> Labels {
        let alert = &event.alert;
        let severity = self.severity.get(&alert.rule).unwrap_or(&self.default_severity);
        let mut labels = self.labels.clone();
        labels.extend(
            [&alert.rule, &alert.subject, &alert.model_version, &event.source, severity]
                .into_iter()
                .zip(OWN)
                .map(|(value, name)| (name, value))
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.to_owned(), value.clone())),
        );
        labels
    }

    /// Whether alerts can have a label of this name.
    pub fn knows(&self, name: &str) -> bool {
        OWN.contains(&name) || self.labels.contains_key(name)
    }

    /// The name of a label as it is written: `rule` is another word for [`ALERT_NAME`].
    pub fn canonical(name: &str) -> &str {
        if name == "rule" { ALERT_NAME } else { name }
    }
}
