//! One tree of a JSON model.

use super::super::error::ImportError;
use super::super::source::{MAX_CODE, SourceNode, SourceRule};
use super::fail;
use super::layout::Tree;
use super::threshold::threshold;

/// Reads tree `index`; leaf values are multiplied by `weight`.
pub(super) fn read(tree: &Tree, index: usize, weight: f64) -> Result<Vec<SourceNode>, ImportError> {
    let path = |field: &str| format!("trees[{index}].{field}");
    let n = tree.left_children.len();
    let lengths = [
        ("right_children", tree.right_children.len()),
        ("split_indices", tree.split_indices.len()),
        ("split_conditions", tree.split_conditions.len()),
        ("default_left", tree.default_left.len()),
        ("sum_hessian", tree.sum_hessian.len()),
    ];
    for (field, found) in lengths {
        if found != n {
            return Err(fail(path(field), format!("has {found} values, left_children {n}")));
        }
    }
    let mut sets = sets(tree, index)?;
    let mut nodes = Vec::with_capacity(n);
    for at in 0..n {
        let condition = tree.split_conditions[at] as f32;
        if tree.left_children[at] == -1 {
            let value = f64::from(condition * weight as f32);
            nodes.push(SourceNode::Leaf { value, cover: tree.sum_hessian[at] });
            continue;
        }
        let child = |told: i64, field: &str| {
            let index = usize::try_from(told).ok().filter(|child| *child < n);
            index.ok_or_else(|| fail(path(field), format!("node {at} has child {told} of {n}")))
        };
        let default_left = tree.default_left[at].is_set();
        let rule = match tree.split_type.get(at).copied().unwrap_or(0) {
            0 => {
                let at = threshold(condition).ok_or_else(|| {
                    let message =
                        format!("node {at} divides at {condition}, which nothing is below");
                    fail(path("split_conditions"), message)
                })?;
                SourceRule::Threshold { at, default_left }
            }
            1 => {
                let members = sets.get_mut(at).and_then(Option::take).ok_or_else(|| {
                    fail(path("categories_nodes"), format!("node {at} has no categories"))
                })?;
                SourceRule::Categories { members, members_left: false, default_left }
            }
            other => {
                return Err(fail(path("split_type"), format!("{other} is not known: retrain")));
            }
        };
        nodes.push(SourceNode::Split {
            feature: tree.split_indices[at],
            rule,
            left: child(tree.left_children[at], "left_children")?,
            right: child(tree.right_children[at], "right_children")?,
            gain: tree.loss_changes.get(at).copied().unwrap_or(0.0),
        });
    }
    Ok(nodes)
}

/// The codes of each node's set, increasing. A part of `categories` belongs to one node.
fn sets(tree: &Tree, index: usize) -> Result<Vec<Option<Vec<u32>>>, ImportError> {
    let path = |field: &str| format!("trees[{index}].{field}");
    let mut sets = vec![None; tree.left_children.len()];
    let (starts, sizes) = (&tree.categories_segments, &tree.categories_sizes);
    if starts.len() != tree.categories_nodes.len() || sizes.len() != starts.len() {
        let message = "differs in length from categories_segments or categories_sizes";
        return Err(fail(path("categories_nodes"), message));
    }
    let mut free = 0;
    for ((&node, &start), &size) in tree.categories_nodes.iter().zip(starts).zip(sizes) {
        let end = start.checked_add(size).filter(|_| start >= free);
        let codes = end.and_then(|end| tree.categories.get(start..end));
        let (Some(codes), Some(end), Some(set)) = (codes, end, sets.get_mut(node)) else {
            let message = format!("the set of node {node} is not in categories");
            return Err(fail(path("categories_segments"), message));
        };
        free = end;
        if let Some(code) = codes.iter().find(|code| **code >= MAX_CODE) {
            let message = format!("category {code}: {MAX_CODE} and above are not supported");
            return Err(fail(path("categories"), message));
        }
        let mut codes = codes.to_vec();
        codes.sort_unstable();
        *set = Some(codes);
    }
    Ok(sets)
}
