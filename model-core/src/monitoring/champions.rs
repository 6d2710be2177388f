//! The model versions that are or were champion, with what each is measured against.

use std::collections::BTreeMap;

use crate::date::EventDate;
use crate::drift::ReferenceProfile;
use crate::model::PricingModel;
use crate::training::LEVEL_ERROR;

/// What a champion's windows are measured against.
#[derive(Clone, Debug, PartialEq)]
pub struct ChampionReference {
    /// The homes that it was trained on.
    pub profile: ReferenceProfile,
    /// Its median absolute percentage error when it was evaluated, a decimal.
    pub expected_mdape: Option<f64>,
    /// The median log error to expect of it without its running correction if the market stays.
    pub expected_level: Option<f64>,
    /// Whether each position of the feature vector is the natural logarithm of its fact.
    pub is_log: Vec<bool>,
    /// Weight of each position of the feature vector in the model, adding up to 1; empty: not
    /// known.
    pub importance: Vec<f64>,
}

impl ChampionReference {
    /// The reference that a model carries.
    pub fn of(model: &PricingModel) -> Self {
        Self {
            profile: model.profile.clone(),
            expected_mdape: model.metrics.get("mdape").copied(),
            expected_level: model.metrics.get(LEVEL_ERROR).copied(),
            is_log: model.spec.features.iter().map(|feature| feature.source.is_log()).collect(),
            importance: model.predictor.importance(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Champion {
    pub(super) reference: ChampionReference,
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
}
