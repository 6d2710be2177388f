//! A mergeable quantile sketch: the distribution of millions of values in some thousand.
//!
//! KLL (Karnin, Lang & Liberty 2016, "Optimal quantile approximation in streams", *FOCS*):
//! levels of values, each of level `h` standing for `2^h` of the stream. A full level is
//! sorted and every second value moves up, those at odd or at even positions as a coin says.
//!
//! For streams that no reference gives edges to; a [`super::FixedHistogram`] is cheaper.
//!
//! The coin is seeded by what was seen so far, so that equal streams make equal sketches and
//! a replay repeats itself.

use serde::{Deserialize, Serialize};

use super::ecdf::{Ecdf, order_key};
use crate::random::SplitMix64;

/// Values on the topmost level unless asked otherwise: errors of about 0.1 % of the values.
pub const DEFAULT_K: u32 = 4_096;
/// Fewest values of a level: sorting fewer at a time costs more a value.
const MIN_CAPACITY: usize = 64;
/// A level has two thirds of the capacity of the one above it.
const SHRINK: f64 = 2.0 / 3.0;
/// How often [`KllSketch::rank_error`] may be exceeded.
const ERROR_PROBABILITY: f64 = 1e-3;

/// A sketch of a stream of finite values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KllSketch {
    k: u32,
    n: u64,
    /// Order keys; a value of level `h` stands for `2^h`.
    levels: Vec<Vec<i64>>,
    /// Sum over all compactions of `4^h`: what their coins add to the variance of a rank,
    /// at most.
    variance: f64,
    compactions: u64,
}

impl KllSketch {
    /// An empty sketch; `k`, at least 64, is how many values its topmost level can hold.
    pub fn new(k: u32) -> Self {
        let k = k.max(MIN_CAPACITY as u32);
        let first = Vec::with_capacity(k as usize);
        Self { k, n: 0, levels: vec![first], variance: 0.0, compactions: 0 }
    }

