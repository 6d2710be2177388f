//! Masks of up to [`TREES`] trees, and what each column of a row does to them.

use std::fmt::Debug;
use std::ops::{BitAndAssign, Range};

use super::super::check::category_code;

/// Trees whose masks are worked on at the same time: their leaves fit registers.
pub(super) const LINE: usize = 32;
/// Trees of a segment: their masks fit the first level cache, and the stack.
pub(super) const TREES: usize = 1024;
/// Columns that are worked on at the same time.
const COLUMNS: usize = 64;
/// Thresholds that are compared without a branch.
pub(super) const RUN: usize = 16;

/// One bit per leaf of a tree.
pub(super) trait Mask: Copy + Debug + BitAndAssign {
    /// How many leaves there can be.
    const LEAVES: usize;
    /// All leaves.
    const ALL: Self;

    /// All leaves but these.
    fn without(leaves: Range<u32>) -> Self;

    /// The leftmost leaf.
    fn leftmost(self) -> usize;
}

macro_rules! mask {
    ($bits:ty) => {
        impl Mask for $bits {
            const LEAVES: usize = Self::BITS as usize;
            const ALL: Self = Self::MAX;

            fn without(leaves: Range<u32>) -> Self {
                leaves.fold(Self::MAX, |mask, leaf| mask & !(1 << leaf))
            }

            #[inline(always)]
            fn leftmost(self) -> usize {
                // a row reaches one leaf of each tree; the last bit spares the test for none
                (self | 1 << (Self::BITS - 1)).trailing_zeros() as usize
            }
        }
    };
}
mask!(u32);
mask!(u64);

/// Masks of trees side by side, aligned for whole registers.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Line<M>(pub(super) [M; LINE]);

/// Masks of all trees of a segment.
#[repr(C, align(64))]
struct Leaves<M>([M; TREES]);

/// How far a row has come in a segment: what is left of its trees before the lines of its last
/// dense columns are taken.
pub(super) struct Begun<M> {
    leaves: Leaves<M>,
    found: [State; COLUMNS],
    n_found: usize,
}

impl<M: Mask> Default for Begun<M> {
    fn default() -> Self {
        let leaves = Leaves([M::ALL; TREES]);
        Self { leaves, found: [State::default(); COLUMNS], n_found: 0 }
    }
}

/// A split at which the row goes right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<M> {
    pub(super) mask: M,
    pub(super) tree: u32,
}

/// What a column does: the masks from `line` on (dense columns only), and the steps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) line: u32,
    pub(super) first: u32,
    pub(super) last: u32,
}

/// A column as one kind of splits reads it.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) feature: u32,
    /// Where its states begin.
    pub(super) states: u32,
    pub(super) key: Key,
}

/// How a value finds its state.
#[derive(Clone, Debug)]
pub(super) enum Key {
    /// State `i` for values above `i` of the thresholds; the state after is for missing ones.
    Thresholds(Thresholds),
    /// Per code; the first state is for codes beyond and for what is no code.
    Codes(Vec<u32>),
}

/// Increasing thresholds in runs, so that a search takes few steps that depend on each other.
#[derive(Clone, Debug)]
pub(super) struct Thresholds {
    n: u32,
    /// NaN where there are no more.
    runs: Vec<[f64; RUN]>,
    /// The last threshold of each run but the last; NaN where there are no more.
    ends: Vec<[f64; RUN]>,
}

impl Thresholds {
    pub(super) fn new(thresholds: &[f64]) -> Self {
        let runs = |values: &[f64]| -> Vec<[f64; RUN]> {
            let run = |run: &[f64]| {
                let mut all = [f64::NAN; RUN];
                all[..run.len()].copy_from_slice(run);
                all
            };
            values.chunks(RUN).map(run).collect()
        };
        let n_ends = thresholds.len().saturating_sub(1) / RUN;
        let ends: Vec<f64> = (0..n_ends).map(|run| thresholds[run * RUN + RUN - 1]).collect();
        Self { n: thresholds.len() as u32, runs: runs(thresholds), ends: runs(&ends) }
    }

    /// How many thresholds are less than `value`.
    #[inline(always)]
    fn n_below(&self, value: f64) -> usize {
        let below = |run: &[f64; RUN]| {
            run.iter().map(|&threshold| u64::from(threshold < value)).sum::<u64>() as usize
        };
        let run = match &self.ends[..] {
            [] => 0,
            [ends] => below(ends),
            many => {
                // runs of ends whose last one is passed
                let passed = many.partition_point(|ends| ends[RUN - 1] < value);
                passed * RUN + many.get(passed).map_or(0, below)
            }
        };
        run * RUN + self.runs.get(run).map_or(0, below)
    }

    #[cfg(test)]
    fn n_bytes(&self) -> usize {
        (self.runs.len() + self.ends.len()) * size_of::<[f64; RUN]>()
    }
}

impl Column {
    /// Index of the state that `row` puts the column in.
    #[inline(always)]
    fn state(&self, row: &[f64]) -> usize {
        let value = row.get(self.feature as usize).copied().unwrap_or(f64::NAN);
        let state = match &self.key {
            Key::Thresholds(thresholds) => {
                let n_below = thresholds.n_below(value);
                if value.is_nan() { thresholds.n as usize + 1 } else { n_below }
            }
            Key::Codes(codes) => {
                let code = category_code(value).map_or(usize::MAX, |code| code as usize);
                codes.get(code).copied().unwrap_or(0) as usize
            }
        };
        self.states as usize + state
    }
}

