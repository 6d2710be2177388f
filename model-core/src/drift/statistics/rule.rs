//! Which test decides on a column, and when.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Reference values up to which the default tests are tests of significance.
pub const SMALL_REFERENCE: u64 = 1_000;
/// Distinct values up to which the default rule treats a number as a category.
pub const FEW_VALUES: u64 = 5;

/// Kind of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Numbers.
    Numeric,
    /// Labels.
    Categorical,
}

/// A test that decides on drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftTest {
    /// Kolmogorov-Smirnov; decided by its p-value.
    Ks,
    /// Wasserstein-1, divided by the reference's standard deviation.
    Wasserstein,
    /// Jensen-Shannon distance in Evidently's bins.
    JensenShannon,
    /// Population stability index in quantile bins of the reference.
    Psi,
    /// Population stability index in Evidently's bins.
    PsiEvidently,
    /// Hellinger distance.
    Hellinger,
    /// Largest difference of a category's share.
    LInfinity,
    /// Chi-square goodness of fit; decided by its p-value.
    ChiSquare,
    /// Two-proportion Z; decided by its p-value.
    Z,
}

/// No such test.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no test {0:?}; there are {known}", known = DriftTest::NAMES.map(|(name, _)| name).join(", "))]
pub struct UnknownTest(String);

impl DriftTest {
    const NAMES: [(&'static str, Self); 9] = [
        ("ks", Self::Ks),
        ("wasserstein", Self::Wasserstein),
        ("jensen_shannon", Self::JensenShannon),
        ("psi", Self::Psi),
        ("psi_evidently", Self::PsiEvidently),
        ("hellinger", Self::Hellinger),
        ("l_infinity", Self::LInfinity),
        ("chi_square", Self::ChiSquare),
        ("z", Self::Z),
    ];

    /// Evidently's choice, by the number of reference values, the column's kind and the
    /// number of distinct values on both sides together.
    pub fn by_default(kind: ColumnKind, n_reference: u64, distinct: u64) -> Self {
        let numeric = kind == ColumnKind::Numeric && distinct > FEW_VALUES;
        match (n_reference <= SMALL_REFERENCE, numeric) {
            (true, true) => Self::Ks,
            (true, false) if distinct > 2 => Self::ChiSquare,
            (true, false) => Self::Z,
            (false, true) => Self::Wasserstein,
            (false, false) => Self::JensenShannon,
        }
    }

    /// Whether a p-value decides: drift is then *below* the threshold.
    pub fn is_p_value(self) -> bool {
        matches!(self, Self::Ks | Self::ChiSquare | Self::Z)
    }

    /// The threshold unless asked otherwise: 0.05 for p-values, 0.1 for distances.
    pub fn default_threshold(self) -> f64 {
        if self.is_p_value() { 0.05 } else { 0.1 }
    }

    /// Whether a column of this kind can be tested so.
    pub fn applies_to(self, kind: ColumnKind) -> bool {
        match self {
            Self::Ks | Self::Wasserstein => kind == ColumnKind::Numeric,
            Self::LInfinity => kind == ColumnKind::Categorical,
            _ => true,
        }
    }

    /// Whether the statistic, or the p-value where one decides, is drift.
    pub fn is_drift(self, statistic: f64, p_value: Option<f64>, threshold: f64) -> bool {
        match (self, p_value) {
            (Self::Ks, Some(p)) => p <= threshold,
            (_, Some(p)) => p < threshold,
            (_, None) => statistic >= threshold,
        }
    }
}

impl fmt::Display for DriftTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, test)| test == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

impl FromStr for DriftTest {
    type Err = UnknownTest;

    fn from_str(text: &str) -> Result<Self, UnknownTest> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, test)| *test).ok_or_else(|| UnknownTest(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_evidentlys() {
        use ColumnKind::{Categorical, Numeric};
        let choice = DriftTest::by_default;
        assert_eq!(choice(Numeric, 1_000, 6), DriftTest::Ks);
        assert_eq!(choice(Numeric, 1_000, 5), DriftTest::ChiSquare);
        assert_eq!(choice(Numeric, 10, 2), DriftTest::Z);
        assert_eq!(choice(Categorical, 10, 3), DriftTest::ChiSquare);
        assert_eq!(choice(Categorical, 10, 1), DriftTest::Z);
        assert_eq!(choice(Numeric, 1_001, 6), DriftTest::Wasserstein);
        assert_eq!(choice(Numeric, 1_001, 5), DriftTest::JensenShannon);
        assert_eq!(choice(Categorical, 1_001, 2), DriftTest::JensenShannon);
    }

    #[test]
    fn p_values_decide_downwards_and_distances_upwards() {
        assert!(DriftTest::Ks.is_drift(0.4, Some(0.05), 0.05));
        assert!(!DriftTest::ChiSquare.is_drift(4.0, Some(0.05), 0.05));
        assert!(DriftTest::Psi.is_drift(0.1, None, 0.1));
        assert!(!DriftTest::Psi.is_drift(0.099, None, 0.1));
    }

    #[test]
    fn names_are_read_back() {
        for (name, test) in DriftTest::NAMES {
            assert_eq!((name.parse(), test.to_string().as_str()), (Ok(test), name));
            assert_eq!(serde_json::to_value(test).unwrap(), name);
        }
        let error = "ks2".parse::<DriftTest>().unwrap_err().to_string();
        assert!(error.starts_with("no test \"ks2\"; there are ks, wasserstein,"), "{error}");
    }
}
