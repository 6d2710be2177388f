//! The best split of one column's histogram.

use super::histogram::{Histogram, count, gradient};

/// A set of bins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BinSet([u64; 4]);

impl BinSet {
    #[inline(always)]
    pub(super) fn contains(self, bin: u8) -> bool {
        self.0[usize::from(bin >> 6)] >> (bin & 63) & 1 == 1
    }

    pub(super) fn insert(&mut self, bin: u8) {
        self.0[usize::from(bin >> 6)] |= 1 << (bin & 63);
    }
}

/// What a split must fulfil, and how it is scored.
pub(super) struct SplitRules {
    pub(super) min_child_rows: i64,
    pub(super) lambda: f64,
    pub(super) cat_l2: f64,
    pub(super) cat_smooth: f64,
    pub(super) max_cat_threshold: usize,
    pub(super) min_cat_group_rows: i64,
    pub(super) one_hot_max_categories: usize,
}

/// A way to divide the rows of a leaf.
#[derive(Clone, Debug)]
pub(super) struct Split {
    /// Decrease of the loss, in squared quanta.
    pub(super) gain: f64,
    pub(super) column: u32,
    /// Bins that go left, the missing bin among them if `default_left`.
    pub(super) left: BinSet,
    /// Last bin that goes left, of a numeric column.
    pub(super) bin: Option<u8>,
    pub(super) default_left: bool,
    /// Packed sums of the rows that go left and right.
    pub(super) sums: [i64; 2],
    /// Regularisation of the children's values.
    pub(super) lambda: f64,
}

/// One column's histogram with what is around it.
pub(super) struct Candidate<'a> {
    pub(super) column: u32,
    pub(super) histogram: &'a Histogram,
    /// Bins without the missing one, which is `histogram[n_bins]`.
    pub(super) n_bins: usize,
    /// Sum over all bins.
    pub(super) total: i64,
}

/// `left^2 / (n_left + lambda) + right^2 / (n_right + lambda)`, with one division.
#[inline(always)]
fn score(left: i64, right: i64, lambda: f64) -> f64 {
    let (l, r) = (gradient(left), gradient(right));
    let (nl, nr) = (count(left) as f64 + lambda, count(right) as f64 + lambda);
    (l * l * nr + r * r * nl) / (nl * nr)
}

