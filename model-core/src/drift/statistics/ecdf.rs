//! The empirical distribution of a column's finite values, exact or estimated.

/// How many values lie at or below each distinct value.
///
/// Made of all values it is exact. Made of a [`super::kll::KllSketch`] it holds the sketch's
/// items with their weights, and [`Ecdf::rank_error`] says how far off a share can be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ecdf {
    /// Ascending, distinct, finite.
    values: Vec<f64>,
    /// Values at or below each of them.
    cumulative: Vec<u64>,
    rank_error: f64,
}

impl Ecdf {
    /// Of all values, which must be finite; their order does not matter.
    pub fn exact(values: &[f64]) -> Self {
        let mut keys: Vec<i64> = values.iter().map(|value| order_key(*value)).collect();
        keys.sort_unstable();
        Self::of_sorted(keys.into_iter().map(|key| (key, 1)), 0.0)
    }

    /// Of `(value, count)` pairs in any order, which must be finite.
    pub fn of_counts(pairs: &[(f64, u64)]) -> Self {
        let mut keys: Vec<(i64, u64)> =
            pairs.iter().map(|(value, count)| (order_key(*value), *count)).collect();
        keys.sort_unstable();
        Self::of_sorted(keys.into_iter(), 0.0)
    }

    /// Of ascending keys with their weights.
    pub(super) fn of_sorted(keys: impl Iterator<Item = (i64, u64)>, rank_error: f64) -> Self {
        let (mut values, mut cumulative) = (Vec::new(), Vec::new());
        let (mut total, mut last) = (0, None);
        for (key, weight) in keys {
            total += weight;
            if last == Some(key) {
                if let Some(count) = cumulative.last_mut() {
                    *count = total;
                }
            } else {
                values.push(key_value(key));
                cumulative.push(total);
                last = Some(key);
            }
        }
        Self { values, cumulative, rank_error }
    }

    /// Values counted.
    pub fn total(&self) -> u64 {
        self.cumulative.last().copied().unwrap_or(0)
    }

    /// Distinct values, ascending.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Distinct values with their counts, ascending.
    pub fn counts(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let before = std::iter::once(0).chain(self.cumulative.iter().copied());
        let counts = self.cumulative.iter().zip(before).map(|(here, before)| here - before);
        self.values.iter().copied().zip(counts)
    }

    /// Largest error of any share of values at or below something, as a share of the whole;
    /// 0 where all values are counted.
    pub fn rank_error(&self) -> f64 {
        self.rank_error
    }

    /// Values at or below `x`.
    pub fn at_or_below(&self, x: f64) -> u64 {
        let below = self.values.partition_point(|value| *value <= x);
        below.checked_sub(1).and_then(|index| self.cumulative.get(index)).copied().unwrap_or(0)
    }

    /// Values below `x`.
    pub fn below(&self, x: f64) -> u64 {
        let below = self.values.partition_point(|value| *value < x);
        below.checked_sub(1).and_then(|index| self.cumulative.get(index)).copied().unwrap_or(0)
    }

    /// The distribution of the values times a positive factor.
    pub fn scaled(&self, factor: f64) -> Self {
        let values = self.values.iter().map(|value| value * factor).collect();
        Self { values, ..self.clone() }
    }

    /// The value at a zero-based position among all values in order.
    fn at(&self, position: u64) -> Option<f64> {
        let index = self.cumulative.partition_point(|count| *count <= position);
        self.values.get(index).copied()
    }

    /// The `p` quantile (`0 <= p <= 1`), type 7 as everywhere in this crate; `None` for no
    /// values or another `p`.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        if !(0.0..=1.0).contains(&p) {
            return None;
        }
        let position = self.total().checked_sub(1)? as f64 * p;
        let below = position.floor();
        let low = self.at(below as u64)?;
        let high = self.at(below as u64 + 1).unwrap_or(low);
        let part = position - below;
        Some(if part == 0.0 || low == high { low } else { low + part * (high - low) })
    }

    /// Calls `step(x, next, f, g)` for every distinct value `x` of the two but the last, with
    /// the value after it and the shares of both at or below `x`; nothing if one is empty.
    pub(super) fn walk(&self, other: &Self, mut step: impl FnMut(f64, f64, f64, f64)) {
        let (n, m) = (self.total() as f64, other.total() as f64);
        if n == 0.0 || m == 0.0 {
            return;
        }
        let (mut i, mut j) = (0, 0);
        let (mut f, mut g) = (0.0, 0.0);
        let mut previous = None;
        loop {
            let x = match (self.values.get(i), other.values.get(j)) {
                (Some(a), Some(b)) => a.min(*b),
                (Some(only), None) | (None, Some(only)) => *only,
                (None, None) => return,
            };
            if let Some(previous) = previous {
                step(previous, x, f, g);
            }
            if self.values.get(i) == Some(&x) {
                f = self.cumulative[i] as f64 / n;
                i += 1;
            }
            if other.values.get(j) == Some(&x) {
                g = other.cumulative[j] as f64 / m;
                j += 1;
            }
            previous = Some(x);
        }
    }
}

