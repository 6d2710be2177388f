//! The population stability index (PSI) and the decision taken on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fdr::benjamini_hochberg;
use super::profile::{ColumnProfile, MISSING};
use super::statistics::special::chi_square_tail;
use super::window_counts::ColumnCounts;
use crate::drift_report::{BinShare, FeatureDrift, Verdict};

/// Bins named in a drift report.
const TOP_BINS: usize = 5;

/// When a PSI is a warning and when it is drift.
///
/// | setting | default | range | why |
/// |---|---|---|---|
/// | `warning` | 0.1 | above 0 | customary (Siddiqi 2006, *Credit Risk Scorecards*) |
/// | `drift` | 0.25 | at least `warning` | customary, as above |
/// | `min_count` | 50 | at least 1 | below it ten bins hold too few values to tell |
/// | `false_discovery_rate` | 0.01 | above 0, to 1 | of 100 warnings one is chance, however many features there are |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PsiParams {
    /// Values from here on are a warning.
    pub warning: f64,
    /// Values from here on are drift.
    pub drift: f64,
    /// Windows with fewer values are always ok.
    pub min_count: u64,
    /// Largest q-value of a warning or drift: the p-value adjusted for the number of features
    /// ([`benjamini_hochberg`]); 1 leaves the decision to the
    /// thresholds alone.
    pub false_discovery_rate: f64,
}

impl Default for PsiParams {
    fn default() -> Self {
        Self { warning: 0.1, drift: 0.25, min_count: 50, false_discovery_rate: 0.01 }
    }
}

/// The population stability index of two sets of counts over the same bins.
#[derive(Clone, Debug, PartialEq)]
pub struct Psi {
    /// `sum((c - r) ln(c / r))` over the bins' shares; never below 0, the same when
    /// reference and current window change places.
    pub value: f64,
    /// Its expected value if nothing changed, `(bins - 1) (1 / n_reference + 1 / n_current)`.
    pub expected: f64,
    /// The chance of a value at least as large if nothing changed.
    pub p_value: f64,
    /// Each bin's part of the value, in the order of the counts.
    pub contributions: Vec<f64>,
}

impl Psi {
    /// The value less what chance is expected to give, at least 0.
    pub fn excess(&self) -> f64 {
        (self.value - self.expected).max(0.0)
    }
}

/// The PSI of two sets of counts over the same bins.
///
/// A bin that is empty on one side counts there as half a value, so that the logarithm
/// exists and the effect fades as counts grow; bins empty on both sides do not count. The
/// chance terms are those of the chi-square distribution with `bins - 1` degrees of freedom,
/// scaled by `1 / n_reference + 1 / n_current`, which the PSI of unchanged shares follows
/// (Yurdakul & Naranjo 2020, "Statistical properties of the population stability index",
/// *Journal of Risk Model Validation* 14(4)).
///
/// `None` when the sides differ in length or one of them holds nothing.
pub fn psi(reference: &[u64], current: &[u64]) -> Option<Psi> {
    let n_reference: u64 = reference.iter().sum();
    let n_current: u64 = current.iter().sum();
    if reference.len() != current.len() || n_reference == 0 || n_current == 0 {
        return None;
    }
    let share = |count: u64, n: u64| if count == 0 { 0.5 } else { count as f64 } / n as f64;
    let mut bins = 0_u32;
    let contributions: Vec<f64> = reference
        .iter()
        .zip(current)
        .map(|(&r, &c)| {
            if r == 0 && c == 0 {
                return 0.0;
            }
            bins += 1;
            let (r, c) = (share(r, n_reference), share(c, n_current));
            (c - r) * (c.ln() - r.ln())
        })
        .collect();
    let freedom = u64::from(bins.saturating_sub(1));
    let scale = 1.0 / n_reference as f64 + 1.0 / n_current as f64;
    let value: f64 = contributions.iter().sum();
    Some(Psi {
        value,
        expected: freedom as f64 * scale,
        p_value: chi_square_tail(value / scale, freedom),
        contributions,
    })
}

/// Decides on the columns of one window. A difference is a warning or drift if it is large and
/// more than chance: its size is at or beyond the threshold, and its q-value among the columns
/// that hold enough values is at most the false discovery rate.
pub fn decide(columns: &mut [FeatureDrift], params: &PsiParams) {
    let enough = |column: &FeatureDrift| column.n_current >= params.min_count;
    let p_values: Vec<f64> = columns
        .iter()
        .map(|column| column.p_value.filter(|_| enough(column)).unwrap_or(f64::NAN))
        .collect();
    for (column, q_value) in columns.iter_mut().zip(benjamini_hochberg(&p_values)) {
        column.q_value = (!q_value.is_nan()).then_some(q_value);
        let beyond_chance = column.q_value.is_some_and(|q| q <= params.false_discovery_rate);
        column.verdict = match column.value {
            value if beyond_chance && value >= params.drift => Verdict::Drift,
            value if beyond_chance && value >= params.warning => Verdict::Warning,
            _ => Verdict::Ok,
        };
    }
}

