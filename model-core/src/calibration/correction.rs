//! What recent errors say as of a date, read off one sorted array.

use std::iter::from_fn;
use std::sync::Arc;

use super::CalibrationParams;

/// An interval's ends, in scaled errors, while no error is known.
const UNKNOWN: f64 = 2.0;
/// Distance from the price, as a share of it, within which confidence counts an estimate.
const CLOSE: f64 = 0.1;

/// Scaled errors that a share of sales lie between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorRange {
    /// Nominal coverage, 0 to 1.
    pub level: f64,
    /// Scaled error at the lower end.
    pub low: f64,
    /// Scaled error at the upper end.
    pub high: f64,
}

/// What recent errors say as of a date. Copies share the errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    /// Added to the model's log price.
    pub level: f64,
    /// Scaled error at the main interval's lower end; at most 0 is usual, not promised.
    pub error_low: f64,
    /// Scaled error at the main interval's upper end.
    pub error_high: f64,
    /// Scaled absolute error that 68 % of sales stay within.
    pub error_68: f64,
    /// Errors that the intervals rest on.
    pub n: usize,
    recent: Arc<Recent>,
}

#[derive(Debug, PartialEq)]
struct Recent {
    /// Scaled errors, ascending.
    sorted: Vec<f64>,
    ranges: Vec<ErrorRange>,
}

impl Correction {
    /// A correction by `level`, with all that the scaled errors around it say.
    pub(super) fn new(params: &CalibrationParams, level: f64, mut scaled: Vec<f64>) -> Self {
        scaled.sort_unstable_by(f64::total_cmp);
        let n = scaled.len();
        // The finite-sample correction of split-conformal prediction, (n + 1) p / n, per tail.
        let widen = (n as f64 + 1.0) / (n as f64).max(1.0);
        let range = |level: f64| {
            let tail = (1.0 - level) / 2.0;
            ErrorRange {
                level,
                low: quantile(&scaled, 1.0 - (1.0 - tail) * widen).unwrap_or(-UNKNOWN),
                high: quantile(&scaled, (1.0 - tail) * widen).unwrap_or(UNKNOWN),
            }
        };
        let main = range(params.interval_level);
        Self {
            level,
            error_low: main.low,
            error_high: main.high,
            error_68: absolute_quantile(&scaled, 0.68).unwrap_or(1.0),
            n,
            recent: Arc::new(Recent {
                ranges: params.levels().map(range).collect(),
                sorted: scaled,
            }),
        }
    }

    /// The range of every level, ascending; the main one is among them.
    pub fn ranges(&self) -> &[ErrorRange] {
        &self.recent.ranges
    }

    /// How likely the next scaled error lies between two, ends included: `k / (n + 1)`, where
    /// `k` of the `n` recent errors do. The next error falls into each of the `n + 1` gaps
    /// between them alike; the one at the edge is not counted, so that no number of errors
    /// makes certain.
    pub fn chance_between(&self, low: f64, high: f64) -> f64 {
        let sorted = &self.recent.sorted;
        let until = sorted.partition_point(|error| *error <= high);
        let from = sorted.partition_point(|error| *error < low);
        until.saturating_sub(from) as f64 / (sorted.len() as f64 + 1.0)
    }

    /// Confidence score of an estimate, 0 to 100: how many of 100 such estimates to expect
    /// within 10 % of the price, that is PPE10 of homes like this one.
    ///
    /// `scale` is the home's predicted scale of the log error, above 0. With the scaled error
    /// `e = ln(price / estimate) / scale`,
    ///
    /// ```text
    /// |estimate - price| <= 0.1 price  <=>  -ln(1.1) / scale <= e <= -ln(0.9) / scale
    /// score = round(100 * chance_between(-ln(1.1) / scale, -ln(0.9) / scale))
    /// ```
    ///
    /// It is 0 while no error is known.
    pub fn confidence(&self, scale: f64) -> u8 {
        let low = -(1.0 + CLOSE).ln() / scale;
        let high = -(1.0 - CLOSE).ln() / scale;
        (100.0 * self.chance_between(low, high)).round() as u8
    }
}

/// The `p`-quantile of ascending values by linear interpolation between order statistics
/// (type 7 of Hyndman and Fan 1996); `None` for no values.
pub(super) fn quantile(sorted: &[f64], p: f64) -> Option<f64> {
    interpolated(sorted.len(), p, sorted.iter().copied())
}

/// The `p`-quantile of the absolute values: those below 0 are met from the right, those
/// above from the left.
fn absolute_quantile(sorted: &[f64], p: f64) -> Option<f64> {
    let (below, above) = sorted.split_at(sorted.partition_point(|value| *value < 0.0));
    let mut below = below.iter().rev().map(|value| value.abs()).peekable();
    let mut above = above.iter().map(|value| value.abs()).peekable();
    let ascending = from_fn(|| match (below.peek(), above.peek()) {
        (Some(left), Some(right)) if left < right => below.next(),
        (Some(_), None) => below.next(),
        _ => above.next(),
    });
    interpolated(sorted.len(), p, ascending)
}

fn interpolated(n: usize, p: f64, mut ascending: impl Iterator<Item = f64>) -> Option<f64> {
    let position = p.clamp(0.0, 1.0) * n.checked_sub(1)? as f64;
    let below = position.floor();
    let low = ascending.nth(below as usize)?;
    let high = ascending.next().unwrap_or(low);
    Some(low + (high - low) * (position - below))
}
