//! The population stability index (PSI) and the decision taken on it.

use serde::{Deserialize, Serialize};

use super::profile::{ColumnProfile, MISSING};
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
/// | `chance_sigmas` | 3 | 0 or more | 50 values in ten bins then warn by chance in 0.3 % of windows, not in 19 % |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PsiParams {
    /// Values from here on are a warning.
    pub warning: f64,
    /// Values from here on are drift.
    pub drift: f64,
    /// Windows with fewer values are always ok.
    pub min_count: u64,
    /// Least [`Psi::chance_z`] of a warning or drift; 0 leaves the decision nearly to the
    /// thresholds alone.
    pub chance_sigmas: f64,
}

impl Default for PsiParams {
    fn default() -> Self {
        Self { warning: 0.1, drift: 0.25, min_count: 50, chance_sigmas: 3.0 }
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
    /// How far the value lies in chance's upper tail if nothing changed, in standard
    /// deviations of a normal distribution: 3 is passed once in 740 windows.
    pub chance_z: f64,
    /// Each bin's part of the value, in the order of the counts.
    pub contributions: Vec<f64>,
}

impl Psi {
    /// The value less what chance is expected to give, at least 0.
    pub fn excess(&self) -> f64 {
        (self.value - self.expected).max(0.0)
    }

    /// The decision on `n_current` values.
    pub fn verdict(&self, n_current: u64, params: &PsiParams) -> Verdict {
        let excess = self.excess();
        if n_current < params.min_count || self.chance_z < params.chance_sigmas {
            Verdict::Ok
        } else if excess >= params.drift {
            Verdict::Drift
        } else if excess >= params.warning {
            Verdict::Warning
        } else {
            Verdict::Ok
        }
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
    let freedom = f64::from(bins.saturating_sub(1));
    let scale = 1.0 / n_reference as f64 + 1.0 / n_current as f64;
    let value: f64 = contributions.iter().sum();
    Some(Psi {
        value,
        expected: freedom * scale,
        chance_z: chi_square_z(value / scale, freedom),
        contributions,
    })
}

/// The normal deviate with the tail of a chi-square value, by Wilson & Hilferty (1931), "The
/// distribution of chi-square", *PNAS* 17(12); 0 without degrees of freedom.
fn chi_square_z(value: f64, freedom: f64) -> f64 {
    if freedom < 1.0 {
        return 0.0;
    }
    let spread = 2.0 / (9.0 * freedom);
    ((value / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}

/// Compares a window's counts of one column with the reference. Missing values are a bin
/// like any other.
///
/// With no values on one side the value is 0 and the verdict ok: nothing was compared.
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
        verdict: psi.as_ref().map_or(Verdict::Ok, |psi| psi.verdict(n_current, params)),
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
        // A chi-square of 0.3 ln 4 / 0.011 with one degree of freedom.
        let z = ((moved.value / 0.011).cbrt() - 7.0 / 9.0) / (2.0_f64 / 9.0).sqrt();
        assert!((moved.chance_z - z).abs() < 1e-12);
        assert!((moved.contributions[1] - 0.3 * 2.5_f64.ln()).abs() < 1e-12);
        let params = PsiParams::default();
        assert_eq!(moved.verdict(100, &params), Verdict::Drift);
        assert_eq!(moved.verdict(49, &params), Verdict::Ok);
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

    #[test]
    fn thresholds_decide() {
        let psi = |value| Psi { value, expected: 0.02, chance_z: 5.0, contributions: vec![] };
        let params = PsiParams::default();
        let verdict = |value| psi(value).verdict(1_000, &params);
        assert_eq!((verdict(0.11), verdict(0.13)), (Verdict::Ok, Verdict::Warning));
        assert_eq!((verdict(0.26), verdict(0.28)), (Verdict::Warning, Verdict::Drift));
    }

    #[test]
    fn what_chance_explains_is_no_drift() {
        let psi = Psi { value: 0.4, expected: 0.1, chance_z: 2.9, contributions: vec![] };
        assert_eq!(psi.verdict(100, &PsiParams::default()), Verdict::Ok);
        let thresholds_alone = PsiParams { chance_sigmas: 0.0, ..PsiParams::default() };
        assert_eq!(psi.verdict(100, &thresholds_alone), Verdict::Drift);
    }

    #[test]
    fn the_tail_of_chance_is_that_of_the_chi_square_tables() {
        // Upper 5 % and 0.1 % points: z of 1.645 and 3.090.
        for (value, freedom, z) in [(16.919, 9.0, 1.645), (27.877, 9.0, 3.090), (10.828, 1.0, 3.09)]
        {
            assert!((chi_square_z(value, freedom) - z).abs() < 0.05, "{value} {freedom}");
        }
        assert_eq!(chi_square_z(0.0, 0.0), 0.0);
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
        let thresholds_alone = PsiParams { chance_sigmas: 0.0, ..PsiParams::default() };
        let mut state = 1;
        let (mut warned, mut warned_alone) = (0, 0);
        for _ in 0..1_000 {
            let (reference, current) = (chance(&mut state, 2_000), chance(&mut state, 50));
            let psi = psi(&reference, &current).unwrap();
            warned += u32::from(psi.verdict(50, &PsiParams::default()) > Verdict::Ok);
            warned_alone += u32::from(psi.verdict(50, &thresholds_alone) > Verdict::Ok);
        }
        assert!(warned <= 10 && warned_alone >= 100, "{warned} {warned_alone}");
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
        assert_eq!(drift.verdict, Verdict::Drift);
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
