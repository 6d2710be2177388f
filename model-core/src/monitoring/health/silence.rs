//! No listings for longer than this hour of the week explains.
//!
//! Arrivals are learned by hour of the week. A gap is measured in the listings that should have
//! come in it: so measured, gaps of independent arrivals are exponential with mean 1, whatever
//! the hour. Arrivals in batches have longer ones; how much longer is learned too, as the mean
//! gap that a random listing of the expected ones falls into.

use serde::{Deserialize, Serialize};

use super::params::SilenceParams;
use super::{HealthFinding, SILENCE, one_in, verdict};

const HOUR_MS: i64 = 3_600_000;
/// 2200-01-01: arithmetic stays inside the range of numbers.
const LATEST_MS: i64 = 7_258_118_400_000;
const WEEK_HOURS: usize = 168;
const DAY_HOURS: usize = 24;
/// Hours of exposure that the same hour of other days is worth.
const PRIOR_HOURS: f64 = 0.5;
/// Gaps are followed for so long; beyond, hours teach nothing more.
const LONGEST_HOURS: i64 = 8 * WEEK_HOURS as i64;
/// Longer gaps teach as much as one of this many times the shortest that fires.
const LEARNED_LIMITS: f64 = 4.0;
/// Gaps that the exponential distribution is worth before any is known.
const PRIOR_GAPS: f64 = 10.0;

/// When listings arrive: what was learned of one source. Times are milliseconds since
/// 1970-01-01, UTC, of arrival, not of the event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct Arrivals {
    last_ms: Option<i64>,
    /// Arrivals, by hour of the week from Thursday 00:00 UTC on; older ones count less.
    arrivals: Vec<f64>,
    /// Hours seen, likewise.
    hours: Vec<f64>,
    /// Sum of gaps, and of their squares, in expected listings.
    gaps: [f64; 2],
    total: u64,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            last_ms: None,
            arrivals: vec![0.0; WEEK_HOURS],
            hours: vec![0.0; WEEK_HOURS],
            gaps: [PRIOR_GAPS, 2.0 * PRIOR_GAPS],
            total: 0,
        }
    }
}

impl Arrivals {
    /// Learns from an arrival. One before the latest counts, and makes no gap.
    pub fn observe(&mut self, arrival_ms: i64, params: &SilenceParams) {
        let arrival_ms = arrival_ms.clamp(0, LATEST_MS);
        self.total = self.total.saturating_add(1);
        match self.last_ms {
            Some(last) if last < arrival_ms => {
                let gap = self.expected(last, arrival_ms);
                // One silence must not hide the next, but a source may change for good.
                // No limit is below `LEARNED_LIMITS ln(1 / 0.1)` scales: it is asked for seldom.
                let long = gap > 2.0 * LEARNED_LIMITS * self.scale();
                let most = if long { LEARNED_LIMITS * self.limit(params.alpha) } else { gap };
                let gap = gap.min(most);
                self.gaps[0] += gap;
                self.gaps[1] += gap * gap;
                self.pass(last, arrival_ms, params);
                self.last_ms = Some(arrival_ms);
            }
            Some(_) => {}
            None => self.last_ms = Some(arrival_ms),
        }
        self.arrivals[hour_of_week(arrival_ms)] += 1.0;
    }

    /// Judges the time since the latest arrival; nothing while too little is known.
    pub fn silence(
        &self,
        subject: &str,
        now_ms: i64,
        params: &SilenceParams,
    ) -> Option<HealthFinding> {
        let last = self.last_ms?;
        let now_ms = now_ms.clamp(0, LATEST_MS);
        let seen: f64 = self.hours.iter().sum::<f64>() / WEEK_HOURS as f64;
        let enough = self.total >= params.min_arrivals && seen >= remembered(params);
        if !enough || now_ms < last {
            return None;
        }
        let expected = self.expected(last, now_ms);
        let p_value = self.chance(expected);
        let gap = (now_ms - last) as f64 / HOUR_MS as f64;
        let least = f64::from(params.min_gap_minutes) / 60.0;
        let threshold = least.max(self.hours_for(last, self.limit(params.alpha)));
        Some(HealthFinding {
            rule: SILENCE,
            subject: subject.to_owned(),
            value: gap,
            expected: self.hours_for(last, 1.0),
            threshold,
            p_value,
            verdict: verdict(
                gap >= least && p_value <= params.alpha,
                gap >= least && p_value <= 10.0 * params.alpha,
            ),
            detail: format!(
                "{subject}: no listings for {gap:.1} h, in which {expected:.0} are usual at this \
                 time of the week (alert from {threshold:.1} h); so long a gap comes by chance \
                 in {} weeks",
                one_in(p_value),
            ),
        })
    }

    /// Lets time pass: hours are seen, and what was learned of them before counts less.
    fn pass(&mut self, from_ms: i64, to_ms: i64, params: &SilenceParams) {
        let keep = 0.5_f64.powf(1.0 / params.half_life_weeks);
        for (hour, share) in hours_between(from_ms, to_ms.min(from_ms + LONGEST_HOURS * HOUR_MS)) {
            let entered = hour * HOUR_MS > from_ms;
            let index = week_index(hour);
            if entered {
                self.hours[index] *= keep;
                self.arrivals[index] *= keep;
                if index == 0 {
                    self.gaps = self.gaps.map(|sum| sum * keep);
                }
            }
            self.hours[index] += share;
        }
    }

