//! Counts of a current window, accumulated one home at a time.

use thiserror::Error;

use super::profile::{ColumnProfile, ReferenceProfile};
use super::psi::{PsiParams, decide, feature_drift};
use crate::drift_report::FeatureDrift;

/// How many values of a window fell in each bin of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnCounts {
    /// Values in each bin of the reference column.
    pub counts: Vec<u64>,
    /// Missing values.
    pub missing: u64,
}

impl ColumnCounts {
    fn new(profile: &ColumnProfile) -> Self {
        Self { counts: vec![0; profile.labels.len()], missing: 0 }
    }

    /// Values counted, missing ones included.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.missing
    }

    fn add(&mut self, profile: &ColumnProfile, value: f64) {
        match profile.bin(value).and_then(|bin| self.counts.get_mut(bin)) {
            Some(count) => *count += 1,
            None => self.missing += 1,
        }
    }

    fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.missing += other.missing;
    }
}

/// Counts of different references were to be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the counts belong to different reference profiles")]
pub struct ProfileMismatch;

/// A window's counts over the bins of a reference. The order in which homes are added and
/// parts are merged makes no difference.
#[derive(Clone, Debug)]
pub struct WindowCounts<'p> {
    profile: &'p ReferenceProfile,
    columns: Vec<ColumnCounts>,
    estimate: Option<ColumnCounts>,
    rows: u64,
}

impl<'p> WindowCounts<'p> {
    /// An empty window.
    pub fn new(profile: &'p ReferenceProfile) -> Self {
        Self {
            profile,
            columns: profile.columns.iter().map(ColumnCounts::new).collect(),
            estimate: profile.estimate.as_ref().map(ColumnCounts::new),
            rows: 0,
        }
    }

    /// Counts a home's feature vector. A position that the vector does not reach counts as
    /// missing.
    pub fn add(&mut self, features: &[f64]) {
        for (profile, counts) in self.profile.columns.iter().zip(&mut self.columns) {
            counts.add(profile, features.get(profile.index).copied().unwrap_or(f64::NAN));
        }
        self.rows += 1;
    }

    /// Counts a log estimate, without the running level correction.
    pub fn add_estimate(&mut self, log_estimate: f64) {
        if let (Some(profile), Some(counts)) = (&self.profile.estimate, &mut self.estimate) {
            counts.add(profile, log_estimate);
        }
    }

