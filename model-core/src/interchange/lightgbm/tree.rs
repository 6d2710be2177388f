//! One tree of a text model.

use super::super::error::ImportError;
use super::super::source::{MAX_CODE, SourceNode, SourceRule};
use super::zero::{Budget, Decision, ZERO, expand};
use super::{Section, fail};

const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;

/// Leaves that the tree's section holds, whatever it declares.
pub(super) fn n_leaves(section: &Section<'_>) -> usize {
    section.optional("leaf_value").map_or(0, |(_, text)| text.split_ascii_whitespace().count())
}

/// Reads a tree; leaf values are multiplied by `share`.
pub(super) fn read(
    section: &Section<'_>,
    n_columns: usize,
    share: f64,
    budget: &mut Budget,
) -> Result<Vec<SourceNode>, ImportError> {
    if let Some((line, linear)) = section.optional("is_linear")
        && linear != "0"
    {
        return Err(fail(line, "linear trees are not supported: train with linear_tree=false"));
    }
    let values: Vec<f64> = section.list("leaf_value")?;
    let n = values.len();
    let (line, declared) = section.required("num_leaves")?;
    if n == 0 || declared.parse() != Ok(n) {
        return Err(fail(line, format!("num_leaves is {declared}, leaf_value has {n} values")));
    }
    let covers = covers(section, n)?;
    let mut nodes = Vec::with_capacity(2 * n - 1);
    let decisions = if n > 1 { splits(section, n - 1, n_columns, &mut nodes)? } else { Vec::new() };
    nodes.extend(
        values
            .iter()
            .zip(covers)
            .map(|(value, cover)| SourceNode::Leaf { value: value * share, cover }),
    );
    if decisions.iter().any(|decision| matches!(decision, Decision::Several { .. })) {
        return expand(&nodes, &decisions, section.line, budget);
    }
    Ok(nodes)
}

/// Rows of each leaf; their weight where rows are not told.
fn covers(section: &Section<'_>, n: usize) -> Result<Vec<f64>, ImportError> {
    for key in ["leaf_count", "leaf_weight"] {
        if let Some(covers) = section.optional_list::<f64>(key, n)? {
            return Ok(covers);
        }
    }
    if n == 1 {
        return Ok(vec![1.0]);
    }
    Err(fail(section.line, "the tree has neither leaf_count nor leaf_weight"))
}

/// Reads the splits into `nodes`, in LightGBM's order, leaves to stand behind them.
fn splits(
    section: &Section<'_>,
    n: usize,
    n_columns: usize,
    nodes: &mut Vec<SourceNode>,
) -> Result<Vec<Decision>, ImportError> {
    let features: Vec<usize> = section.list_of("split_feature", n)?;
    let thresholds: Vec<f64> = section.list_of("threshold", n)?;
    let kinds: Vec<u8> = section.list_of("decision_type", n)?;
    let lefts: Vec<i64> = section.list_of("left_child", n)?;
    let rights: Vec<i64> = section.list_of("right_child", n)?;
    let gains: Option<Vec<f64>> = section.optional_list("split_gain", n)?;
    let mut sets = Sets::read(section)?;
    let mut decisions = Vec::with_capacity(n);
    for i in 0..n {
        let at = |key| section.required(key).map_or(section.line, |(line, _)| line);
        if features[i] >= n_columns {
            let message = format!("split_feature {} of {n_columns} columns", features[i]);
            return Err(fail(at("split_feature"), message));
        }
        if thresholds[i].is_nan() {
            return Err(fail(at("threshold"), "a threshold is not a number"));
        }
        let default_left = kinds[i] & DEFAULT_LEFT != 0;
        let decision = match (kinds[i] & CATEGORICAL != 0, kinds[i] >> 2) {
            (true, _) => Decision::One(SourceRule::Categories {
                members: sets.take(thresholds[i])?,
                members_left: true,
                default_left: false,
            }),
            // NaN counts as 0.0
            (false, 0) => one(thresholds[i], 0.0 <= thresholds[i]),
            (false, 1) => zero(thresholds[i], default_left),
            (false, 2) => one(thresholds[i], default_left),
            (false, _) => {
                let message = format!("decision_type {} is not known", kinds[i]);
                return Err(fail(at("decision_type"), message));
            }
        };
        let rule = match &decision {
            Decision::One(rule) => rule.clone(),
            Decision::Several { at, default_left } => {
                SourceRule::Threshold { at: *at, default_left: *default_left }
            }
        };
        nodes.push(SourceNode::Split {
            feature: features[i],
            rule,
            left: child(lefts[i], n).ok_or_else(|| fail(at("left_child"), no_node(lefts[i])))?,
            right: child(rights[i], n)
                .ok_or_else(|| fail(at("right_child"), no_node(rights[i])))?,
            gain: gains.as_ref().map_or(0.0, |gains| gains[i]),
        });
        decisions.push(decision);
    }
    Ok(decisions)
}

