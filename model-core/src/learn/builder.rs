//! From nodes in any order, as other programs store them, to [`FlatTrees`].

use super::error::InvalidModel;
use super::precision::Precision;
use super::trees::{
    CATEGORICAL, CategorySet, DEFAULT_LEFT, FlatTrees, LEAF, MAX_NODES, Node, TreeParts,
};

/// Which rows go left.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    /// Values `<= at`.
    Threshold {
        at: f64,
        /// Where missing values go.
        default_left: bool,
    },
    /// Codes whose bit is set: bit `code % 64` of word `code / 64`.
    Categories {
        left: Vec<u64>,
        /// Where missing values, and codes beyond the words, go.
        default_left: bool,
    },
}

/// A node of a tree that is handed over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BuildNode {
    Leaf {
        value: f64,
        /// Weight of the training rows in it.
        cover: f64,
    },
    Split {
        feature: usize,
        rule: Rule,
        /// Indices among the nodes handed over.
        left: usize,
        right: usize,
        gain: f64,
    },
}

/// Collects trees; averages and covers of inner nodes follow from the leaves'.
pub(crate) struct TreeBuilder {
    parts: TreeParts,
}

impl TreeBuilder {
    /// No tree yet; `base` is the estimate without any.
    pub(crate) fn new(n_features: usize, base: f64) -> Self {
        Self { parts: TreeParts::empty(n_features, Precision::Double, base) }
    }

    /// What the leaves will be added in.
    pub(crate) fn adding_in(mut self, precision: Precision) -> Self {
        self.parts.precision = precision;
        self
    }

    /// Adds the tree below `nodes[0]`, breadth first; nodes that it does not reach are left out.
    ///
    /// # Errors
    /// [`InvalidModel`] where a child is not there or is the child of two nodes, a column is not
    /// there, or there are more nodes than a model may have.
    pub(crate) fn push_tree(&mut self, nodes: &[BuildNode]) -> Result<(), InvalidModel> {
        let root = self.parts.nodes.len();
        if root + nodes.len() > MAX_NODES {
            let found = root + nodes.len();
            return Err(InvalidModel::Length { what: "nodes", found, expected: MAX_NODES });
        }
        self.parts.roots.push(root as u32);
        let mut seen = vec![false; nodes.len()];
        let mut order = vec![0];
        let mut next = 0;
        while let Some(&source) = order.get(next) {
            let at = root + next;
            next += 1;
            let stray = InvalidModel::Child { node: at, child: source, first: 1, end: nodes.len() };
            let (Some(node), Some(seen)) = (nodes.get(source), seen.get_mut(source)) else {
                return Err(stray);
            };
            if std::mem::replace(seen, true) {
                return Err(stray);
            }
            let packed = match node {
                BuildNode::Leaf { value, cover } => {
                    self.parts.values.push(*value);
                    self.parts.covers.push(*cover);
                    let (left, flags) = (at as u32, LEAF | DEFAULT_LEFT);
                    Node { threshold: f64::INFINITY, left, feature: 0, flags }
                }
                BuildNode::Split { feature, rule, left, right, gain } => {
                    let children = (root + order.len()) as u32;
                    order.extend([*left, *right]);
                    self.parts.values.push(0.0);
                    self.parts.covers.push(0.0);
                    self.split(at, *feature, rule, children, *gain)?
                }
            };
            self.parts.nodes.push(packed);
        }
        self.average(root);
        Ok(())
    }

    /// The trees, checked.
    ///
    /// # Errors
    /// [`InvalidModel`] where a number or the structure is not usable.
    pub(crate) fn finish(self) -> Result<FlatTrees, InvalidModel> {
        FlatTrees::from_parts(self.parts)
    }

    fn split(
        &mut self,
        node: usize,
        feature: usize,
        rule: &Rule,
        left: u32,
        gain: f64,
    ) -> Result<Node, InvalidModel> {
        let parts = &mut self.parts;
        let n_features = parts.gains.len();
        let (Some(gains), Ok(column)) = (parts.gains.get_mut(feature), u16::try_from(feature))
        else {
            return Err(InvalidModel::Feature { node, feature, n_features });
        };
        if gain.is_finite() && gain > 0.0 {
            *gains += gain;
        }
        let side = |default_left: bool| if default_left { DEFAULT_LEFT } else { 0 };
        Ok(match rule {
            Rule::Threshold { at, default_left } => {
                Node { threshold: *at, left, feature: column, flags: side(*default_left) }
            }
            Rule::Categories { left: words, default_left } => {
                let threshold = parts.sets.len() as f64;
                let (start, len) = (parts.words.len() as u32, words.len() as u32);
                parts.sets.push(CategorySet { start, len });
                parts.words.extend_from_slice(words);
                let flags = CATEGORICAL | side(*default_left);
                Node { threshold, left, feature: column, flags }
            }
        })
    }

    /// Covers and averages of the inner nodes from `root` on, from the leaves up.
    fn average(&mut self, root: usize) {
        let parts = &mut self.parts;
        for at in (root..parts.nodes.len()).rev() {
            let node = parts.nodes[at];
            if node.flags & LEAF != 0 {
                continue;
            }
            let (a, b) = (node.left as usize, node.left as usize + 1);
            let cover = parts.covers[a] + parts.covers[b];
            let share = if cover > 0.0 { parts.covers[a] / cover } else { 0.5 };
            parts.covers[at] = cover;
            parts.values[at] = share * parts.values[a] + (1.0 - share) * parts.values[b];
        }
    }
}

impl FlatTrees {
    /// The estimate before the first tree.
    pub(crate) fn base(&self) -> f64 {
        self.parts.base
    }

    /// The largest absolute value of a leaf, or of `base`: what rounding errors are a share of.
    pub fn largest_leaf(&self) -> f64 {
        self.parts.values.iter().fold(self.parts.base.abs(), |most, value| most.max(value.abs()))
    }

    /// The nodes of a tree, parents before their children, the root first; none if there is no
    /// such tree.
    pub(crate) fn tree(&self, index: usize) -> Vec<BuildNode> {
        let parts = &self.parts;
        let Some(&root) = parts.roots.get(index) else { return Vec::new() };
        let root = root as usize;
        let end = parts.roots.get(index + 1).map_or(parts.nodes.len(), |&next| next as usize);
        (root..end)
            .map(|at| {
                let node = &parts.nodes[at];
                if node.flags & LEAF != 0 {
                    return BuildNode::Leaf { value: parts.values[at], cover: parts.covers[at] };
                }
                let default_left = node.flags & DEFAULT_LEFT != 0;
                let rule = if node.flags & CATEGORICAL == 0 {
                    Rule::Threshold { at: node.threshold, default_left }
                } else {
                    let set = parts.sets[node.threshold as usize];
                    let words = set.start as usize..(set.start + set.len) as usize;
                    Rule::Categories { left: parts.words[words].to_vec(), default_left }
                };
                let left = node.left as usize - root;
                let feature = usize::from(node.feature);
                BuildNode::Split { feature, rule, left, right: left + 1, gain: 0.0 }
            })
            .collect()
    }
}
