//! Too few or too many listings in a window.
//!
//! With a year of history the expectation is the same window of earlier years, times how much
//! has changed since then in the windows just before; without, what the latest windows held.
//! How far counts stray from expectations by themselves is learned from the windows before. The
//! chance of a count is that of a negative binomial with this mean and spread.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::params::VolumeParams;
use super::tail::{negative_binomial_at_least, negative_binomial_at_most};
use super::{HealthFinding, VOLUME, one_in, verdict};
use crate::date::EventDate;
use crate::drift_report::{Verdict, Window};

/// Years that are looked back.
const YEARS: i32 = 4;
/// Latest errors of expectations that the spread is learned from.
const ERRORS: usize = 24;
/// Fewest pairs of windows a year apart that say how much has changed.
const PAIRS: usize = 3;
/// Latest windows that are paired: what has changed is wanted as of now, and seen through noise.
const RECENT: usize = 9;
/// The spread of counts around expectations of a kind, before any error is known, and how many
/// errors that knowledge is worth. Between months of a housing market: Lucas County, 1993-1998.
const PRIOR_SEASONAL: f64 = 0.12;
const PRIOR_LOCAL: f64 = 0.25;
const PRIOR_WEIGHT: f64 = 6.0;
/// Least spread beyond that of independent listings: no source is a perfect Poisson process.
const LEAST_SPREAD: f64 = 0.05;
/// Standard deviations in a median of absolute deviations, for a normal distribution.
const MAD_TO_SD: f64 = 1.4826;
/// Standard deviations in the 0.9 quantile of absolute deviations, likewise.
const TAIL_TO_SD: f64 = 0.608;

/// Listings of earlier windows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeHistory {
    /// In order.
    windows: VecDeque<Past>,
    /// Latest windows in a row that were odd, all on one side.
    odd: usize,
    /// Whether they held too many.
    odd_high: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Past {
    start: EventDate,
    days: i32,
    count: u64,
    /// What later windows are compared with, a day: what was counted, or, of an odd window,
    /// what had been expected.
    typical: f64,
    /// Log of counted over expected, and whether that knew the season.
    error: Option<(f64, bool)>,
}

/// How many listings a window should hold.
#[derive(Clone, Copy, Debug)]
struct Expectation {
    count: f64,
    /// Whether it knows the season.
    seasonal: bool,
}

impl VolumeHistory {
    /// Judges a closed window and learns from it; nothing while too little is known.
    pub fn close(
        &mut self,
        subject: &str,
        window: Window,
        count: u64,
        params: &VolumeParams,
    ) -> Option<HealthFinding> {
        let days = window.end.days_since(window.start);
        if days < 1 || self.windows.back().is_some_and(|last| last.start >= window.start) {
            return None;
        }
        let expectation = self.expectation(window.start, days);
        let judged = expectation
            .filter(|expected| expected.count >= params.min_expected)
            .filter(|_| self.windows.len() >= params.min_windows)
            .map(|expected| self.judge(subject, expected, count, params));
        let fires = judged.as_ref().is_some_and(|finding| finding.verdict == Verdict::Drift);
        let per_day = |count: f64| count / f64::from(days);
        self.windows.push_back(Past {
            start: window.start,
            days,
            count,
            typical: per_day(match expectation {
                Some(expected) if fires => expected.count,
                _ => count as f64,
            }),
            error: expectation
                .filter(|_| !fires)
                .map(|expected| (log_ratio(count as f64, expected.count), expected.seasonal)),
        });
        let high = expectation.is_some_and(|expected| count as f64 > expected.count);
        self.follow(fires, high, params.windows_to_accept);
        while self.windows.len() > params.max_windows {
            self.windows.pop_front();
        }
        judged
    }

    /// Accepts a level that has held for a while: what came before is moved to it, so that
    /// seasons are still known.
    fn follow(&mut self, odd: bool, high: bool, windows_to_accept: usize) {
        if !odd {
            self.odd = 0;
            return;
        }
        self.odd = if high == self.odd_high { self.odd + 1 } else { 1 };
        self.odd_high = high;
        if self.odd < windows_to_accept {
            return;
        }
        let before = self.windows.len().saturating_sub(self.odd);
        let run = self.windows.range(before..);
        let moves =
            run.map(|past| log_ratio(past.count as f64, past.typical * f64::from(past.days)));
        let factor = midmean(moves.collect()).exp();
        for (index, past) in self.windows.iter_mut().enumerate() {
            past.typical = if index < before {
                past.typical * factor
            } else {
                past.count as f64 / f64::from(past.days)
            };
        }
        self.odd = 0;
    }

    fn expectation(&self, start: EventDate, days: i32) -> Option<Expectation> {
        let seasonal = self.seasonal(start, days);
        let rate = seasonal.or_else(|| self.local(start, days))?;
        Some(Expectation { count: rate * f64::from(days), seasonal: seasonal.is_some() })
    }

