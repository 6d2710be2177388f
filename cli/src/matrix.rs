//! Rows of features in CSV files, numbers in full precision.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail};
use model_core::features::FeatureSpec;

/// A number as it reads back; a missing one is empty.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() { String::new() } else { format!("{value}") }
}

/// Rows of a matrix, in the order of a spec.
pub(crate) struct MatrixReader {
    rows: csv::Reader<File>,
    record: csv::StringRecord,
    /// For each feature: its column in the file, and whether it holds category codes.
    columns: Vec<(usize, bool)>,
}

impl MatrixReader {
    /// Opens a file and finds the spec's columns by name.
    ///
    /// # Errors
    /// A file that cannot be read, or that lacks a column.
    pub(crate) fn open(path: &Path, spec: &FeatureSpec) -> anyhow::Result<Self> {
        let mut rows = csv::Reader::from_path(path)?;
        let header = rows.headers()?.clone();
        let columns: anyhow::Result<Vec<_>> = spec
            .features
            .iter()
            .map(|feature| {
                let column = header
                    .iter()
                    .position(|name| name == feature.name)
                    .with_context(|| format!("has no column {}", feature.name))?;
                Ok((column, !feature.levels.is_empty()))
            })
            .collect();
        Ok(Self { rows, record: csv::StringRecord::new(), columns: columns? })
    }

    /// Reads the next row into `row`; `false` at the end. Empty cells and NaN are missing; a
    /// fractional category code loses its fraction, as in LightGBM and XGBoost.
    ///
    /// # Errors
    /// A cell that is not a number.
    pub(crate) fn next_row(&mut self, row: &mut Vec<f64>) -> anyhow::Result<bool> {
        row.clear();
        if !self.rows.read_record(&mut self.record)? {
            return Ok(false);
        }
        for &(column, codes) in &self.columns {
            let cell = self.record.get(column).unwrap_or_default().trim();
            let value = if cell.is_empty() { Ok(f64::NAN) } else { cell.parse::<f64>() };
            let Ok(value) = value else {
                let line = self.record.position().map_or(0, csv::Position::line);
                bail!("line {line}: {cell:?} is not a number");
            };
            row.push(if codes { value.trunc() } else { value });
        }
        Ok(true)
    }
}
