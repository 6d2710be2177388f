//! What a comparison of two columns says.

use serde::{Deserialize, Serialize};

use super::bars::Bar;
use super::count_tests::TestResult;
use super::rule::{ColumnKind, DriftTest};

/// Values a side up to which every one counts, unless asked otherwise.
pub const DEFAULT_MAX_EXACT: usize = 100_000;
/// How columns are compared.
///
/// | setting | default | range | why |
/// |---|---|---|---|
/// | `test` | by [`DriftTest::by_default`] | | Evidently's rule |
/// | `threshold` | 0.05 or 0.1 | above 0 | customary for p-values, and for distances |
/// | `max_exact` | 100,000 | 0 or more | sorting so many takes some milliseconds |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompareParams {
    /// The test that decides.
    pub test: Option<DriftTest>,
    /// When it does.
    pub threshold: Option<f64>,
    /// Values a side up to which every one counts; beyond, a [`super::FixedHistogram`].
    pub max_exact: usize,
}

impl Default for CompareParams {
    fn default() -> Self {
        Self { test: None, threshold: None, max_exact: DEFAULT_MAX_EXACT }
    }
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// No drift.
    Ok,
    /// Drift.
    Drift,
    /// One side holds nothing, or the test is not for such a column: see the notes.
    NotCompared,
}

/// Everything about one column. `None` is not computed: not for this kind of column, or
/// nothing to compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnComparison {
    /// Name of the column.
    pub name: String,
    /// Its kind.
    pub kind: ColumnKind,
    /// The test that decided.
    pub test: DriftTest,
    /// Its statistic.
    pub statistic: Option<f64>,
    /// Its p-value, if it has one.
    pub p_value: Option<f64>,
    /// What the p-value or the statistic was compared with.
    pub threshold: f64,
    /// The decision.
    pub verdict: Decision,
    /// PSI in ten quantile bins of the reference, or in the categories.
    pub psi: Option<f64>,
    /// What chance alone gives that PSI on average.
    pub psi_expected: Option<f64>,
    /// PSI in Evidently's bins.
    pub psi_evidently: Option<f64>,
    /// Kolmogorov-Smirnov statistic.
    pub ks: Option<f64>,
    /// Its p-value.
    pub ks_p_value: Option<f64>,
    /// Wasserstein-1 distance over the reference's standard deviation (0.001 at least).
    pub wasserstein: Option<f64>,
    /// Wasserstein-1 distance in the column's unit.
    pub wasserstein_raw: Option<f64>,
    /// Jensen-Shannon distance, natural logarithms, in Evidently's bins.
    pub js: Option<f64>,
    /// Jensen-Shannon distance, base 2, in `NannyML`'s bins.
    pub js_nannyml: Option<f64>,
    /// Hellinger distance in Evidently's bins.
    pub hellinger: Option<f64>,
    /// Hellinger distance in `NannyML`'s bins.
    pub hellinger_nannyml: Option<f64>,
    /// Largest difference of a category's share.
    pub l_infinity: Option<f64>,
    /// Chi-square statistic; of numbers with up to 20 values in the reference too.
    pub chi_square: Option<f64>,
    /// Its p-value.
    pub chi_square_p_value: Option<f64>,
    /// Two-proportion Z statistic, where there are at most two values.
    pub z: Option<f64>,
    /// Its p-value.
    pub z_p_value: Option<f64>,
    /// Rows of the reference.
    pub rows_ref: u64,
    /// Rows of the current window.
    pub rows_cur: u64,
    /// Values compared: neither missing nor infinite.
    pub n_ref: u64,
    /// The same of the current window.
    pub n_cur: u64,
    /// Share of the reference's rows without a value.
    pub missing_ref: f64,
    /// Share of the current rows without a value.
    pub missing_cur: f64,
    /// Share of the current values outside the reference's range, infinities among them.
    pub range_violations: Option<f64>,
    /// Categories that the reference lacks, the most frequent first, 20 at most.
    pub new_categories: Vec<String>,
    /// Share of the current values in such categories.
    pub new_categories_share: f64,
    /// The unit that the column seems to have changed to.
    pub unit_hint: Option<String>,
    /// Whether a distribution was estimated from a histogram.
    pub sketched: bool,
    /// Largest error of the Kolmogorov-Smirnov statistic; 0 where exact.
    pub ks_error: f64,
    /// Largest error of the Wasserstein distance; 0 where exact.
    pub wasserstein_error: f64,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// Both distributions.
    pub distribution: Vec<Bar>,
}

