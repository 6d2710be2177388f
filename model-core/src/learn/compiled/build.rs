//! From trees to segments.

use std::collections::{BTreeMap, HashMap};

use super::super::trees::{CATEGORICAL, DEFAULT_LEFT, LEAF, TreeParts};
use super::segment::{Column, Key, LINE, Line, Mask, RUN, Segment, State, Step, TREES, Thresholds};

/// Splits of a numeric column between two states that are stored dense. Half as many make narrow
/// models 5 % faster and models of 45 columns 6 % slower: their masks leave the second level cache.
pub(super) const SPACING: usize = 64;
/// A column is dense when it has at least one split in so many trees.
const TREES_PER_SPLIT: usize = 4;
/// Codes times splits of a categorical column, at most: bounds the work of compiling.
const MAX_CODES_SPLITS: usize = 1 << 24;
/// Memory of the compiled form, as a multiple of the model's.
const MAX_GROWTH: usize = 8;
/// Memory that even the smallest model may take.
const MIN_BUDGET: usize = 1 << 19;

/// Memory that may still be taken.
pub(super) struct Budget(usize);

impl Budget {
    /// A small multiple of what `parts` take.
    pub(super) fn of(parts: &TreeParts) -> Self {
        let nodes = parts.nodes.len() * 24 + parts.roots.len() * 4;
        Self(MIN_BUDGET + MAX_GROWTH * (nodes + parts.sets.len() * 8 + parts.words.len() * 8))
    }

    /// `None` when `n` more of `T` are too many.
    pub(super) fn take<T>(&mut self, n: usize) -> Option<()> {
        self.0 = self.0.checked_sub(n.checked_mul(size_of::<T>())?)?;
        Some(())
    }
}

/// The most leaves that a tree has.
pub(super) fn most_leaves(parts: &TreeParts) -> usize {
    trees(parts).map(|tree| tree.len().div_ceil(2)).max().unwrap_or(0)
}

/// The nodes of each tree.
fn trees(parts: &TreeParts) -> impl Iterator<Item = std::ops::Range<usize>> {
    let ends = parts.roots.iter().skip(1).map(|&root| root as usize).chain([parts.nodes.len()]);
    parts.roots.iter().map(|&root| root as usize).zip(ends).map(|(root, end)| root..end)
}

/// A split with the leaves it decides about.
struct Split<M> {
    threshold: f64,
    default_left: bool,
    step: Step<M>,
}

/// The model's trees, up to [`TREES`] a segment.
pub(super) fn segments<M: Mask>(parts: &TreeParts, budget: &mut Budget) -> Option<Vec<Segment<M>>> {
    let trees: Vec<_> = trees(parts).collect();
    let mut segment = |trees: &[std::ops::Range<usize>]| {
        let mut builder = Builder::new(trees.len(), budget)?;
        let mut columns: BTreeMap<(u16, bool), Vec<Split<M>>> = BTreeMap::new();
        for (tree, nodes) in trees.iter().enumerate() {
            builder.push_tree(parts, nodes.clone(), tree as u32, &mut columns)?;
        }
        for ((feature, categorical), splits) in columns {
            if categorical {
                builder.push_categorical(parts, feature, &splits)?;
            } else {
                builder.push_numeric(feature, splits)?;
            }
        }
        Some(builder.segment)
    };
    trees.chunks(TREES).map(&mut segment).collect()
}

struct Builder<'a, M> {
    budget: &'a mut Budget,
    segment: Segment<M>,
}

impl<'a, M: Mask> Builder<'a, M> {
    fn new(n_trees: usize, budget: &'a mut Budget) -> Option<Self> {
        let n_values = n_trees.next_multiple_of(LINE) * M::LEAVES;
        budget.take::<f64>(n_values)?;
        let segment = Segment {
            dense: Vec::new(),
            sparse: Vec::new(),
            states: Vec::new(),
            lines: Vec::new(),
            steps: Vec::new(),
            n_trees,
            // adding it changes no sum, not even one of negative zeros
            values: vec![-0.0; n_values],
        };
        let mut builder = Self { budget, segment };
        // what the dense states without a split share
        builder.push_masks(&vec![M::ALL; n_trees])?;
        Some(builder)
    }

    /// Stores the leaves' values and sorts the splits by column.
    fn push_tree(
        &mut self,
        parts: &TreeParts,
        nodes: std::ops::Range<usize>,
        tree: u32,
        columns: &mut BTreeMap<(u16, bool), Vec<Split<M>>>,
    ) -> Option<()> {
        let root = nodes.start;
        // leaves below each node; children stand behind their parents
        let mut n_leaves = vec![1_u32; nodes.len()];
        for at in nodes.clone().rev().filter(|&at| parts.nodes[at].flags & LEAF == 0) {
            let left = parts.nodes[at].left as usize - root;
            n_leaves[at - root] = n_leaves[left] + n_leaves[left + 1];
        }
        let mut first = vec![0_u32; nodes.len()];
        let values = tree as usize * M::LEAVES;
        for at in nodes {
            let (node, start) = (&parts.nodes[at], first[at - root]);
            if node.flags & LEAF != 0 {
                self.segment.values[values + start as usize] = parts.values[at];
                continue;
            }
            let left = node.left as usize - root;
            let middle = start + n_leaves[left];
            (first[left], first[left + 1]) = (start, middle);
            let split = Split {
                threshold: node.threshold,
                default_left: node.flags & DEFAULT_LEFT != 0,
                step: Step { mask: M::without(start..middle), tree },
            };
            let column = (node.feature, node.flags & CATEGORICAL != 0);
            columns.entry(column).or_default().push(split);
        }
        Some(())
    }

