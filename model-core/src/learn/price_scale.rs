//! Trees that predict something else than the natural log of the price.

use serde::{Deserialize, Serialize};

use super::error::InvalidModel;
use super::model::FittedModel;
use super::trees::FlatTrees;

/// Largest log of a log of a price: e^22,026 is more than any price, and nothing overflows.
const MAX_EXPONENT: f64 = 10.0;
/// Scores nearer to each other than this share are told apart by the slope.
const NEAR: f64 = 1e-7;

/// What a model's sum of leaves is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The target.
    Identity,
    /// The natural log of the target.
    Log,
}

/// What the person who trained a model made its target of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// `np.log(price)`.
    LogPrice,
    /// `np.log1p(price)`.
    Log1pPrice,
    /// The price itself.
    Price,
}

/// What the sum of leaves is, hence how the log of the price follows from it.
///
/// No price is below 1 unit of its currency: the log is 0 at least, whatever the trees say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PriceScale {
    /// The log of the price itself.
    LogPrice,
    /// `ln(1 + price)`.
    Log1pPrice,
    /// The price.
    Price,
    /// The log of the log of the price.
    LogOfLogPrice,
    /// The log of `ln(1 + price)`.
    LogOfLog1pPrice,
}

impl PriceScale {
    /// Of a model with `link` that was trained on `target`.
    pub fn of(link: Link, target: Target) -> Self {
        match (link, target) {
            // the log of the expected price, and the expected log of the price
            (Link::Log, Target::Price) | (Link::Identity, Target::LogPrice) => Self::LogPrice,
            (Link::Identity, Target::Log1pPrice) => Self::Log1pPrice,
            (Link::Identity, Target::Price) => Self::Price,
            (Link::Log, Target::LogPrice) => Self::LogOfLogPrice,
            (Link::Log, Target::Log1pPrice) => Self::LogOfLog1pPrice,
        }
    }

    /// The predictor that reads `trees` on this scale.
    pub fn wrap(self, trees: FlatTrees) -> FittedModel {
        match self {
            Self::LogPrice => FittedModel::BoostedTrees(trees),
            scale => FittedModel::ScaledTrees(ScaledTrees { scale, trees }),
        }
    }

    /// The natural log of the price that a score stands for; increasing.
    fn log_price(self, score: f64) -> f64 {
        match self {
            Self::LogPrice => score,
            Self::Log1pPrice => log_of_expm1(score),
            Self::Price => score.max(1.0).ln(),
            Self::LogOfLogPrice => score.min(MAX_EXPONENT).exp(),
            Self::LogOfLog1pPrice => log_of_expm1(score.min(MAX_EXPONENT).exp()),
        }
    }

    /// The derivative of [`Self::log_price`].
    fn slope(self, score: f64) -> f64 {
        let of_expm1 = |y: f64| if log_of_expm1(y) > 0.0 { 1.0 / -(-y).exp_m1() } else { 0.0 };
        match self {
            Self::LogPrice => 1.0,
            Self::Log1pPrice => of_expm1(score),
            Self::Price if score > 1.0 => 1.0 / score,
            Self::Price => 0.0,
            Self::LogOfLogPrice | Self::LogOfLog1pPrice if score > MAX_EXPONENT => 0.0,
            Self::LogOfLogPrice => score.exp(),
            Self::LogOfLog1pPrice => {
                let inner = score.exp();
                inner * of_expm1(inner)
            }
        }
    }
}

/// `ln(exp(y) - 1)`, at least 0.
fn log_of_expm1(y: f64) -> f64 {
    if y <= std::f64::consts::LN_2 { 0.0 } else { (y + (-(-y).exp()).ln_1p()).max(0.0) }
}

/// Trees whose sum becomes the log of the price by a [`PriceScale`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaledTrees {
    scale: PriceScale,
    trees: FlatTrees,
}

impl ScaledTrees {
    /// What the trees' sum is.
    pub fn scale(&self) -> PriceScale {
        self.scale
    }

    /// The trees, which predict on that scale.
    pub fn trees(&self) -> &FlatTrees {
        &self.trees
    }

    /// See [`FittedModel::predict`].
    pub fn predict(&self, row: &[f64]) -> f64 {
        self.scale.log_price(self.trees.predict(row))
    }