impl ColumnComparison {
    pub(super) fn new(
        name: &str,
        kind: ColumnKind,
        test: DriftTest,
        params: &CompareParams,
    ) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            test,
            statistic: None,
            p_value: None,
            threshold: params.threshold.unwrap_or(test.default_threshold()),
            verdict: Decision::NotCompared,
            psi: None,
            psi_expected: None,
            psi_evidently: None,
            ks: None,
            ks_p_value: None,
            wasserstein: None,
            wasserstein_raw: None,
            js: None,
            js_nannyml: None,
            hellinger: None,
            hellinger_nannyml: None,
            l_infinity: None,
            chi_square: None,
            chi_square_p_value: None,
            z: None,
            z_p_value: None,
            rows_ref: 0,
            rows_cur: 0,
            n_ref: 0,
            n_cur: 0,
            missing_ref: 0.0,
            missing_cur: 0.0,
            range_violations: None,
            new_categories: Vec::new(),
            new_categories_share: 0.0,
            unit_hint: None,
            sketched: false,
            ks_error: 0.0,
            wasserstein_error: 0.0,
            notes: Vec::new(),
            distribution: Vec::new(),
        }
    }

    pub(super) fn count(&mut self, rows: [u64; 2], n: [u64; 2], missing: [u64; 2]) {
        let share =
            |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        [self.rows_ref, self.rows_cur] = rows;
        [self.n_ref, self.n_cur] = n;
        self.missing_ref = share(missing[0], rows[0]);
        self.missing_cur = share(missing[1], rows[1]);
        if self.missing_cur >= self.missing_ref + 0.1 {
            let percent = |share: f64| format!("{:.1} %", share * 100.0);
            self.notes.push(format!(
                "missing values rose from {} to {}",
                percent(self.missing_ref),
                percent(self.missing_cur)
            ));
        }
    }

    pub(super) fn set_chi_square(&mut self, test: Option<TestResult>) {
        self.chi_square = test.map(|test| test.statistic);
        self.chi_square_p_value = test.map(|test| test.p_value);
    }

    pub(super) fn set_z(&mut self, test: Option<TestResult>) {
        self.z = test.map(|test| test.statistic);
        self.z_p_value = test.map(|test| test.p_value);
    }

    /// Takes the decision from the test's own numbers.
    pub(super) fn decide(&mut self) {
        let (statistic, p_value) = match self.test {
            DriftTest::Ks => (self.ks, self.ks_p_value),
            DriftTest::Wasserstein => (self.wasserstein, None),
            DriftTest::JensenShannon => (self.js, None),
            DriftTest::Psi => (self.psi, None),
            DriftTest::PsiEvidently => (self.psi_evidently, None),
            DriftTest::Hellinger => (self.hellinger, None),
            DriftTest::LInfinity => (self.l_infinity, None),
            DriftTest::ChiSquare => (self.chi_square, self.chi_square_p_value),
            DriftTest::Z => (self.z, self.z_p_value),
        };
        (self.statistic, self.p_value) = (statistic, p_value);
        self.verdict = match statistic {
            Some(statistic) if self.test.is_drift(statistic, p_value, self.threshold) => {
                Decision::Drift
            }
            Some(_) => Decision::Ok,
            None if self.n_ref > 0 && self.n_cur == 0 && self.rows_cur > 0 => {
                self.notes.push("the current window has rows but no value at all".to_owned());
                Decision::Drift
            }
            None => {
                self.notes.push(self.why_not_compared());
                Decision::NotCompared
            }
        };
    }

    fn why_not_compared(&self) -> String {
        match (self.n_ref, self.n_cur) {
            (0, _) => "the reference has no value".to_owned(),
            (_, 0) => "the current window has no row".to_owned(),
            _ => format!("the test {} is not for such a column", self.test),
        }
    }
}
