//! Parameters of the boosted trees, unchecked.

use serde::{Deserialize, Serialize};

use super::super::check::require;
use super::super::error::FitError;
use super::BoostedTrees;
use super::binning::MAX_BINS;
use super::loss::Loss;

/// Parameters of [`BoostedTrees`]; [`BoostedTreesParams::check`] makes the strategy.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `loss` | Huber, delta 0.2 | see [`Loss`] |
/// | `rounds` | 1000 | `[1, 100000]` |
/// | `learning_rate` | 0.08 | `(0, 1]` |
/// | `num_leaves` | 31 | `[2, 1024]` |
/// | `max_depth` | 64 | `[1, 64]` |
/// | `min_child_rows` | 20 | `[1, 2^24)` |
/// | `min_split_gain` | 0 | `[0, inf)` |
/// | `lambda_l2` | 1 | `[0, 1e6]` |
/// | `max_bins` | 255 | `[2, 255]` |
/// | `min_bin_rows` | 3 | `[1, 2^24)` |
/// | `feature_fraction` | 0.6 | `(0, 1]` |
/// | `bagging_fraction` | 0.8 | `(0, 1]` |
/// | `bagging_freq` | 1 | `[0, 100000]` |
/// | `cat_smooth` | 10 | `[0, 1e6]` |
/// | `cat_l2` | 10 | `[0, 1e6]` |
/// | `max_cat_threshold` | 32 | `[1, 255]` |
/// | `min_cat_group_rows` | 100 | `[1, 2^24)` |
/// | `one_hot_max_categories` | 4 | `[0, 255]` |
/// | `early_stopping_rounds` | 60 | `[0, 100000]` |
/// | `seed` | 0 | any |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoostedTreesParams {
    /// What is made small.
    pub loss: Loss,
    /// Number of trees; with a validation part, the most there can be.
    pub rounds: u32,
    /// Factor on every leaf value.
    pub learning_rate: f64,
    /// Most leaves of a tree.
    pub num_leaves: u32,
    /// Most levels below a root.
    pub max_depth: u32,
    /// Least rows of a leaf. As every row's second derivative counts as 1, this is also the
    /// least sum of second derivatives.
    pub min_child_rows: u32,
    /// Least gain (decrease of the summed squared residuals) of a split.
    pub min_split_gain: f64,
    /// Ridge penalty on leaf values: a leaf's value is `sum / (rows + lambda_l2)`.
    pub lambda_l2: f64,
    /// Most bins of a column.
    pub max_bins: u32,
    /// Least rows of a numeric bin.
    pub min_bin_rows: u32,
    /// Share of the columns each tree may use.
    pub feature_fraction: f64,
    /// Share of the rows each tree is grown on.
    pub bagging_fraction: f64,
    /// Rounds after which the rows are drawn anew; 0 turns bagging off.
    pub bagging_freq: u32,
    /// Rows added to each category when categories are sorted by mean gradient; categories with
    /// fewer rows in a leaf are not moved by its split.
    pub cat_smooth: f64,
    /// Ridge penalty added for splits on sorted categories.
    pub cat_l2: f64,
    /// Most categories on the smaller side of a split.
    pub max_cat_threshold: u32,
    /// Least rows by which one considered set of categories must exceed the one before.
    pub min_cat_group_rows: u32,
    /// A column with at most so many categories is split one against the rest.
    pub one_hot_max_categories: u32,
    /// Stop after so many rounds without a better validation loss and keep the best round; 0
    /// runs all rounds and keeps them all. Needs a validation part.
    pub early_stopping_rounds: u32,
    /// Seed of the draws of rows and columns.
    pub seed: u64,
}

impl Default for BoostedTreesParams {
    /// Chosen on two markets, the same for both (ARCHITECTURE.md, "Choices by evidence"): a Huber
    /// loss that is linear beyond errors of 20 % keeps odd sales from bending the trees.
    fn default() -> Self {
        Self {
            loss: Loss::Huber { delta: 0.2 },
            rounds: 1000,
            learning_rate: 0.08,
            num_leaves: 31,
            max_depth: 64,
            min_child_rows: 20,
            min_split_gain: 0.0,
            lambda_l2: 1.0,
            max_bins: 255,
            min_bin_rows: 3,
            feature_fraction: 0.6,
            bagging_fraction: 0.8,
            bagging_freq: 1,
            cat_smooth: 10.0,
            cat_l2: 10.0,
            max_cat_threshold: 32,
            min_cat_group_rows: 100,
            one_hot_max_categories: 4,
            early_stopping_rounds: 60,
            seed: 0,
        }
    }
}

impl BoostedTreesParams {
    /// The same parameters with another number of rounds: for a fit on all data with as many
    /// trees as early stopping chose on a part of it.
    pub fn with_rounds(self, rounds: u32) -> Self {
        Self { rounds, ..self }
    }

    /// Checks every parameter and makes the strategy.
    ///
    /// # Errors
    ///
    /// [`FitError::Parameter`] with the first parameter out of range.
    pub fn check(self) -> Result<BoostedTrees, FitError> {
        const ROWS: &str = "[1, 2^24)";
        let counts = [
            ("rounds", self.rounds, 1..=100_000, "[1, 100000]"),
            ("num_leaves", self.num_leaves, 2..=1024, "[2, 1024]"),
            ("max_depth", self.max_depth, 1..=64, "[1, 64]"),
            ("min_child_rows", self.min_child_rows, 1..=(1 << 24) - 1, ROWS),
            ("max_bins", self.max_bins, 2..=MAX_BINS as u32, "[2, 255]"),
            ("min_bin_rows", self.min_bin_rows, 1..=(1 << 24) - 1, ROWS),
            ("bagging_freq", self.bagging_freq, 0..=100_000, "[0, 100000]"),
            ("max_cat_threshold", self.max_cat_threshold, 1..=255, "[1, 255]"),
            ("min_cat_group_rows", self.min_cat_group_rows, 1..=(1 << 24) - 1, ROWS),
            ("one_hot_max_categories", self.one_hot_max_categories, 0..=255, "[0, 255]"),
            ("early_stopping_rounds", self.early_stopping_rounds, 0..=100_000, "[0, 100000]"),
        ];
        for (name, value, range, accepted) in counts {
            require(range.contains(&value), name, f64::from(value), accepted)?;
        }
        let shares = [
            ("learning_rate", self.learning_rate),
            ("feature_fraction", self.feature_fraction),
            ("bagging_fraction", self.bagging_fraction),
        ];
        for (name, value) in shares {
            require(value > 0.0 && value <= 1.0, name, value, "(0, 1]")?;
        }
        let penalties = [
            ("lambda_l2", self.lambda_l2),
            ("cat_smooth", self.cat_smooth),
            ("cat_l2", self.cat_l2),
        ];
        for (name, value) in penalties {
            require((0.0..=1e6).contains(&value), name, value, "[0, 1e6]")?;
        }
        let gain = self.min_split_gain;
        require(gain >= 0.0 && gain.is_finite(), "min_split_gain", gain, "[0, inf)")?;
        self.loss.check()?;
        Ok(BoostedTrees { params: self })
    }
}