/// Compares a window's counts of one column with the reference. Missing values are a bin
/// like any other. The verdict is [`decide`]'s, over all columns.
///
/// With no values on one side the value is 0: nothing was compared.
pub fn feature_drift(
    profile: &ColumnProfile,
    counts: &ColumnCounts,
    params: &PsiParams,
) -> FeatureDrift {
    let reference = with_missing(&profile.counts, profile.missing);
    let current = with_missing(&counts.counts, counts.missing);
    let (n_reference, n_current) = (profile.total(), counts.total());
    let psi = psi(&reference, &current);
    let share = |count: u64, n: u64| if n == 0 { 0.0 } else { count as f64 / n as f64 };
    let contributions = psi.as_ref().map_or(&[][..], |psi| &psi.contributions);
    let mut order: Vec<(usize, f64)> = contributions.iter().copied().enumerate().collect();
    order.retain(|(_, part)| *part > 0.0);
    // Stable: of equal parts the first bin comes first.
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let bins = order.iter().take(TOP_BINS).filter_map(|(bin, _)| {
        Some(BinShare {
            label: profile.labels.get(*bin).map_or(MISSING, String::as_str).to_owned(),
            reference: share(*reference.get(*bin)?, n_reference),
            current: share(*current.get(*bin)?, n_current),
        })
    });
    FeatureDrift {
        feature: profile.name.clone(),
        kind: profile.kind().to_owned(),
        statistic: "psi".to_owned(),
        value: psi.as_ref().map_or(0.0, Psi::excess),
        expected: psi.as_ref().map_or(0.0, |psi| psi.expected),
        threshold_warning: params.warning,
        threshold_drift: params.drift,
        verdict: Verdict::Ok,
        p_value: psi.as_ref().map(|psi| psi.p_value),
        q_value: None,
        importance: None,
        statistics: BTreeMap::new(),
        hint: String::new(),
        n_reference,
        n_current,
        missing_reference: share(profile.missing, n_reference),
        missing_current: share(counts.missing, n_current),
        bins: bins.collect(),
    }
}

