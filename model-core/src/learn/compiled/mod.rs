//! Trees in the form a price is computed from.
//!
//! No tree is walked. Each tree has a mask with one bit per leaf, leftmost leaf first, and each
//! split has the mask that clears the leaves of its left side. A row clears the left sides of all
//! splits at which it goes right; the lowest bit that remains is the leaf it reaches (QuickScorer,
//! Lucchese et al. 2015). So the order of splits does not matter, and they can be taken column by
//! column: what a value of one column does to all trees at once is its [`segment::State`], of which a
//! column has one per value that some split tells apart. The masks of a state are stored for
//! every tree side by side ("dense") where many trees split on the column, and as a list of the
//! splits otherwise. Of a numeric column only every [`build::SPACING`]-th state is stored dense; a
//! state in between is the last stored one and the splits since.
//!
//! Leaves, and the order in which their values are added, are those of the walk in
//! [`super::trees`]: estimates agree bit for bit.

mod build;
mod paths;
mod segment;

use super::precision::{Added, InSingle, Precision, Sum};
use super::trees::TreeParts;
use paths::{Paths, Sums};
use segment::{Begun, LINE, Mask, Segment};

/// Rows that go through a block of trees together: what is known of them fits the second level
/// cache beside the block.
const ROWS: usize = 32;

/// Compiled trees; models whose trees have more than 64 leaves have no such form.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    precision: Precision,
    base: f64,
    masks: Masks,
    /// `None` where too many columns are split on.
    paths: Option<Paths>,
}

/// By the most leaves that a tree has.
#[derive(Clone, Debug)]
enum Masks {
    UpTo32(Vec<Segment<u32>>),
    UpTo64(Vec<Segment<u64>>),
}

impl Compiled {
    /// Compiles parts that were checked; `None` where it would take too much memory, or where a
    /// tree has too many leaves.
    pub(super) fn new(parts: &TreeParts) -> Option<Self> {
        let mut budget = build::Budget::of(parts);
        let masks = match build::most_leaves(parts) {
            0 => return None,
            1..=32 => Masks::UpTo32(build::segments(parts, &mut budget)?),
            33..=64 => Masks::UpTo64(build::segments(parts, &mut budget)?),
            _ => return None,
        };
        let (precision, base) = (parts.precision, parts.base);
        Some(Self { precision, base, masks, paths: Paths::new(parts, &mut budget) })
    }

    /// The estimate for `row`; columns that it lacks are missing.
    pub(super) fn predict(&self, row: &[f64]) -> f64 {
        match self.precision {
            Precision::Double => self.sum::<f64>(row),
            Precision::Single => self.sum::<InSingle>(row),
        }
    }

    fn sum<S: Sum>(&self, row: &[f64]) -> f64 {
        let base = S::start(self.base);
        match &self.masks {
            Masks::UpTo32(segments) => predict(base, segments, row),
            Masks::UpTo64(segments) => predict(base, segments, row),
        }
    }

    /// The estimate; adds the contributions of the columns to `out`.
    pub(super) fn explain(&self, row: &[f64], out: &mut [f64]) -> Option<Added> {
        let paths = self.paths.as_ref()?;
        Some(match self.precision {
            Precision::Double => self.sum_explained::<f64>(paths, row, out),
            Precision::Single => self.sum_explained::<InSingle>(paths, row, out),
        })
    }

    fn sum_explained<S: Sum>(&self, paths: &Paths, row: &[f64], out: &mut [f64]) -> Added {
        let base = S::start(self.base);
        match &self.masks {
            Masks::UpTo32(segments) => explain(base, segments, paths, row, out),
            Masks::UpTo64(segments) => explain(base, segments, paths, row, out),
        }
    }

    /// [`Compiled::explain`] of several rows, tree by tree: a block of trees is read from memory
    /// once for all of them. Adds the contributions of each row to its part of `outs`, shape
    /// `(rows.len(), width)`.
    pub(super) fn explain_batch(
        &self,
        rows: &[&[f64]],
        outs: &mut [f64],
        width: usize,
    ) -> Option<Vec<Added>> {
        let paths = self.paths.as_ref()?;
        Some(match self.precision {
            Precision::Double => self.sums_explained::<f64>(paths, rows, outs, width),
            Precision::Single => self.sums_explained::<InSingle>(paths, rows, outs, width),
        })
    }