    /// Listings an hour in an hour of the week. The same hour of the other days counts a
    /// little: few weeks say little of one hour.
    fn rate(&self, index: usize) -> f64 {
        let same = (index % DAY_HOURS..WEEK_HOURS).step_by(DAY_HOURS);
        let (arrivals, hours) = same.fold((0.0, 0.0), |(arrivals, hours), hour| {
            (arrivals + self.arrivals[hour], hours + self.hours[hour])
        });
        let usual = if hours > 0.0 { arrivals / hours } else { 0.0 };
        (self.arrivals[index] + PRIOR_HOURS * usual) / (self.hours[index] + PRIOR_HOURS)
    }

    /// Mean size of the gap that a random expected listing falls into, halved: 1 of independent
    /// arrivals.
    fn scale(&self) -> f64 {
        let [sum, squares] = self.gaps;
        (squares / (2.0 * sum)).max(1.0)
    }

    /// Listings to expect between two times.
    fn expected(&self, from_ms: i64, to_ms: i64) -> f64 {
        let hours = hours_between(from_ms, to_ms.min(from_ms + LONGEST_HOURS * HOUR_MS));
        hours.map(|(hour, share)| share * self.rate(week_index(hour))).sum()
    }

    /// Gaps as long as they usually are that fit into a week.
    fn gaps_a_week(&self) -> f64 {
        let week: f64 = (0..WEEK_HOURS).map(|index| self.rate(index)).sum();
        (week / self.scale()).max(1.0)
    }

    /// Chance that a week holds a gap of at least so many expected listings.
    fn chance(&self, expected: f64) -> f64 {
        (self.gaps_a_week() * (-expected / self.scale()).exp()).min(1.0)
    }

    /// The gap, in expected listings, that has this chance.
    fn limit(&self, chance: f64) -> f64 {
        self.scale() * (self.gaps_a_week() / chance).ln()
    }

    /// Hours until so many listings are expected, as far as gaps are followed.
    fn hours_for(&self, from_ms: i64, expected: f64) -> f64 {
        let mut missing = expected;
        let mut passed = 0.0;
        for (hour, share) in hours_between(from_ms, from_ms + LONGEST_HOURS * HOUR_MS) {
            let rate = self.rate(week_index(hour));
            if share * rate >= missing {
                return passed + missing / rate;
            }
            missing -= share * rate;
            passed += share;
        }
        passed
    }
}

/// Weeks seen, as far as they are remembered: of `min_weeks` some have faded.
fn remembered(params: &SilenceParams) -> f64 {
    let keep = 0.5_f64.powf(1.0 / params.half_life_weeks);
    // The sum of `keep^0, keep^1, ...` over so many weeks, and a little less for a first and a
    // last week that are not whole.
    0.95 * (1.0 - keep.powf(params.min_weeks)) / (1.0 - keep)
}

fn week_index(hour: i64) -> usize {
    hour.rem_euclid(WEEK_HOURS as i64) as usize
}

fn hour_of_week(time_ms: i64) -> usize {
    week_index(time_ms.div_euclid(HOUR_MS))
}

/// The hours (since 1970) between two times, each with the share of it that lies between them.
fn hours_between(from_ms: i64, to_ms: i64) -> impl Iterator<Item = (i64, f64)> {
    let (first, last) = (from_ms.div_euclid(HOUR_MS), to_ms.div_euclid(HOUR_MS));
    (first..=last).map(move |hour| {
        let begin = from_ms.max(hour * HOUR_MS);
        let end = to_ms.min((hour + 1) * HOUR_MS);
        (hour, (end - begin) as f64 / HOUR_MS as f64)
    })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    last_ms: Option<i64>,
    arrivals: Vec<f64>,
    hours: Vec<f64>,
    gaps: [f64; 2],
    total: u64,
}

impl From<Arrivals> for State {
    fn from(Arrivals { last_ms, arrivals, hours, gaps, total }: Arrivals) -> Self {
        Self { last_ms, arrivals, hours, gaps, total }
    }
}

impl TryFrom<State> for Arrivals {
    type Error = String;

    fn try_from(State { last_ms, arrivals, hours, gaps, total }: State) -> Result<Self, String> {
        if arrivals.len() != WEEK_HOURS || hours.len() != WEEK_HOURS {
            let (n, m) = (arrivals.len(), hours.len());
            return Err(format!("arrivals of {n} and {m} hours, expected {WEEK_HOURS}"));
        }
        let sums = arrivals.iter().chain(&hours).chain(&gaps);
        if sums.into_iter().any(|sum| !(sum.is_finite() && *sum >= 0.0)) || gaps[0] <= 0.0 {
            return Err("arrivals hold a number that is not 0 or more".into());
        }
        Ok(Self { last_ms, arrivals, hours, gaps, total })
    }
}
