//! Who is not told: silences and inhibition, with Alertmanager's semantics.

use super::matcher::all_match;
use super::{Labels, Matcher, Millis};

/// Keeps alerts quiet for a time.
#[derive(Clone, Debug)]
pub struct Silence {
    /// The alerts: all of these must match.
    pub matchers: Vec<Matcher>,
    /// From when on.
    pub from: Millis,
    /// Until when, itself not included.
    pub until: Millis,
    /// Who decided it.
    pub who: String,
    /// Why.
    pub why: String,
}

/// Alerts that make others pointless while they fire.
#[derive(Clone, Debug)]
pub struct Inhibition {
    /// The alerts that inhibit.
    pub source: Vec<Matcher>,
    /// The alerts that are inhibited.
    pub target: Vec<Matcher>,
    /// Labels that both must have alike; two that are absent are alike.
    pub equal: Vec<String>,
}

/// Why an alert is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suppression {
    /// Somebody silenced it.
    Silenced {
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// Another alert, by its rule and subject, makes it pointless.
    Inhibited {
        /// That alert.
        by: String,
    },
}

impl Suppression {
    /// Its kind, for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Silenced { .. } => "silenced",
            Self::Inhibited { .. } => "inhibited",
        }
    }
}

impl std::fmt::Display for Suppression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silenced { who, why } => write!(f, "silenced by {who}: {why}"),
            Self::Inhibited { by } => write!(f, "inhibited by {by}"),
        }
    }
}

/// All silences and rules of inhibition.
#[derive(Clone, Debug, Default)]
pub struct Suppressor {
    /// Silences.
    pub silences: Vec<Silence>,
    /// Rules of inhibition.
    pub inhibitions: Vec<Inhibition>,
}

impl Suppressor {
    /// Why an alert is not told now, given the labels of all alerts that fire; `None`: it is.
    pub fn verdict<'a>(
        &self,
        labels: &Labels,
        firing: impl Iterator<Item = &'a Labels> + Clone,
        now: Millis,
    ) -> Option<Suppression> {
        let silenced = self.silences.iter().find(|silence| {
            (silence.from..silence.until).contains(&now) && all_match(&silence.matchers, labels)
        });
        if let Some(Silence { who, why, .. }) = silenced {
            return Some(Suppression::Silenced { who: who.clone(), why: why.clone() });
        }
        self.inhibitions.iter().find_map(|rule| rule.inhibitor(labels, firing.clone()))
    }

    /// Whether an alert may have been kept quiet before, be it so now or not.
    pub fn may_have_suppressed(&self, labels: &Labels, now: Millis) -> bool {
        let begun = self.silences.iter().filter(|silence| silence.from <= now);
        begun.into_iter().any(|silence| all_match(&silence.matchers, labels))
            || self.inhibitions.iter().any(|rule| all_match(&rule.target, labels))
    }

    /// When the next silence ends.
    pub fn next_end(&self, now: Millis) -> Option<Millis> {
        self.silences.iter().map(|silence| silence.until).filter(|until| *until > now).min()
    }
}

impl Inhibition {
    fn inhibitor<'a>(
        &self,
        labels: &Labels,
        mut firing: impl Iterator<Item = &'a Labels>,
    ) -> Option<Suppression> {
        if !all_match(&self.target, labels) {
            return None;
        }
        // An alert that is both cannot inhibit its like, or itself.
        let is_both = all_match(&self.source, labels);
        let by = firing.find(|source| {
            all_match(&self.source, source)
                && !(is_both && all_match(&self.target, source))
                && self.equal.iter().all(|name| source.get(name) == labels.get(name))
        })?;
        Some(Suppression::Inhibited { by: name_of(by) })
    }
}

/// An alert in a word: rule and subject.
pub(super) fn name_of(labels: &Labels) -> String {
    let value = |name: &str| labels.get(name).map_or("", String::as_str);
    match value("subject") {
        "" => value(super::ALERT_NAME).to_owned(),
        subject => format!("{}:{subject}", value(super::ALERT_NAME)),
    }
}