/// Consecutive trees.
#[derive(Clone, Debug)]
pub(super) struct Segment<M> {
    /// Columns whose states have lines and steps.
    pub(super) dense: Vec<Column>,
    /// Columns whose states have steps only.
    pub(super) sparse: Vec<Column>,
    pub(super) states: Vec<State>,
    /// Per stored state the masks of all trees.
    pub(super) lines: Vec<Line<M>>,
    pub(super) steps: Vec<Step<M>>,
    pub(super) n_trees: usize,
    /// Values of the leaves, [`Mask::LEAVES`] a tree and [`LINE`] trees a block; where a block has
    /// fewer trees, what adds nothing.
    pub(super) values: Vec<f64>,
}

impl<M: Mask> Segment<M> {
    /// Tells `visit` the masks that `row` leaves of each block of trees, and the leaves' values.
    #[inline(always)]
    pub(super) fn for_each_block(&self, row: &[f64], mut visit: impl FnMut(&[M; LINE], &[f64])) {
        let mut begun = Begun::default();
        self.begin(row, &mut begun);
        for (block, values) in self.blocks().enumerate() {
            visit(&self.masks(&begun, block), values);
        }
    }

    /// The values of the leaves, block by block.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(M::LEAVES * LINE)
    }

    /// Takes all that is not taken block by block.
    #[inline(always)]
    pub(super) fn begin(&self, row: &[f64], begun: &mut Begun<M>) {
        let Begun { leaves, found, n_found } = begun;
        leaves.0.fill(M::ALL);
        for columns in self.sparse.chunks(COLUMNS) {
            self.take_steps(columns, row, found, leaves);
        }
        *n_found = 0;
        for columns in self.dense.chunks(COLUMNS) {
            if *n_found > 0 {
                self.take_lines(found, leaves);
            }
            *n_found = columns.len();
            self.take_steps(columns, row, found, leaves);
        }
    }

    /// The masks that a row leaves of a block of trees.
    #[inline(always)]
    pub(super) fn masks(&self, begun: &Begun<M>, block: usize) -> [M; LINE] {
        let masks = &begun.leaves.0.as_chunks().0[block];
        self.with_lines(masks, &begun.found[..begun.n_found], block)
    }

    /// Finds the states of up to [`COLUMNS`] columns, and takes their steps.
    #[inline(always)]
    fn take_steps(
        &self,
        columns: &[Column],
        row: &[f64],
        found: &mut [State; COLUMNS],
        leaves: &mut Leaves<M>,
    ) {
        // first all searches, which overlap, then the loops whose lengths nothing predicts
        for (found, column) in found.iter_mut().zip(columns) {
            *found = self.states[column.state(row)];
        }
        for state in &found[..columns.len()] {
            for step in &self.steps[state.first as usize..state.last as usize] {
                leaves.0[step.tree as usize % TREES] &= step.mask;
            }
        }
    }

    #[cold]
    fn take_lines(&self, states: &[State], leaves: &mut Leaves<M>) {
        let n_blocks = self.n_trees.div_ceil(LINE);
        for (block, masks) in leaves.0.as_chunks_mut().0.iter_mut().take(n_blocks).enumerate() {
            *masks = self.with_lines(masks, states, block);
        }
    }

    /// `masks` without the leaves that are not in the lines of these states.
    #[inline(always)]
    fn with_lines(&self, masks: &[M; LINE], states: &[State], block: usize) -> [M; LINE] {
        let mut masks = *masks;
        let all = &self.lines[..];
        for state in states {
            let Line(line) = all[state.line as usize + block];
            masks.iter_mut().zip(line).for_each(|(mask, other)| *mask &= other);
        }
        masks
    }

    #[cfg(test)]
    pub(super) fn n_bytes(&self) -> usize {
        let keys = self.dense.iter().chain(&self.sparse).map(|column| match &column.key {
            Key::Thresholds(thresholds) => thresholds.n_bytes(),
            Key::Codes(codes) => 4 * codes.len(),
        });
        keys.sum::<usize>()
            + self.states.len() * size_of::<State>()
            + self.lines.len() * size_of::<Line<M>>()
            + self.steps.len() * size_of::<Step<M>>()
            + 8 * self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_by_runs_equals_a_plain_search() {
        for n in [0, 1, 2, 15, 16, 17, 31, 32, 33, 255, 256, 257, 272, 273, 511, 512, 513, 5_000] {
            let mut values: Vec<f64> = (0..n).map(|i| f64::from(i) - 3.0).collect();
            for unbounded in [false, true] {
                if let (true, [first, .., last]) = (unbounded, &mut values[..]) {
                    (*first, *last) = (f64::NEG_INFINITY, f64::INFINITY);
                }
                let thresholds = Thresholds::new(&values);
                let between = (-9..2 * n + 9).map(|i| f64::from(i) / 2.0 - 3.0);
                let extremes = [f64::NEG_INFINITY, f64::MIN, -0.0, f64::MAX, f64::INFINITY];
                for value in between.chain(extremes) {
                    let expected = values.partition_point(|&threshold| threshold < value);
                    assert_eq!(thresholds.n_below(value), expected, "{value} among {n}");
                }
            }
        }
    }
}
