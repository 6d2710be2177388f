//! Mistakes in the data that look like drift: a unit that changed, a category that was renamed,
//! values that are left out.

use crate::drift::profile::UNSEEN;
use crate::drift::statistics::units::{UnitChange, unit_change};
use crate::drift::{Binning, ColumnCounts, ColumnProfile};
use crate::evaluation::quantiles::quantile_sorted;

/// Rise of the missing share from which a source is suspected of leaving values out.
const MISSING_RISE: f64 = 0.10;
/// Rise of the share of homes without a known category from which a renaming is suspected.
const UNKNOWN_RISE: f64 = 0.05;
/// Part of that rise that one category must have lost to be the renamed one.
const RENAMED_PART: f64 = 0.6;
/// Fewest inner quantiles that a change of unit is judged by.
const MIN_QUANTILES: usize = 3;
/// Inner quantiles: the tails move by chance.
const INNER: std::ops::RangeInclusive<f64> = 0.15..=0.85;
/// How far the inner quantiles' factors may lie apart.
const TOLERANCE: f64 = 1.15;

/// The mistake that would explain how a window's column differs from the reference; empty when
/// none is known. `values` are the column's, in any order; of some columns, logarithms.
pub(super) fn hint(
    profile: &ColumnProfile,
    counts: &ColumnCounts,
    values: &[f64],
    is_log: bool,
) -> String {
    let told = match &profile.binning {
        Binning::Numeric { edges } => {
            let plain = |value: &f64| if is_log { value.exp() } else { *value };
            let edges: Vec<f64> = edges.iter().map(plain).collect();
            let values: Vec<f64> = values.iter().map(plain).collect();
            left_out(profile, counts).or_else(|| unit(profile, &edges, &values))
        }
        Binning::Categorical { .. } => renamed(profile, counts),
    };
    told.unwrap_or_default()
}

fn share(count: u64, n: u64) -> f64 {
    if n == 0 { 0.0 } else { count as f64 / n as f64 }
}

fn left_out(profile: &ColumnProfile, counts: &ColumnCounts) -> Option<String> {
    let before = share(profile.missing, profile.total());
    let now = share(counts.missing, counts.total());
    (now - before >= MISSING_RISE).then(|| {
        format!("missing in {:.1} % of homes, {:.1} % before", 100.0 * now, 100.0 * before)
    })
}

/// A category that the model does not know is missing in its feature vectors.
fn renamed(profile: &ColumnProfile, counts: &ColumnCounts) -> Option<String> {
    let (n_before, n_now) = (profile.total(), counts.total());
    let missing = share(counts.missing, n_now) - share(profile.missing, n_before);
    let fall = |bin: usize| {
        let (before, now) = (profile.counts.get(bin)?, counts.counts.get(bin)?);
        Some(share(*before, n_before) - share(*now, n_now))
    };
    let unseen = profile.labels.iter().rposition(|label| label == UNSEEN)?;
    let rise = missing - fall(unseen)?;
    if rise < UNKNOWN_RISE {
        return None;
    }
    let others = (0..profile.labels.len()).filter(|bin| *bin != unseen);
    let falls = others.filter_map(|bin| Some((bin, fall(bin)?)));
    let (bin, most) = falls.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let new = format!("no category, or one never seen before, in {:.1} % more homes", 100.0 * rise);
    Some(match profile.labels.get(bin) {
        Some(label) if most >= RENAMED_PART * rise => {
            format!("{new}, as if `{label}` had been renamed")
        }
        _ => new,
    })
}

