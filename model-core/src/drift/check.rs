//! Checks of a stored reference.

use thiserror::Error;

use super::profile::{Binning, ColumnProfile, ReferenceProfile};

/// Why a stored reference cannot be counted against.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("column {column} {fault}")]
pub struct InvalidProfile {
    /// Name of the column.
    pub column: String,
    /// What is wrong with it.
    pub fault: &'static str,
}

impl ReferenceProfile {
    /// Checks what counting and the PSI rely on: bins, labels and counts of the same number,
    /// edges finite and ascending, every category in a bin, every home in every column, and
    /// columns within vectors of `n_features`.
    ///
    /// # Errors
    /// The first [`InvalidProfile`] found.
    pub fn check(&self, n_features: usize) -> Result<(), InvalidProfile> {
        for column in &self.columns {
            let fail = |fault| Err(InvalidProfile { column: column.name.clone(), fault });
            if column.index >= n_features {
                return fail("stands beyond the features");
            }
            if check(column)? != self.rows {
                return fail("does not count every home once");
            }
        }
        self.estimate.as_ref().map_or(Ok(()), |estimate| check(estimate).map(|_| ()))
    }
}

/// Checks one column; returns how many values it counts.
fn check(column: &ColumnProfile) -> Result<u64, InvalidProfile> {
    let fail = |fault| Err(InvalidProfile { column: column.name.clone(), fault });
    let bins = column.labels.len();
    match &column.binning {
        Binning::Numeric { edges } => {
            if edges.len() + 1 != bins {
                return fail("has another number of bins than its edges make");
            }
            if !edges.iter().all(|edge| edge.is_finite()) {
                return fail("has an edge that is not finite");
            }
            if !edges.windows(2).all(|pair| pair[0] < pair[1]) {
                return fail("has edges that do not ascend");
            }
        }
        Binning::Categorical { slots } => {
            if bins == 0 {
                return fail("has no bin for unseen categories");
            }
            if slots.iter().any(|slot| *slot as usize >= bins) {
                return fail("has a category without a bin");
            }
        }
    }
    if column.counts.len() != bins {
        return fail("has another number of counts than bins");
    }
    let total = column.counts.iter().try_fold(column.missing, |sum, more| sum.checked_add(*more));
    total.map_or_else(|| fail("counts more values than there can be"), Ok)
}

#[cfg(test)]
mod tests {
    use super::super::profile::{ColumnSpec, ColumnSpecKind};
    use super::*;

    fn profile() -> ReferenceProfile {
        let labels = vec!["wood".to_owned(), "brick".to_owned()];
        let specs = [
            ColumnSpec { index: 0, name: "x".into(), kind: ColumnSpecKind::Numeric },
            ColumnSpec { index: 1, name: "c".into(), kind: ColumnSpecKind::Categorical { labels } },
        ];
        let rows = [[1.0, 0.0], [2.0, 1.0], [2.0, 7.0], [f64::NAN, f64::NAN]];
        let rows = rows.iter().map(|row| &row[..]);
        ReferenceProfile::build(&specs, rows, &[11.0, 11.5, 12.0], 10).unwrap()
    }

    fn fault(damage: impl FnOnce(&mut ReferenceProfile)) -> String {
        let mut profile = profile();
        assert_eq!(profile.check(2), Ok(()));
        damage(&mut profile);
        profile.check(2).unwrap_err().to_string()
    }

    fn with_edges(with: [f64; 2]) -> String {
        fault(|p| {
            let estimate = p.estimate.as_mut().unwrap();
            estimate.binning = Binning::Numeric { edges: with.to_vec() };
        })
    }

    #[test]
    fn every_fault_is_told_with_its_column() {
        assert_eq!(fault(|p| p.columns[0].index = 2), "column x stands beyond the features");
        assert_eq!(fault(|p| p.rows = 5), "column x does not count every home once");
        assert_eq!(fault(|p| p.columns[1].missing += 1), "column c does not count every home once");
        assert_eq!(with_edges([11.2, f64::NAN]), "column estimate has an edge that is not finite");
        let infinite = with_edges([11.2, f64::INFINITY]);
        assert_eq!(infinite, "column estimate has an edge that is not finite");
        assert_eq!(with_edges([11.2, 11.2]), "column estimate has edges that do not ascend");
        let bins = fault(|p| p.columns[0].labels.truncate(1));
        assert_eq!(bins, "column x has another number of bins than its edges make");
        let counts = fault(|p| p.columns[0].counts.truncate(1));
        assert_eq!(counts, "column x has another number of counts than bins");
        let slots = fault(|p| p.columns[1].binning = Binning::Categorical { slots: vec![0, 3] });
        assert_eq!(slots, "column c has a category without a bin");
        let labels = fault(|p| p.columns[1].labels.clear());
        assert_eq!(labels, "column c has no bin for unseen categories");
        let total = fault(|p| p.estimate.as_mut().unwrap().missing = u64::MAX);
        assert_eq!(total, "column estimate counts more values than there can be");
    }
}
