//! What recent sales say of a model's errors: the market's level and the interval.
//!
//! An error is `ln(price) - ln(model)`, the model taken without its level correction. The
//! *level* is the shrunken median of the latest errors: how far the market has moved from
//! what the model learned. The *interval* comes from quantiles of the latest errors around
//! the corrected estimate, each divided by the scale that the model predicted for the home
//! (normalised split-conformal prediction, rolling in time). Both are point in time: a query
//! as of a date looks at sales that closed before it.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::date::EventDate;

/// How errors are followed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrationParams {
    /// Latest errors whose median is the level; 20 to 5,000.
    pub level_errors: usize,
    /// Errors at which the level is half believed (shrinkage to none); 0 to 1,000.
    pub level_prior: f64,
    /// Latest errors whose quantiles make the interval; 100 to 20,000.
    pub interval_errors: usize,
    /// Nominal coverage of the interval; 0.5 to 0.99.
    pub interval_level: f64,
}

impl Default for CalibrationParams {
    /// 300 errors give a median's standard error of about 1 % at the usual spread of 15 %;
    /// 1,000 put 50 errors beyond each end of a 90 % interval.
    fn default() -> Self {
        Self { level_errors: 300, level_prior: 30.0, interval_errors: 1_000, interval_level: 0.9 }
    }
}

/// A calibration parameter outside its range.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("training.calibration.{name} is {value}, expected {expected}")]
pub struct InvalidCalibrationParam {
    /// Name of the setting.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// The accepted range.
    pub expected: &'static str,
}

impl CalibrationParams {
    /// Checks every parameter against its range.
    ///
    /// # Errors
    /// The first parameter outside its range.
    pub fn check(&self) -> Result<(), InvalidCalibrationParam> {
        let checks = [
            ("level_errors", self.level_errors as f64, 20.0, 5_000.0, "20 to 5000"),
            ("level_prior", self.level_prior, 0.0, 1_000.0, "0 to 1000"),
            ("interval_errors", self.interval_errors as f64, 100.0, 20_000.0, "100 to 20000"),
            ("interval_level", self.interval_level, 0.5, 0.99, "0.5 to 0.99"),
        ];
        for (name, value, low, high, expected) in checks {
            if !(low..=high).contains(&value) {
                return Err(InvalidCalibrationParam { name, value, expected });
            }
        }
        Ok(())
    }
}

/// What recent errors say as of a date.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction {
    /// Added to the model's log price.
    pub level: f64,
    /// Scaled error at the interval's lower end; at most 0 is usual, not promised.
    pub error_low: f64,
    /// Scaled error at the interval's upper end.
    pub error_high: f64,
    /// Scaled absolute error that 68 % of sales stay within.
    pub error_68: f64,
    /// Errors that the interval rests on.
    pub n: usize,
}

/// Errors of one model version, in event time.
#[derive(Clone, Debug)]
pub struct ErrorTracker {
    params: CalibrationParams,
    /// Scaled, level-corrected errors from the model's own evaluation, oldest first.
    seed: Vec<f64>,
    /// Per day: raw errors, and scaled errors around the estimate corrected as of that day.
    days: BTreeMap<EventDate, Vec<(f64, f64)>>,
    cached: Option<(EventDate, Correction)>,
}

impl ErrorTracker {
    /// A tracker that knows only `seed`: scaled, level-corrected errors of sales that the
    /// model had not learned from, oldest first.
    pub fn new(params: CalibrationParams, seed: &[f64]) -> Self {
        let start = seed.len().saturating_sub(params.interval_errors);
        let seed = seed.get(start..).unwrap_or_default().to_vec();
        Self { params, seed, days: BTreeMap::new(), cached: None }
    }

    /// Records a sale. Sales must come day by day, or else an earlier day's correction would
    /// rest on fewer errors than are known; within a day any order gives the same.
    ///
    /// `error` is `ln(price) - ln(model)`, without level; `scale` the model's predicted scale.
    pub fn record(&mut self, closed_on: EventDate, error: f64, scale: f64) {
        let level = self.as_of(closed_on).level;
        self.days.entry(closed_on).or_default().push((error, (error - level) / scale));
        if self.cached.is_some_and(|(date, _)| date > closed_on) {
            self.cached = None;
        }
        self.trim();
    }

    /// Forgets what was recorded on and after a day, so that it can be recorded again.
    pub fn forget_from(&mut self, date: EventDate) {
        self.days.split_off(&date);
        if self.cached.is_some_and(|(cached_on, _)| cached_on > date) {
            self.cached = None;
        }
    }

