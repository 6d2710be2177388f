//! Columns as bins: at most 255 values or categories, and one bin for what is missing.
//!
//! The bounds are found like LightGBM's `GreedyFindBin` does (`src/io/bin.cpp`): every distinct
//! value its own bin when they are few; else equal counts, with a bin of its own for a value
//! that is more frequent than a bin should be.

use super::super::check::category_code;
use super::super::{ColumnKind, FeatureMatrix};

/// Bins that hold values; with the missing bin they fit a byte.
pub(super) const MAX_BINS: usize = 255;

/// How the values of one column become bins `0..n_bins`; bin `n_bins` is the missing one.
pub(super) enum ColumnBins {
    /// Bin `b` holds the values in `(bounds[b - 1], bounds[b]]`.
    Numeric {
        /// Strictly increasing, one fewer than there are bins.
        bounds: Vec<f64>,
    },
    /// Each of the most frequent categories has its bin.
    Categorical {
        /// Per code; categories that are not seen or too rare have the missing bin.
        bin_of_code: Vec<u8>,
        n_bins: usize,
    },
}

impl ColumnBins {
    /// Number of bins without the missing one.
    pub(super) fn n_bins(&self) -> usize {
        match self {
            Self::Numeric { bounds } => bounds.len() + 1,
            Self::Categorical { n_bins, .. } => *n_bins,
        }
    }

    /// The bin of `value`.
    pub(super) fn bin(&self, value: f64) -> u8 {
        match self {
            Self::Numeric { bounds } if value.is_nan() => (bounds.len() + 1) as u8,
            Self::Numeric { bounds } => bounds.partition_point(|&bound| bound < value) as u8,
            Self::Categorical { bin_of_code, n_bins } => category_code(value)
                .and_then(|code| bin_of_code.get(code as usize).copied())
                .unwrap_or(*n_bins as u8),
        }
    }
}

/// Binned columns, each a run of `n_rows` bytes.
pub(super) struct BinnedColumns {
    bins: Vec<u8>,
    n_rows: usize,
}

impl BinnedColumns {
    /// Bins `features` by `columns`.
    pub(super) fn new(features: &FeatureMatrix, columns: &[ColumnBins]) -> Self {
        let mut bins = Vec::with_capacity(features.n_rows() * columns.len());
        for (index, column) in columns.iter().enumerate() {
            bins.extend(features.column(index).map(|value| column.bin(value)));
        }
        Self { bins, n_rows: features.n_rows() }
    }

    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Bins of column `index`, shape `(n_rows,)`.
    pub(super) fn column(&self, index: usize) -> &[u8] {
        &self.bins[index * self.n_rows..(index + 1) * self.n_rows]
    }
}

/// Finds the bins of every column of the training features.
pub(super) fn find_bins(
    features: &FeatureMatrix,
    kinds: &[ColumnKind],
    max_bins: usize,
    min_bin_rows: usize,
) -> Vec<ColumnBins> {
    let find = |(index, kind): (usize, &ColumnKind)| match *kind {
        ColumnKind::Numeric => {
            let values = features.column(index).filter(|value| !value.is_nan()).collect();
            ColumnBins::Numeric { bounds: numeric_bounds(values, max_bins, min_bin_rows) }
        }
        ColumnKind::Categorical { levels } => {
            let codes = features.column(index).filter_map(category_code);
            categorical_bins(codes, levels as usize, max_bins)
        }
    };
    kinds.iter().enumerate().map(find).collect()
}

fn numeric_bounds(mut values: Vec<f64>, max_bins: usize, min_bin_rows: usize) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let mut distinct: Vec<(f64, usize)> = Vec::new();
    for &value in &values {
        match distinct.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => distinct.push((value, 1)),
        }
    }
    let cuts = if distinct.len() <= max_bins {
        cuts_between_all(&distinct, min_bin_rows)
    } else {
        let max_bins = max_bins.min(values.len() / min_bin_rows.max(1)).max(1);
        cuts_of_equal_counts(&distinct, values.len(), max_bins)
    };
    cuts.into_iter().map(|i| between(distinct[i].0, distinct[i + 1].0)).collect()
}

/// Indices of the distinct values behind which a bin ends: behind each, with enough rows a bin.
fn cuts_between_all(distinct: &[(f64, usize)], min_bin_rows: usize) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut rows = 0;
    for (i, &(_, count)) in distinct.iter().enumerate().take(distinct.len().saturating_sub(1)) {
        rows += count;
        if rows >= min_bin_rows {
            cuts.push(i);
            rows = 0;
        }
    }
    cuts
}

