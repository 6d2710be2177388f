//! A histogram with fixed edges: parts that are merged equal the whole, and every share at or
//! below an edge is exact.

use std::cmp::Ordering;
use std::hint::select_unpredictable;

use serde::{Deserialize, Serialize};

use super::ecdf::{Ecdf, key_value, order_key};

/// Most edges: a search among them takes twelve steps, and they fit the innermost cache.
pub const MAX_EDGES: usize = 4_095;
/// Values that are searched for side by side.
const LANES: usize = 8;

/// Counts between fixed edges; bucket `i` holds `edges[i - 1] <= value < edges[i]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FixedHistogram {
    /// Ascending, distinct, finite.
    edges: Vec<f64>,
    /// One more than edges.
    counts: Vec<u64>,
}

impl FixedHistogram {
    /// Without values yet. Edges come in any order; beyond [`MAX_EDGES`] distinct finite ones
    /// the largest are left out.
    pub fn new(mut edges: Vec<f64>) -> Self {
        edges.retain(|edge| edge.is_finite());
        edges.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        edges.dedup();
        edges.truncate(MAX_EDGES);
        let counts = vec![0; edges.len() + 1];
        Self { edges, counts }
    }

    /// Edges at the quantiles of a sample of `values`, and around each value that makes up a
    /// bucket of its own, leaving room for `more` edges.
    pub fn quantile_edges(values: &[f64], more: usize) -> Vec<f64> {
        /// Sixteen sampled values a bucket: few hold twice the share that is meant.
        const SAMPLE: usize = 16 * (MAX_EDGES + 1);
        let step = values.len().div_ceil(SAMPLE).max(1);
        let mut sample: Vec<i64> = values.iter().step_by(step).map(|v| order_key(*v)).collect();
        sample.sort_unstable();
        let wanted = MAX_EDGES.saturating_sub(more).max(1);
        let stride = sample.len().div_ceil(wanted).max(1);
        let mut edges: Vec<f64> = Vec::with_capacity(wanted);
        let mut push = |edge: f64| {
            if edges.last() < Some(&edge) {
                edges.push(edge);
            }
        };
        for i in (0..sample.len()).step_by(stride) {
            let edge = key_value(sample[i]);
            push(edge);
            // A value that is the next quantile, too, ends here; that quantile needs no edge.
            if sample.get(i + stride) == Some(&sample[i]) {
                push(edge.next_up());
            }
        }
        edges
    }

    /// Counts finite values.
    pub fn extend(&mut self, values: &[f64]) {
        let mut padded = [f64::INFINITY; MAX_EDGES + 1];
        padded[..self.edges.len()].copy_from_slice(&self.edges);
        let mut counts = [0_u64; MAX_EDGES + 1];
        let chunks = values.chunks_exact(LANES);
        for value in chunks.remainder() {
            counts[search(&padded, [*value])[0]] += 1;
        }
        for chunk in chunks {
            if let Ok(lanes) = <[f64; LANES]>::try_from(chunk) {
                search(&padded, lanes)
                    .into_iter()
                    .for_each(|bucket| counts[bucket & MAX_EDGES] += 1);
            }
        }
        self.counts.iter_mut().zip(counts).for_each(|(all, new)| *all += new);
    }

    /// Adds what another histogram has counted; `false`, and nothing is added, if its edges
    /// are others.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.edges != other.edges {
            return false;
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(all, more)| *all += more);
        true
    }

    /// The distribution: all values of a bucket at its lower edge. Shares *below* an edge are
    /// exact; no other is off by more than the largest share of a bucket that more than one
    /// number fits in.
    pub fn ecdf(&self) -> Ecdf {
        let n: u64 = self.counts.iter().sum();
        let first = self.edges.first().map_or(0.0, |edge| edge.next_down());
        let lower = std::iter::once(first).chain(self.edges.iter().copied());
        let upper = self.edges.iter().copied().map(Some).chain([None]);
        let mut largest = 0;
        let mut points = Vec::with_capacity(self.counts.len());
        for ((low, high), count) in lower.zip(upper).zip(&self.counts) {
            if *count == 0 {
                continue;
            }
            points.push((order_key(low), *count));
            if low == first || high.is_none_or(|high| high > low.next_up()) {
                largest = largest.max(*count);
            }
        }
        Ecdf::of_sorted(points.into_iter(), largest as f64 / n.max(1) as f64)
    }
}

/// How many edges are at or below each value: a binary search without branches, since no
/// processor can predict them, for several values at once, so that their steps overlap.
fn search<const N: usize>(edges: &[f64; MAX_EDGES + 1], values: [f64; N]) -> [usize; N] {
    let mut buckets = [0; N];
    let mut half = edges.len() / 2;
    while half > 0 {
        for (bucket, value) in buckets.iter_mut().zip(values) {
            // Never beyond the last edge: the mask only tells the compiler.
            let passed = edges[(*bucket + half - 1) & MAX_EDGES] <= value;
            *bucket = select_unpredictable(passed, *bucket + half, *bucket);
        }
        half /= 2;
    }
    buckets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::drift::statistics::ecdf::kolmogorov_smirnov;

    fn histogram(edges: &[f64], values: &[f64]) -> FixedHistogram {
        let mut histogram = FixedHistogram::new(edges.to_vec());
        histogram.extend(values);
        histogram
    }

    #[test]
    fn buckets_by_hand() {
        let found = histogram(&[3.0, 1.0, 2.0, 2.0], &[0.5, 1.0, 1.5, 2.0, 2.9, 3.0, 9.0, 1.0]);
        assert_eq!((found.edges, found.counts), (vec![1.0, 2.0, 3.0], vec![1, 3, 2, 2]));
    }

    #[test]
    fn a_frequent_value_has_a_bucket_of_its_own() {
        let values: Vec<f64> =
            (0..200_000).map(|i| if i % 3 == 0 { 7.0 } else { f64::from(i) / 1e4 }).collect();
        let edges = FixedHistogram::quantile_edges(&values, 100);
        assert!(edges.len() < MAX_EDGES - 100);
        let ecdf = histogram(&edges, &values).ecdf();
        assert!(ecdf.rank_error() < 1e-3, "{}", ecdf.rank_error());
        let error = kolmogorov_smirnov(&Ecdf::exact(&values), &ecdf).unwrap();
        assert!(error <= ecdf.rank_error() && error > 0.0);
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec((-400_i32..400).prop_map(|value| f64::from(value) / 8.0), 1..120)
    }

    proptest! {
        #[test]
        fn merged_parts_are_the_whole(values in values(), edges in values(), cut in 0..120_usize) {
            let cut = cut.min(values.len());
            let mut merged = histogram(&edges, &values[..cut]);
            prop_assert!(merged.merge(&histogram(&edges, &values[cut..])));
            prop_assert_eq!(&merged, &histogram(&edges, &values));
            prop_assert!(!merged.merge(&FixedHistogram::new(vec![1e6])));
        }

        #[test]
        fn shares_below_edges_are_exact_and_the_others_within_the_error(
            values in values(),
            edges in values(),
        ) {
            let (exact, ecdf) = (Ecdf::exact(&values), histogram(&edges, &values).ecdf());
            prop_assert_eq!(ecdf.total(), exact.total());
            for edge in &edges {
                prop_assert_eq!(ecdf.below(*edge), exact.below(*edge));
            }
            let error = kolmogorov_smirnov(&exact, &ecdf).unwrap();
            prop_assert!(error <= ecdf.rank_error() + 1e-12, "{} {}", error, ecdf.rank_error());
        }
    }
}