impl Candidate<'_> {
    fn parent_score(&self, lambda: f64) -> f64 {
        let g = gradient(self.total);
        g * g / (count(self.total) as f64 + lambda)
    }

    fn missing(&self) -> i64 {
        self.histogram[self.n_bins]
    }

    fn heavier_is_left(&self, left: i64) -> bool {
        2 * count(left) >= count(self.total)
    }

    /// The best threshold whose gain exceeds `least`.
    pub(super) fn best_threshold(&self, rules: &SplitRules, least: f64) -> Option<Split> {
        let shift = self.parent_score(rules.lambda);
        let missing = self.missing();
        let mut best = shift + least;
        let mut found = None;
        let mut below = 0;
        for (bin, &sum) in self.histogram[..self.n_bins].iter().enumerate() {
            if sum == 0 {
                continue;
            }
            below += sum;
            let n_right = count(self.total - below);
            if n_right < rules.min_child_rows {
                break;
            }
            if count(below) >= rules.min_child_rows {
                let score = score(below, self.total - below, rules.lambda);
                if score > best {
                    best = score;
                    found = Some((bin, below, false));
                }
            }
            let with_missing = below + missing;
            if missing != 0
                && count(with_missing) >= rules.min_child_rows
                && count(self.total - with_missing) >= rules.min_child_rows
            {
                let score = score(with_missing, self.total - with_missing, rules.lambda);
                if score > best {
                    best = score;
                    found = Some((bin, with_missing, true));
                }
            }
        }
        let (mut bin, left_sum, missing_left) = found?;
        if self.total - left_sum == missing {
            bin = self.n_bins - 1; // only what is missing goes right
        }
        let default_left = if missing == 0 { self.heavier_is_left(left_sum) } else { missing_left };
        let mut left = BinSet::default();
        (0..=bin).for_each(|bin| left.insert(bin as u8));
        if default_left {
            left.insert(self.n_bins as u8);
        }
        Some(Split {
            gain: best - shift,
            column: self.column,
            left,
            bin: Some(bin as u8),
            default_left,
            sums: [left_sum, self.total - left_sum],
            lambda: rules.lambda,
        })
    }

    /// The best set of categories whose gain exceeds `least` (LightGBM's
    /// `FindBestThresholdCategorical`): one against the rest when they are few; else a prefix
    /// or suffix of the categories sorted by smoothed mean gradient (Fisher 1958). What is
    /// missing takes part like a category.
    pub(super) fn best_category_set(&self, rules: &SplitRules, least: f64) -> Option<Split> {
        let shift = self.parent_score(rules.lambda);
        let occupied = || (0..=self.n_bins).filter(|&bin| self.histogram[bin] != 0);
        let one_hot = self.n_bins <= rules.one_hot_max_categories;
        let mut best = shift + least;
        let mut members = Vec::new();
        let mut left_sum = 0;
        if one_hot {
            for bin in occupied() {
                let left = self.histogram[bin];
                let right = self.total - left;
                if count(left).min(count(right)) < rules.min_child_rows {
                    continue;
                }
                let score = score(left, right, rules.lambda);
                if score > best {
                    best = score;
                    left_sum = left;
                    members = vec![bin];
                }
            }
        } else {
            let key = |bin: usize| {
                let sum = self.histogram[bin];
                gradient(sum) / (count(sum) as f64 + rules.cat_smooth)
            };
            let mut sorted: Vec<usize> = occupied()
                .filter(|&bin| count(self.histogram[bin]) as f64 >= rules.cat_smooth)
                .collect();
            sorted.sort_by(|&a, &b| key(a).total_cmp(&key(b)).then(a.cmp(&b)));
            for reversed in [false, true] {
                if reversed {
                    sorted.reverse();
                }
                if let Some((score, len, left)) = self.best_prefix(&sorted, rules, best) {
                    best = score;
                    left_sum = left;
                    members = sorted[..len].to_vec();
                }
            }
        }
        if members.is_empty() {
            return None;
        }
        let missing_left = members.contains(&self.n_bins);
        let default_left =
            if self.missing() == 0 { self.heavier_is_left(left_sum) } else { missing_left };
        let mut left = BinSet::default();
        members.iter().for_each(|&bin| left.insert(bin as u8));
        if default_left {
            let unseen = (0..=self.n_bins).filter(|&bin| self.histogram[bin] == 0);
            unseen.for_each(|bin| left.insert(bin as u8));
        }
        Some(Split {
            gain: best - shift,
            column: self.column,
            left,
            bin: None,
            default_left,
            sums: [left_sum, self.total - left_sum],
            lambda: if one_hot { rules.lambda } else { rules.lambda + rules.cat_l2 },
        })
    }

    /// Score, length and packed sum of the prefix of `sorted` that scores best and above `best`.
    fn best_prefix(
        &self,
        sorted: &[usize],
        rules: &SplitRules,
        mut best: f64,
    ) -> Option<(f64, usize, i64)> {
        let lambda = rules.lambda + rules.cat_l2;
        let longest = rules.max_cat_threshold.min(sorted.len().div_ceil(2));
        let mut found = None;
        let (mut left, mut group_rows) = (0, 0);
        for (index, &bin) in sorted[..longest].iter().enumerate() {
            left += self.histogram[bin];
            group_rows += count(self.histogram[bin]);
            let n_right = count(self.total - left);
            if n_right < rules.min_child_rows.max(rules.min_cat_group_rows) {
                break;
            }
            if count(left) < rules.min_child_rows || group_rows < rules.min_cat_group_rows {
                continue;
            }
            group_rows = 0;
            let score = score(left, self.total - left, lambda);
            if score > best {
                best = score;
                found = Some((score, index + 1, left));
            }
        }
        found
    }
}
