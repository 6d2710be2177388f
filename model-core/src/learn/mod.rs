//! Learning a price level from encoded features: one contract, two strategies.
//!
//! A [`Strategy`] turns [`TrainingData`] (features and log prices) into a [`FittedModel`].
//! Parameters are plain values that become a strategy only through `check()`, so a fit never
//! meets a parameter out of range:
//!
//! ```
//! use model_core::learn::{BoostedTreesParams, ColumnKind, FeatureMatrix, Strategy, TrainingData};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut features = FeatureMatrix::new(1);
//! let mut target = Vec::new();
//! for i in 0..100_u8 {
//!     features.push_row(&[f64::from(i)])?;
//!     target.push(if i < 50 { 11.0 } else { 12.0 });
//! }
//! let data = TrainingData { features: &features, target: &target, kinds: &[ColumnKind::Numeric] };
//! let strategy = BoostedTreesParams::default().check()?;
//! let model = strategy.fit(&data, None)?;
//! assert!((model.predict(&[80.0]) - 12.0).abs() < 0.01);
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! - No clock, no environment, no randomness but `seed`: the same data and parameters give the
//!   same model bit for bit. All of it runs on the calling thread.
//! - A missing value is NaN. A category is a code `0..levels` held as `f64`; a code that training
//!   has not seen is priced like a missing one and never refused.
//! - A [`FittedModel`] that was deserialised has passed [`FittedModel::validate`]: damaged bytes
//!   are an error when they are read and never a panic when a home is priced.

mod blend;
mod boosting;
mod builder;
mod check;
mod compiled;
mod cover;
mod elastic_net;
mod error;
mod matrix;
mod model;
mod precision;
mod price_scale;
mod shap;
mod trees;

pub(crate) use builder::{BuildNode, Rule, TreeBuilder};

pub use boosting::{BoostedTrees, BoostedTreesParams, Loss};
pub use elastic_net::{ElasticNet, ElasticNetModel, ElasticNetParams};
pub use error::{FitError, InvalidModel, Part};
pub use matrix::{FeatureMatrix, Rows};
pub use model::{Explained, FittedModel};
pub use precision::Precision;
pub use price_scale::{Link, PriceScale, ScaledTrees, Target};
pub use trees::FlatTrees;

use serde::{Deserialize, Serialize};

/// What the numbers of a feature column mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnKind {
    /// An amount: order and distance mean something.
    Numeric,
    /// A code `0..levels` without order.
    Categorical {
        /// How many codes exist.
        levels: u32,
    },
}

/// Borrowed features and targets of one part (training or validation).
#[derive(Clone, Copy, Debug)]
pub struct TrainingData<'a> {
    /// Encoded features, shape `(n_rows, n_cols)`.
    pub features: &'a FeatureMatrix,
    /// What is learned, shape `(n_rows,)`: the logarithm of the price.
    pub target: &'a [f64],
    /// What each column holds, shape `(n_cols,)`.
    pub kinds: &'a [ColumnKind],
}

/// A way to learn a [`FittedModel`] from data.
pub trait Strategy {
    /// Stable name, as it stands in configuration and in the model registry.
    fn name(&self) -> &'static str;

    /// Learns from `train`; `validation` chooses what training alone cannot (the number of
    /// trees, the penalty).
    ///
    /// Validation codes that are out of range count as missing, as they do in a prediction.
    ///
    /// # Errors
    ///
    /// A [`FitError`] that names the part, row or column that cannot be learned from.
    fn fit(
        &self,
        train: &TrainingData<'_>,
        validation: Option<&TrainingData<'_>>,
    ) -> Result<FittedModel, FitError>;
}

#[cfg(test)]
mod tests;
