//! Our trees as LightGBM's text.

use std::fmt::Write as _;

use super::super::error::ExportError;
use super::super::names::underscored;
use crate::learn::{BuildNode, ColumnKind, FittedModel, FlatTrees, Rule};

/// Largest number: what goes left whatever it is.
const ANYTHING: f64 = f64::MAX;
const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;
const NAN_IS_MISSING: u8 = 2 << 2;

/// Writes trees as a LightGBM model (`version=v4`, `objective=regression`), which predicts what
/// they predict, number for number: the log of the price, or of scaled trees the score on their
/// scale. LightGBM adds leaves in 64 bits: trees in [`Precision::Single`](crate::learn::Precision)
/// predict there what they do here within about 1e-6.
///
/// `names` and `kinds` have the columns' shape `(n_features,)`; blanks in names become
/// underscores, as LightGBM has it. LightGBM sends missing and unseen categories right; where
/// ours go left, children change places and the set becomes its complement. Rows are counted in
/// `leaf_count`, so LightGBM's own `pred_contrib` gives the same Shapley values.
///
/// # Errors
/// [`ExportError`] for a model that is not made of trees, or names of another number.
pub fn write(
    model: &FittedModel,
    names: &[&str],
    kinds: &[ColumnKind],
) -> Result<String, ExportError> {
    let trees = match model {
        FittedModel::BoostedTrees(trees) => trees,
        FittedModel::ScaledTrees(scaled) => scaled.trees(),
        FittedModel::ElasticNet(_) => return Err(ExportError::NotTrees("an elastic net")),
        FittedModel::Additive { .. } => {
            return Err(ExportError::NotTrees("a linear model and trees"));
        }
    };
    let columns = trees.n_features();
    if names.len() != columns || kinds.len() != columns {
        return Err(ExportError::Names { names: names.len().min(kinds.len()), columns });
    }
    let mut blocks = vec![constant(trees.base())];
    let gains = gain_per_split(trees);
    for index in 0..trees.n_trees() {
        blocks.push(Block::of(&trees.tree(index), &gains).write());
    }
    let blocks: Vec<String> =
        blocks.iter().enumerate().map(|(i, block)| format!("Tree={i}\n{block}\n\n")).collect();
    let infos: Vec<String> = kinds
        .iter()
        .map(|kind| match kind {
            ColumnKind::Numeric => "[-inf:inf]".to_owned(),
            ColumnKind::Categorical { levels } => {
                join((0..*levels).map(|code| code.to_string()), ":")
            }
        })
        .collect();
    let mut text =
        String::from("tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n");
    let names = names.iter().map(|name| underscored(name));
    let sizes = blocks.iter().map(|block| block.len().to_string());
    // writing to a String cannot fail
    let _ = write!(
        text,
        "max_feature_idx={}\nobjective=regression\nfeature_names={}\nfeature_infos={}\n\
         tree_sizes={}\n\n",
        columns.saturating_sub(1),
        join(names, " "),
        infos.join(" "),
        join(sizes, " "),
    );
    blocks.iter().for_each(|block| text.push_str(block));
    text.push_str(
        "end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n\n\
         pandas_categorical:null\n",
    );
    Ok(text)
}

/// A tree of one leaf.
fn constant(value: f64) -> String {
    format!(
        "num_leaves=1\nnum_cat=0\nleaf_value={value:?}\nleaf_count=0\nis_linear=0\nshrinkage=1\n"
    )
}

/// Gain of a column's splits, shared among them.
fn gain_per_split(trees: &FlatTrees) -> Vec<f64> {
    let mut counts = vec![0.0; trees.n_features()];
    for index in 0..trees.n_trees() {
        for node in trees.tree(index) {
            if let BuildNode::Split { feature, .. } = node {
                counts[feature] += 1.0;
            }
        }
    }
    trees.gains().iter().zip(counts).map(|(gain, n)| if n > 0.0 { gain / n } else { 0.0 }).collect()
}

/// The arrays of one tree.
#[derive(Default)]
struct Block {
    features: Vec<String>,
    gains: Vec<String>,
    thresholds: Vec<String>,
    kinds: Vec<String>,
    lefts: Vec<String>,
    rights: Vec<String>,
    values: Vec<String>,
    covers: Vec<f64>,
    inner_values: Vec<String>,
    inner_covers: Vec<f64>,
    boundaries: Vec<usize>,
    words: Vec<String>,
}

