//! Columns of formats that are read row by row.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model_core::date::EventDate;

use super::{ColumnType, ColumnValues, LabelCounter, is_missing};
use crate::error::{ReadError, RowError, SourceError};
use crate::row::{Cell, Row};
use crate::source::{self, SourceConfig};

pub(super) struct Rows {
    path: PathBuf,
    values: BTreeMap<String, ColumnValues>,
}

/// A value, seen alone.
enum Seen {
    Nothing,
    Number { value: f64, whole: bool },
    Label,
    Date,
    Other,
}

fn look(cell: &Cell) -> Seen {
    match cell {
        Cell::Missing => Seen::Nothing,
        Cell::Integer(value) => Seen::Number { value: *value as f64, whole: true },
        Cell::Number(value) => Seen::Number { value: *value, whole: false },
        Cell::Bool(_) => Seen::Label,
        Cell::Date(_) => Seen::Date,
        Cell::Unsupported(_) => Seen::Other,
        Cell::Text(text) => look_at_text(text.trim()),
    }
}

fn look_at_text(text: &str) -> Seen {
    if is_missing(text) {
        return Seen::Nothing;
    }
    match text.parse::<f64>() {
        Ok(value) => Seen::Number { value, whole: text.parse::<i64>().is_ok() },
        Err(_) if text.get(..10).and_then(EventDate::parse_iso).is_some() => Seen::Date,
        Err(_) => Seen::Label,
    }
}

/// What a column is that holds both.
fn join(known: ColumnType, seen: &Seen) -> ColumnType {
    use ColumnType as T;
    match (known, seen) {
        (_, Seen::Nothing) => known,
        (T::Number { whole: all }, Seen::Number { whole, .. }) => {
            T::Number { whole: all && *whole }
        }
        (T::Nothing, Seen::Number { whole, .. }) => T::Number { whole: *whole },
        (T::Nothing | T::Date, Seen::Date) => T::Date,
        (T::Nothing | T::Other, Seen::Other) => T::Other,
        _ => T::Label,
    }
}

pub(super) fn open(path: &Path) -> Result<(Vec<(String, ColumnType)>, Rows), ReadError> {
    let mut types: Vec<ColumnType> = Vec::new();
    let names = each_row(path, |row| {
        types.resize(row.cells.len(), ColumnType::Nothing);
        for (known, cell) in types.iter_mut().zip(&row.cells) {
            *known = join(*known, &look(cell));
        }
    })?;
    let rows = Rows { path: path.to_owned(), values: BTreeMap::new() };
    Ok((names.into_iter().zip(types).collect(), rows))
}

/// Reads a whole file; its columns' names.
fn each_row(path: &Path, mut step: impl FnMut(&Row)) -> Result<Vec<String>, ReadError> {
    let mut source = source::open(&SourceConfig::file(path))?;
    while let Some(row) = source.next_row() {
        step(&row.map_err(|error| in_file(path, error))?);
    }
    Ok(source.columns().to_vec())
}

/// A bad row's error names its line; here the file, too.
fn in_file(path: &Path, error: ReadError) -> ReadError {
    match error {
        ReadError::Row(RowError::Malformed { place, reason }) => {
            let reason = format!("{place}: {reason}");
            SourceError::Malformed { path: path.to_owned(), reason }.into()
        }
        other => other,
    }
}

enum Builder {
    Numbers(Vec<f64>),
    Labels(LabelCounter),
    Unwanted,
}

impl Rows {
    pub(super) fn prepare(&mut self, wanted: &BTreeMap<String, bool>) -> Result<(), ReadError> {
        let names = source::open(&SourceConfig::file(&self.path))?.columns().to_vec();
        let builder = |name: &String| match wanted.get(name) {
            None => Builder::Unwanted,
            Some(true) => Builder::Labels(LabelCounter::default()),
            Some(false) => Builder::Numbers(Vec::new()),
        };
        let mut builders: Vec<Builder> = names.iter().map(builder).collect();
        each_row(&self.path, |row| {
            for (builder, cell) in builders.iter_mut().zip(&row.cells) {
                match builder {
                    Builder::Unwanted => {}
                    Builder::Labels(counter) => counter.add(cell.text().as_deref()),
                    Builder::Numbers(numbers) => numbers.push(match look(cell) {
                        Seen::Number { value, .. } => value,
                        _ => f64::NAN,
                    }),
                }
            }
        })?;
        let finished = names.into_iter().zip(builders).filter_map(|(name, builder)| {
            Some((
                name,
                match builder {
                    Builder::Numbers(numbers) => ColumnValues::Numbers(numbers),
                    Builder::Labels(counter) => counter.finish(),
                    Builder::Unwanted => return None,
                },
            ))
        });
        self.values = finished.collect();
        Ok(())
    }

    pub(super) fn take(&mut self, name: &str) -> Result<ColumnValues, SourceError> {
        self.values.remove(name).ok_or_else(|| SourceError::Malformed {
            path: self.path.clone(),
            reason: format!("has no column `{name}`, or it was not prepared"),
        })
    }
}
