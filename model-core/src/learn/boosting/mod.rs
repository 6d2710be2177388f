//! Histogram gradient boosting with categorical splits and missing values, after LightGBM
//! (Ke et al., "LightGBM: a highly efficient gradient boosting decision tree", 2017).
//!
//! | file | what |
//! |---|---|
//! | `params` | parameters and their ranges |
//! | `binning` | columns to bytes |
//! | `histogram` | exact sums of gradients by bin |
//! | `split` | the best split of one histogram |
//! | `grow` | one tree |
//! | `pack` | grown trees to [`FlatTrees`] |
//!
//! Everything runs on one thread: at ten thousands of rows a tree takes about a millisecond, less
//! than threads need to share it well.

mod binning;
mod grow;
mod histogram;
mod loss;
mod pack;
mod params;
mod split;

pub use loss::Loss;
pub use params::BoostedTreesParams;

use super::check::{check_data, check_rows};
use super::error::FitError;
use super::model::FittedModel;
use super::{ColumnKind, Strategy, TrainingData};
use crate::random::SplitMix64;
use binning::{BinnedColumns, ColumnBins, find_bins};
use grow::{GrowRules, Grower, GrownTree, Round};
use split::SplitRules;

/// Most levels of a categorical column.
const MAX_LEVELS: usize = 1 << 16;
const MAX_COLUMNS: usize = 1 << 16;

/// The strategy `boosted_trees`: checked [`BoostedTreesParams`].
#[derive(Clone, Debug, PartialEq)]
pub struct BoostedTrees {
    params: BoostedTreesParams,
}

impl BoostedTrees {
    /// The checked parameters.
    pub fn params(&self) -> &BoostedTreesParams {
        &self.params
    }

    fn grow_rules(&self) -> GrowRules {
        let params = &self.params;
        GrowRules {
            num_leaves: params.num_leaves as usize,
            max_depth: params.max_depth,
            min_split_gain: params.min_split_gain,
            learning_rate: params.learning_rate,
            loss: params.loss,
            split: SplitRules {
                min_child_rows: i64::from(params.min_child_rows),
                lambda: params.lambda_l2,
                cat_l2: params.cat_l2,
                cat_smooth: params.cat_smooth,
                max_cat_threshold: params.max_cat_threshold as usize,
                min_cat_group_rows: i64::from(params.min_cat_group_rows),
                one_hot_max_categories: params.one_hot_max_categories as usize,
            },
        }
    }

    /// Grows the trees, the validation part deciding how many are kept.
    fn boost(
        &self,
        columns: &[ColumnBins],
        train: &TrainingData<'_>,
        validation: Option<&TrainingData<'_>>,
    ) -> (f64, Vec<GrownTree>) {
        let loss = self.params.loss;
        let base = loss.start(train.target);
        let binned = BinnedColumns::new(train.features, columns);
        let mut watch = validation.map(|part| Watch::new(part, columns, base, loss));
        let mut sampler = Sampler::new(&self.params, &binned, columns.len());
        let mut grower = Grower::new(columns, &binned, self.grow_rules());
        let mut scores = vec![base; binned.n_rows()];
        let mut gradients = vec![0.0; binned.n_rows()];
        let mut trees = Vec::new();
        for round in 0..self.params.rounds {
            sampler.draw(round);
            for ((gradient, score), value) in gradients.iter_mut().zip(&scores).zip(train.target) {
                *gradient = loss.gradient(score - value);
            }
            let (bag, columns) = (&sampler.bag, &sampler.columns);
            let on = Round { bag, columns, gradients: &gradients };
            let tree = grower.grow(&on, train.target, &mut scores);
            for &row in &sampler.out_of_bag {
                scores[row as usize] += tree.value(&binned, row as usize);
            }
            let worse_for = watch.as_mut().map_or(0, |watch| watch.add(&tree));
            trees.push(tree);
            let patience = self.params.early_stopping_rounds;
            if patience > 0 && worse_for >= patience {
                break;
            }
        }
        if let (Some(watch), true) = (watch, self.params.early_stopping_rounds > 0) {
            trees.truncate(watch.best_round);
        }
        (base, trees)
    }
}

