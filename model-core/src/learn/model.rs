//! The fitted model, whichever strategy made it.

use serde::{Deserialize, Serialize};

use super::elastic_net::ElasticNetModel;
use super::error::InvalidModel;
use super::price_scale::ScaledTrees;
use super::trees::FlatTrees;

/// What a [`super::Strategy`] learned; serialise it with postcard.
///
/// Deserialising runs [`FittedModel::validate`], so damaged bytes do not become a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FittedModel {
    /// A penalised linear model over standardised features.
    ElasticNet(ElasticNetModel),
    /// A sum of regression trees.
    BoostedTrees(FlatTrees),
    /// Imported trees that predict on another scale than the log of the price.
    ScaledTrees(ScaledTrees),
}

impl FittedModel {
    /// The estimated target (log price) of one row, shape `(n_features,)`.
    ///
    /// Values that a shorter row lacks count as missing, values beyond `n_features` are ignored.
    /// The result is finite for every input.
    pub fn predict(&self, row: &[f64]) -> f64 {
        match self {
            Self::ElasticNet(model) => model.predict(row),
            Self::BoostedTrees(trees) => trees.predict(row),
            Self::ScaledTrees(model) => model.predict(row),
        }
    }

    /// Splits a prediction by column: fills `out`, shape `(n_features,)`, and returns the base.
    ///
    /// `base + sum(out)` equals [`FittedModel::predict`] up to rounding (1e-9). The base is the
    /// average estimate over the training rows. Of an `out` that is longer the rest is set to 0;
    /// an `out` that is shorter loses the contributions of the last columns.
    pub fn contributions(&self, row: &[f64], out: &mut [f64]) -> f64 {
        match self {
            Self::ElasticNet(model) => model.contributions(row, out),
            Self::BoostedTrees(trees) => trees.contributions(row, out),
            Self::ScaledTrees(model) => model.contributions(row, out),
        }
    }

    /// Splits a prediction by column into Shapley values: fills `out`, shape `(n_features,)`, and
    /// returns the expected estimate over the training rows.
    ///
    /// `base + sum(out)` equals [`FittedModel::predict`] up to rounding (1e-9). Trees: exact,
    /// path-dependent TreeSHAP (see [`FlatTrees::shap`]), slower than
    /// [`FittedModel::contributions`] and fair to columns that share a path. Elastic net: a sum
    /// of one effect per column, each centred on its training mean, so that
    /// [`FittedModel::contributions`] are its (interventional) Shapley values already. Of an
    /// `out` of another length see there.
    pub fn shap(&self, row: &[f64], out: &mut [f64]) -> f64 {
        match self {
            Self::ElasticNet(model) => model.contributions(row, out),
            Self::BoostedTrees(trees) => trees.shap(row, out),
            Self::ScaledTrees(model) => model.shap(row, out),
        }
    }

    /// Number of columns the model was trained on.
    pub fn n_features(&self) -> usize {
        match self {
            Self::ElasticNet(model) => model.n_features(),
            Self::BoostedTrees(trees) => trees.n_features(),
            Self::ScaledTrees(model) => model.trees().n_features(),
        }
    }

    /// Checks the structure: indices in range and strictly forward, lengths bounded, numbers
    /// finite.
    ///
    /// # Errors
    ///
    /// The first [`InvalidModel`] found.
    pub fn validate(&self) -> Result<(), InvalidModel> {
        match self {
            Self::ElasticNet(model) => model.validate(),
            Self::BoostedTrees(trees) => trees.validate(),
            Self::ScaledTrees(model) => model.validate(),
        }
    }

    /// Weight of each column, shape `(n_features,)`, adding up to 1 (all 0 for a constant model).
    ///
    /// Trees: the gain in squared error of all splits on the column. Elastic net: the absolute
    /// coefficient times the standard deviation of what it multiplies.
    pub fn importance(&self) -> Vec<f64> {
        let mut weights = match self {
            Self::ElasticNet(model) => model.weights(),
            Self::BoostedTrees(trees) => trees.gains().to_vec(),
            Self::ScaledTrees(model) => model.trees().gains().to_vec(),
        };
        let total: f64 = weights.iter().sum();
        if total > 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= total);
        }
        weights
    }
}
