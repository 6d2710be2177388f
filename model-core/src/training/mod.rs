//! Training: from recorded sales to a model version and the case for or against it.
//!
//! Strategies compete on the most recent sales, which none of them has learned from; the
//! winner meets the champion there, each with the level correction that it would have had
//! in service. A winner that passes the gate learns from all sales and is the new version.

mod adopt;
mod archive;
mod members;
mod policy;
mod select;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::adopt::{EncodedSale, adopt, discover, encode_sales};
pub use self::archive::TrainingArchive;
pub use self::policy::{InvalidPolicy, RetrainPolicy};
pub(crate) use self::select::LEVEL_ERROR;
pub use self::select::{Gate, Training, train};
use crate::calibration::{CalibrationParams, InvalidCalibrationParam};
use crate::drift::ProfileError;
use crate::learn::{BoostedTreesParams, ElasticNetParams, FitError};
use crate::market::{InvalidMarketParam, MarketParams};

/// A way to learn prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategyName {
    /// Penalised linear regression of the log price.
    ElasticNet,
    /// Gradient-boosted regression trees of the log price.
    BoostedTrees,
    /// The elastic net, and boosted trees of what it leaves.
    LinearTrees,
    /// A third of `boosted_trees` and two thirds of `linear_trees`.
    Blend,
}

impl StrategyName {
    /// Every strategy, simplest first.
    pub const ALL: [Self; 4] =
        [Self::ElasticNet, Self::BoostedTrees, Self::LinearTrees, Self::Blend];

    /// The name in settings, artifacts and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::ElasticNet => "elastic_net",
            Self::BoostedTrees => "boosted_trees",
            Self::LinearTrees => "linear_trees",
            Self::Blend => "blend",
        }
    }

    /// The strategy of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name)
    }
}

/// How models are trained, compared and gated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingParams {
    /// Strategies that compete on the most recent sales; the best of them is the model.
    pub strategies: Vec<StrategyName>,
    /// Threads that a training may use, 1 to 64; the model does not depend on it.
    pub threads: u32,
    /// Share of the sales, the most recent, held out for comparison; 0.05 to 0.5.
    pub holdout_share: f64,
    /// Fewest sales to train on; 200 or more.
    pub min_sales: usize,
    /// A challenger's mean absolute log error must be this much below the champion's, as a
    /// share of the champion's; 0 to 0.5.
    pub min_improvement: f64,
    /// Market index.
    pub market: MarketParams,
    /// Level and interval.
    pub calibration: CalibrationParams,
    /// The linear strategy.
    pub elastic_net: ElasticNetParams,
    /// The trees strategy.
    pub boosted_trees: BoostedTreesParams,
}

impl Default for TrainingParams {
    fn default() -> Self {
        Self {
            strategies: StrategyName::ALL.to_vec(),
            threads: 1,
            holdout_share: 0.15,
            min_sales: 500,
            min_improvement: 0.002,
            market: MarketParams::default(),
            calibration: CalibrationParams::default(),
            elastic_net: ElasticNetParams::default(),
            boosted_trees: BoostedTreesParams::default(),
        }
    }
}

/// Why there is no new model.
#[derive(Debug, Error)]
pub enum TrainingError {
    /// Too few sales before the date.
    #[error("{found} sales before {as_of} are too few to train on, training.min_sales is {needed}")]
    TooFewSales {
        /// Sales before the date.
        found: usize,
        /// The date, event time.
        as_of: crate::date::EventDate,
        /// Fewest accepted.
        needed: usize,
    },
    /// Too few sales before or after the date that a model was trained through.
    #[error(
        "{before} sales up to the date that the model was trained through and {after} after it: \
         {needed} are needed on either side; set --trained-through or add sales"
    )]
    Sides {
        /// Sales up to the date.
        before: usize,
        /// Sales after it.
        after: usize,
        /// Fewest accepted on either side.
        needed: usize,
    },
    /// A training parameter is out of range.
    #[error("training.{name} is {value}, expected {expected}")]
    Parameter {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The accepted range.
        expected: &'static str,
    },
    /// A market parameter is out of range.
    #[error(transparent)]
    Market(#[from] InvalidMarketParam),
    /// A calibration parameter is out of range.
    #[error(transparent)]
    Calibration(#[from] InvalidCalibrationParam),
    /// A strategy could not learn.
    #[error("strategy {strategy}: {source}")]
    Fit {
        /// Name of the strategy.
        strategy: &'static str,
        /// What was wrong.
        source: FitError,
    },
    /// The training data cannot be profiled.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// No strategy is configured.
    #[error("training.strategies is empty: name elastic_net, boosted_trees, linear_trees or blend")]
    NoStrategy,
}

impl TrainingParams {
    /// Checks every parameter against its range.
    ///
    /// # Errors
    /// The first [`TrainingError`] found.
    pub fn check(&self) -> Result<(), TrainingError> {
        let fail = |name, value, expected| Err(TrainingError::Parameter { name, value, expected });
        if self.strategies.is_empty() {
            return Err(TrainingError::NoStrategy);
        }
        if !(0.05..=0.5).contains(&self.holdout_share) {
            return fail("holdout_share", self.holdout_share, "0.05 to 0.5");
        }
        if !(1..=64).contains(&self.threads) {
            return fail("threads", f64::from(self.threads), "1 to 64");
        }
        if self.min_sales < 200 {
            return fail("min_sales", self.min_sales as f64, "200 or more");
        }
        if !(0.0..=0.5).contains(&self.min_improvement) {
            return fail("min_improvement", self.min_improvement, "0 to 0.5");
        }
        self.market.check()?;
        self.calibration.check()?;
        let fit = |strategy| move |source| TrainingError::Fit { strategy, source };
        self.elastic_net.clone().check().map_err(fit("elastic_net"))?;
        self.boosted_trees.clone().check().map_err(fit("boosted_trees"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