    /// Adds the counts of another part of the window.
    ///
    /// # Errors
    /// [`ProfileMismatch`] when the parts have different references; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), ProfileMismatch> {
        if !std::ptr::eq(self.profile, other.profile) && self.profile != other.profile {
            return Err(ProfileMismatch);
        }
        for (counts, more) in self.columns.iter_mut().zip(&other.columns) {
            counts.merge(more);
        }
        if let (Some(counts), Some(more)) = (&mut self.estimate, &other.estimate) {
            counts.merge(more);
        }
        self.rows += other.rows;
        Ok(())
    }

    /// Homes counted.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The counts per feature, in the order of the reference's columns.
    pub fn columns(&self) -> &[ColumnCounts] {
        &self.columns
    }

    /// Drift per feature, in the order of the reference's columns.
    pub fn drift(&self, params: &PsiParams) -> Vec<FeatureDrift> {
        let columns = self.profile.columns.iter().zip(&self.columns);
        let mut drifts: Vec<FeatureDrift> =
            columns.map(|(profile, counts)| feature_drift(profile, counts, params)).collect();
        decide(&mut drifts, params);
        drifts
    }

    /// Drift of the model's output; `None` when the reference has none.
    pub fn estimate_drift(&self, params: &PsiParams) -> Option<FeatureDrift> {
        let (profile, counts) = (self.profile.estimate.as_ref()?, self.estimate.as_ref()?);
        let mut drift = feature_drift(profile, counts, params);
        decide(std::slice::from_mut(&mut drift), params);
        Some(drift)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::drift::profile::{ColumnSpec, ColumnSpecKind};
    use crate::drift_report::Verdict;

    fn profile(seed: u32) -> ReferenceProfile {
        let labels = vec!["a".to_owned(), "b".to_owned()];
        let specs = [
            ColumnSpec { index: 0, name: "x".into(), kind: ColumnSpecKind::Numeric },
            ColumnSpec { index: 2, name: "c".into(), kind: ColumnSpecKind::Categorical { labels } },
        ];
        let rows: Vec<[f64; 3]> = (0..200_u32)
            .map(|i| [f64::from((i * 7 + seed) % 200), f64::NAN, f64::from(i % 2)])
            .collect();
        let estimates: Vec<f64> = (0..200_u32).map(|i| 11.0 + f64::from(i) / 100.0).collect();
        ReferenceProfile::build(&specs, rows.iter().map(|row| &row[..]), &estimates, 10).unwrap()
    }

    fn counted<'p>(profile: &'p ReferenceProfile, rows: &[Vec<f64>]) -> WindowCounts<'p> {
        let mut window = WindowCounts::new(profile);
        for row in rows {
            window.add(row);
            window.add_estimate(row[0]);
        }
        window
    }

    fn same(a: &WindowCounts, b: &WindowCounts) -> bool {
        (&a.columns, &a.estimate, a.rows) == (&b.columns, &b.estimate, b.rows)
    }

    #[test]
    fn a_vector_that_is_too_short_counts_as_missing() {
        let profile = profile(0);
        let mut window = WindowCounts::new(&profile);
        window.add(&[1.0]);
        assert_eq!((window.columns()[0].missing, window.columns()[1].missing), (0, 1));
    }

    #[test]
    fn the_reference_itself_does_not_drift() {
        let profile = profile(0);
        let mut window = WindowCounts::new(&profile);
        for i in 0..200_u32 {
            window.add(&[f64::from(i), f64::NAN, f64::from(i % 2)]);
            window.add_estimate(11.0 + f64::from(i) / 100.0);
        }
        let params = PsiParams::default();
        assert!(window.drift(&params).iter().all(|d| d.value == 0.0 && d.bins.is_empty()));
        let estimate = window.estimate_drift(&params).unwrap();
        assert_eq!((estimate.feature.as_str(), estimate.verdict), ("estimate", Verdict::Ok));
    }

    #[test]
    fn counts_of_another_reference_are_refused() {
        let (one, other) = (profile(0), profile(1));
        assert_eq!(WindowCounts::new(&one).merge(&WindowCounts::new(&one.clone())), Ok(()));
        let mut different = other.clone();
        different.rows += 1;
        assert_eq!(
            WindowCounts::new(&one).merge(&WindowCounts::new(&different)),
            Err(ProfileMismatch)
        );
    }

    fn rows() -> impl Strategy<Value = Vec<Vec<f64>>> {
        let value = prop_oneof![9 => -50.0..250.0_f64, 1 => Just(f64::NAN)];
        let code = prop_oneof![9 => (0..4_u8).prop_map(f64::from), 1 => Just(f64::NAN)];
        let row = (value, code).prop_map(|(x, c)| vec![x, 0.0, c]);
        prop::collection::vec(row, 0..60)
    }

    proptest! {
        #[test]
        fn the_order_of_adding_makes_no_difference(
            (rows, shuffled) in rows().prop_flat_map(|r| (Just(r.clone()), Just(r).prop_shuffle()))
        ) {
            let profile = profile(0);
            prop_assert!(same(&counted(&profile, &rows), &counted(&profile, &shuffled)));
        }

        #[test]
        fn merging_parts_is_adding_all(rows in rows(), at in 0.0..=1.0_f64) {
            let profile = profile(0);
            let at = (rows.len() as f64 * at) as usize;
            let mut merged = counted(&profile, &rows[..at]);
            merged.merge(&counted(&profile, &rows[at..])).unwrap();
            let all = counted(&profile, &rows);
            prop_assert!(same(&merged, &all));
            prop_assert_eq!(all.columns()[0].total(), rows.len() as u64);
        }
    }
}
