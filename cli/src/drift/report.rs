//! The report of a comparison of two files.

use std::fmt::Write as _;

use model_core::drift::statistics::{ColumnComparison, Decision};
use serde::Serialize;

/// The report, as it is written to JSON.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DriftReport {
    /// The version that made it.
    pub(crate) homestream: &'static str,
    pub(crate) reference: FileSummary,
    pub(crate) current: FileSummary,
    /// Columns with a verdict.
    pub(crate) columns: usize,
    /// Columns that have drifted.
    pub(crate) drifted: usize,
    /// Their share of those with a verdict.
    pub(crate) drifted_share: f64,
    /// Share from which the data set has drifted.
    pub(crate) drift_share: f64,
    /// Whether it has.
    pub(crate) dataset_drift: bool,
    pub(crate) only_in_reference: Vec<String>,
    pub(crate) only_in_current: Vec<String>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) features: Vec<ColumnComparison>,
}

/// One of the files.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FileSummary {
    pub(crate) file: String,
    pub(crate) rows: u64,
}

/// A column that is in both files and was not compared.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Skipped {
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl DriftReport {
    /// Counts what the features say.
    pub(crate) fn conclude(&mut self) {
        let decided = |feature: &&ColumnComparison| feature.verdict != Decision::NotCompared;
        self.columns = self.features.iter().filter(decided).count();
        self.drifted = self.drifted_columns().count();
        self.drifted_share = self.drifted as f64 / self.columns.max(1) as f64;
        self.dataset_drift = self.drifted > 0 && self.drifted_share >= self.drift_share;
        let rows = |rows: fn(&ColumnComparison) -> u64| self.features.iter().map(rows).max();
        let (reference, current) =
            (rows(|feature| feature.rows_ref), rows(|feature| feature.rows_cur));
        self.reference.rows = reference.unwrap_or(0);
        self.current.rows = current.unwrap_or(0);
    }

    /// Names of the columns that have drifted.
    pub(crate) fn drifted_columns(&self) -> impl Iterator<Item = &str> {
        let drifted = |feature: &&ColumnComparison| feature.verdict == Decision::Drift;
        self.features.iter().filter(drifted).map(|feature| feature.name.as_str())
    }

    /// The features, those that moved most first: drifted ones, then by Jensen-Shannon
    /// distance, which all kinds of columns share.
    pub(crate) fn by_severity(&self) -> Vec<&ColumnComparison> {
        let rank = |feature: &ColumnComparison| match feature.verdict {
            Decision::Drift => 0,
            Decision::NotCompared => 1,
            Decision::Ok => 2,
        };
        let mut features: Vec<&ColumnComparison> = self.features.iter().collect();
        features.sort_by(|a, b| {
            let distance = |feature: &ColumnComparison| feature.js.unwrap_or(f64::INFINITY);
            rank(a).cmp(&rank(b)).then(distance(b).total_cmp(&distance(a)))
        });
        features
    }

    /// The table for the terminal.
    pub(crate) fn to_table(&self) -> String {
        let width = self.features.iter().map(|f| f.name.chars().count()).max().unwrap_or(0).max(6);
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{:width$}  {:7}  {:14}  {:>10}  {:>10}",
            "column", "verdict", "test", "statistic", "p-value"
        );
        for feature in self.by_severity() {
            let _ = writeln!(
                out,
                "{:width$}  {:7}  {:14}  {:>10}  {:>10}  {}",
                feature.name,
                verdict(feature.verdict),
                feature.test.to_string(),
                number(feature.statistic),
                number(feature.p_value),
                remarks(feature).join("; "),
            );
        }
        let _ = writeln!(
            out,
            "\n{} of {} columns drifted ({:.0} %); the data set {} (from {:.0} % on)",
            self.drifted,
            self.columns,
            self.drifted_share * 100.0,
            if self.dataset_drift { "has drifted" } else { "has not" },
            self.drift_share * 100.0,
        );
        for skipped in &self.skipped {
            let _ = writeln!(out, "not compared: {} ({})", skipped.name, skipped.reason);
        }
        for (file, names) in
            [("reference", &self.only_in_reference), ("current", &self.only_in_current)]
        {
            if !names.is_empty() {
                let _ = writeln!(out, "only in the {file} file: {}", names.join(", "));
            }
        }
        out
    }
}

/// A verdict in words.
pub(crate) fn verdict(verdict: Decision) -> &'static str {
    match verdict {
        Decision::Ok => "ok",
        Decision::Drift => "drift",
        Decision::NotCompared => "none",
    }
}

/// Four significant digits; `-` for nothing.
pub(crate) fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value != 0.0 && !(1e-4..1e6).contains(&value.abs()) => {
            format!("{value:.2e}")
        }
        Some(value) => format!("{value:.4}"),
    }
}

/// What a reader should know besides the numbers.
pub(crate) fn remarks(feature: &ColumnComparison) -> Vec<String> {
    let mut remarks = feature.notes.clone();
    remarks.extend(feature.unit_hint.clone());
    if !feature.new_categories.is_empty() {
        let share = feature.new_categories_share * 100.0;
        remarks.push(format!("new: {} ({share:.1} %)", feature.new_categories.join(", ")));
    }
    if let Some(share) = feature.range_violations.filter(|share| *share >= 0.001) {
        remarks.push(format!("{:.1} % outside the reference's range", share * 100.0));
    }
    remarks
}
