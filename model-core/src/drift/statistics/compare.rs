//! Two columns compared: every statistic, and the decision.

use std::borrow::Cow;

use super::bars::{category_bars, numeric_bars};
use super::bins::EqualWidth;
use super::categorical::{CategoricalColumn, PairedCounts};
use super::comparison::{ColumnComparison, CompareParams};
use super::count_tests::{chi_square, two_proportions};
use super::ecdf::{Ecdf, distinct_values, kolmogorov_smirnov, paired_values, wasserstein};
use super::histogram::FixedHistogram;
use super::kolmogorov::two_sample_p_value;
use super::numeric::NumericColumn;
use super::rule::{ColumnKind, DriftTest};
use super::shares::{LogBase, hellinger, jensen_shannon, l_infinity, psi_evidently};
use super::units::unit_hint;
use crate::drift::profile::{DEFAULT_BINS, numeric_edges};
use crate::drift::psi::psi;

/// Distinct reference values up to which Evidently's bins are the values themselves.
const VALUES_AS_BINS: usize = 20;
/// Least standard deviation that a Wasserstein distance is divided by, as in Evidently.
const LEAST_DEVIATION: f64 = 0.001;
/// New categories that a report names.
const MAX_NEW: usize = 20;

/// Compares two numeric columns.
pub fn compare_numeric(
    name: &str,
    reference: &NumericColumn,
    current: &NumericColumn,
    params: &CompareParams,
) -> ColumnComparison {
    let pair = Pair::new(reference, current);
    let (f, g) = (pair.f.as_ref(), pair.g.as_ref());
    let distinct = distinct_values(f, g);
    let kind = ColumnKind::Numeric;
    let default = || DriftTest::by_default(kind, reference.n(), distinct);
    let mut result = ColumnComparison::new(name, kind, params.test.unwrap_or_else(default), params);
    result.count(
        [reference.rows(), current.rows()],
        [reference.n(), current.n()],
        [reference.missing(), current.missing()],
    );
    if reference.n() > 0 && current.n() > 0 {
        order_statistics(&mut result, &pair);
        binned_statistics(&mut result, &pair, distinct);
        result.unit_hint = unit_hint(f, g);
        result.distribution = numeric_bars(f, g);
    }
    if reference.n() > 0 && current.n() + current.infinite() > 0 {
        let (low, high) = (reference.moments().min, reference.moments().max);
        let inside = g.at_or_below(high) - g.below(low);
        let all = (current.n() + current.infinite()) as f64;
        result.range_violations = Some(1.0 - inside as f64 / all);
    }
    result.decide();
    result
}

/// Two columns with their distributions and Evidently's bins.
struct Pair<'a> {
    reference: &'a NumericColumn,
    current: &'a NumericColumn,
    f: Cow<'a, Ecdf>,
    g: Cow<'a, Ecdf>,
    sturges: EqualWidth,
    doane: EqualWidth,
}

impl<'a> Pair<'a> {
    fn new(reference: &'a NumericColumn, current: &'a NumericColumn) -> Self {
        let (low, high) = range(reference, current);
        let whole = reference.is_whole() && current.is_whole();
        let sturges = EqualWidth::sturges(reference.n() + current.n(), low, high, whole);
        let doane = EqualWidth::doane(reference);
        let (f, g) = match (reference.exact(), current.exact()) {
            (Some(f), Some(g)) => (Cow::Borrowed(f), Cow::Borrowed(g)),
            _ => {
                let edges = shared_edges(reference, current, [&sturges, &doane]);
                let distribution = |column: &'a NumericColumn| match column.exact() {
                    Some(exact) => Cow::Borrowed(exact),
                    None => {
                        let mut histogram = FixedHistogram::new(edges.clone());
                        histogram.extend(column.values());
                        Cow::Owned(histogram.ecdf())
                    }
                };
                (distribution(reference), distribution(current))
            }
        };
        Self { reference, current, f, g, sturges, doane }
    }

    fn count(&self, bins: &EqualWidth) -> (Vec<u64>, Vec<u64>) {
        (bins.count(&self.f), bins.count(&self.g))
    }

    fn is_whole(&self) -> bool {
        self.reference.is_whole() && self.current.is_whole()
    }
}

