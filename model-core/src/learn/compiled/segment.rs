//! Masks of up to [`TREES`] trees, and what each column of a row does to them.

use std::fmt::Debug;
use std::ops::{BitAndAssign, Range};

use super::super::check::category_code;

/// Trees whose masks are worked on at the same time: their leaves fit registers.
pub(super) const LINE: usize = 32;
/// Trees of a segment: their masks fit the first level cache, and the stack.
pub(super) const TREES: usize = 1024;
/// Dense columns that are worked on at the same time.
const DENSE: usize = 64;

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

/// A split at which the row goes right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<M> {
    pub(super) mask: M,
    pub(super) tree: u32,
}

/// What a column does: the masks from `line` on (dense columns only), and the steps.
#[derive(Clone, Copy, Debug)]
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
    Thresholds(Vec<f64>),
    /// Per code; the first state is for codes beyond and for what is no code.
    Codes(Vec<u32>),
}

impl Column {
    /// Index of the state that `row` puts the column in.
    #[inline(always)]
    fn state(&self, row: &[f64]) -> usize {
        let value = row.get(self.feature as usize).copied().unwrap_or(f64::NAN);
        let state = match &self.key {
            Key::Thresholds(thresholds) => {
                let n_below = thresholds.partition_point(|&threshold| threshold < value);
                if value.is_nan() { thresholds.len() + 1 } else { n_below }
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
        let mut leaves = Leaves([M::ALL; TREES]);
        for column in &self.sparse {
            let state = self.states[column.state(row)];
            self.take_steps(state, &mut leaves);
        }
        let mut lines = [0_u32; DENSE];
        let mut n_lines = 0;
        for column in &self.dense {
            if n_lines == DENSE {
                self.take_lines(&lines, &mut leaves);
                n_lines = 0;
            }
            let state = self.states[column.state(row)];
            self.take_steps(state, &mut leaves);
            lines[n_lines % DENSE] = state.line;
            n_lines += 1;
        }
        let blocks = self.values.chunks_exact(M::LEAVES * LINE);
        let leaves = leaves.0.as_chunks().0;
        for (block, (masks, values)) in leaves.iter().zip(blocks).enumerate() {
            visit(&self.with_lines(masks, &lines[..n_lines], block), values);
        }
    }

    #[inline(always)]
    fn take_steps(&self, state: State, leaves: &mut Leaves<M>) {
        for step in &self.steps[state.first as usize..state.last as usize] {
            leaves.0[step.tree as usize % TREES] &= step.mask;
        }
    }

    #[cold]
    fn take_lines(&self, lines: &[u32], leaves: &mut Leaves<M>) {
        let n_blocks = self.n_trees.div_ceil(LINE);
        for (block, masks) in leaves.0.as_chunks_mut().0.iter_mut().take(n_blocks).enumerate() {
            *masks = self.with_lines(masks, lines, block);
        }
    }

    /// `masks` without the leaves that are not in these lines.
    #[inline(always)]
    fn with_lines(&self, masks: &[M; LINE], lines: &[u32], block: usize) -> [M; LINE] {
        let mut masks = *masks;
        let all = &self.lines[..];
        for &line in lines {
            let Line(line) = all[line as usize + block];
            masks.iter_mut().zip(line).for_each(|(mask, other)| *mask &= other);
        }
        masks
    }

    #[cfg(test)]
    pub(super) fn n_bytes(&self) -> usize {
        let keys = self.dense.iter().chain(&self.sparse).map(|column| match &column.key {
            Key::Thresholds(thresholds) => 8 * thresholds.len(),
            Key::Codes(codes) => 4 * codes.len(),
        });
        keys.sum::<usize>()
            + self.states.len() * size_of::<State>()
            + self.lines.len() * size_of::<Line<M>>()
            + self.steps.len() * size_of::<Step<M>>()
            + 8 * self.values.len()
    }
}