fn cuts_of_equal_counts(distinct: &[(f64, usize)], n: usize, max_bins: usize) -> Vec<usize> {
    let mut wanted = n as f64 / max_bins as f64;
    let big: Vec<bool> = distinct.iter().map(|&(_, count)| count as f64 >= wanted).collect();
    let mut bins_left = max_bins;
    let mut rows_left = n;
    for (&(_, count), _) in distinct.iter().zip(&big).filter(|(_, big)| **big) {
        bins_left -= 1;
        rows_left -= count;
    }
    wanted = rows_left as f64 / bins_left.max(1) as f64;
    let mut cuts = Vec::new();
    let mut rows = 0;
    for i in 0..distinct.len() - 1 {
        let count = distinct[i].1;
        rows += count;
        if !big[i] {
            rows_left -= count;
        }
        let full = rows as f64 >= wanted;
        let before_big = big[i + 1] && rows as f64 >= (wanted * 0.5).max(1.0);
        if big[i] || full || before_big {
            cuts.push(i);
            if cuts.len() + 1 >= max_bins {
                break;
            }
            rows = 0;
            if !big[i] {
                bins_left = bins_left.saturating_sub(1);
                wanted = rows_left as f64 / bins_left.max(1) as f64;
            }
        }
    }
    cuts
}

/// A number in `[a, b)` for `a < b`: their middle where it can be represented.
fn between(a: f64, b: f64) -> f64 {
    let middle = a / 2.0 + b / 2.0;
    if middle >= a && middle < b { middle } else { a }
}

fn categorical_bins(
    codes: impl Iterator<Item = u32>,
    levels: usize,
    max_bins: usize,
) -> ColumnBins {
    let mut counts = vec![0_usize; levels];
    codes.for_each(|code| counts[code as usize] += 1);
    let mut seen: Vec<usize> = (0..levels).filter(|&code| counts[code] > 0).collect();
    seen.sort_by_key(|&code| (std::cmp::Reverse(counts[code]), code));
    seen.truncate(max_bins);
    let n_bins = seen.len();
    let mut bin_of_code = vec![n_bins as u8; levels];
    for (bin, &code) in seen.iter().enumerate() {
        bin_of_code[code] = bin as u8;
    }
    ColumnBins::Categorical { bin_of_code, n_bins }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_distinct_values_get_a_bin_each() {
        let bounds = numeric_bounds(vec![3.0, 1.0, 1.0, 2.0], 255, 1);
        assert_eq!(bounds, [1.5, 2.5]);
        let bins = ColumnBins::Numeric { bounds };
        assert_eq!([1.0, 1.5, 1.6, 9.0, f64::NAN].map(|value| bins.bin(value)), [0, 0, 1, 2, 3]);
    }

    #[test]
    fn many_distinct_values_get_bins_of_equal_count_and_frequent_ones_their_own() {
        let mut values: Vec<f64> = (0..1000).map(f64::from).collect();
        let even = numeric_bounds(values.clone(), 10, 1);
        assert_eq!(even, [99.5, 199.5, 299.5, 399.5, 499.5, 599.5, 699.5, 799.5, 899.5]);
        values.extend([500.0; 1000]);
        let bounds = numeric_bounds(values, 10, 1);
        assert!(bounds.contains(&499.5) && bounds.contains(&500.5), "{bounds:?}");
        assert!(bounds.len() <= 9 && bounds.is_sorted());
    }

    #[test]
    fn no_bound_equals_the_value_above_it() {
        let next = 1.0_f64.next_up();
        assert_eq!(numeric_bounds(vec![1.0, next], 255, 1), [1.0]);
        let infinite = numeric_bounds(vec![f64::NEG_INFINITY, 0.0, f64::INFINITY], 255, 1);
        assert_eq!(infinite, [f64::NEG_INFINITY, 0.0]);
    }

    #[test]
    fn rare_and_unseen_categories_are_missing() {
        let bins = categorical_bins([4, 4, 1, 1, 1, 0].into_iter(), 6, 2);
        assert_eq!(bins.n_bins(), 2);
        let values = [1.0, 4.0, 0.0, 5.0, 7.0, -1.0, 0.5, f64::NAN];
        assert_eq!(values.map(|value| bins.bin(value)), [0, 1, 2, 2, 2, 2, 2, 2]);
    }
}