    /// The correction of estimates dated `date`: from sales before it.
    pub fn as_of(&mut self, date: EventDate) -> Correction {
        if let Some((cached_on, correction)) = self.cached
            && cached_on == date
        {
            return correction;
        }
        let correction = self.compute(date);
        self.cached = Some((date, correction));
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
        let level = believed * quantile(&mut raw, 0.5).unwrap_or(0.0);
        let tail = (1.0 - self.params.interval_level) / 2.0;
        // The finite-sample correction of split-conformal prediction, (n + 1) p / n, per tail.
        let widen = (scaled.len() as f64 + 1.0) / (scaled.len() as f64).max(1.0);
        let low = quantile(&mut scaled, 1.0 - (1.0 - tail) * widen);
        let high = quantile(&mut scaled, (1.0 - tail) * widen);
        let mut absolute: Vec<f64> = scaled.iter().map(|error| error.abs()).collect();
        let within = quantile(&mut absolute, 0.68);
        Correction {
            level,
            error_low: low.unwrap_or(-2.0),
            error_high: high.unwrap_or(2.0),
            error_68: within.unwrap_or(1.0),
            n: scaled.len(),
        }
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

/// The `p`-quantile by linear interpolation between order statistics (type 7 of Hyndman and
/// Fan 1996); `None` for no values. Reorders `values`.
fn quantile(values: &mut [f64], p: f64) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let position = p.clamp(0.0, 1.0) * (values.len() - 1) as f64;
    let below = position.floor() as usize;
    let low = values.get(below).copied()?;
    let high = values.get(below + 1).copied().unwrap_or(low);
    Some(low + (high - low) * (position - below as f64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn params() -> CalibrationParams {
        CalibrationParams { level_prior: 0.0, ..CalibrationParams::default() }
    }

    #[test]
    fn the_level_is_the_median_of_earlier_errors() {
        let mut tracker = ErrorTracker::new(params(), &[]);
        for (day, error) in [(1, 0.1), (2, 0.3), (3, 0.2), (4, 9.0)] {
            tracker.record(EventDate(day), error, 1.0);
        }
        assert_eq!(tracker.as_of(EventDate(1)).level, 0.0);
        assert_eq!(tracker.as_of(EventDate(2)).level, 0.1);
        assert_eq!(tracker.as_of(EventDate(4)).level, 0.2);
    }

    #[test]
    fn few_errors_are_believed_little() {
        let shrunken = CalibrationParams { level_prior: 3.0, ..params() };
        let mut tracker = ErrorTracker::new(shrunken, &[]);
        tracker.record(EventDate(1), 0.4, 1.0);
        assert!((tracker.as_of(EventDate(2)).level - 0.1).abs() < 1e-12);
    }

    #[test]
    fn the_interval_holds_its_share_of_the_seed() {
        let seed: Vec<f64> = (0..=100).map(|i| f64::from(i) / 50.0 - 1.0).collect();
        let mut tracker = ErrorTracker::new(params(), &seed);
        let correction = tracker.as_of(EventDate(1));
        let inside = seed
            .iter()
            .filter(|e| (correction.error_low..=correction.error_high).contains(*e))
            .count();
        assert!((90..=93).contains(&inside), "{inside}");
        assert_eq!(correction.n, 101);
        assert!((correction.error_68 - 0.68).abs() < 0.02);
    }

    #[test]
    fn new_errors_displace_the_seed() {
        let few = CalibrationParams { interval_errors: 100, ..params() };
        let mut tracker = ErrorTracker::new(few, &[0.0; 100]);
        for day in 0..200 {
            let error = if day % 2 == 0 { 1.0 } else { -1.0 };
            tracker.record(EventDate(day), error, 1.0);
        }
        let correction = tracker.as_of(EventDate(200));
        assert!(correction.error_high > 0.9 && correction.error_low < -0.9);
    }

    #[test]
    fn memory_is_bounded_by_what_queries_can_look_at() {
        let mut tracker = ErrorTracker::new(params(), &[]);
        for day in 0..4_000 {
            (0..3).for_each(|_| tracker.record(EventDate(day), 0.0, 1.0));
        }
        assert!(tracker.days.len() < 366 + 400, "{}", tracker.days.len());
    }

    proptest! {
        /// Errors on or after a date do not change its correction.
        #[test]
        fn the_future_changes_nothing(
            past in prop::collection::vec((0..100_i32, -1.0..1.0_f64), 0..50),
            future in prop::collection::vec((100..200_i32, -1.0..1.0_f64), 0..50),
        ) {
            let mut events = past.clone();
            events.sort_by_key(|(day, _)| *day);
            let mut known = ErrorTracker::new(params(), &[0.5, -0.5]);
            events.iter().for_each(|(day, e)| known.record(EventDate(*day), *e, 1.0));
            let before = known.as_of(EventDate(100));
            let mut later = future;
            later.sort_by_key(|(day, _)| *day);
            later.iter().for_each(|(day, e)| known.record(EventDate(*day), *e, 1.0));
            prop_assert_eq!(known.as_of(EventDate(100)), before);
        }
    }
}
