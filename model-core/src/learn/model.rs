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
    /// The sum of a linear model and of trees over the same columns.
    Additive {
        /// The linear part.
        linear: ElasticNetModel,
        /// The part that the line leaves.
        trees: FlatTrees,
    },
    /// Imported trees that predict on another scale than the log of the price.
    ScaledTrees(ScaledTrees),
}

/// A prediction and where its contributions start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Explained {
    /// What [`FittedModel::predict`] returns, bit for bit.
    pub prediction: f64,
    /// What [`FittedModel::contributions`] returns.
    pub base: f64,
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
            Self::Additive { linear, trees } => linear.predict(row) + trees.predict(row),
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
            Self::Additive { linear, trees } => {
                trees.contributions(row, out) + linear.add_contributions(row, out)
            }
            Self::ScaledTrees(model) => model.contributions(row, out),
        }
    }

    /// [`FittedModel::predict`] and [`FittedModel::contributions`] for the price of one.
    pub fn explain(&self, row: &[f64], out: &mut [f64]) -> Explained {
        match self {
            Self::ElasticNet(model) => {
                let base = model.contributions(row, out);
                Explained { prediction: model.predict(row), base }
            }
            Self::BoostedTrees(trees) => trees.explain(row, out),
            Self::ScaledTrees(model) => {
                let base = model.contributions(row, out);
                Explained { prediction: model.predict(row), base }
            }
            Self::Additive { linear, trees } => {
                let of_trees = trees.explain(row, out);
                let base = of_trees.base + linear.add_contributions(row, out);
                Explained { prediction: linear.predict(row) + of_trees.prediction, base }
            }
        }
    }

    /// [`FittedModel::explain`] of several rows, the same bit for bit, for less than the price of
    /// each: `outs` has shape `(rows.len(), width)`.
    pub fn explain_batch(&self, rows: &[&[f64]], outs: &mut [f64], width: usize) -> Vec<Explained> {
        match self {
            Self::BoostedTrees(trees) => trees.explain_batch(rows, outs, width),
            Self::Additive { linear, trees } => {
                let mut explained = trees.explain_batch(rows, outs, width);
                let each = explained.iter_mut().zip(rows).zip(outs.chunks_mut(width.max(1)));
                for ((explained, row), out) in each {
                    explained.base += linear.add_contributions(row, out);
                    explained.prediction += linear.predict(row);
                }
                explained
            }
            Self::ElasticNet(_) | Self::ScaledTrees(_) => rows
                .iter()
                .zip(outs.chunks_mut(width.max(1)))
                .map(|(row, out)| self.explain(row, out))
                .collect(),
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
            Self::Additive { linear, trees } => {
                trees.shap(row, out) + linear.add_contributions(row, out)
            }
        }
    }

    /// Number of columns the model was trained on.
    pub fn n_features(&self) -> usize {
        match self {
            Self::ElasticNet(model) => model.n_features(),
            Self::BoostedTrees(trees) | Self::Additive { trees, .. } => trees.n_features(),
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
            Self::Additive { linear, trees } => {
                linear.validate()?;
                trees.validate()?;
                let (found, expected) = (linear.n_features(), trees.n_features());
                if found == expected {
                    Ok(())
                } else {
                    Err(InvalidModel::Length { what: "linear columns", found, expected })
                }
            }
            Self::ScaledTrees(model) => model.validate(),
        }
    }

    /// Weight of each column, shape `(n_features,)`, adding up to 1 (all 0 for a constant model).
    ///
    /// Trees: the gain in squared error of all splits on the column. Elastic net: the absolute
    /// coefficient times the standard deviation of what it multiplies. Both: the mean of the two.
    pub fn importance(&self) -> Vec<f64> {
        match self {
            Self::ElasticNet(model) => shares(model.weights()),
            Self::BoostedTrees(trees) => shares(trees.gains().to_vec()),
            Self::ScaledTrees(model) => shares(model.trees().gains().to_vec()),
            Self::Additive { linear, trees } => {
                let linear = shares(linear.weights());
                let both = linear.iter().zip(shares(trees.gains().to_vec())).map(|(a, b)| a + b);
                shares(both.collect())
            }
        }
    }
}

/// Weights divided by their sum, if there is one.
fn shares(mut weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    if total > 0.0 {
        weights.iter_mut().for_each(|weight| *weight /= total);
    }
    weights
}
