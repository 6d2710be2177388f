//! A categorical column, counted.

use std::collections::BTreeMap;

/// A categorical column of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CategoricalColumn {
    rows: u64,
    counts: BTreeMap<String, u64>,
}

impl CategoricalColumn {
    /// Of counted labels and the number of rows without one.
    pub fn new(counts: BTreeMap<String, u64>, missing: u64) -> Self {
        Self { rows: counts.values().sum::<u64>() + missing, counts }
    }

    /// Rows, missing ones included.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows with a label.
    pub fn n(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Rows without a label.
    pub fn missing(&self) -> u64 {
        self.rows - self.n()
    }

    /// Rows by label.
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }
}

/// The same bins on both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairedCounts {
    /// One a bin.
    pub labels: Vec<String>,
    /// The reference's count in each.
    pub reference: Vec<u64>,
    /// The current window's.
    pub current: Vec<u64>,
}

impl PairedCounts {
    /// All categories of either side, by label.
    pub fn of_categories(reference: &CategoricalColumn, current: &CategoricalColumn) -> Self {
        let mut pairs: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (label, count) in &reference.counts {
            pairs.entry(label).or_default().0 = *count;
        }
        for (label, count) in &current.counts {
            pairs.entry(label).or_default().1 = *count;
        }
        let mut paired = Self::default();
        for (label, (reference, current)) in pairs {
            paired.push(label.to_owned(), reference, current);
        }
        paired
    }

    /// Adds a bin.
    pub fn push(&mut self, label: String, reference: u64, current: u64) {
        self.labels.push(label);
        self.reference.push(reference);
        self.current.push(current);
    }

    /// The counts as `NannyML` takes them: its bins are the reference's categories, and all
    /// others share one.
    pub fn with_new_together(&self) -> (Vec<u64>, Vec<u64>) {
        let known = |(r, _): &(&u64, &u64)| **r > 0;
        let pairs = || self.reference.iter().zip(&self.current);
        let (mut reference, mut current): (Vec<u64>, Vec<u64>) = pairs().filter(known).unzip();
        let new: u64 = pairs().filter(|pair| !known(pair)).map(|(_, c)| *c).sum();
        if new > 0 {
            reference.push(0);
            current.push(new);
        }
        (reference, current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(counts: &[(&str, u64)], missing: u64) -> CategoricalColumn {
        let counts = counts.iter().map(|(label, count)| ((*label).to_owned(), *count));
        CategoricalColumn::new(counts.collect(), missing)
    }

    #[test]
    fn categories_of_both_sides_are_paired() {
        let reference = column(&[("brick", 4), ("wood", 6)], 2);
        assert_eq!((reference.rows(), reference.n(), reference.missing()), (12, 10, 2));
        let current = column(&[("adobe", 1), ("stone", 2), ("wood", 3)], 0);
        let paired = PairedCounts::of_categories(&reference, &current);
        assert_eq!(paired.labels, ["adobe", "brick", "stone", "wood"]);
        assert_eq!(
            (&paired.reference[..], &paired.current[..]),
            (&[0, 4, 0, 6][..], &[1, 0, 2, 3][..])
        );
        assert_eq!(paired.with_new_together(), (vec![4, 6, 0], vec![0, 3, 3]));
    }
}
