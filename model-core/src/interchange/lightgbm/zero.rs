//! Splits at which zero is missing, and goes another way than its neighbours.
//!
//! `zero_as_missing=true` makes LightGBM send `|x| <= 1e-35` and NaN the default way. Where that
//! cuts a piece out of one side, three thresholds say the same; what lies below is then needed
//! twice. The copies get next to no training weight, so that averages and Shapley values stay
//! those of the one split.

use super::super::error::ImportError;
use super::super::source::{SourceNode, SourceRule};
use super::fail;

/// Values this near to zero are zero: LightGBM's constant, which is a 32-bit number.
pub(super) const ZERO: f64 = 1e-35_f32 as f64;
/// Share of the training weight that a copy gets.
const TRACE: f64 = 1.0 / (1_u128 << 120) as f64 / (1_u128 << 80) as f64;
/// Nodes that a model may have however few it began with.
const FREE_NODES: usize = 1 << 16;
/// Times that a model may grow.
const GROWTH: usize = 8;
/// Category codes that take the memory of a node.
const CODES_PER_NODE: usize = 16;
/// Deepest tree that is copied; the trees' own check says as much.
const MAX_DEPTH: usize = 1_024;

/// What a split needs.
pub(super) enum Decision {
    /// One node.
    One(SourceRule),
    /// Three: values `<= at` go left, but zero and NaN as told.
    Several { at: f64, default_left: bool },
}

/// Nodes that copies may still make.
pub(super) struct Budget {
    nodes: usize,
}

impl Budget {
    pub(super) fn new(n_leaves: usize) -> Self {
        Self { nodes: FREE_NODES.max(GROWTH.saturating_mul(2 * n_leaves)) }
    }
}

/// The tree with every split of several nodes written out.
pub(super) fn expand(
    nodes: &[SourceNode],
    decisions: &[Decision],
    line: usize,
    budget: &mut Budget,
) -> Result<Vec<SourceNode>, ImportError> {
    let mut copier = Copier { nodes, decisions, line, budget, out: Vec::new() };
    copier.copy(0, 1.0, 0)?;
    Ok(copier.out)
}

struct Copier<'a> {
    nodes: &'a [SourceNode],
    decisions: &'a [Decision],
    line: usize,
    budget: &'a mut Budget,
    out: Vec<SourceNode>,
}

impl Copier<'_> {
    /// A place for a node, to be filled.
    fn reserve(&mut self) -> Result<usize, ImportError> {
        self.charge(1)?;
        self.out.push(SourceNode::Leaf { value: 0.0, cover: 0.0 });
        Ok(self.out.len() - 1)
    }

    fn charge(&mut self, nodes: usize) -> Result<(), ImportError> {
        let Some(left) = self.budget.nodes.checked_sub(nodes) else {
            let message = "zero_as_missing makes the trees too large to be written without it: \
                           train with zero_as_missing=false";
            return Err(fail(self.line, message));
        };
        self.budget.nodes = left;
        Ok(())
    }

    /// Copies what lies below `at`, covers times `weight`; returns where it stands.
    fn copy(&mut self, at: usize, weight: f64, depth: usize) -> Result<usize, ImportError> {
        if depth > MAX_DEPTH {
            return Err(fail(self.line, "the tree is too deep, or leads back to itself"));
        }
        let place = self.reserve()?;
        let below = depth + 1;
        match (&self.nodes[at], self.decisions.get(at)) {
            (SourceNode::Leaf { value, cover }, _) => {
                self.out[place] = SourceNode::Leaf { value: *value, cover: cover * weight };
            }
            (
                SourceNode::Split { feature, left, right, gain, .. },
                Some(Decision::Several { at, default_left }),
            ) => {
                let (feature, gain, left, right) = (*feature, *gain, *left, *right);
                let (at, missing_left) = (*at, *default_left);
                let (second, third) = (self.reserve()?, self.reserve()?);
                let trace = weight * TRACE;
                let node = |at, left, right, gain| {
                    let rule = SourceRule::Threshold { at, default_left: missing_left };
                    SourceNode::Split { feature, rule, left, right, gain }
                };
                let under = (-ZERO).next_down();
                if missing_left {
                    // x <= at | at < x < -ZERO | -ZERO <= x <= ZERO | ZERO < x
                    let main = self.copy(left, weight, below)?;
                    self.out[place] = node(at, main, second, gain);
                    let other = self.copy(right, trace, below)?;
                    self.out[second] = node(under, other, third, 0.0);
                    let other = self.copy(left, trace, below)?;
                    let main = self.copy(right, weight, below)?;
                    self.out[third] = node(ZERO, other, main, 0.0);
                } else {
                    // x < -ZERO | -ZERO <= x <= ZERO | ZERO < x <= at | at < x
                    let main = self.copy(right, weight, below)?;
                    self.out[place] = node(at, second, main, gain);
                    let main = self.copy(left, weight, below)?;
                    self.out[second] = node(ZERO, third, main, 0.0);
                    let other = self.copy(left, trace, below)?;
                    let zero = self.copy(right, trace, below)?;
                    self.out[third] = node(under, other, zero, 0.0);
                }
            }
            (SourceNode::Split { feature, rule, left, right, gain }, _) => {
                if let SourceRule::Categories { members, .. } = rule {
                    self.charge(members.len() / CODES_PER_NODE)?;
                }
                let (feature, rule, gain) = (*feature, rule.clone(), *gain);
                let (left, right) = (*left, *right);
                let left = self.copy(left, weight, below)?;
                let right = self.copy(right, weight, below)?;
                self.out[place] = SourceNode::Split { feature, rule, left, right, gain };
            }
        }
        Ok(place)
    }
}
