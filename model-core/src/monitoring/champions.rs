//! The model versions that are or were champion, with what each is measured against.

use std::collections::BTreeMap;

use crate::date::EventDate;
use crate::drift::ReferenceProfile;

#[derive(Debug)]
pub(super) struct Champion {
    pub(super) profile: ReferenceProfile,
    pub(super) expected_mdape: Option<f64>,
    /// First day of its latest reign.
    pub(super) from: EventDate,
}

#[derive(Debug, Default)]
pub(super) struct Champions {
    known: BTreeMap<String, Champion>,
    reigns: Vec<(EventDate, String)>,
}

impl Champions {
    pub(super) fn add(&mut self, version: &str, champion: Champion) {
        self.reigns.push((champion.from, version.to_owned()));
        self.known.insert(version.to_owned(), champion);
    }

    pub(super) fn get(&self, version: &str) -> Option<&Champion> {
        self.known.get(version)
    }

    /// The champion in force on the day before `end`, the one announced last if several
    /// began on the same day.
    pub(super) fn before(&self, end: EventDate) -> Option<&str> {
        let reigns = self.reigns.iter().filter(|(from, _)| *from < end);
        reigns.max_by_key(|(from, _)| *from).map(|(_, version)| version.as_str())
    }

    /// The champion announced for the latest day.
    pub(super) fn latest(&self) -> Option<&Champion> {
        self.before(EventDate(i32::MAX)).and_then(|version| self.get(version))
    }
}