impl Strategy for BoostedTrees {
    fn name(&self) -> &'static str {
        "boosted_trees"
    }

    fn fit(
        &self,
        train: &TrainingData<'_>,
        validation: Option<&TrainingData<'_>>,
    ) -> Result<FittedModel, FitError> {
        check_data(train, validation)?;
        check_rows(train, 2 * self.params.min_child_rows as usize)?;
        check_sizes(train)?;
        let columns = find_bins(
            train.features,
            train.kinds,
            self.params.max_bins as usize,
            self.params.min_bin_rows as usize,
        );
        let (base, trees) = self.boost(&columns, train, validation);
        pack::pack(base, &trees, &columns).map(FittedModel::BoostedTrees)
    }
}

/// The validation part while trees are added.
struct Watch<'a> {
    target: &'a [f64],
    binned: BinnedColumns,
    scores: Vec<f64>,
    loss: Loss,
    rounds: usize,
    best_loss: f64,
    best_round: usize,
}

impl<'a> Watch<'a> {
    fn new(part: &TrainingData<'a>, columns: &[ColumnBins], base: f64, loss: Loss) -> Self {
        let scores = vec![base; part.target.len()];
        let best_loss = loss.mean(&scores, part.target);
        let binned = BinnedColumns::new(part.features, columns);
        Self { target: part.target, binned, scores, loss, rounds: 0, best_loss, best_round: 0 }
    }

    /// Adds a tree and returns for how many rounds the loss has not been better than its best.
    fn add(&mut self, tree: &GrownTree) -> u32 {
        for (row, score) in self.scores.iter_mut().enumerate() {
            *score += tree.value(&self.binned, row);
        }
        self.rounds += 1;
        let loss = self.loss.mean(&self.scores, self.target);
        if loss < self.best_loss {
            (self.best_loss, self.best_round) = (loss, self.rounds);
        }
        (self.rounds - self.best_round) as u32
    }
}

/// Draws the rows and columns of each round.
struct Sampler {
    generator: [SplitMix64; 2],
    n_rows: u32,
    bag_rows: u32,
    bagging_freq: u32,
    /// Columns with something to split on.
    usable: Vec<u32>,
    n_columns: u32,
    bag: Vec<u32>,
    out_of_bag: Vec<u32>,
    columns: Vec<u32>,
    unused: Vec<u32>,
}

impl Sampler {
    fn new(params: &BoostedTreesParams, binned: &BinnedColumns, n_columns: usize) -> Self {
        let n_rows = binned.n_rows();
        let varies = |&column: &u32| {
            let bins = binned.column(column as usize);
            bins.iter().any(|bin| *bin != bins[0])
        };
        let usable: Vec<u32> = (0..n_columns as u32).filter(varies).collect();
        let n_columns = (params.feature_fraction * usable.len() as f64).round().max(1.0) as u32;
        let all = params.bagging_freq == 0 || params.bagging_fraction >= 1.0;
        let bag_rows = (params.bagging_fraction * n_rows as f64).round().max(1.0) as u32;
        Self {
            generator: [SplitMix64::new(params.seed, 1), SplitMix64::new(params.seed, 2)],
            n_rows: n_rows as u32,
            bag_rows: if all { n_rows as u32 } else { bag_rows },
            bagging_freq: if all { 0 } else { params.bagging_freq },
            usable,
            n_columns,
            bag: (0..n_rows as u32).collect(),
            out_of_bag: Vec::new(),
            columns: Vec::new(),
            unused: Vec::new(),
        }
    }

    fn draw(&mut self, round: u32) {
        let [rows, columns] = &mut self.generator;
        if self.bagging_freq > 0 && round.is_multiple_of(self.bagging_freq) {
            rows.choose(self.n_rows, self.bag_rows, &mut self.bag, &mut self.out_of_bag);
        }
        let n_usable = self.usable.len() as u32;
        columns.choose(n_usable, self.n_columns, &mut self.columns, &mut self.unused);
        self.columns.iter_mut().for_each(|column| *column = self.usable[*column as usize]);
    }
}

fn check_sizes(train: &TrainingData<'_>) -> Result<(), FitError> {
    let levels = train.kinds.iter().map(|kind| match kind {
        ColumnKind::Numeric => 0,
        ColumnKind::Categorical { levels } => *levels as usize,
    });
    let sizes = [
        ("training rows", train.features.n_rows(), histogram::MAX_ROWS),
        ("columns", train.features.n_cols(), MAX_COLUMNS),
        ("levels of a categorical column", levels.max().unwrap_or_default(), MAX_LEVELS),
    ];
    match sizes.into_iter().find(|(_, found, maximum)| found > maximum) {
        Some((what, found, maximum)) => Err(FitError::TooMany { what, found, maximum }),
        None => Ok(()),
    }
}
