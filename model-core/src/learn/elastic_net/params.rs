//! Parameters of the elastic net, unchecked.

use serde::{Deserialize, Serialize};

use super::super::check::require;
use super::super::error::FitError;
use super::ElasticNet;

/// Parameters of [`ElasticNet`]; [`ElasticNetParams::check`] makes the strategy.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `penalty` | 1e-3 | `[1e-8, 1e6]` |
/// | `candidates` | 1e-2, 1e-3, 1e-4, 1e-5 | each `[1e-8, 1e6]`, at most 100 |
/// | `l1_ratio` | 0.5 | `[0, 1]` |
/// | `winsor_share` | 0.001 | `[0, 0.25]` |
/// | `clamp_margin` | 0.1 | `[0, 10]` |
/// | `min_category_rows` | 20 | `[1, 2^24)` |
/// | `max_iterations` | 1000 | `[1, 100000]` |
/// | `tolerance` | 1e-4 | `[1e-12, 1]` |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElasticNetParams {
    /// Weight of the penalty when there is no validation part. Never 0: it is what makes
    /// columns that depend on each other solvable.
    pub penalty: f64,
    /// Weights to choose from by validation RMSE when there is a validation part; the first of
    /// equals wins. Empty: `penalty` is used.
    pub candidates: Vec<f64>,
    /// Share of the penalty on absolute values, the rest is on squares.
    pub l1_ratio: f64,
    /// Share of the training values beyond each end of a numeric column's range.
    pub winsor_share: f64,
    /// By how much of its length the range is widened at both ends before values are clamped to
    /// it, in training as in a prediction.
    pub clamp_margin: f64,
    /// Categories with fewer training rows are pooled.
    pub min_category_rows: u32,
    /// Most sweeps over the coefficients.
    pub max_iterations: u32,
    /// Relative change of the coefficients, and duality gap relative to the target's sum of
    /// squares, below which the solver stops.
    pub tolerance: f64,
}

impl Default for ElasticNetParams {
    fn default() -> Self {
        Self {
            penalty: 1e-3,
            candidates: vec![1e-2, 1e-3, 1e-4, 1e-5],
            l1_ratio: 0.5,
            winsor_share: 0.001,
            clamp_margin: 0.1,
            min_category_rows: 20,
            max_iterations: 1000,
            tolerance: 1e-4,
        }
    }
}

impl ElasticNetParams {
    /// Checks every parameter and makes the strategy.
    ///
    /// # Errors
    ///
    /// [`FitError::Parameter`] with the first parameter out of range.
    pub fn check(self) -> Result<ElasticNet, FitError> {
        let penalties = 1e-8..=1e6;
        let weight = |name, value| {
            require(penalties.contains(&value), name, value, "[1e-8, 1e6]") //
        };
        weight("penalty", self.penalty)?;
        self.candidates.iter().try_for_each(|&value| weight("candidates", value))?;
        let n = self.candidates.len();
        require(n <= 100, "candidates.len", n as f64, "[0, 100]")?;
        let numbers = [
            ("l1_ratio", self.l1_ratio, 0.0..=1.0, "[0, 1]"),
            ("winsor_share", self.winsor_share, 0.0..=0.25, "[0, 0.25]"),
            ("clamp_margin", self.clamp_margin, 0.0..=10.0, "[0, 10]"),
            ("tolerance", self.tolerance, 1e-12..=1.0, "[1e-12, 1]"),
        ];
        for (name, value, range, accepted) in numbers {
            require(range.contains(&value), name, value, accepted)?;
        }
        let rows = self.min_category_rows;
        let in_range = (1..1 << 24).contains(&rows);
        require(in_range, "min_category_rows", f64::from(rows), "[1, 2^24)")?;
        let sweeps = self.max_iterations;
        let in_range = (1..=100_000).contains(&sweeps);
        require(in_range, "max_iterations", f64::from(sweeps), "[1, 100000]")?;
        Ok(ElasticNet { params: self })
    }
}
