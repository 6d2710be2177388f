//! The model registry: a log of events and the pure fold that gives its state.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::date::EventDate;

/// What happened to a model version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegistryAction {
    /// A version exists; its artifact is stored.
    Registered,
    /// It was measured against the champion.
    Evaluated,
    /// It is champion from here on.
    Promoted,
    /// It failed a gate.
    Rejected,
    /// The champion gave way to this earlier champion.
    RolledBack,
    /// It is no longer offered.
    Archived,
}

impl RegistryAction {
    /// Every action, in wire order.
    pub const ALL: [Self; 6] = [
        Self::Registered,
        Self::Evaluated,
        Self::Promoted,
        Self::Rejected,
        Self::RolledBack,
        Self::Archived,
    ];

    /// The action's name on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Evaluated => "evaluated",
            Self::Promoted => "promoted",
            Self::Rejected => "rejected",
            Self::RolledBack => "rolled_back",
            Self::Archived => "archived",
        }
    }

    /// The action of a name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.code() == code)
    }
}

/// How a version came to be; part of its `Registered` event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lineage {
    /// Strategy that won the selection, such as `boosted_trees`.
    pub strategy: String,
    /// Hash of the feature spec.
    pub feature_spec_hash: String,
    /// First sale trained on.
    pub trained_from: EventDate,
    /// Last sale trained on.
    pub trained_through: EventDate,
    /// Sales trained on.
    pub training_rows: u64,
    /// What asked for the training: `bootstrap`, or the window id of a drift report.
    pub trigger: String,
}

/// One event of the registry's log.
#[derive(Clone, Debug, PartialEq)]
pub struct RegistryEvent {
    /// Name of the model, such as `homes`.
    pub model: String,
    /// Version the event is about.
    pub version: String,
    /// What happened.
    pub action: RegistryAction,
    /// Event time.
    pub event_date: EventDate,
    /// Person or service that acted.
    pub who: String,
    /// The reason, in words.
    pub why: String,
    /// SHA-256 of the artifact (`Registered` only), lower-case hexadecimal.
    pub digest: Option<String>,
    /// How the version came to be (`Registered` only).
    pub lineage: Option<Lineage>,
    /// Measured values by name.
    pub metrics: BTreeMap<String, f64>,
}

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionStatus {
    /// Registered, not decided.
    Candidate,
    /// Was or is champion.
    Promoted,
    /// Failed a gate.
    Rejected,
    /// No longer offered.
    Archived,
}

/// One version as the log tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelVersion {
    /// SHA-256 of the artifact.
    pub digest: String,
    /// How it came to be.
    pub lineage: Lineage,
    /// When it was registered, event time.
    pub registered_on: EventDate,
    /// Where it stands.
    pub status: VersionStatus,
    /// Metrics of its evaluations, latest value of each name.
    pub metrics: BTreeMap<String, f64>,
}

/// Why an event does not fit the log before it. The state is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// A `Registered` event lacks its digest or lineage.
    #[error("registration of {0} lacks its digest or lineage")]
    Incomplete(String),
    /// The version is registered already.
    #[error("version {0} is registered already")]
    Duplicate(String),
    /// The version is not registered.
    #[error("version {0} is not registered")]
    Unknown(String),
    /// The version was archived or rejected and cannot be champion.
    #[error("version {0} is {1} and cannot be champion")]
    NotEligible(String, &'static str),
}

/// State of one model's registry: a pure fold over its events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    versions: BTreeMap<String, ModelVersion>,
    order: Vec<String>,
    champions: Vec<(EventDate, String)>,
}

