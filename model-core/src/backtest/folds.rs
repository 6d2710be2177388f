//! Which sales are held out together.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::random::SplitMix64;

/// Folds when none are given.
const OWN_FOLDS: u32 = 5;

/// The fold of each sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folds {
    of: BTreeMap<usize, u32>,
}

/// Why folds cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FoldsError {
    /// A row has two folds.
    #[error("row {0} is given two folds")]
    Twice(usize),
    /// There is nothing to hold out, or nothing to learn from.
    #[error("{0} folds are given, at least 2 are needed")]
    TooFew(usize),
}

impl Folds {
    /// Five folds of equal sizes, drawn from a seed: equal seeds give equal folds.
    pub fn seeded(n_rows: usize, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed, 0);
        let mut rows: Vec<usize> = (0..n_rows).collect();
        for last in (1..n_rows).rev() {
            let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
            rows.swap(last, random.below(bound) as usize);
        }
        let of = rows.into_iter().zip((0..OWN_FOLDS).cycle()).collect();
        Self { of }
    }

    /// Folds as given: pairs of a row and its fold. A row without one is always learned from.
    ///
    /// # Errors
    /// [`FoldsError`] when a row comes twice or there are fewer than two folds.
    pub fn given(pairs: impl IntoIterator<Item = (usize, u32)>) -> Result<Self, FoldsError> {
        let mut of = BTreeMap::new();
        for (row, fold) in pairs {
            if of.insert(row, fold).is_some() {
                return Err(FoldsError::Twice(row));
            }
        }
        let folds = Self { of };
        let count = folds.names().len();
        if count < 2 { Err(FoldsError::TooFew(count)) } else { Ok(folds) }
    }

    pub(super) fn names(&self) -> Vec<u32> {
        self.of.values().copied().collect::<BTreeSet<u32>>().into_iter().collect()
    }

    pub(super) fn of(&self, row: usize) -> Option<u32> {
        self.of.get(&row).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_folds_are_equal_in_size_and_follow_the_seed() {
        let folds = Folds::seeded(103, 7);
        let size = |fold| (0..103).filter(|row| folds.of(*row) == Some(fold)).count();
        assert_eq!((0..5).map(size).collect::<Vec<_>>(), [21, 21, 21, 20, 20]);
        assert_eq!(folds, Folds::seeded(103, 7));
        assert_ne!(folds, Folds::seeded(103, 8));
    }

    #[test]
    fn given_folds_are_checked() {
        assert_eq!(Folds::given([(0, 1), (0, 2)]), Err(FoldsError::Twice(0)));
        assert_eq!(Folds::given([(0, 1), (1, 1)]), Err(FoldsError::TooFew(1)));
        let folds = Folds::given([(0, 3), (2, 9)]).unwrap();
        assert_eq!((folds.names(), folds.of(1)), (vec![3, 9], None));
    }
}