    /// See [`FittedModel::contributions`].
    pub fn contributions(&self, row: &[f64], out: &mut [f64]) -> f64 {
        let base = self.trees.contributions(row, out);
        self.rescale(self.trees.predict(row), base, out)
    }

    /// See [`FittedModel::shap`].
    pub fn shap(&self, row: &[f64], out: &mut [f64]) -> f64 {
        let base = self.trees.shap(row, out);
        self.rescale(self.trees.predict(row), base, out)
    }

    /// Turns parts of a score into parts of the log price: all are multiplied by the slope of
    /// the chord from the base to the score, so that base and parts add up and keep their
    /// proportions. Returns the base's log price.
    fn rescale(&self, score: f64, base: f64, out: &mut [f64]) -> f64 {
        let log_base = self.scale.log_price(base);
        let near = (score - base).abs() <= NEAR * score.abs().max(1.0);
        let slope = if near {
            self.scale.slope(score)
        } else {
            (self.scale.log_price(score) - log_base) / (score - base)
        };
        out.iter_mut().for_each(|part| *part *= slope);
        log_base
    }

    /// See [`FittedModel::validate`].
    ///
    /// # Errors
    /// The first [`InvalidModel`] found.
    pub fn validate(&self) -> Result<(), InvalidModel> {
        self.trees.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::super::builder::{BuildNode, Rule, TreeBuilder};
    use super::*;

    const SCALES: [PriceScale; 5] = [
        PriceScale::LogPrice,
        PriceScale::Log1pPrice,
        PriceScale::Price,
        PriceScale::LogOfLogPrice,
        PriceScale::LogOfLog1pPrice,
    ];

    fn two_leaves(low: f64, high: f64) -> FlatTrees {
        let leaf = |value, cover| BuildNode::Leaf { value, cover };
        let rule = Rule::Threshold { at: 0.0, default_left: true };
        let split = BuildNode::Split { feature: 0, rule, left: 1, right: 2, gain: 1.0 };
        let mut builder = TreeBuilder::new(1, 0.0);
        builder.push_tree(&[split, leaf(low, 3.0), leaf(high, 1.0)]).unwrap();
        builder.finish().unwrap()
    }

    #[test]
    fn a_score_becomes_the_log_of_the_price() {
        let price = 123_456.0_f64;
        let cases = [
            (Link::Identity, Target::LogPrice, price.ln()),
            (Link::Identity, Target::Log1pPrice, price.ln_1p()),
            (Link::Identity, Target::Price, price),
            (Link::Log, Target::LogPrice, price.ln().ln()),
            (Link::Log, Target::Log1pPrice, price.ln_1p().ln()),
            (Link::Log, Target::Price, price.ln()),
        ];
        for (link, target, score) in cases {
            let found = PriceScale::of(link, target).log_price(score);
            assert!((found - price.ln()).abs() < 1e-12, "{link:?} {target:?}: {found}");
        }
    }

    #[test]
    fn any_score_gives_a_finite_price_of_one_at_least() {
        for scale in &SCALES[1..] {
            for score in [-1e100, -1.0, 0.0, 0.5, 0.7, 1.0, 30.0, 1e5, 1e100] {
                let log = scale.log_price(score);
                assert!(log.is_finite() && log >= 0.0, "{scale:?} {score}: {log}");
                assert!(scale.slope(score).is_finite(), "{scale:?} {score}");
            }
        }
    }

    #[test]
    fn base_and_parts_add_up_to_the_log_of_the_price() {
        for scale in SCALES {
            for (low, high) in [(2.0, 3.0), (-5.0, 2.5), (2.0, 2.0 + 1e-9)] {
                let model = scale.wrap(two_leaves(low, high));
                for row in [[-1.0], [1.0]] {
                    let mut out = [0.0];
                    let predicted = model.predict(&row);
                    for base in [model.contributions(&row, &mut out), model.shap(&row, &mut out)] {
                        let sum = base + out[0];
                        assert!(
                            (sum - predicted).abs() < 1e-9 * predicted.abs().max(1.0),
                            "{scale:?}"
                        );
                    }
                }
            }
        }
    }
}