impl Registry {
    /// The state after `events`, those that do not fit left out.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a RegistryEvent>) -> Self {
        let mut registry = Self::default();
        for event in events {
            // An event that does not fit changes nothing, for every reader alike.
            let _ = registry.apply(event);
        }
        registry
    }

    /// Applies one event.
    ///
    /// # Errors
    /// [`RegistryError`] when the event does not fit; the state is then unchanged.
    pub fn apply(&mut self, event: &RegistryEvent) -> Result<(), RegistryError> {
        let name = &event.version;
        if event.action == RegistryAction::Registered {
            return self.register(event);
        }
        let version =
            self.versions.get_mut(name).ok_or_else(|| RegistryError::Unknown(name.clone()))?;
        match event.action {
            RegistryAction::Registered | RegistryAction::Evaluated => {}
            RegistryAction::Promoted | RegistryAction::RolledBack => {
                match version.status {
                    VersionStatus::Archived => {
                        return Err(RegistryError::NotEligible(name.clone(), "archived"));
                    }
                    VersionStatus::Rejected if event.action == RegistryAction::RolledBack => {
                        return Err(RegistryError::NotEligible(name.clone(), "rejected"));
                    }
                    _ => version.status = VersionStatus::Promoted,
                }
                // Promoting the champion again changes nothing.
                if self.champions.last().is_none_or(|(_, champion)| champion != name) {
                    self.champions.push((event.event_date, name.clone()));
                }
            }
            RegistryAction::Rejected => version.status = VersionStatus::Rejected,
            RegistryAction::Archived => version.status = VersionStatus::Archived,
        }
        version.metrics.extend(event.metrics.iter().map(|(k, v)| (k.clone(), *v)));
        Ok(())
    }

    fn register(&mut self, event: &RegistryEvent) -> Result<(), RegistryError> {
        let name = &event.version;
        let (Some(digest), Some(lineage)) = (&event.digest, &event.lineage) else {
            return Err(RegistryError::Incomplete(name.clone()));
        };
        if self.versions.contains_key(name) {
            return Err(RegistryError::Duplicate(name.clone()));
        }
        let version = ModelVersion {
            digest: digest.clone(),
            lineage: lineage.clone(),
            registered_on: event.event_date,
            status: VersionStatus::Candidate,
            metrics: event.metrics.clone(),
        };
        self.versions.insert(name.clone(), version);
        self.order.push(name.clone());
        Ok(())
    }

    /// The champion's version id.
    pub fn champion(&self) -> Option<&str> {
        self.champions.last().map(|(_, version)| version.as_str())
    }

    /// The champion's version id and the date since which it is champion.
    pub fn champion_since(&self) -> Option<(&str, EventDate)> {
        self.champions.last().map(|(since, version)| (version.as_str(), *since))
    }

    /// The champion on a date of event time, counting events of that date.
    pub fn champion_at(&self, date: EventDate) -> Option<&str> {
        self.champions.iter().rev().find(|(on, _)| *on <= date).map(|(_, version)| version.as_str())
    }

    /// A version by id.
    pub fn version(&self, id: &str) -> Option<&ModelVersion> {
        self.versions.get(id)
    }

    /// Version ids in order of registration.
    pub fn versions(&self) -> impl Iterator<Item = (&str, &ModelVersion)> {
        self.order.iter().filter_map(|id| self.versions.get(id).map(|v| (id.as_str(), v)))
    }

    /// Whether a trigger has already led to a version.
    pub fn has_trigger(&self, trigger: &str) -> bool {
        self.versions.values().any(|version| version.lineage.trigger == trigger)
    }

    /// The id that the next registration takes: `v1`, `v2`, ...
    pub fn next_version(&self) -> String {
        format!("v{}", self.order.len() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(version: &str, action: RegistryAction, day: i32) -> RegistryEvent {
        let registered = action == RegistryAction::Registered;
        RegistryEvent {
            model: "homes".into(),
            version: version.into(),
            action,
            event_date: EventDate(day),
            who: "trainer".into(),
            why: "test".into(),
            digest: registered.then(|| "00".repeat(32)),
            lineage: registered
                .then(|| Lineage { trigger: format!("t-{version}"), ..Lineage::default() }),
            metrics: BTreeMap::from([("mdape".to_owned(), f64::from(day))]),
        }
    }

    #[test]
    fn the_champion_of_any_date_is_a_read() {
        use RegistryAction::{Evaluated, Promoted, Registered, Rejected, RolledBack};
        let log = [
            event("v1", Registered, 1),
            event("v1", Promoted, 1),
            event("v2", Registered, 5),
            event("v2", Evaluated, 5),
            event("v2", Promoted, 6),
            event("v3", Registered, 8),
            event("v3", Rejected, 8),
            event("v1", RolledBack, 9),
        ];
        let registry = Registry::fold(&log);
        let at = |day| registry.champion_at(EventDate(day));
        assert_eq!((at(0), at(1), at(5)), (None, Some("v1"), Some("v1")));
        assert_eq!((at(6), at(8), at(9)), (Some("v2"), Some("v2"), Some("v1")));
        assert_eq!(registry.champion(), Some("v1"));
        assert_eq!(registry.next_version(), "v4");
        assert_eq!(registry.version("v3").unwrap().status, VersionStatus::Rejected);
        assert!(registry.has_trigger("t-v2") && !registry.has_trigger("t-v9"));
    }

    #[test]
    fn events_that_do_not_fit_change_nothing() {
        let mut registry = Registry::default();
        assert_eq!(
            registry.apply(&event("v1", RegistryAction::Promoted, 1)),
            Err(RegistryError::Unknown("v1".into()))
        );
        let mut incomplete = event("v1", RegistryAction::Registered, 1);
        incomplete.digest = None;
        assert_eq!(registry.apply(&incomplete), Err(RegistryError::Incomplete("v1".into())));
        registry.apply(&event("v1", RegistryAction::Registered, 1)).unwrap();
        let before = registry.clone();
        assert_eq!(
            registry.apply(&event("v1", RegistryAction::Registered, 2)),
            Err(RegistryError::Duplicate("v1".into()))
        );
        assert_eq!(registry, before);
    }
}
