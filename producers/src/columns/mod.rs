//! Files as plain columns, for statistics that need no mapping: numbers, labels, or neither.
//!
//! Parquet is read one column at a time, so that memory holds a column and not the file. Text
//! formats are read twice: once to see what each column is, once for its values.

mod parquet;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{ReadError, SourceError};
use crate::source::plain_parquet;

/// Labels that a column may have: one with more is a key or free text.
pub const MAX_LABELS: usize = 10_000;
/// Texts that mean "not known", besides nothing at all.
pub const MISSING_TEXTS: [&str; 5] = ["NA", "N/A", "NaN", "nan", "null"];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Numbers; `whole` if all are whole by their type or as they are written.
    Number {
        /// Whole numbers only.
        whole: bool,
    },
    /// Texts, or true and false.
    Label,
    /// Calendar dates.
    Date,
    /// Values that are neither, such as lists.
    Other,
    /// No value in any row.
    Nothing,
}

/// Values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnValues {
    /// One a row, NaN where missing.
    Numbers(Vec<f64>),
    /// Rows by label.
    Labels {
        /// How many rows have each.
        counts: BTreeMap<String, u64>,
        /// Rows without one.
        missing: u64,
    },
    /// More than [`MAX_LABELS`] labels.
    TooManyLabels,
}

/// A file's columns.
pub struct ColumnFile {
    name: String,
    columns: Vec<(String, ColumnType)>,
    reader: Reader,
}

enum Reader {
    Parquet(parquet::Parquet),
    Rows(rows::Rows),
}

impl ColumnFile {
    /// Opens a file: CSV, Parquet or JSON lines, plain, `.gz` or alone in a `.zip`.
    ///
    /// # Errors
    /// The file is not there, or is not what its name says; a bad row, by its line.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        let (columns, reader) = if plain_parquet(path)? {
            let (columns, parquet) = parquet::open(path)?;
            (columns, Reader::Parquet(parquet))
        } else {
            let (columns, rows) = rows::open(path)?;
            (columns, Reader::Rows(rows))
        };
        Ok(Self { name, columns, reader })
    }

    /// The file, as it was named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its columns, in order.
    pub fn columns(&self) -> &[(String, ColumnType)] {
        &self.columns
    }

    /// What a column of this name holds.
    pub fn column(&self, name: &str) -> Option<ColumnType> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind)
    }

    /// Says which columns will be asked for, and whether as labels. Text formats read them all
    /// now, since they read whole rows.
    ///
    /// # Errors
    /// The file has changed or cannot be read any more.
    pub fn prepare(&mut self, wanted: &BTreeMap<String, bool>) -> Result<(), ReadError> {
        match &mut self.reader {
            Reader::Parquet(_) => Ok(()),
            Reader::Rows(rows) => rows.prepare(wanted),
        }
    }

    /// The values of a column that was [prepared](Self::prepare), once.
    ///
    /// # Errors
    /// The file cannot be read, or there is no such column.
    pub fn take(&mut self, name: &str, as_labels: bool) -> Result<ColumnValues, SourceError> {
        match &mut self.reader {
            Reader::Parquet(parquet) => parquet.column(name, as_labels),
            Reader::Rows(rows) => rows.take(name),
        }
    }
}

/// Counts labels until there are too many.
#[derive(Default)]
struct LabelCounter {
    counts: BTreeMap<String, u64>,
    missing: u64,
    overflow: bool,
}

impl LabelCounter {
    fn add(&mut self, label: Option<&str>) {
        let label = label.map(str::trim).filter(|label| !is_missing(label));
        match label {
            None => self.missing += 1,
            Some(_) if self.overflow => {}
            Some(label) => {
                if let Some(count) = self.counts.get_mut(label) {
                    *count += 1;
                } else if self.counts.len() < MAX_LABELS {
                    self.counts.insert(label.to_owned(), 1);
                } else {
                    self.overflow = true;
                    self.counts.clear();
                }
            }
        }
    }

    fn finish(self) -> ColumnValues {
        if self.overflow {
            return ColumnValues::TooManyLabels;
        }
        ColumnValues::Labels { counts: self.counts, missing: self.missing }
    }
}

fn is_missing(text: &str) -> bool {
    text.is_empty() || MISSING_TEXTS.contains(&text)
}

#[cfg(test)]
mod tests;
