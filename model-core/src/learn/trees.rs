//! Regression trees in one contiguous node array.
//!
//! Prices are computed from the form of [`super::compiled`]; what has no such form is walked. A
//! node takes 16 bytes. The walks through a block of [`LANES`] trees are interleaved, a step of
//! each in turn, so the processor works on many of them at once; a leaf points to itself, and a
//! walk that has not moved is over and makes room, without a branch that depends on the data.
//! What a node is worth stands apart, in `values`, and is read once per tree, in their order.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::check::category_code;
use super::compiled::Compiled;
use super::cover;
use super::error::InvalidModel;
use super::model::Explained;
use super::precision::{Added, InSingle, Precision, Sum};

/// Trees that are walked at the same time.
const LANES: usize = 64;
/// Missing values (and unseen categories) go left.
pub(super) const DEFAULT_LEFT: u16 = 1;
/// The split is a set of categories, `threshold` the index of the set.
pub(super) const CATEGORICAL: u16 = 2;
/// The node has no children: `left` is the node itself.
pub(super) const LEAF: u16 = 4;
const KNOWN_FLAGS: u16 = DEFAULT_LEFT | CATEGORICAL | LEAF;
pub(super) const MAX_NODES: usize = 1 << 26;
const MAX_FEATURES: usize = 1 << 16;
/// No sum of [`MAX_NODES`] such numbers overflows.
const MAX_MAGNITUDE: f64 = 1e100;
/// No sum of [`MAX_NODES`] such numbers overflows in 32 bits.
const MAX_SINGLE: f64 = 1e30;

/// A split, or a leaf. The right child is `left + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Node {
    /// Values `<= threshold` go left.
    pub(super) threshold: f64,
    pub(super) left: u32,
    pub(super) feature: u16,
    pub(super) flags: u16,
}

/// Which categories go left: bit `code % 64` of word `code / 64`; codes beyond go the default way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CategorySet {
    pub(super) start: u32,
    pub(super) len: u32,
}

/// What is stored of a [`FlatTrees`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TreeParts {
    /// Columns of a row.
    pub(super) n_features: u32,
    /// What the leaves are added in.
    pub(super) precision: Precision,
    /// The estimate before the first tree.
    pub(super) base: f64,
    /// First node of each tree; a tree ends where the next one starts.
    pub(super) roots: Vec<u32>,
    pub(super) nodes: Vec<Node>,
    /// Per node: a leaf's value, or the average of the leaves below weighted by training rows.
    pub(super) values: Vec<f64>,
    /// Per node: weight of the training rows that reach it; a parent's is its children's sum.
    pub(super) covers: Vec<f64>,
    pub(super) sets: Vec<CategorySet>,
    pub(super) words: Vec<u64>,
    /// Per column: gain of its splits.
    pub(super) gains: Vec<f64>,
}

impl TreeParts {
    /// No tree yet, over so many columns.
    pub(super) fn empty(n_features: usize, precision: Precision, base: f64) -> Self {
        Self {
            // What does not fit is refused with the rest of what is wrong with it.
            n_features: u32::try_from(n_features).unwrap_or(u32::MAX),
            precision,
            base,
            roots: Vec::new(),
            nodes: Vec::new(),
            values: Vec::new(),
            covers: Vec::new(),
            sets: Vec::new(),
            words: Vec::new(),
            gains: vec![0.0; n_features],
        }
    }
}

/// A sum of regression trees over raw feature values.
///
/// `x <= threshold` goes left, missing values go the way that was better in training, categories
/// go by membership in a set. A prediction allocates nothing.
#[derive(Clone, Debug)]
pub struct FlatTrees {
    pub(super) parts: TreeParts,
    /// `base` plus the value of every root: the average estimate.
    mean: f64,
    /// Most splits on a way from a root to a leaf.
    pub(super) depth: usize,
    /// What prices are computed from.
    compiled: Option<Box<Compiled>>,
}

