//! What a fit makes small.

use serde::{Deserialize, Serialize};

use super::super::check::require;
use super::super::error::FitError;

/// The loss of one row, with `r = estimate - target`.
///
/// | loss | formula | leaf values |
/// |---|---|---|
/// | `Squared` | `r^2 / 2` | mean |
/// | `Huber { delta }` | `r^2 / 2` up to `abs(r) = delta`, `delta (abs(r) - delta / 2)` beyond | mean of clipped residuals |
/// | `Quantile { level }` | `max(-level r, (1 - level) r)` | quantile; `level = 0.5` is the absolute error |
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// Estimates the mean.
    #[default]
    Squared,
    /// Estimates the mean, less moved by outliers.
    Huber {
        /// Residual (of the log price) from which the loss is linear, `(0, inf)`.
        delta: f64,
    },
    /// Estimates a quantile.
    Quantile {
        /// Which one, `(0, 1)`.
        level: f64,
    },
}

impl Loss {
    pub(super) fn check(self) -> Result<(), FitError> {
        match self {
            Self::Squared => Ok(()),
            Self::Huber { delta } => {
                require(delta > 0.0 && delta.is_finite(), "loss.huber.delta", delta, "(0, inf)")
            }
            Self::Quantile { level } => {
                require(level > 0.0 && level < 1.0, "loss.quantile.level", level, "(0, 1)")
            }
        }
    }

    /// The best constant: where boosting starts.
    pub(super) fn start(self, target: &[f64]) -> f64 {
        match self {
            Self::Squared | Self::Huber { .. } => {
                let first = target.first().copied().unwrap_or_default();
                let shifted: f64 = target.iter().map(|value| value - first).sum();
                first + shifted / target.len().max(1) as f64
            }
            Self::Quantile { level } => quantile(&mut target.to_vec(), level),
        }
    }

    /// Derivative of the loss at residual `r`; the second derivative counts as 1 for all losses.
    pub(super) fn gradient(self, r: f64) -> f64 {
        match self {
            Self::Squared => r,
            Self::Huber { delta } => r.clamp(-delta, delta),
            Self::Quantile { level } => {
                if r > 0.0 {
                    1.0 - level
                } else {
                    -level
                }
            }
        }
    }

    /// The loss at residual `r`.
    fn value(self, r: f64) -> f64 {
        match self {
            Self::Squared => 0.5 * r * r,
            Self::Huber { delta } if r.abs() <= delta => 0.5 * r * r,
            Self::Huber { delta } => delta * (r.abs() - 0.5 * delta),
            Self::Quantile { level } => (-level * r).max((1.0 - level) * r),
        }
    }

    /// Mean loss: early stopping keeps the round where it is least on the validation part.
    /// For `Squared` that is the round of least RMSE.
    pub(super) fn mean(self, scores: &[f64], target: &[f64]) -> f64 {
        let losses = scores.iter().zip(target).map(|(score, value)| self.value(score - value));
        losses.sum::<f64>() / target.len().max(1) as f64
    }

    /// The quantile that a leaf takes of its residuals `target - estimate`, if it takes one.
    pub(super) fn leaf_quantile(self) -> Option<f64> {
        match self {
            Self::Quantile { level } => Some(level),
            Self::Squared | Self::Huber { .. } => None,
        }
    }
}

/// Linear interpolation between order statistics (Hyndman and Fan's type 7); 0 for no values.
pub(super) fn quantile(values: &mut [f64], level: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let position = level * (values.len() - 1) as f64;
    let below = (position as usize).min(values.len() - 1);
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    low + (high - low) * (position - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantile_interpolates() {
        assert_eq!(quantile(&mut [4.0, 1.0, 3.0, 2.0], 0.5), 2.5);
        assert_eq!(quantile(&mut [4.0, 1.0, 3.0, 2.0], 1.0), 4.0);
        assert_eq!(quantile(&mut [7.0], 0.1), 7.0);
    }

    #[test]
    fn gradients_are_the_slopes_of_the_losses() {
        let losses = [Loss::Squared, Loss::Huber { delta: 0.7 }, Loss::Quantile { level: 0.2 }];
        for loss in losses {
            for r in [-2.0, -0.3, 0.4, 1.5] {
                let slope = (loss.value(r + 1e-6) - loss.value(r - 1e-6)) / 2e-6;
                assert!((slope - loss.gradient(r)).abs() < 1e-6, "{loss:?} at {r}");
            }
        }
    }
}