/// A unit that changed multiplies every quantile by the same factor.
fn unit(profile: &ColumnProfile, edges: &[f64], values: &[f64]) -> Option<String> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let n: u64 = profile.counts.iter().sum();
    let mut below = 0;
    let mut factors = Vec::new();
    for (edge, count) in edges.iter().zip(&profile.counts) {
        below += count;
        let rank = share(below, n);
        if *edge > 0.0 && INNER.contains(&rank) {
            factors.push(quantile_sorted(&sorted, rank)? / edge);
        }
    }
    factors.sort_unstable_by(f64::total_cmp);
    let (low, high) = (factors.first()?, factors.last()?);
    if factors.len() < MIN_QUANTILES || *low <= 0.0 || high / low > TOLERANCE {
        return None;
    }
    let middle = factors.get(factors.len() / 2)?;
    let UnitChange { now, before, .. } = unit_change(*middle)?;
    Some(format!("every value is about {middle:.3} times what it was: {now} instead of {before}?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::{ColumnSpec, ColumnSpecKind, ReferenceProfile, WindowCounts};

    fn told(kind: ColumnSpecKind, before: &[f64], now: &[f64]) -> String {
        let spec = [ColumnSpec { index: 0, name: "x".into(), kind }];
        let rows: Vec<[f64; 1]> = before.iter().map(|value| [*value]).collect();
        let rows = rows.iter().map(|row| &row[..]);
        let profile = ReferenceProfile::build(&spec, rows, &[], 10).unwrap();
        let mut counts = WindowCounts::new(&profile);
        now.iter().for_each(|value| counts.add(&[*value]));
        hint(&profile.columns[0], &counts.columns()[0], now, false)
    }

    #[test]
    fn a_changed_unit_of_a_logarithm_is_named() {
        let spec = ColumnSpec { index: 0, name: "x".into(), kind: ColumnSpecKind::Numeric };
        let (before, now) = (areas(1.0), areas(0.092_903));
        let rows: Vec<[f64; 1]> = before.iter().map(|value| [value.ln()]).collect();
        let rows = rows.iter().map(|row| &row[..]);
        let profile = ReferenceProfile::build(&[spec], rows, &[], 10).unwrap();
        let mut counts = WindowCounts::new(&profile);
        let logs: Vec<f64> = now.iter().map(|value| value.ln()).collect();
        logs.iter().for_each(|value| counts.add(&[*value]));
        let told = |is_log| hint(&profile.columns[0], &counts.columns()[0], &logs, is_log);
        assert!(told(true).ends_with("square metres instead of square feet?"), "{}", told(true));
        assert_eq!(told(false), "");
    }

    fn areas(factor: f64) -> Vec<f64> {
        (0..500).map(|i| factor * (600.0 + f64::from(i * 37 % 500) * 5.0)).collect()
    }

    #[test]
    fn a_changed_unit_is_named() {
        let cases = [
            (0.092_903, "square metres instead of square feet?"),
            (10.763_9, "square feet instead of square metres?"),
            (0.304_8, "metres instead of feet?"),
            (1_000.0, "ones instead of thousands?"),
            (1.0 / 43_560.0, "acres instead of square feet?"),
        ];
        for (factor, mistake) in cases {
            let told = told(ColumnSpecKind::Numeric, &areas(1.0), &areas(factor));
            assert!(told.ends_with(mistake), "{factor}: {told}");
        }
    }

    #[test]
    fn a_market_that_moves_is_no_change_of_unit() {
        for factor in [0.5, 0.8, 1.0, 1.3, 2.0, 5.0, 50.0] {
            assert_eq!(told(ColumnSpecKind::Numeric, &areas(1.0), &areas(factor)), "");
        }
        // A twelfth of some values is no unit either.
        let mixed: Vec<f64> = areas(1.0).into_iter().chain(areas(1.0 / 12.0)).collect();
        assert_eq!(told(ColumnSpecKind::Numeric, &areas(1.0), &mixed), "");
        // A constant, and too few different values.
        assert_eq!(told(ColumnSpecKind::Numeric, &[7.0; 80], &[84.0; 80]), "");
        assert_eq!(told(ColumnSpecKind::Numeric, &areas(1.0), &[]), "");
    }

    #[test]
    fn a_renamed_category_is_named() {
        let labels = ["wood", "brick", "stone"].map(str::to_owned).to_vec();
        let kind = ColumnSpecKind::Categorical { labels };
        let before: Vec<f64> = (0..100).map(|i| f64::from(i % 10 / 4)).collect();
        let now: Vec<f64> =
            before.iter().map(|code| if *code == 1.0 { 9.0 } else { *code }).collect();
        let told = |now: &[f64]| told(kind.clone(), &before, now);
        let expected = "no category, or one never seen before, in 40.0 % more homes, \
                        as if `brick` had been renamed";
        assert_eq!(told(&now), expected);
        let scattered: Vec<f64> =
            (0..100).map(|i| if i % 5 == 0 { 9.0 } else { f64::from(i % 10 / 4) }).collect();
        let expected = "no category, or one never seen before, in 20.0 % more homes";
        assert_eq!(told(&scattered), expected);
        assert_eq!(told(&before), "");
    }

    #[test]
    fn values_that_are_left_out_are_told() {
        let now: Vec<f64> = areas(1.0)
            .iter()
            .enumerate()
            .map(|(i, x)| if i % 10 < 3 { f64::NAN } else { *x })
            .collect();
        let told = told(ColumnSpecKind::Numeric, &areas(1.0), &now);
        assert_eq!(told, "missing in 30.0 % of homes, 0.0 % before");
    }
}