/// Trees are equal when what is stored of them is.
impl PartialEq for FlatTrees {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl FlatTrees {
    /// Checks `parts` and derives what a walk needs.
    pub(super) fn from_parts(parts: TreeParts) -> Result<Self, InvalidModel> {
        check_parts(&parts)?;
        let roots = parts.roots.iter().map(|&root| parts.values[root as usize]);
        let mean = parts.base + roots.sum::<f64>();
        let compiled = Compiled::new(&parts).map(Box::new);
        let depth = cover::depth(&parts);
        Ok(Self { parts, mean, depth, compiled })
    }

    /// Whether prices are computed from the compiled form.
    #[cfg(test)]
    pub(super) fn is_compiled(&self) -> bool {
        self.compiled.is_some()
    }

    /// The same trees, walked.
    #[cfg(test)]
    pub(super) fn without_compiled(self) -> Self {
        Self { compiled: None, ..self }
    }

    /// Number of trees; with early stopping, the number of rounds it chose.
    pub fn n_trees(&self) -> usize {
        self.parts.roots.len()
    }

    /// Number of columns a row has.
    pub fn n_features(&self) -> usize {
        self.parts.n_features as usize
    }

    /// Number of nodes of all trees, leaves included.
    pub fn n_nodes(&self) -> usize {
        self.parts.nodes.len()
    }

    /// Gain in the loss of all splits on each column, shape `(n_features,)`.
    pub fn gains(&self) -> &[f64] {
        &self.parts.gains
    }

    /// See [`super::FittedModel::predict`].
    pub fn predict(&self, row: &[f64]) -> f64 {
        match &self.compiled {
            Some(compiled) => compiled.predict(row),
            None => self.walk_padded(row, |_, _| {}).total,
        }
    }

    /// See [`super::FittedModel::contributions`]. Each step of a path gives its column the
    /// difference between the child's and the parent's average value (Saabas 2014).
    pub fn contributions(&self, row: &[f64], out: &mut [f64]) -> f64 {
        self.explain(row, out).base
    }

    /// What the leaves are added in.
    pub fn precision(&self) -> Precision {
        self.parts.precision
    }

    /// See [`super::FittedModel::explain`]. Contributions are differences in 64 bits: what a sum
    /// in [`Precision::Single`] has been rounded by, about 1e-6 of it, is part of the base.
    pub fn explain(&self, row: &[f64], out: &mut [f64]) -> Explained {
        out.fill(0.0);
        let compiled = self.compiled.as_ref().and_then(|compiled| compiled.explain(row, out));
        let added = compiled.unwrap_or_else(|| {
            self.walk_padded(row, |at, next| {
                let (at, next) = (at as usize, next as usize);
                let feature = usize::from(self.parts.nodes[at].feature);
                if let Some(out) = out.get_mut(feature) {
                    *out += self.parts.values[next] - self.parts.values[at];
                }
            })
        });
        Explained { prediction: added.total, base: self.mean + added.rounding }
    }

    /// See [`super::FittedModel::explain_batch`].
    pub fn explain_batch(&self, rows: &[&[f64]], outs: &mut [f64], width: usize) -> Vec<Explained> {
        outs.fill(0.0);
        let compiled =
            self.compiled.as_ref().and_then(|compiled| compiled.explain_batch(rows, outs, width));
        match compiled {
            Some(added) => added
                .into_iter()
                .map(|added| Explained {
                    prediction: added.total,
                    base: self.mean + added.rounding,
                })
                .collect(),
            None => rows
                .iter()
                .zip(outs.chunks_mut(width.max(1)))
                .map(|(row, out)| self.explain(row, out))
                .collect(),
        }
    }

    /// See [`super::FittedModel::validate`].
    ///
    /// # Errors
    ///
    /// The first [`InvalidModel`] found.
    pub fn validate(&self) -> Result<(), InvalidModel> {
        check_parts(&self.parts)
    }

    /// What rounding has added to the prediction.
    pub(super) fn rounding(&self, row: &[f64]) -> f64 {
        match self.parts.precision {
            Precision::Double => 0.0,
            Precision::Single => self.walk_padded(row, |_, _| {}).rounding,
        }
    }

