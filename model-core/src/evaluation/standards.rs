//! What the assessors' standards accept, and when data show that it is met.
//!
//! A standard is a range of a population's measure, and sales are a sample of it: the standards
//! (International Association of Assessing Officers, *Standard on Ratio Studies*, 2013) have
//! confidence intervals decide on compliance, and fail a roll only when the whole interval lies
//! outside the range. A verdict says which of three things an interval shows, so that a
//! measure that nobody can tell from a bad one is not mistaken for a good one.

use serde::{Deserialize, Serialize};

/// What a confidence interval says of an accepted range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval lies in the range: the standard is met, beyond the sample's chance.
    Met,
    /// The whole interval lies outside: the standard is failed.
    NotMet,
    /// The interval straddles a bound, or there is none. The standards do not fail this.
    Inconclusive,
}

impl Verdict {
    /// The verdict in words: `met`, `not met` or `inconclusive`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A range that a standard accepts, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// Least accepted value.
    pub low: f64,
    /// Greatest accepted value.
    pub high: f64,
}

impl Accepted {
    /// Whether a value lies in the range.
    pub fn holds(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The verdict of a confidence interval `(lower, upper)`.
    pub fn verdict(self, interval: Option<(f64, f64)>) -> Verdict {
        match interval {
            Some((lower, upper)) if self.holds(lower) && self.holds(upper) => Verdict::Met,
            Some((lower, upper)) if upper < self.low || self.high < lower => Verdict::NotMet,
            _ => Verdict::Inconclusive,
        }
    }
}

/// The accepted ranges.
///
/// | measure | default | source |
/// |---|---|---|
/// | `median_ratio` | 0.90 to 1.10 | *Standard on Ratio Studies* 2013, section 9 |
/// | `cod` | 5 to 15, percent | as above, table 1-3, single-family homes |
/// | `prd` | 0.98 to 1.03 | as above, table 1-3 |
/// | `prb` | -0.05 to 0.05 | as above, section 9 |
/// | `vertical_equity` | -10 to 10, percent | exposure draft of May 2026, appendix E |
/// | `coverage_margin` | 0.025 | ours: coverage within 2.5 points of nominal |
///
/// A COD below 5 is outside its range because roll values so close to prices were usually set
/// after the sales were known. For estimates it says to look for the same: a leak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Standards {
    /// Level of the estimates.
    pub median_ratio: Accepted,
    /// Coefficient of dispersion, percent.
    pub cod: Accepted,
    /// Price-related differential.
    pub prd: Accepted,
    /// Coefficient of price-related bias.
    pub prb: Accepted,
    /// Vertical equity indicator and its significance, percent.
    pub vertical_equity: Accepted,
    /// By how much an interval's coverage may differ from its nominal level, a decimal.
    pub coverage_margin: f64,
}

impl Default for Standards {
    fn default() -> Self {
        let range = |low, high| Accepted { low, high };
        Self {
            median_ratio: range(0.90, 1.10),
            cod: range(5.0, 15.0),
            prd: range(0.98, 1.03),
            prb: range(-0.05, 0.05),
            vertical_equity: range(-10.0, 10.0),
            coverage_margin: 0.025,
        }
    }
}

impl Standards {
    /// The accepted coverage of intervals of a nominal level.
    pub fn coverage(&self, level: f64) -> Accepted {
        Accepted { low: level - self.coverage_margin, high: level + self.coverage_margin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_interval_decides() {
        let range = Standards::default().prd;
        let cases = [
            (Some((0.98, 1.03)), Verdict::Met),
            (Some((0.97, 1.00)), Verdict::Inconclusive),
            (Some((0.90, 1.10)), Verdict::Inconclusive),
            (Some((1.04, 1.06)), Verdict::NotMet),
            (Some((0.90, 0.97)), Verdict::NotMet),
            (None, Verdict::Inconclusive),
        ];
        for (interval, expected) in cases {
            assert_eq!(range.verdict(interval), expected, "{interval:?}");
        }
    }

    #[test]
    fn coverage_may_differ_from_nominal_by_the_margin() {
        let range = Standards::default().coverage(0.9);
        assert!(range.holds(0.88) && range.holds(0.92));
        assert!(!range.holds(0.87) && !range.holds(0.93));
    }
}