    fn push_numeric(&mut self, feature: u16, mut splits: Vec<Split<M>>) -> Option<()> {
        splits.sort_by(|a, b| a.threshold.total_cmp(&b.threshold));
        let mut thresholds: Vec<f64> = Vec::new();
        // per state, the splits that are passed
        let mut n_passed = vec![0];
        for (i, split) in splits.iter().enumerate() {
            // zeros of both signs are equal
            if thresholds.last().is_none_or(|&last| last != split.threshold) {
                thresholds.push(split.threshold);
                n_passed.push(i);
            }
            if let Some(last) = n_passed.last_mut() {
                *last = i + 1;
            }
        }
        self.budget.take::<[f64; RUN]>(thresholds.len() / (RUN - 1) + 2)?;
        let dense = self.is_dense(splits.len());
        let start = self.segment.steps.len();
        self.push_steps(splits.iter())?;
        let states = self.segment.states.len() as u32;
        let mut masks = vec![M::ALL; self.segment.n_trees];
        let (mut line, mut n_stored) = (0, 0);
        for n in n_passed {
            let stored = if dense { n - n % SPACING } else { 0 };
            if stored > n_stored {
                take_steps(&mut masks, &splits[n_stored..stored]);
                (line, n_stored) = (self.push_masks(&masks)?, stored);
            }
            self.push_state(State {
                line,
                first: (start + stored) as u32,
                last: (start + n) as u32,
            })?;
        }
        let missing: Vec<_> = splits.iter().filter(|split| !split.default_left).collect();
        self.push_whole_state(dense, &missing)?;
        self.push_column(
            dense,
            Column {
                feature: feature.into(),
                states,
                key: Key::Thresholds(Thresholds::new(&thresholds)),
            },
        )
    }

    fn push_categorical(
        &mut self,
        parts: &TreeParts,
        feature: u16,
        splits: &[Split<M>],
    ) -> Option<()> {
        let set = |split: &Split<M>| parts.sets[split.threshold as usize];
        let n_codes = splits.iter().map(|split| set(split).len as usize * 64).max()?;
        if n_codes.checked_mul(splits.len())? > MAX_CODES_SPLITS {
            return None;
        }
        let goes_right = |split: &Split<M>, code: usize| {
            let set = set(split);
            if code / 64 < set.len as usize {
                parts.words[set.start as usize + code / 64] >> (code % 64) & 1 == 0
            } else {
                !split.default_left
            }
        };
        let dense = self.is_dense(splits.len());
        let states = self.segment.states.len() as u32;
        // codes that all splits treat alike share a state; beyond `n_codes` is the first one's
        let mut known: HashMap<Vec<bool>, u32> = HashMap::new();
        let mut codes = Vec::with_capacity(n_codes);
        for code in [usize::MAX].into_iter().chain(0..n_codes) {
            let key: Vec<bool> = splits.iter().map(|split| goes_right(split, code)).collect();
            let state = match known.get(&key) {
                Some(&state) => state,
                None => {
                    let right = splits.iter().zip(&key).filter(|(_, right)| **right);
                    let right: Vec<_> = right.map(|(split, _)| split).collect();
                    self.push_whole_state(dense, &right)?;
                    let state = known.len() as u32;
                    known.insert(key, state);
                    state
                }
            };
            codes.push(state);
        }
        codes.remove(0);
        let n_used = codes.iter().rposition(|&state| state != 0).map_or(0, |last| last + 1);
        codes.truncate(n_used);
        codes.shrink_to_fit();
        self.budget.take::<u32>(codes.len())?;
        self.push_column(dense, Column { feature: feature.into(), states, key: Key::Codes(codes) })
    }

    fn is_dense(&self, n_splits: usize) -> bool {
        n_splits * TREES_PER_SPLIT >= self.segment.n_trees
    }

    /// A state of these splits, and no others.
    fn push_whole_state(&mut self, dense: bool, right: &[&Split<M>]) -> Option<()> {
        let (mut line, first) = (0, self.segment.steps.len() as u32);
        if !dense {
            self.push_steps(right.iter().copied())?;
        } else if !right.is_empty() {
            let mut masks = vec![M::ALL; self.segment.n_trees];
            take_steps(&mut masks, right.iter().copied());
            line = self.push_masks(&masks)?;
        }
        let last = self.segment.steps.len() as u32;
        self.push_state(State { line, first, last })
    }

    fn push_state(&mut self, state: State) -> Option<()> {
        self.budget.take::<State>(1)?;
        self.segment.states.push(state);
        Some(())
    }

    fn push_steps<'s>(&mut self, splits: impl Iterator<Item = &'s Split<M>>) -> Option<()>
    where
        M: 's,
    {
        for split in splits {
            self.budget.take::<Step<M>>(1)?;
            self.segment.steps.push(split.step);
        }
        u32::try_from(self.segment.steps.len()).ok().map(|_| ())
    }

    /// The line from which on `masks` stand.
    fn push_masks(&mut self, masks: &[M]) -> Option<u32> {
        let start = u32::try_from(self.segment.lines.len()).ok()?;
        self.budget.take::<Line<M>>(masks.len().div_ceil(LINE))?;
        for masks in masks.chunks(LINE) {
            let mut line = Line([M::ALL; LINE]);
            line.0[..masks.len()].copy_from_slice(masks);
            self.segment.lines.push(line);
        }
        Some(start)
    }

    fn push_column(&mut self, dense: bool, column: Column) -> Option<()> {
        self.budget.take::<Column>(1)?;
        let columns = if dense { &mut self.segment.dense } else { &mut self.segment.sparse };
        columns.push(column);
        Some(())
    }
}

fn take_steps<'s, M: Mask + 's>(masks: &mut [M], splits: impl IntoIterator<Item = &'s Split<M>>) {
    for split in splits {
        masks[split.step.tree as usize] &= split.step.mask;
    }
}