    /// Walks `row`, with NaN for the columns it lacks.
    fn walk_padded(&self, row: &[f64], on_step: impl FnMut(u32, u32)) -> Added {
        let row = &self.padded(row);
        match self.parts.precision {
            Precision::Double => self.walk::<f64>(row, on_step).added(),
            Precision::Single => self.walk::<InSingle>(row, on_step).added(),
        }
    }

    /// The sum of the leaves that `row` reaches. Tells `on_step` every step from a node to its
    /// child; the last step of a walk goes from the leaf to itself.
    #[inline]
    fn walk<S: Sum>(&self, row: &[f64], mut on_step: impl FnMut(u32, u32)) -> S {
        let mut sum = S::start(self.parts.base);
        for roots in self.parts.roots.chunks(LANES) {
            // where each tree of the block has got to, and the walks that still move
            let mut reached = [0_u32; LANES];
            let mut walks = [(0_u32, 0_u32); LANES];
            for (tree, (walk, &root)) in walks.iter_mut().zip(roots).enumerate() {
                *walk = (root, tree as u32);
            }
            let mut n_walks = roots.len();
            while n_walks > 0 {
                let mut n_moved = 0;
                for i in 0..n_walks {
                    // `% LANES` changes no index, it spares the bounds checks
                    let (at, tree) = walks[i % LANES];
                    let next = self.step(at, row);
                    on_step(at, next);
                    reached[tree as usize % LANES] = next;
                    walks[n_moved % LANES] = (next, tree);
                    n_moved += usize::from(next != at);
                }
                n_walks = n_moved;
            }
            let leaves = reached[..roots.len()].iter();
            sum = leaves.fold(sum, |sum, &leaf| sum.plus(self.parts.values[leaf as usize]));
        }
        sum
    }

    /// The child that `row` goes to; a leaf returns itself.
    #[inline(always)]
    pub(super) fn step(&self, at: u32, row: &[f64]) -> u32 {
        let node = &self.parts.nodes[at as usize];
        let value = row[usize::from(node.feature)];
        let right = if node.flags & CATEGORICAL == 0 {
            (value > node.threshold) | (value.is_nan() & (node.flags & DEFAULT_LEFT == 0))
        } else {
            !self.category_goes_left(node, value)
        };
        node.left + u32::from(right)
    }

    fn category_goes_left(&self, node: &Node, value: f64) -> bool {
        let set = self.parts.sets[node.threshold as usize];
        let default_left = node.flags & DEFAULT_LEFT != 0;
        match category_code(value) {
            Some(code) if code / 64 < set.len => {
                self.parts.words[(set.start + code / 64) as usize] >> (code % 64) & 1 == 1
            }
            _ => default_left,
        }
    }

    /// The columns of `row`, with NaN for those it lacks.
    pub(super) fn padded<'r>(&self, row: &'r [f64]) -> Cow<'r, [f64]> {
        match row.get(..self.n_features()) {
            Some(row) => Cow::Borrowed(row),
            None => {
                let mut padded = row.to_vec();
                padded.resize(self.n_features(), f64::NAN);
                Cow::Owned(padded)
            }
        }
    }
}

impl Serialize for FlatTrees {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FlatTrees {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = TreeParts::deserialize(deserializer)?;
        Self::from_parts(parts).map_err(serde::de::Error::custom)
    }
}