/// An integer that orders as the number does; both zeros are one.
pub(super) fn order_key(value: f64) -> i64 {
    let bits = (value + 0.0).to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The number of an [`order_key`].
pub(super) fn key_value(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

/// The Kolmogorov-Smirnov statistic: the largest distance between the two distributions'
/// shares at or below any value. `None` if one is empty.
pub fn kolmogorov_smirnov(reference: &Ecdf, current: &Ecdf) -> Option<f64> {
    let empty = reference.total() == 0 || current.total() == 0;
    let mut largest = 0.0_f64;
    reference.walk(current, |_, _, f, g| largest = largest.max((f - g).abs()));
    (!empty).then_some(largest)
}

/// The Wasserstein-1 distance, in the column's unit: the area between the two distributions'
/// shares at or below any value. `None` if one is empty.
pub fn wasserstein(reference: &Ecdf, current: &Ecdf) -> Option<f64> {
    let empty = reference.total() == 0 || current.total() == 0;
    let mut area = 0.0;
    reference.walk(current, |x, next, f, g| area += (f - g).abs() * (next - x));
    (!empty).then_some(area)
}

/// Distinct values of both sides together; of sketches those that they kept.
pub(super) fn distinct_values(f: &Ecdf, g: &Ecdf) -> u64 {
    let new = g
        .values()
        .iter()
        .filter(|value| f.values().binary_search_by(|known| known.total_cmp(value)).is_err());
    (f.values().len() + new.count()) as u64
}

/// Counts of each distinct value of either side.
pub(super) fn paired_values(f: &Ecdf, g: &Ecdf) -> (Vec<u64>, Vec<u64>) {
    let mut values: Vec<f64> = f.values().iter().chain(g.values()).copied().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.dedup();
    let count = |ecdf: &Ecdf, value: &f64| ecdf.at_or_below(*value) - ecdf.below(*value);
    values.iter().map(|value| (count(f, value), count(g, value))).unzip()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evaluation::quantiles;

    #[test]
    fn ties_are_one_step() {
        let ecdf = Ecdf::exact(&[3.0, 1.0, 3.0, -0.0, 0.0]);
        assert_eq!(ecdf.values(), [0.0, 1.0, 3.0]);
        assert_eq!(ecdf.counts().collect::<Vec<_>>(), [(0.0, 2), (1.0, 1), (3.0, 2)]);
        assert_eq!((ecdf.at_or_below(-1.0), ecdf.at_or_below(2.9), ecdf.total()), (0, 3, 5));
        assert_eq!(Ecdf::of_counts(&[(3.0, 2), (0.0, 2), (1.0, 1)]), ecdf);
    }

    #[test]
    fn distances_by_hand() {
        let (low, high) = (Ecdf::exact(&[0.0, 1.0, 2.0, 3.0]), Ecdf::exact(&[2.0, 3.0, 4.0, 5.0]));
        assert_eq!(kolmogorov_smirnov(&low, &high), Some(0.5));
        assert_eq!(wasserstein(&low, &high), Some(2.0));
        assert_eq!(kolmogorov_smirnov(&low, &low), Some(0.0));
        // All of one below all of the other.
        assert_eq!(kolmogorov_smirnov(&Ecdf::exact(&[1.0]), &Ecdf::exact(&[2.0])), Some(1.0));
    }

    #[test]
    fn nothing_has_no_distance() {
        let (none, some) = (Ecdf::default(), Ecdf::exact(&[1.0]));
        assert_eq!((kolmogorov_smirnov(&none, &some), wasserstein(&some, &none)), (None, None));
        assert_eq!((none.quantile(0.5), some.quantile(1.5)), (None, None));
    }

    fn finite() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec((-50_i32..50).prop_map(|half| f64::from(half) / 2.0), 1..60)
    }

    proptest! {
        #[test]
        fn distances_are_symmetric_and_bounded(a in finite(), b in finite()) {
            let (f, g) = (Ecdf::exact(&a), Ecdf::exact(&b));
            let ks = kolmogorov_smirnov(&f, &g).unwrap();
            prop_assert!((0.0..=1.0).contains(&ks));
            prop_assert_eq!(Some(ks), kolmogorov_smirnov(&g, &f));
            let forth = wasserstein(&f, &g).unwrap();
            prop_assert!((forth - wasserstein(&g, &f).unwrap()).abs() < 1e-12);
            // At least the distance of the means.
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            prop_assert!(forth >= (mean(&a) - mean(&b)).abs() - 1e-9);
            prop_assert!(forth <= ks * 50.0 + 1e-9);
        }

        #[test]
        fn quantiles_are_those_of_the_crate(a in finite(), p in 0.0..=1.0_f64) {
            let (ours, theirs) = (Ecdf::exact(&a).quantile(p), quantiles::quantile(&a, p));
            prop_assert!((ours.unwrap() - theirs.unwrap()).abs() < 1e-12);
        }

        #[test]
        fn keys_keep_the_order(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            prop_assert_eq!(a < b, order_key(a) < order_key(b));
            prop_assert_eq!(key_value(order_key(a)), a);
        }
    }
}