/// Edges of the histograms of both sides: the reference's quantiles, and those of every bin
/// that is counted in, so that these counts are exact.
fn shared_edges(
    reference: &NumericColumn,
    current: &NumericColumn,
    bins: [&EqualWidth; 2],
) -> Vec<f64> {
    let (low, high) = range(reference, current);
    let mut edges = vec![low, high, high.next_up()];
    for bins in bins {
        edges.extend(bins.edges());
        edges.extend(bins.edges().last().map(|edge| edge.next_up()));
    }
    let quantiles = FixedHistogram::quantile_edges(reference.values(), edges.len());
    edges.extend(quantiles);
    edges
}

fn order_statistics(result: &mut ColumnComparison, pair: &Pair<'_>) {
    let (f, g) = (pair.f.as_ref(), pair.g.as_ref());
    result.ks = kolmogorov_smirnov(f, g);
    result.ks_p_value = result.ks.map(|d| two_sample_p_value(f.total(), g.total(), d));
    result.wasserstein_raw = wasserstein(f, g);
    let deviation = pair.reference.moments().deviation.max(LEAST_DEVIATION);
    result.wasserstein = result.wasserstein_raw.map(|distance| distance / deviation);
    result.ks_error = f.rank_error() + g.rank_error();
    result.sketched = result.ks_error > 0.0;
    let (low, high) = range(pair.reference, pair.current);
    result.wasserstein_error = result.ks_error * (high - low) / deviation;
}

fn range(a: &NumericColumn, b: &NumericColumn) -> (f64, f64) {
    (a.moments().min.min(b.moments().min), a.moments().max.max(b.moments().max))
}

fn binned_statistics(result: &mut ColumnComparison, pair: &Pair<'_>, distinct: u64) {
    let (f, g) = (pair.f.as_ref(), pair.g.as_ref());
    let (r, c) = quantile_counts(f, g);
    let index = psi(&r, &c);
    result.psi_expected = index.as_ref().map(|psi| psi.expected);
    result.psi = index.map(|psi| psi.value);

    let evidently = if f.values().len() > VALUES_AS_BINS {
        pair.count(&pair.sturges)
    } else {
        let values = paired_values(f, g);
        result.set_chi_square(chi_square(&values.0, &values.1));
        result.set_z(two_proportions(&values.0, &values.1));
        values
    };
    result.psi_evidently = psi_evidently(&evidently.0, &evidently.1);
    result.js = jensen_shannon(&evidently.0, &evidently.1, LogBase::Natural);
    // Evidently takes as many bins as fit the distinct values; how many these are, histograms
    // do not tell.
    let by_distinct = if result.sketched {
        pair.count(&pair.sturges)
    } else {
        let (low, high) = range(pair.reference, pair.current);
        pair.count(&EqualWidth::sturges(distinct, low, high, pair.is_whole()))
    };
    result.hellinger = hellinger(&by_distinct.0, &by_distinct.1);

    let (mut r, mut c) = pair.count(&pair.doane);
    let outside = pair.current.n() - c.iter().sum::<u64>();
    if outside > 0 {
        r.push(0);
        c.push(outside);
    }
    result.js_nannyml = jensen_shannon(&r, &c, LogBase::Two);
    result.hellinger_nannyml = hellinger(&r, &c);
}

/// Counts in the monitor's quantile bins of the reference.
fn quantile_counts(f: &Ecdf, g: &Ecdf) -> (Vec<u64>, Vec<u64>) {
    let edges = numeric_edges(f, DEFAULT_BINS);
    let count = |ecdf: &Ecdf| {
        let mut below: Vec<u64> = edges.iter().map(|edge| ecdf.below(*edge)).collect();
        below.push(ecdf.total());
        let before = std::iter::once(0).chain(below.iter().copied());
        below.iter().zip(before).map(|(here, before)| here - before).collect()
    };
    (count(f), count(g))
}