/// Checks the whole structure; what passes can be walked without end or index errors.
fn check_parts(parts: &TreeParts) -> Result<(), InvalidModel> {
    let n_features = parts.n_features as usize;
    if n_features == 0 || n_features > MAX_FEATURES {
        return Err(length("columns", n_features, MAX_FEATURES));
    }
    if parts.nodes.len() > MAX_NODES {
        return Err(length("nodes", parts.nodes.len(), MAX_NODES));
    }
    if parts.values.len() != parts.nodes.len() {
        return Err(length("values", parts.values.len(), parts.nodes.len()));
    }
    if parts.gains.len() != n_features {
        return Err(length("gains", parts.gains.len(), n_features));
    }
    numbers("base", &[parts.base])?;
    numbers("value", &parts.values)?;
    numbers("gain", &parts.gains)?;
    if parts.precision == Precision::Single {
        singles(parts)?;
    }
    for (index, set) in parts.sets.iter().enumerate() {
        let end = set.start as usize + set.len as usize;
        if end > parts.words.len() {
            return Err(InvalidModel::CategorySet { what: "set", index });
        }
    }
    if parts.roots.is_empty() && !parts.nodes.is_empty() {
        return Err(length("nodes", parts.nodes.len(), 0));
    }
    for (tree, &root) in parts.roots.iter().enumerate() {
        let end = parts.roots.get(tree + 1).map_or(parts.nodes.len(), |&next| next as usize);
        let first = root as usize;
        if first >= end || end > parts.nodes.len() || (tree == 0 && first != 0) {
            return Err(InvalidModel::Root { tree });
        }
        check_tree(parts, first, end)?;
    }
    cover::check(parts)
}

/// Checks the tree in `first..end`; every node but the first must be the child of one node.
fn check_tree(parts: &TreeParts, first: usize, end: usize) -> Result<(), InvalidModel> {
    let mut has_parent = vec![false; end - first];
    has_parent[0] = true;
    for at in first..end {
        let node = &parts.nodes[at];
        let (child, feature) = (node.left as usize, usize::from(node.feature));
        if node.flags & !KNOWN_FLAGS != 0 {
            return Err(InvalidModel::Flags { node: at, flags: node.flags });
        }
        if feature >= parts.n_features as usize {
            let n_features = parts.n_features as usize;
            return Err(InvalidModel::Feature { node: at, feature, n_features });
        }
        let stray = InvalidModel::Child { node: at, child, first: at + 1, end };
        if !has_parent[at - first] {
            return Err(stray);
        }
        if node.flags & LEAF != 0 {
            if child != at {
                return Err(stray);
            }
            if node.flags != LEAF | DEFAULT_LEFT || node.threshold != f64::INFINITY {
                return Err(InvalidModel::Flags { node: at, flags: node.flags });
            }
            continue;
        }
        if child <= at || child + 1 >= end {
            return Err(stray);
        }
        for below in &mut has_parent[child - first..=child + 1 - first] {
            if std::mem::replace(below, true) {
                return Err(stray);
            }
        }
        if node.flags & CATEGORICAL == 0 {
            if node.threshold.is_nan() {
                return Err(InvalidModel::Number { what: "threshold", index: at });
            }
        } else if category_code(node.threshold).is_none_or(|set| set as usize >= parts.sets.len()) {
            return Err(InvalidModel::CategorySet { what: "node", index: at });
        }
    }
    Ok(())
}

fn length(what: &'static str, found: usize, expected: usize) -> InvalidModel {
    InvalidModel::Length { what, found, expected }
}

/// Refuses numbers that are NaN, infinite or so large that sums of them could overflow.
pub(super) fn numbers(what: &'static str, values: &[f64]) -> Result<(), InvalidModel> {
    match values.iter().position(|value| value.is_nan() || value.abs() > MAX_MAGNITUDE) {
        Some(index) => Err(InvalidModel::Number { what, index }),
        None => Ok(()),
    }
}

/// Refuses what a sum in 32 bits would round before it adds it, or could overflow from.
fn singles(parts: &TreeParts) -> Result<(), InvalidModel> {
    let usable = |value: f64| value.abs() <= MAX_SINGLE && f64::from(value as f32) == value;
    if !usable(parts.base) {
        return Err(InvalidModel::Number { what: "base", index: 0 });
    }
    let mut leaves = parts.values.iter().zip(&parts.nodes);
    match leaves.position(|(value, node)| node.flags & LEAF != 0 && !usable(*value)) {
        Some(index) => Err(InvalidModel::Number { what: "value", index }),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "trees_tests.rs"]
mod tests;