    /// Values seen.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Values kept.
    pub fn retained(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// Adds finite values.
    pub fn extend(&mut self, values: &[f64]) {
        let mut rest = values;
        while !rest.is_empty() {
            let room = self.capacity(0).saturating_sub(self.levels[0].len());
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.levels[0].extend(now.iter().map(|value| order_key(*value)));
            self.n += now.len() as u64;
            rest = later;
            self.cascade();
        }
    }

    /// Compacts from the bottom as far up as levels are full.
    fn cascade(&mut self) {
        let mut level = 0;
        while level < self.levels.len() && self.levels[level].len() >= self.capacity(level) {
            self.compact(level);
            level += 1;
        }
    }

    /// Adds all that another sketch has seen. Of different `k` the smaller holds from now on.
    pub fn merge(&mut self, other: &Self) {
        self.k = self.k.min(other.k);
        self.n += other.n;
        self.variance += other.variance;
        self.compactions += other.compactions;
        while self.levels.len() < other.levels.len() {
            self.levels.push(Vec::new());
        }
        for (level, theirs) in self.levels.iter_mut().zip(&other.levels) {
            level.extend_from_slice(theirs);
        }
        self.compress();
    }

    fn capacity(&self, level: usize) -> usize {
        let depth = self.levels.len() - 1 - level;
        let capacity = (f64::from(self.k) * SHRINK.powi(depth as i32)).ceil() as usize;
        capacity.max(MIN_CAPACITY)
    }

    /// Compacts the lowest full level until none is full.
    fn compress(&mut self) {
        let mut level = 0;
        while level < self.levels.len() {
            if self.levels[level].len() < self.capacity(level) {
                level += 1;
                continue;
            }
            self.compact(level);
            // A new level on top lowers the capacity of all below.
            level = 0;
        }
    }

    fn compact(&mut self, level: usize) {
        if level + 1 == self.levels.len() {
            self.levels.push(Vec::new());
        }
        let odd = u64::from(SplitMix64::new(self.compactions, self.n).below(2));
        self.compactions += 1;
        self.variance += 4_f64.powi(level as i32);
        let mut full = std::mem::take(&mut self.levels[level]);
        // Of an odd number one stays; the oldest, which no coin has chosen.
        let stays = full.len() % 2;
        full[stays..].sort_unstable();
        let promoted = full[stays..].iter().skip(odd as usize).step_by(2).copied();
        self.levels[level + 1].extend(promoted);
        full.truncate(stays);
        self.levels[level] = full;
    }

    /// Largest error of the share of values at or below anything, as a share of all; it holds
    /// for every such share at once with a probability of 99.9 %.
    ///
    /// Every compaction of level `h` moves a rank by 0 or by `2^h` up or down as its coin
    /// says, so a rank's error is sub-Gaussian with the summed `4^h` (Hoeffding). It is
    /// bounded at every quantile of a net as fine as a quarter of the error; between two of
    /// them no share can be off by more than the net's width on top.
    pub fn rank_error(&self) -> f64 {
        if self.variance == 0.0 {
            return 0.0;
        }
        let at = |net: f64| {
            let exponent = (2.0 / (ERROR_PROBABILITY * net)).ln();
            (2.0 * exponent * self.variance).sqrt() / self.n as f64
        };
        let coarse = at(at(1.0) / 4.0);
        let net = coarse / 4.0;
        (at(net) + net).min(1.0)
    }

    /// The distribution that the sketch stands for.
    pub fn ecdf(&self) -> Ecdf {
        let mut keys: Vec<(i64, u64)> = Vec::with_capacity(self.retained());
        for (level, values) in self.levels.iter().enumerate() {
            keys.extend(values.iter().map(|key| (*key, 1 << level)));
        }
        keys.sort_unstable();
        Ecdf::of_sorted(keys.into_iter(), self.rank_error())
    }
}

impl Default for KllSketch {
    fn default() -> Self {
        Self::new(DEFAULT_K)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::drift::statistics::ecdf::kolmogorov_smirnov;

    fn sketch(k: u32, values: &[f64]) -> KllSketch {
        let mut sketch = KllSketch::new(k);
        sketch.extend(values);
        sketch
    }

    fn stream(seed: u64, n: usize) -> Vec<f64> {
        let mut generator = SplitMix64::new(seed, 9);
        (0..n).map(|_| f64::from(generator.below(1 << 30)).sqrt()).collect()
    }

    #[test]
    fn few_values_are_kept_as_they_are() {
        let values = stream(1, 4_000);
        let small = sketch(DEFAULT_K, &values);
        assert_eq!((small.rank_error(), small.retained()), (0.0, 4_000));
        assert_eq!(small.ecdf(), Ecdf::exact(&values));
    }

    #[test]
    fn no_value_is_lost_and_equal_streams_make_equal_sketches() {
        let values = stream(2, 123_457);
        let whole = sketch(256, &values);
        assert_eq!((whole.n(), whole.ecdf().total()), (123_457, 123_457));
        assert!(whole.retained() < 1_500, "{}", whole.retained());
        assert_eq!(whole, sketch(256, &values));
        let mut pieces = KllSketch::new(256);
        values.chunks(7).for_each(|chunk| pieces.extend(chunk));
        assert_eq!(pieces, whole);
    }

    #[test]
    fn the_stated_error_holds_and_is_not_idle() {
        let mut largest = 0.0_f64;
        for seed in 0..40 {
            let values = stream(seed, 60_000);
            let sketch = sketch(512, &values);
            let error = kolmogorov_smirnov(&Ecdf::exact(&values), &sketch.ecdf()).unwrap();
            assert!(error <= sketch.rank_error(), "{error} {}", sketch.rank_error());
            largest = largest.max(error / sketch.rank_error());
        }
        assert!(largest > 0.2, "a bound that nothing comes near says nothing: {largest}");
    }

    #[test]
    fn sorted_and_constant_streams_are_no_exception() {
        let mut values = stream(3, 50_000);
        values.sort_unstable_by(f64::total_cmp);
        let ascending = sketch(512, &values);
        let error = kolmogorov_smirnov(&Ecdf::exact(&values), &ascending.ecdf()).unwrap();
        assert!(error <= ascending.rank_error());
        let constant = sketch(512, &vec![7.0; 50_000]);
        assert_eq!(constant.ecdf(), {
            let mut exact = Ecdf::exact(&vec![7.0; 50_000]);
            exact = Ecdf::of_sorted(
                exact.counts().map(|(x, n)| (order_key(x), n)).collect::<Vec<_>>().into_iter(),
                constant.rank_error(),
            );
            exact
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn merged_parts_are_within_the_error_of_the_whole(
            seed in any::<u64>(),
            cuts in prop::collection::vec(0..20_000_usize, 1..6),
        ) {
            let values = stream(seed, 20_000);
            let mut cuts = cuts;
            cuts.extend([0, values.len()]);
            cuts.sort_unstable();
            let mut merged = KllSketch::new(256);
            for cut in cuts.windows(2) {
                merged.merge(&sketch(256, &values[cut[0]..cut[1]]));
            }
            prop_assert_eq!(merged.n(), 20_000);
            prop_assert_eq!(merged.ecdf().total(), 20_000);
            let error = kolmogorov_smirnov(&Ecdf::exact(&values), &merged.ecdf()).unwrap();
            prop_assert!(error <= merged.rank_error(), "{} {}", error, merged.rank_error());
        }
    }
}