/// Compares two categorical columns.
pub fn compare_categorical(
    name: &str,
    reference: &CategoricalColumn,
    current: &CategoricalColumn,
    params: &CompareParams,
) -> ColumnComparison {
    let paired = PairedCounts::of_categories(reference, current);
    let kind = ColumnKind::Categorical;
    let default = || DriftTest::by_default(kind, reference.n(), paired.labels.len() as u64);
    let mut result = ColumnComparison::new(name, kind, params.test.unwrap_or_else(default), params);
    result.count(
        [reference.rows(), current.rows()],
        [reference.n(), current.n()],
        [reference.missing(), current.missing()],
    );
    let (r, c) = (&paired.reference, &paired.current);
    let index = psi(r, c);
    result.psi_expected = index.as_ref().map(|psi| psi.expected);
    result.psi = index.map(|psi| psi.value);
    result.psi_evidently = psi_evidently(r, c);
    result.js = jensen_shannon(r, c, LogBase::Natural);
    result.hellinger = hellinger(r, c);
    result.l_infinity = l_infinity(r, c);
    let together = paired.with_new_together();
    result.js_nannyml = jensen_shannon(&together.0, &together.1, LogBase::Two);
    result.hellinger_nannyml = hellinger(&together.0, &together.1);
    result.set_chi_square(chi_square(r, c));
    result.set_z(two_proportions(r, c));
    new_categories(&mut result, &paired);
    result.distribution = category_bars(&paired);
    result.decide();
    result
}