    fn sums_explained<S: Sum>(
        &self,
        paths: &Paths,
        rows: &[&[f64]],
        outs: &mut [f64],
        width: usize,
    ) -> Vec<Added> {
        let base = S::start(self.base);
        match &self.masks {
            Masks::UpTo32(segments) => explain_batch(base, segments, paths, rows, outs, width),
            Masks::UpTo64(segments) => explain_batch(base, segments, paths, rows, outs, width),
        }
    }

    /// Memory it takes.
    #[cfg(test)]
    pub(super) fn n_bytes(&self) -> usize {
        let masks = match &self.masks {
            Masks::UpTo32(segments) => segments.iter().map(Segment::n_bytes).sum::<usize>(),
            Masks::UpTo64(segments) => segments.iter().map(Segment::n_bytes).sum::<usize>(),
        };
        masks + self.paths.as_ref().map_or(0, Paths::n_bytes)
    }
}

fn predict<M: Mask, S: Sum>(base: S, segments: &[Segment<M>], row: &[f64]) -> f64 {
    let mut sum = base;
    for segment in segments {
        segment.for_each_block(row, |masks, values| {
            for (mask, values) in masks.iter().zip(values.chunks_exact(M::LEAVES)) {
                sum = sum.plus(values[mask.leftmost() % M::LEAVES]);
            }
        });
    }
    sum.added().total
}

fn explain<M: Mask, S: Sum>(
    base: S,
    segments: &[Segment<M>],
    paths: &Paths,
    row: &[f64],
    out: &mut [f64],
) -> Added {
    let (mut sum, mut first_tree) = (base, 0);
    let mut sums = Sums::default();
    for segment in segments {
        segment.for_each_block(row, |masks, values| {
            let leaves = take_leaves(masks, values, &mut sum);
            paths.add(first_tree, &leaves, &mut sums);
            first_tree += LINE;
        });
    }
    paths.finish(&sums, out);
    sum.added()
}

/// A row on its way through all trees.
struct OnItsWay<M, S> {
    begun: Begun<M>,
    sum: S,
    sums: Sums,
}

fn explain_batch<M: Mask, S: Sum>(
    base: S,
    segments: &[Segment<M>],
    paths: &Paths,
    rows: &[&[f64]],
    outs: &mut [f64],
    width: usize,
) -> Vec<Added> {
    let mut added = Vec::with_capacity(rows.len());
    let mut ways: Vec<OnItsWay<M, S>> = (0..rows.len().min(ROWS))
        .map(|_| OnItsWay { begun: Begun::default(), sum: base, sums: Sums::default() })
        .collect();
    for (rows, outs) in rows.chunks(ROWS).zip(outs.chunks_mut((ROWS * width).max(1))) {
        let ways = &mut ways[..rows.len()];
        for way in ways.iter_mut() {
            (way.sum, way.sums) = (base, Sums::default());
        }
        let mut first_tree = 0;
        for segment in segments {
            for (way, row) in ways.iter_mut().zip(rows) {
                segment.begin(row, &mut way.begun);
            }
            for (block, values) in segment.blocks().enumerate() {
                for way in ways.iter_mut() {
                    let masks = segment.masks(&way.begun, block);
                    let leaves = take_leaves(&masks, values, &mut way.sum);
                    paths.add(first_tree, &leaves, &mut way.sums);
                }
                first_tree += LINE;
            }
        }
        for (way, out) in ways.iter().zip(outs.chunks_mut(width.max(1))) {
            paths.finish(&way.sums, out);
            added.push(way.sum.added());
        }
    }
    added
}

/// The leaves that masks leave; their values are added to the sum.
#[inline(always)]
fn take_leaves<M: Mask, S: Sum>(masks: &[M; LINE], values: &[f64], sum: &mut S) -> [usize; LINE] {
    let mut leaves = [0; LINE];
    let values = values.chunks_exact(M::LEAVES);
    for ((mask, values), leaf) in masks.iter().zip(values).zip(&mut leaves) {
        *leaf = mask.leftmost() % M::LEAVES;
        *sum = sum.plus(values[*leaf]);
    }
    leaves
}

#[cfg(test)]
mod tests;