impl Block {
    /// `nodes` stand behind their parents, the first is the root.
    fn of(nodes: &[BuildNode], gains: &[f64]) -> Self {
        let mut block = Self { boundaries: vec![0], ..Self::default() };
        // LightGBM's index: splits from 0 up, leaves from -1 down
        let (mut splits, mut leaves) = (0_i64, 0_i64);
        let told: Vec<i64> = nodes
            .iter()
            .map(|node| match node {
                BuildNode::Leaf { .. } => {
                    leaves -= 1;
                    leaves
                }
                BuildNode::Split { .. } => {
                    splits += 1;
                    splits - 1
                }
            })
            .collect();
        let averages = averages(nodes);
        for (node, (value, cover)) in nodes.iter().zip(averages) {
            match node {
                BuildNode::Leaf { value, cover } => {
                    block.values.push(format!("{value:?}"));
                    block.covers.push(*cover);
                }
                BuildNode::Split { feature, rule, left, right, .. } => {
                    let swapped = block.rule(rule);
                    let (left, right) = if swapped { (*right, *left) } else { (*left, *right) };
                    block.features.push(feature.to_string());
                    block.gains.push(format!("{:?}", gains[*feature]));
                    block.lefts.push(told[left].to_string());
                    block.rights.push(told[right].to_string());
                    block.inner_values.push(format!("{value:?}"));
                    block.inner_covers.push(cover);
                }
            }
        }
        block
    }

    /// Adds threshold and kind; says whether the children change places.
    fn rule(&mut self, rule: &Rule) -> bool {
        match rule {
            Rule::Threshold { at, default_left } => {
                self.thresholds.push(format!("{:?}", at.clamp(-ANYTHING, ANYTHING)));
                let side = if *default_left { DEFAULT_LEFT } else { 0 };
                self.kinds.push((NAN_IS_MISSING | side).to_string());
                false
            }
            Rule::Categories { left, default_left } => {
                let flip = if *default_left { u64::MAX } else { 0 };
                self.thresholds.push((self.boundaries.len() - 1).to_string());
                self.kinds.push((CATEGORICAL | NAN_IS_MISSING).to_string());
                for word in left.iter().map(|word| word ^ flip) {
                    self.words.push((word & u64::from(u32::MAX)).to_string());
                    self.words.push((word >> 32).to_string());
                }
                if left.is_empty() {
                    self.words.push("0".into());
                }
                self.boundaries.push(self.words.len());
                *default_left
            }
        }
    }

    fn write(&self) -> String {
        let rounded =
            |covers: &[f64]| join(covers.iter().map(|c| format!("{:.0}", c.round())), " ");
        let weights = |covers: &[f64]| join(covers.iter().map(|c| format!("{c:?}")), " ");
        let mut lines = vec![
            format!("num_leaves={}", self.values.len()),
            format!("num_cat={}", self.boundaries.len() - 1),
            format!("split_feature={}", self.features.join(" ")),
            format!("split_gain={}", self.gains.join(" ")),
            format!("threshold={}", self.thresholds.join(" ")),
            format!("decision_type={}", self.kinds.join(" ")),
            format!("left_child={}", self.lefts.join(" ")),
            format!("right_child={}", self.rights.join(" ")),
            format!("leaf_value={}", self.values.join(" ")),
            format!("leaf_weight={}", weights(&self.covers)),
            format!("leaf_count={}", rounded(&self.covers)),
            format!("internal_value={}", self.inner_values.join(" ")),
            format!("internal_weight={}", weights(&self.inner_covers)),
            format!("internal_count={}", rounded(&self.inner_covers)),
        ];
        if self.boundaries.len() > 1 {
            let boundaries = self.boundaries.iter().map(ToString::to_string);
            lines.push(format!("cat_boundaries={}", join(boundaries, " ")));
            lines.push(format!("cat_threshold={}", self.words.join(" ")));
        }
        lines.push("is_linear=0\nshrinkage=1\n".into());
        lines.join("\n")
    }
}

/// Average value and cover of every node; children stand behind their parents.
fn averages(nodes: &[BuildNode]) -> Vec<(f64, f64)> {
    let mut all = vec![(0.0, 0.0); nodes.len()];
    for (at, node) in nodes.iter().enumerate().rev() {
        all[at] = match node {
            BuildNode::Leaf { value, cover } => (*value, *cover),
            BuildNode::Split { left, right, .. } => {
                let ((a, m), (b, n)) = (all[*left], all[*right]);
                let share = if m + n > 0.0 { m / (m + n) } else { 0.5 };
                (share * a + (1.0 - share) * b, m + n)
            }
        };
    }
    all
}

fn join(words: impl Iterator<Item = String>, by: &str) -> String {
    words.collect::<Vec<_>>().join(by)
}
