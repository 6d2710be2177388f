//! Equal-width bins, placed as `numpy.histogram_bin_edges` and `numpy.histogram` place them.

use super::ecdf::Ecdf;
use super::numeric::{Moments, NumericColumn};

/// Bins `edges[i] <= value < edges[i + 1]`, the last one with its upper edge.
#[derive(Clone, Debug, PartialEq)]
pub struct EqualWidth {
    edges: Vec<f64>,
}

impl EqualWidth {
    /// As many bins of equal width between the two as `width` fits; one bin for a width of 0.
    fn new(low: f64, high: f64, width: f64) -> Self {
        let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
        let bins = if width > 0.0 { ((high - low) / width).ceil().max(1.0) } else { 1.0 };
        let step = (high - low) / bins;
        let mut edges: Vec<f64> = (0..bins as usize).map(|i| i as f64 * step + low).collect();
        edges.push(high);
        Self { edges }
    }

    /// Sturges' rule (1926) for `n` values between `low` and `high`: `log2(n) + 1` bins.
    /// `whole` numbers get bins at least 1 wide.
    pub fn sturges(n: u64, low: f64, high: f64, whole: bool) -> Self {
        let width = (high - low) / ((n as f64).log2() + 1.0);
        Self::new(low, high, if whole && width > 0.0 { width.max(1.0) } else { width })
    }

    /// Doane's rule (1976), which adds bins for a skewed column.
    pub fn doane(column: &NumericColumn) -> Self {
        let Moments { min, max, deviation, skewness, .. } = *column.moments();
        let n = column.n() as f64;
        let width = if n > 2.0 && deviation > 0.0 {
            let error = (6.0 * (n - 2.0) / ((n + 1.0) * (n + 3.0))).sqrt();
            (max - min) / (1.0 + n.log2() + (1.0 + skewness.abs() / error).log2())
        } else {
            0.0
        };
        Self::new(min, max, width)
    }

    /// Edges, one more than bins.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// How many values of a distribution fall in each bin; values outside fall in none. Exact
    /// where the distribution is, or has these edges.
    pub fn count(&self, distribution: &Ecdf) -> Vec<u64> {
        let mut below: Vec<u64> = self.edges.iter().map(|edge| distribution.below(*edge)).collect();
        if let (Some(last), Some(edge)) = (below.last_mut(), self.edges.last()) {
            *last = distribution.at_or_below(*edge);
        }
        below.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numpys_example_of_sturges() {
        // np.histogram_bin_edges([0, 1, 2, 3, 4, 10], bins="sturges"): log2(6) + 1 = 3.58.
        let bins = EqualWidth::sturges(6, 0.0, 10.0, false);
        assert_eq!(bins.edges(), [0.0, 2.5, 5.0, 7.5, 10.0]);
        assert_eq!(bins.count(&Ecdf::exact(&[0.0, 1.0, 2.0, 3.0, 4.0, 10.0, 11.0])), [3, 2, 0, 1]);
        // Whole numbers from 0 to 2 need no bins half as wide.
        assert_eq!(EqualWidth::sturges(100, 0.0, 2.0, true).edges(), [0.0, 1.0, 2.0]);
        assert_eq!(EqualWidth::sturges(9, 3.0, 3.0, false).edges(), [2.5, 3.5]);
    }

    #[test]
    fn doanes_rule_adds_bins_for_skew() {
        // np.histogram_bin_edges(x, bins="doane") for x = [0, 1, ..., 15] and its squares.
        let column = |power: i32| {
            NumericColumn::new((0..16).map(|i| f64::from(i).powi(power)).collect(), false, 99)
        };
        assert_eq!(EqualWidth::doane(&column(1)).edges().len(), 6);
        assert_eq!(EqualWidth::doane(&column(2)).edges().len(), 8);
        assert_eq!(EqualWidth::doane(&column(0)).edges(), [0.5, 1.5]);
    }

    proptest! {
        #[test]
        fn every_value_falls_where_it_belongs(
            values in prop::collection::vec(-40_i32..40, 1..80),
            n in 1_u64..4_000,
        ) {
            let values: Vec<f64> = values.into_iter().map(|value| f64::from(value) / 8.0).collect();
            let bins = EqualWidth::sturges(n, -3.3, 4.1, false);
            let counts = bins.count(&Ecdf::exact(&values));
            let last = counts.len() - 1;
            for (i, (count, edges)) in counts.iter().zip(bins.edges().windows(2)).enumerate() {
                let inside = |v: &&f64| **v >= edges[0] && (**v < edges[1] || i == last && **v == edges[1]);
                prop_assert_eq!(*count, values.iter().filter(inside).count() as u64);
            }
        }
    }
}