    /// Listings a day: those of earlier years at this time, times what has changed since.
    fn seasonal(&self, start: EventDate, days: i32) -> Option<f64> {
        let years = (1..=YEARS).filter_map(|years| {
            let base = self.around(start, days, years)?;
            let pairs = self.windows.iter().rev().take(RECENT).filter_map(|past| {
                let earlier = self.around(past.start, past.days, years)?;
                Some(log_ratio(past.typical, earlier))
            });
            let pairs: Vec<f64> = pairs.collect();
            let change = (pairs.len() >= PAIRS).then(|| midmean(pairs))?;
            Some(base.ln() + change)
        });
        let years: Vec<f64> = years.filter(|log: &f64| log.is_finite()).collect();
        let n = years.len() as f64;
        (!years.is_empty()).then(|| (years.iter().sum::<f64>() / n).exp())
    }

    /// Mean listings a day of the windows that began so many years before a day, give or take
    /// ten days or half a window.
    fn around(&self, start: EventDate, days: i32, years: i32) -> Option<f64> {
        let center = start.plus_days(-(f64::from(years) * 365.25).round() as i32);
        let reach = 10.max(step(days) / 2);
        let first = self.windows.partition_point(|past| center.days_since(past.start) > reach);
        let near = self.windows.range(first..);
        let near = near.take_while(|past| past.start.days_since(center) <= reach);
        let same = near.filter(|past| same_weekdays(past.start, start, days));
        let (n, sum) = same.fold((0, 0.0), |(n, sum), past| (n + 1, sum + past.typical));
        (n > 0).then(|| sum / f64::from(n))
    }

    /// Listings a day in the middle one of the latest windows: a season long at most.
    fn local(&self, start: EventDate, days: i32) -> Option<f64> {
        let recent = (91 / step(days)).clamp(3, 8) as usize;
        let same = self.windows.iter().rev();
        let same = same.filter(|past| same_weekdays(past.start, start, days)).take(recent);
        let rates: Vec<f64> = same.map(|past| past.typical).collect();
        (rates.len() >= 3).then(|| midmean(rates))
    }

    /// How far counts stray from such expectations, beyond what independent listings do: a
    /// coefficient of variation.
    fn spread(&self, expected: Expectation) -> f64 {
        let errors = self.windows.iter().rev().filter_map(|past| past.error);
        let same = errors.filter(|(_, seasonal)| *seasonal == expected.seasonal);
        let mut sizes: Vec<f64> = same.map(|(error, _)| error.abs()).take(ERRORS).collect();
        sizes.sort_by(f64::total_cmp);
        let n = sizes.len() as f64;
        let chance = 1.0 / expected.count;
        let prior = if expected.seasonal { PRIOR_SEASONAL } else { PRIOR_LOCAL };
        // The tail counts too: weeks in which months end stray far, the others hardly.
        let middle = MAD_TO_SD * quantile(&sizes, 0.5);
        let tail = TAIL_TO_SD * quantile(&sizes, 0.9);
        let seen = middle.max(tail).powi(2);
        let total = (n * seen + PRIOR_WEIGHT * (prior.powi(2) + chance)) / (n + PRIOR_WEIGHT);
        (total - chance).max(LEAST_SPREAD.powi(2)).sqrt()
    }

    fn judge(
        &self,
        subject: &str,
        expected: Expectation,
        count: u64,
        params: &VolumeParams,
    ) -> HealthFinding {
        let spread = self.spread(expected);
        let mean = expected.count;
        let low = (count as f64) < mean;
        let (one_sided, factor) = if low {
            (negative_binomial_at_most(count, mean, spread), params.low)
        } else {
            (negative_binomial_at_least(count, mean, spread), params.high)
        };
        let p_value = (2.0 * one_sided).min(1.0);
        let ratio = count as f64 / mean;
        let far = if low { ratio <= factor } else { ratio >= factor };
        let like = if expected.seasonal { "earlier years" } else { "the windows before" };
        HealthFinding {
            rule: VOLUME,
            subject: subject.to_owned(),
            value: count as f64,
            expected: mean,
            threshold: factor * mean,
            p_value,
            verdict: verdict(far && p_value <= params.alpha, p_value <= 10.0 * params.alpha),
            detail: format!(
                "{subject}: {count} listings, {:.0} % of the {mean:.0} expected from {like} \
                 (alert {} {:.0}); by chance {}",
                100.0 * ratio,
                if low { "up to" } else { "from" },
                factor * mean,
                one_in(p_value),
            ),
        }
    }
}

/// Days between windows of this length that fall on the same weekdays.
fn step(days: i32) -> i32 {
    if days < 7 { 7 * days } else { days }
}

/// Whether windows of less than a week cover the same weekdays.
fn same_weekdays(one: EventDate, other: EventDate, days: i32) -> bool {
    days >= 7 || other.days_since(one) % 7 == 0
}

/// Log of a ratio of counts or rates; half a listing more keeps none from being infinitely few.
fn log_ratio(one: f64, other: f64) -> f64 {
    ((one + 0.5) / (other + 0.5)).ln()
}

/// Mean of the middle half: hardly less exact than the mean, and hardly moved by a few odd
/// values. 0 of none.
fn midmean(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 4;
    let middle = &values[cut..values.len() - cut];
    middle.iter().sum::<f64>() / middle.len().max(1) as f64
}

/// A quantile of sorted values, between its neighbours; 0 of none.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = level * last as f64;
    let below = place.floor() as usize;
    let above = sorted[(below + 1).min(last)];
    sorted[below] + (place - below as f64) * (above - sorted[below])
}