fn with_missing(counts: &[u64], missing: u64) -> Vec<u64> {
    counts.iter().copied().chain([missing]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::drift::profile::{Binning, UNSEEN};

    fn walls(wood: u64, metlvnyl: u64) -> ColumnProfile {
        ColumnProfile {
            index: 0,
            name: "wall".into(),
            binning: Binning::Categorical { slots: vec![0, 1] },
            labels: vec!["wood".into(), "metlvnyl".into(), UNSEEN.into()],
            counts: vec![wood, metlvnyl, 0],
            missing: 0,
        }
    }

    #[test]
    fn two_categories_by_hand() {
        // Shares 0.5, 0.5 become 0.8, 0.2: 0.3 ln 1.6 + 0.3 ln 2.5 = 0.3 ln 4.
        let moved = psi(&[500, 500], &[80, 20]).unwrap();
        assert!((moved.value - 0.3 * 4.0_f64.ln()).abs() < 1e-12);
        assert!((moved.expected - (0.001 + 0.01)).abs() < 1e-12);
        assert!((moved.p_value - chi_square_tail(moved.value / 0.011, 1)).abs() < 1e-15);
        assert!((moved.contributions[1] - 0.3 * 2.5_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn an_empty_bin_counts_as_half_a_value() {
        let moved = psi(&[99, 1], &[100, 0]).unwrap();
        let by_hand = 0.01 * (1.0_f64 / 0.99).ln() + (0.005 - 0.01) * 0.5_f64.ln();
        assert!((moved.value - by_hand).abs() < 1e-12);
        assert_eq!(psi(&[5, 0, 5], &[1, 0, 1]).unwrap().expected, 0.1 + 0.5);
    }

    #[test]
    fn nothing_to_compare_is_none() {
        assert_eq!(psi(&[1], &[1, 2]), None);
        assert_eq!(psi(&[0], &[1]), None);
        assert_eq!(psi(&[1], &[0]), None);
        assert_eq!(psi(&[], &[]), None);
    }

    /// A column of 1,000 values.
    fn column(value: f64, p_value: f64) -> FeatureDrift {
        let counts = ColumnCounts { counts: vec![500, 500, 0], missing: 0 };
        let drift = feature_drift(&walls(500, 500), &counts, &PsiParams::default());
        FeatureDrift { value, p_value: Some(p_value), ..drift }
    }

    fn verdicts(mut columns: Vec<FeatureDrift>, params: &PsiParams) -> Vec<Verdict> {
        decide(&mut columns, params);
        columns.iter().map(|column| column.verdict).collect()
    }

    #[test]
    fn thresholds_decide() {
        let values = [0.09, 0.11, 0.24, 0.26];
        let columns = values.iter().map(|value| column(*value, 1e-9)).collect();
        let expected = [Verdict::Ok, Verdict::Warning, Verdict::Warning, Verdict::Drift];
        assert_eq!(verdicts(columns, &PsiParams::default()), expected);
    }

    #[test]
    fn what_chance_explains_is_no_drift() {
        let params = PsiParams::default();
        // A p-value of 0.006 is rare alone, and not so rare among ten.
        assert_eq!(verdicts(vec![column(0.3, 0.006)], &params), [Verdict::Drift]);
        let mut columns = vec![column(0.3, 0.006)];
        columns.extend((0..9).map(|_| column(0.0, 0.5)));
        assert_eq!(verdicts(columns.clone(), &params), [Verdict::Ok; 10]);
        let thresholds_alone = PsiParams { false_discovery_rate: 1.0, ..params };
        assert_eq!(verdicts(columns.clone(), &thresholds_alone)[0], Verdict::Drift);
        decide(&mut columns, &params);
        assert!((columns[0].q_value.unwrap() - 0.06).abs() < 1e-12);
        // Columns of too few values are not among the tests.
        for few in &mut columns[1..] {
            few.n_current = params.min_count - 1;
        }
        assert_eq!(verdicts(columns.clone(), &params)[0], Verdict::Drift);
        columns[0].n_current = 49;
        assert_eq!(verdicts(columns, &params)[0], Verdict::Ok);
    }

    /// Counts of `n` values in ten equally likely bins; `SplitMix64` is the chance.
    fn chance(state: &mut u64, n: u32) -> Vec<u64> {
        let mut counts = vec![0; 10];
        for _ in 0..n {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            counts[((z ^ (z >> 31)) % 10) as usize] += 1;
        }
        counts
    }

    #[test]
    fn an_unchanged_market_seldom_warns() {
        let thresholds_alone = PsiParams { false_discovery_rate: 1.0, ..PsiParams::default() };
        let mut state = 1;
        let (mut warned, mut warned_alone) = (0, 0);
        for _ in 0..1_000 {
            let (reference, current) = (chance(&mut state, 2_000), chance(&mut state, 50));
            let psi = psi(&reference, &current).unwrap();
            let one = || vec![column(psi.excess(), psi.p_value)];
            warned += u32::from(verdicts(one(), &PsiParams::default())[0] > Verdict::Ok);
            warned_alone += u32::from(verdicts(one(), &thresholds_alone)[0] > Verdict::Ok);
        }
        // One in a hundred by design.
        assert!(warned <= 20 && warned_alone >= 100, "{warned} {warned_alone}");
    }

    #[test]
    fn the_report_names_the_bins_that_moved_most() {
        let counts = ColumnCounts { counts: vec![60, 30, 0], missing: 10 };
        let drift = feature_drift(&walls(920, 80), &counts, &PsiParams::default());
        assert_eq!((drift.kind.as_str(), drift.statistic.as_str()), ("categorical", "psi"));
        assert_eq!((drift.n_reference, drift.n_current), (1_000, 100));
        assert_eq!((drift.missing_reference, drift.missing_current), (0.0, 0.1));
        let labels: Vec<&str> = drift.bins.iter().map(|bin| bin.label.as_str()).collect();
        // Parts: missing 0.0995 ln 200 = 0.53, metlvnyl 0.22 ln 3.75 = 0.29, wood 0.14.
        assert_eq!(labels, [MISSING, "metlvnyl", "wood"]);
        assert_eq!((drift.bins[1].reference, drift.bins[1].current), (0.08, 0.3));
        assert_eq!(verdicts(vec![drift], &PsiParams::default()), [Verdict::Drift]);
    }

    #[test]
    fn an_empty_window_is_ok() {
        let counts = ColumnCounts { counts: vec![0; 3], missing: 0 };
        let drift = feature_drift(&walls(9, 1), &counts, &PsiParams::default());
        assert_eq!((drift.value, drift.verdict, drift.bins.len()), (0.0, Verdict::Ok, 0));
    }

    fn counts() -> impl Strategy<Value = (Vec<u64>, Vec<u64>)> {
        prop::collection::vec((0..500_u64, 0..500_u64), 1..20)
            .prop_map(|bins| bins.into_iter().unzip())
    }

    proptest! {
        #[test]
        fn psi_is_symmetric_and_never_negative((reference, current) in counts()) {
            let forth = psi(&reference, &current);
            let back = psi(&current, &reference);
            prop_assert_eq!(forth.is_some(), back.is_some());
            if let (Some(forth), Some(back)) = (forth, back) {
                prop_assert!(forth.value >= 0.0 && forth.excess() >= 0.0);
                prop_assert!(forth.contributions.iter().all(|part| *part >= 0.0));
                prop_assert!((forth.value - back.value).abs() < 1e-12);
                prop_assert!((forth.expected - back.expected).abs() < 1e-12);
            }
        }

        #[test]
        fn psi_of_equal_shares_is_zero(
            reference in prop::collection::vec(1..500_u64, 1..20),
            factor in 1..9_u64,
        ) {
            let current: Vec<u64> = reference.iter().map(|count| count * factor).collect();
            prop_assert_eq!(psi(&reference, &current).unwrap().value, 0.0);
        }
    }
}
