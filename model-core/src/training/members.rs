//! What the strategies are made of: each part is fitted once, whichever strategies use it.
//!
//! | strategy | parts |
//! |---|---|
//! | `elastic_net` | the linear model |
//! | `boosted_trees` | the trees |
//! | `linear_trees` | the linear model and trees of what it leaves |
//! | `blend` | a third of `boosted_trees` and two thirds of `linear_trees` |
//!
//! Trees cannot see beyond the prices and dates they learned from, a line can; trees of what
//! the line leaves correct it everywhere else. The two kinds err differently: a
//! weighted mean is better than either.

use super::{StrategyName, TrainingError, TrainingParams};
use crate::learn::{ElasticNetModel, FitError, FittedModel, FlatTrees, Strategy, TrainingData};

/// Fitted parts.
pub(super) struct Members {
    linear: Option<ElasticNetModel>,
    penalty: Option<f64>,
    trees: Option<FlatTrees>,
    remainder: Option<FlatTrees>,
}

/// What a validation part chose: the linear model's penalty and numbers of trees.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choices {
    penalty: Option<f64>,
    trees: Option<u32>,
    remainder: Option<u32>,
}

impl Members {
    /// Fits the parts that `strategies` need. What `choices` leaves
    /// open `validation` chooses. With two threads the trees are fitted beside the rest: each
    /// part is fitted on one thread, so the result is the same.
    ///
    /// # Errors
    /// [`TrainingError::Fit`] with the strategy that cannot learn from the data.
    pub(super) fn fit(
        strategies: &[StrategyName],
        train: &TrainingData<'_>,
        validation: &TrainingData<'_>,
        choices: Choices,
        params: &TrainingParams,
    ) -> Result<Self, TrainingError> {
        use StrategyName::{Blend, BoostedTrees, ElasticNet, LinearTrees};
        let needs = |users: &[StrategyName]| strategies.iter().any(|name| users.contains(name));
        let fit_trees = || {
            needs(&[BoostedTrees, Blend])
                .then(|| boost("boosted_trees", 0, train, validation, choices.trees, params))
                .transpose()
        };
        let fit_linear = || -> Result<_, TrainingError> {
            if !needs(&[ElasticNet, LinearTrees, Blend]) {
                return Ok((None, None, None));
            }
            let (linear, penalty) = fit_linear(train, validation, choices.penalty, params)?;
            if !needs(&[LinearTrees, Blend]) {
                return Ok((Some(linear), Some(penalty), None));
            }
            let left = |part: &TrainingData<'_>| -> Vec<f64> {
                part.features
                    .rows()
                    .zip(part.target)
                    .map(|(row, target)| target - linear.predict(row))
                    .collect()
            };
            let (of_train, of_validation) = (left(train), left(validation));
            let train = TrainingData { target: &of_train, ..*train };
            let validation = TrainingData { target: &of_validation, ..*validation };
            let rounds = choices.remainder;
            let remainder = boost("linear_trees", 1, &train, &validation, rounds, params)?;
            Ok((Some(linear), Some(penalty), Some(remainder)))
        };
        let (trees, linear) = if params.threads > 1 {
            std::thread::scope(|scope| {
                let trees = scope.spawn(fit_trees);
                let linear = fit_linear();
                (trees.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), linear)
            })
        } else {
            (fit_trees(), fit_linear())
        };
        let (linear, penalty, remainder) = linear?;
        Ok(Self { linear, penalty, trees: trees?, remainder })
    }

    /// The penalty and the numbers of trees that the parts have.
    pub(super) fn choices(&self) -> Choices {
        let count = |trees: &FlatTrees| u32::try_from(trees.n_trees()).unwrap_or(u32::MAX).max(1);
        Choices {
            penalty: self.penalty,
            trees: self.trees.as_ref().map(count),
            remainder: self.remainder.as_ref().map(count),
        }
    }

    /// The model of one of the strategies that the parts were fitted for.
    ///
    /// # Errors
    /// [`TrainingError::Fit`] when the parts do not make a model together.
    pub(super) fn model(&self, strategy: StrategyName) -> Result<FittedModel, TrainingError> {
        let model = match (strategy, &self.linear, &self.trees, &self.remainder) {
            (StrategyName::ElasticNet, Some(linear), _, _) => {
                FittedModel::ElasticNet(linear.clone())
            }
            (StrategyName::BoostedTrees, _, Some(trees), _) => {
                FittedModel::BoostedTrees(trees.clone())
            }
            (StrategyName::LinearTrees, Some(linear), _, Some(trees)) => {
                FittedModel::Additive { linear: linear.clone(), trees: trees.clone() }
            }
            (StrategyName::Blend, Some(linear), Some(trees), Some(remainder)) => {
                FittedModel::blend(trees, linear, remainder)
                    .map_err(|error| unusable(strategy.name(), error.to_string()))?
            }
            _ => return Err(TrainingError::NoStrategy),
        };
        Ok(model)
    }
}

fn fit_linear(
    train: &TrainingData<'_>,
    validation: &TrainingData<'_>,
    penalty: Option<f64>,
    params: &TrainingParams,
) -> Result<(ElasticNetModel, f64), TrainingError> {
    let fit = |source| TrainingError::Fit { strategy: "elastic_net", source };
    let mut linear = params.elastic_net.clone();
    if let Some(penalty) = penalty {
        linear.candidates = vec![penalty];
    }
    linear.check().map_err(fit)?.fit_choosing(train, Some(validation)).map_err(fit)
}

/// Fits trees for `strategy`; `shift` makes the draws of two ensembles differ.
fn boost(
    strategy: &'static str,
    shift: u64,
    train: &TrainingData<'_>,
    validation: &TrainingData<'_>,
    rounds: Option<u32>,
    params: &TrainingParams,
) -> Result<FlatTrees, TrainingError> {
    let fit = |source| TrainingError::Fit { strategy, source };
    let mut trees = params.boosted_trees.clone();
    trees.seed = trees.seed.wrapping_add(shift);
    let (trees, validation) = match rounds {
        Some(rounds) => (trees.with_rounds(rounds), None),
        None => (trees, Some(validation)),
    };
    match trees.check().map_err(fit)?.fit(train, validation) {
        Ok(FittedModel::BoostedTrees(trees)) => Ok(trees),
        Ok(_) => Err(unusable(strategy, "it made no trees".to_owned())),
        Err(source) => Err(fit(source)),
    }
}

fn unusable(strategy: &'static str, reason: String) -> TrainingError {
    TrainingError::Fit { strategy, source: FitError::Solver { reason } }
}
