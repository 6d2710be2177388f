//! Options of `drift`.

use std::path::PathBuf;

use clap::Args;
use model_core::drift::statistics::comparison::DEFAULT_MAX_EXACT;
use model_core::drift::statistics::{ColumnKind, CompareParams, DriftTest};

/// Options of `drift`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Tests: ks, wasserstein, jensen_shannon, psi, psi_evidently, hellinger, \
l_infinity, chi_square, z. Without --test Evidently's rule chooses: up to 1000 reference values \
ks for numbers, chi_square or z (two values) for categories and for numbers of up to 5 values, \
drift below 0.05; beyond, wasserstein for numbers and jensen_shannon for the others, drift from \
0.1 on. Formulas and errors: docs/drift.md.")]
pub(crate) struct DriftArgs {
    /// What to compare with: CSV, Parquet or JSON lines, plain, .gz or .zip.
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: PathBuf,
    /// What is compared.
    #[arg(long, value_name = "FILE")]
    pub(crate) current: PathBuf,
    /// Where the report goes, JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Where the report goes, one HTML page.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Compare listings' facts instead of columns: how columns become facts. One for both
    /// files, or one for the reference and one for the current file.
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Vec<PathBuf>,
    /// The test of a column, or of all that it is for.
    #[arg(long, value_name = "[COLUMN=]TEST", value_parser = parse_test)]
    pub(crate) test: Vec<Choice<DriftTest>>,
    /// The threshold of a column, or of all.
    #[arg(long, value_name = "[COLUMN=]NUMBER", value_parser = parse_threshold)]
    pub(crate) threshold: Vec<Choice<f64>>,
    /// Columns of numbers that are codes; several separated by commas.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub(crate) categorical: Vec<String>,
    /// Columns to leave out; several separated by commas.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// Share of drifted columns from which the whole data set has drifted.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = parse_share)]
    pub(crate) drift_share: f64,
    /// Values a side up to which numbers are compared exactly; beyond, through histograms of 4095 edges.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_EXACT)]
    pub(crate) max_exact: usize,
    /// End with exit code 1 if any column has drifted.
    #[arg(long)]
    pub(crate) fail_on_drift: bool,
}

/// A setting of one column or of all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice<T> {
    /// `None` is every column.
    pub(crate) column: Option<String>,
    pub(crate) value: T,
}

impl DriftArgs {
    /// How a column is compared. A test for all columns holds where it applies.
    pub(crate) fn params(&self, column: &str, kind: ColumnKind) -> CompareParams {
        let everywhere = chosen(&self.test, None).filter(|test| test.applies_to(kind));
        CompareParams {
            test: chosen(&self.test, Some(column)).or(everywhere),
            threshold: chosen(&self.threshold, Some(column))
                .or_else(|| chosen(&self.threshold, None)),
            max_exact: self.max_exact,
        }
    }

    /// Every column that an option names, with the option.
    pub(crate) fn named_columns(&self) -> Vec<(&'static str, &str)> {
        fn of<T>(choices: &[Choice<T>]) -> impl Iterator<Item = &str> {
            choices.iter().filter_map(|choice| choice.column.as_deref())
        }
        let tests = of(&self.test).map(|column| ("--test", column));
        let thresholds = of(&self.threshold).map(|column| ("--threshold", column));
        let codes = self.categorical.iter().map(|column| ("--categorical", column.as_str()));
        let ignored = self.ignore.iter().map(|column| ("--ignore", column.as_str()));
        tests.chain(thresholds).chain(codes).chain(ignored).collect()
    }
}

/// The last one given holds.
pub(crate) fn chosen<T: Copy>(choices: &[Choice<T>], column: Option<&str>) -> Option<T> {
    let of_column = |choice: &&Choice<T>| choice.column.as_deref() == column;
    choices.iter().rev().find(of_column).map(|choice| choice.value)
}

fn split(text: &str) -> (Option<String>, &str) {
    match text.rsplit_once('=') {
        Some((column, value)) => (Some(column.to_owned()), value),
        None => (None, text),
    }
}

fn parse_test(text: &str) -> Result<Choice<DriftTest>, String> {
    let (column, name) = split(text);
    let value = name.parse().map_err(|error| format!("{error}"))?;
    Ok(Choice { column, value })
}

fn parse_threshold(text: &str) -> Result<Choice<f64>, String> {
    let (column, number) = split(text);
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(Choice { column, value }),
        _ => Err("expected a number above 0, such as 0.1 or area=0.2".to_owned()),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a share above 0 and at most 1, such as 0.5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_of_a_column_or_of_all() {
        let all = parse_test("ks").unwrap();
        assert_eq!(all, Choice { column: None, value: DriftTest::Ks });
        let one = parse_test("a=b=psi").unwrap();
        assert_eq!(one, Choice { column: Some("a=b".to_owned()), value: DriftTest::Psi });
        assert!(parse_test("a=nothing").unwrap_err().contains("there are ks,"));
        assert_eq!(parse_threshold("0.2").unwrap().value, 0.2);
        for wrong in ["area=", "area=0", "-1", "NaN"] {
            assert!(parse_threshold(wrong).is_err(), "{wrong}");
        }
        assert!(parse_share("0").is_err() && parse_share("1").is_ok());
    }

    #[test]
    fn the_last_choice_holds() {
        let choice =
            |column: Option<&str>, value| Choice { column: column.map(str::to_owned), value };
        let choices = [choice(None, 1.0), choice(Some("a"), 2.0), choice(None, 3.0)];
        assert_eq!(chosen(&choices, None), Some(3.0));
        assert_eq!((chosen(&choices, Some("a")), chosen(&choices, Some("b"))), (Some(2.0), None));
    }
}
