//! What recent sales say of a model's errors: the market's level and the intervals.
//!
//! An error is `ln(price) - ln(model)`, the model taken without its level correction. The
//! *level* is the shrunken median of the latest errors: how far the market has moved from
//! what the model learned. *Intervals* come from quantiles of the latest errors around the
//! corrected estimate, each divided by the scale that the model predicted for the home
//! (normalised split-conformal prediction, rolling in time). The *confidence score* is the
//! share of the same errors that would leave the estimate within 10 % of the price. All are
//! point in time: a query as of a date looks at sales that closed before it, whenever their
//! records arrived.

mod correction;
mod params;

use std::collections::{BTreeMap, VecDeque};

use self::correction::quantile;
pub use self::correction::{Correction, ErrorRange};
pub use self::params::{CalibrationParams, ExtraLevels, InvalidCalibrationParam, MAX_EXTRA_LEVELS};
use crate::date::EventDate;

/// Errors of one model version, in event time.
#[derive(Clone, Debug)]
pub struct ErrorTracker {
    params: CalibrationParams,
    /// Scaled, level-corrected errors from the model's own evaluation, oldest first.
    seed: Vec<f64>,
    /// Per day: raw errors, and scaled errors around the estimate corrected as of that day.
    days: BTreeMap<EventDate, Vec<(f64, f64)>>,
    /// Corrections that still hold, of the dates that were asked for.
    cached: BTreeMap<EventDate, Correction>,
}

/// Dates whose corrections are kept: listings of several partitions, and those that come late,
/// take turns.
const CACHED_DATES: usize = 64;

impl ErrorTracker {
    /// A tracker that knows only `seed`: scaled, level-corrected errors of sales that the
    /// model had not learned from, oldest first.
    pub fn new(params: CalibrationParams, seed: &[f64]) -> Self {
        let start = seed.len().saturating_sub(params.interval_errors);
        let seed = seed.get(start..).unwrap_or_default().to_vec();
        Self { params, seed, days: BTreeMap::new(), cached: BTreeMap::new() }
    }

    /// Records a sale. Sales must come day by day, or else an earlier day's correction would
    /// rest on fewer errors than are known; within a day any order gives the same.
    ///
    /// `error` is `ln(price) - ln(model)`, without level; `scale` the model's predicted scale.
    pub fn record(&mut self, closed_on: EventDate, error: f64, scale: f64) {
        let level = self.as_of(closed_on).level;
        self.days.entry(closed_on).or_default().push((error, (error - level) / scale));
        self.cached.split_off(&closed_on.plus_days(1));
        self.trim();
    }

    /// Forgets what was recorded on and after a day, so that it can be recorded again.
    pub fn forget_from(&mut self, date: EventDate) {
        self.days.split_off(&date);
        self.cached.split_off(&date.plus_days(1));
    }

    /// The correction of estimates dated `date`: from sales before it.
    pub fn as_of(&mut self, date: EventDate) -> Correction {
        if let Some(correction) = self.cached.get(&date) {
            return correction.clone();
        }
        let correction = self.compute(date);
        if self.cached.len() >= CACHED_DATES {
            self.cached.pop_first();
        }
        self.cached.insert(date, correction.clone());
        correction
    }

    fn compute(&self, date: EventDate) -> Correction {
        let mut raw: Vec<f64> = Vec::with_capacity(self.params.level_errors);
        let mut scaled: Vec<f64> = Vec::with_capacity(self.params.interval_errors);
        for (_, errors) in self.days.range(..date).rev() {
            if raw.len() < self.params.level_errors {
                raw.extend(errors.iter().map(|(raw, _)| *raw));
            }
            scaled.extend(errors.iter().map(|(_, scaled)| *scaled));
            if scaled.len() >= self.params.interval_errors {
                break;
            }
        }
        let missing = self.params.interval_errors.saturating_sub(scaled.len());
        let from = self.seed.len().saturating_sub(missing);
        scaled.extend_from_slice(self.seed.get(from..).unwrap_or_default());

        let n_raw = raw.len() as f64;
        let believed = if raw.is_empty() { 0.0 } else { n_raw / (n_raw + self.params.level_prior) };
        raw.sort_unstable_by(f64::total_cmp);
        let level = believed * quantile(&raw, 0.5).unwrap_or(0.0);
        Correction::new(&self.params, level, scaled)
    }

    /// Keeps what queries up to a year back can look at, and no more.
    fn trim(&mut self) {
        let Some((latest, _)) = self.days.last_key_value() else { return };
        let horizon = latest.plus_days(-366);
        let needed = self.params.interval_errors.max(self.params.level_errors);
        while let Some((oldest, errors)) = self.days.first_key_value() {
            let newer: usize = self.count_between(*oldest, horizon);
            if *oldest >= horizon || newer.saturating_sub(errors.len()) < needed {
                break;
            }
            self.days.pop_first();
            // What was known then is known no longer.
            self.cached = self.cached.split_off(&horizon);
        }
    }

    fn count_between(&self, from: EventDate, until: EventDate) -> usize {
        if from >= until {
            return 0;
        }
        self.days.range(from..until).map(|(_, errors)| errors.len()).sum()
    }
}

/// The scaled errors of a sequence of sales, each corrected by the level of the sales before
/// it: the seed that an artifact carries. `errors` are `(date, error, scale)` in date order.
pub fn replay_errors(params: CalibrationParams, errors: &[(EventDate, f64, f64)]) -> Vec<f64> {
    let mut tracker = ErrorTracker::new(params, &[]);
    let mut history: VecDeque<f64> = VecDeque::with_capacity(params.interval_errors);
    for (date, error, scale) in errors {
        let level = tracker.as_of(*date).level;
        tracker.record(*date, *error, *scale);
        if history.len() == params.interval_errors {
            history.pop_front();
        }
        history.push_back((error - level) / scale);
    }
    history.into()
}

#[cfg(test)]
mod tests;
