//! Confidence intervals by the percentile bootstrap.
//!
//! Source: Efron (1979), "Bootstrap methods: another look at the jackknife", *The Annals of
//! Statistics* 7(1); Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, ch. 13.
//! Sales are drawn with replacement, as many as there are, and each measure's interval lies
//! between the quantiles of its values in the resamples.

use crate::evaluation::quantiles::quantile_sorted;
use crate::random::SplitMix64;

use super::AssessmentParams;
use super::sample::{Sample, Values};

/// Least share of the resamples in which a measure must be defined to have an interval.
const MIN_DEFINED: f64 = 0.9;

/// Every measure in every resample.
pub(super) struct Resamples {
    values: Vec<Values>,
    confidence: f64,
}

impl Resamples {
    /// Draws the resamples of a group: the same for the same parameters and `stream`.
    pub(super) fn draw(sample: &Sample, params: &AssessmentParams, stream: u64) -> Self {
        let mut generator = SplitMix64::new(params.seed, stream);
        let n = sample.len();
        let bound = u32::try_from(n).unwrap_or(u32::MAX);
        let mut counts = vec![0_u32; n];
        let values = (0..params.resamples)
            .map(|_| {
                counts.fill(0);
                for _ in 0..n {
                    if let Some(count) = counts.get_mut(generator.below(bound) as usize) {
                        *count += 1;
                    }
                }
                sample.measure(&counts)
            })
            .collect();
        Self { values, confidence: params.confidence }
    }

    /// The interval of one measure; `None` when it is seldom defined.
    pub(super) fn interval(&self, measure: impl Fn(&Values) -> f64) -> Option<(f64, f64)> {
        let values = self.values.iter().map(measure);
        let mut defined: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        if (defined.len() as f64) < MIN_DEFINED * self.values.len() as f64 {
            return None;
        }
        defined.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - self.confidence) / 2.0;
        Some((quantile_sorted(&defined, tail)?, quantile_sorted(&defined, 1.0 - tail)?))
    }
}