fn no_node(child: i64) -> String {
    format!("child {child} is not a node of the tree")
}

/// Index of a child among splits and leaves: leaf `j` is told as `-1 - j`.
fn child(told: i64, n_splits: usize) -> Option<usize> {
    let (index, limit, first) =
        if told < 0 { (!told, n_splits + 1, n_splits) } else { (told, n_splits, 0) };
    usize::try_from(index).ok().filter(|index| *index < limit).map(|index| first + index)
}

fn one(at: f64, default_left: bool) -> Decision {
    Decision::One(SourceRule::Threshold { at, default_left })
}

/// Zero and NaN are missing: where one threshold says it, and where several are needed.
fn zero(at: f64, default_left: bool) -> Decision {
    match default_left {
        true if at >= ZERO => one(at, true),
        true if at >= -ZERO => one(ZERO, true),
        false if at < -ZERO => one(at, false),
        false if at <= ZERO => one((-ZERO).next_down(), false),
        _ => Decision::Several { at, default_left },
    }
}

/// The sets of categories of a tree, as bits of 32-bit words.
struct Sets {
    line: usize,
    boundaries: Vec<usize>,
    words: Vec<u32>,
    taken: Vec<bool>,
}

impl Sets {
    fn read(section: &Section<'_>) -> Result<Self, ImportError> {
        let Some((line, _)) = section.optional("cat_boundaries") else {
            let (line, boundaries, words) = (section.line, Vec::new(), Vec::new());
            return Ok(Self { line, boundaries, words, taken: Vec::new() });
        };
        let boundaries: Vec<usize> = section.list("cat_boundaries")?;
        let words: Vec<u32> = section.list("cat_threshold")?;
        if !boundaries.is_sorted() || boundaries.last().is_some_and(|last| *last > words.len()) {
            return Err(fail(line, "cat_boundaries do not divide cat_threshold"));
        }
        let taken = vec![false; boundaries.len().saturating_sub(1)];
        Ok(Self { line, boundaries, words, taken })
    }

    /// The codes of a set, each of which belongs to one split.
    fn take(&mut self, told: f64) -> Result<Vec<u32>, ImportError> {
        let index = told as usize;
        let bad =
            || fail(self.line, format!("the tree has no set of categories {told} of its own"));
        if index as f64 != told || self.taken.get(index).is_none_or(|taken| *taken) {
            return Err(bad());
        }
        self.taken[index] = true;
        let words = &self.words[self.boundaries[index]..self.boundaries[index + 1]];
        if words.len() > MAX_CODE as usize / 32 {
            let message = format!("categories of {MAX_CODE} and above are not supported");
            return Err(fail(self.line, message));
        }
        Ok(words
            .iter()
            .zip(0_u32..)
            .flat_map(|(word, i)| {
                (0..32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| 32 * i + bit)
            })
            .collect())
    }
}
