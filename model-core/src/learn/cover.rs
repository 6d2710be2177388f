//! Checks of what TreeSHAP relies on: training weights and depth.

use super::error::InvalidModel;
use super::trees::{LEAF, TreeParts, numbers};

/// Deepest accepted tree. What learners make stays far below; a walk by recursion fits a stack.
pub(super) const MAX_DEPTH: usize = 1_024;
/// How far a parent's cover may be from its children's sum, as a share of it.
const TOLERANCE: f64 = 1e-6;

/// Checks covers and depth of trees whose structure is sound.
pub(super) fn check(parts: &TreeParts) -> Result<(), InvalidModel> {
    let (found, expected) = (parts.covers.len(), parts.nodes.len());
    if found != expected {
        return Err(InvalidModel::Length { what: "covers", found, expected });
    }
    numbers("cover", &parts.covers)?;
    if let Some(index) = parts.covers.iter().position(|cover| *cover < 0.0) {
        return Err(InvalidModel::Number { what: "cover", index });
    }
    for (at, node) in parts.nodes.iter().enumerate() {
        if node.flags & LEAF == 0 {
            let left = node.left as usize;
            let sum = parts.covers[left] + parts.covers[left + 1];
            if (parts.covers[at] - sum).abs() > TOLERANCE * sum {
                return Err(InvalidModel::Cover { node: at });
            }
        }
    }
    let found = depth(parts);
    if found > MAX_DEPTH {
        return Err(InvalidModel::Length { what: "a tree's depth", found, expected: MAX_DEPTH });
    }
    Ok(())
}

/// Most splits on a way from a root to a leaf: children stand behind their parents.
pub(super) fn depth(parts: &TreeParts) -> usize {
    let mut depths = vec![0_usize; parts.nodes.len()];
    let mut deepest = 0;
    for (at, node) in parts.nodes.iter().enumerate() {
        deepest = deepest.max(depths[at]);
        if node.flags & LEAF == 0 {
            let below = depths[at] + 1;
            depths[node.left as usize] = below;
            depths[node.left as usize + 1] = below;
        }
    }
    deepest
}
