//! Grown trees over bins become flat trees over raw values.

use super::super::error::FitError;
use super::super::precision::Precision;
use super::super::trees::{
    CATEGORICAL, CategorySet, DEFAULT_LEFT, FlatTrees, LEAF, Node, TreeParts,
};
use super::binning::ColumnBins;
use super::grow::{GrownNode, GrownTree};
use super::split::Split;

/// Packs `trees` in their order.
pub(super) fn pack(
    base: f64,
    trees: &[GrownTree],
    columns: &[ColumnBins],
) -> Result<FlatTrees, FitError> {
    let n_nodes = trees.iter().map(|tree| tree.nodes.len()).sum();
    let mut parts = TreeParts {
        n_features: columns.len() as u32,
        precision: Precision::Double,
        base,
        roots: Vec::with_capacity(trees.len()),
        nodes: Vec::with_capacity(n_nodes),
        values: Vec::with_capacity(n_nodes),
        covers: Vec::with_capacity(n_nodes),
        sets: Vec::new(),
        words: Vec::new(),
        gains: vec![0.0; columns.len()],
    };
    for tree in trees {
        let root = parts.nodes.len() as u32;
        parts.roots.push(root);
        for grown in &tree.nodes {
            let node = match &grown.split {
                Some(split) => {
                    parts.gains[split.column as usize] += split.gain * tree.gain_unit;
                    inner(grown, split, root, columns, &mut parts)
                }
                None => leaf(parts.nodes.len() as u32),
            };
            parts.nodes.push(node);
            parts.values.push(grown.value);
            parts.covers.push(grown.n_rows);
        }
    }
    // Only targets whose squares overflow can make a tree that is not valid.
    FlatTrees::from_parts(parts).map_err(|error| FitError::Solver { reason: error.to_string() })
}

fn leaf(at: u32) -> Node {
    Node { threshold: f64::INFINITY, left: at, feature: 0, flags: LEAF | DEFAULT_LEFT }
}

fn inner(
    grown: &GrownNode,
    split: &Split,
    root: u32,
    columns: &[ColumnBins],
    parts: &mut TreeParts,
) -> Node {
    let (threshold, kind) = match &columns[split.column as usize] {
        ColumnBins::Numeric { bounds } => {
            // the last bin has no bound: all values that are not missing go left
            let bound = split.bin.and_then(|bin| bounds.get(usize::from(bin)));
            (bound.copied().unwrap_or(f64::INFINITY), 0)
        }
        ColumnBins::Categorical { bin_of_code, .. } => {
            push_set(split, bin_of_code, parts);
            ((parts.sets.len() - 1) as f64, CATEGORICAL)
        }
    };
    Node {
        threshold,
        left: root + grown.left,
        feature: split.column as u16,
        flags: kind | if split.default_left { DEFAULT_LEFT } else { 0 },
    }
}

/// Stores the codes that go left, up to the last code that does not go the default way.
fn push_set(split: &Split, bin_of_code: &[u8], parts: &mut TreeParts) {
    let goes_left = |code: usize| split.left.contains(bin_of_code[code]);
    let last = (0..bin_of_code.len()).rev().find(|&code| goes_left(code) != split.default_left);
    let len = last.map_or(0, |code| code / 64 + 1);
    parts.sets.push(CategorySet { start: parts.words.len() as u32, len: len as u32 });
    for word in 0..len {
        let bit = |bit: usize| match bin_of_code.get(word * 64 + bit) {
            Some(_) => goes_left(word * 64 + bit),
            None => split.default_left,
        };
        parts.words.push((0..64).fold(0, |bits, i| bits | u64::from(bit(i)) << i));
    }
}