fn new_categories(result: &mut ColumnComparison, paired: &PairedCounts) {
    let bins = paired.labels.iter().zip(&paired.reference).zip(&paired.current);
    let mut new: Vec<(&String, u64)> =
        bins.filter(|((_, r), _)| **r == 0).map(|((label, _), c)| (label, *c)).collect();
    // Stable: of equally frequent ones the first label comes first.
    new.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if result.n_cur > 0 {
        let rows: u64 = new.iter().map(|(_, count)| count).sum();
        result.new_categories_share = rows as f64 / result.n_cur as f64;
    }
    result.new_categories = new.into_iter().take(MAX_NEW).map(|(label, _)| label.clone()).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::statistics::Decision;

    fn numeric(values: impl Iterator<Item = f64>) -> NumericColumn {
        NumericColumn::new(values.collect(), false, 100_000)
    }

    fn ramp(n: u32, scale: f64) -> impl Iterator<Item = f64> {
        (0..n).map(move |i| f64::from(i * 7 % n) * scale)
    }

    fn categories(counts: &[(&str, u64)]) -> CategoricalColumn {
        let counts = counts.iter().map(|(label, count)| ((*label).to_owned(), *count));
        CategoricalColumn::new(counts.collect(), 0)
    }

    #[test]
    fn a_column_that_has_not_moved_is_ok() {
        let (a, b) = (numeric(ramp(2_000, 1.0)), numeric(ramp(1_999, 1.0)));
        let same = compare_numeric("x", &a, &b, &CompareParams::default());
        assert_eq!((same.test, same.verdict), (DriftTest::Wasserstein, Decision::Ok));
        assert_eq!(
            (same.unit_hint, same.sketched, same.range_violations),
            (None, false, Some(0.0))
        );
        assert_eq!(same.p_value, None);
        assert!(same.psi.unwrap() < same.psi_expected.unwrap());
        let bars: f64 = same.distribution.iter().map(|bar| bar.reference + bar.current).sum();
        assert!((bars - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_changed_unit_is_drift_with_a_name() {
        let (feet, metres) = (numeric(ramp(500, 4.0)), numeric(ramp(500, 4.0 * 0.092_903_04)));
        let moved = compare_numeric("area", &feet, &metres, &CompareParams::default());
        assert_eq!((moved.test, moved.verdict), (DriftTest::Ks, Decision::Drift));
        assert!(moved.unit_hint.unwrap().contains("square metres"));
        assert_eq!(moved.statistic, moved.ks);
    }

    #[test]
    fn what_lies_outside_the_range_is_counted() {
        let a = numeric(ramp(100, 1.0));
        let b = numeric([-1.0, 5.0, f64::INFINITY, 200.0, f64::NAN].into_iter());
        let moved = compare_numeric("x", &a, &b, &CompareParams::default());
        assert_eq!((moved.range_violations, moved.missing_cur, moved.n_cur), (Some(0.75), 0.2, 3));
        assert_eq!(moved.notes, ["missing values rose from 0.0 % to 20.0 %"]);
    }

    #[test]
    fn a_column_that_lost_all_its_values_is_drift() {
        let (a, gone) = (numeric(ramp(9, 1.0)), numeric([f64::NAN; 4].into_iter()));
        let moved = compare_numeric("x", &a, &gone, &CompareParams::default());
        assert_eq!((moved.verdict, moved.statistic), (Decision::Drift, None));
        let none = compare_numeric("x", &gone, &a, &CompareParams::default());
        assert_eq!(none.verdict, Decision::NotCompared);
        assert_eq!(none.notes, ["the reference has no value"]);
        let empty =
            compare_numeric("x", &a, &numeric(std::iter::empty()), &CompareParams::default());
        assert_eq!(empty.verdict, Decision::NotCompared);
    }

    #[test]
    fn new_categories_are_named() {
        let reference = categories(&[("brick", 50), ("wood", 50)]);
        let current = categories(&[("adobe", 5), ("brick", 40), ("straw", 9), ("wood", 46)]);
        let moved = compare_categorical("wall", &reference, &current, &CompareParams::default());
        assert_eq!((moved.test, moved.verdict), (DriftTest::ChiSquare, Decision::Drift));
        assert_eq!(moved.new_categories, ["straw", "adobe"]);
        assert_eq!((moved.new_categories_share, moved.p_value), (0.14, Some(0.0)));
    }

    #[test]
    fn the_test_can_be_chosen() {
        let (a, b) = (numeric(ramp(100, 1.0)), numeric(ramp(100, 1.1)));
        let test = |test, threshold| {
            let params = CompareParams { test: Some(test), threshold, ..CompareParams::default() };
            compare_numeric("x", &a, &b, &params)
        };
        let psi = test(DriftTest::Psi, Some(9.0));
        assert_eq!((psi.statistic, psi.threshold, psi.verdict), (psi.psi, 9.0, Decision::Ok));
        let chi_square = test(DriftTest::ChiSquare, None);
        assert_eq!(chi_square.verdict, Decision::NotCompared);
        assert_eq!(chi_square.notes, ["the test chi_square is not for such a column"]);
    }

    #[test]
    fn histograms_stay_within_the_error_that_they_state() {
        let noise = |seed: u64, shift: f64| {
            let mut generator = crate::random::SplitMix64::new(seed, 3);
            let values = (0..150_000).map(move |_| {
                (0..4).map(|_| f64::from(generator.below(1 << 20))).sum::<f64>() / 1e6 + shift
            });
            values.collect::<Vec<f64>>()
        };
        let (a, b) = (noise(1, 0.0), noise(2, 0.1));
        let compare = |max_exact| {
            let column = |values: &Vec<f64>| NumericColumn::new(values.clone(), false, max_exact);
            compare_numeric("x", &column(&a), &column(&b), &CompareParams::default())
        };
        let (exact, sketched) = (compare(1_000_000), compare(0));
        assert_eq!((exact.sketched, sketched.sketched), (false, true));
        let error = |statistic: fn(&ColumnComparison) -> Option<f64>| {
            (statistic(&exact).unwrap() - statistic(&sketched).unwrap()).abs()
        };
        assert!(sketched.ks_error < 0.002 && error(|c| c.ks) <= sketched.ks_error);
        assert!(error(|c| c.wasserstein) <= sketched.wasserstein_error);
        assert!(error(|c| c.psi) < 0.01);
        // Those of bins count every value.
        assert_eq!((exact.js, exact.js_nannyml), (sketched.js, sketched.js_nannyml));
    }
}
