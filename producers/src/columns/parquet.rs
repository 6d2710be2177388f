//! Columns of Parquet files, through polars.

use std::fs::File;
use std::path::{Path, PathBuf};

use polars::prelude::{
    ArrowDataType, ArrowSchema, DataType, ParallelStrategy, ParquetReader, PolarsResult, SerReader,
    Series,
};

use super::{ColumnType, ColumnValues, LabelCounter};
use crate::error::SourceError;

pub(super) struct Parquet {
    path: PathBuf,
}

/// Opens the file anew: what was mapped for one column is given back with its reader.
fn reader(path: &Path) -> Result<ParquetReader<File>, SourceError> {
    let file =
        File::open(path).map_err(|reason| SourceError::Io { path: path.to_owned(), reason })?;
    Ok(ParquetReader::new(file).read_parallel(ParallelStrategy::None))
}

fn damaged(path: &Path, error: impl std::fmt::Display) -> SourceError {
    let reason = format!("cannot read the Parquet data ({error})");
    SourceError::Malformed { path: path.to_owned(), reason }
}

pub(super) fn open(path: &Path) -> Result<(Vec<(String, ColumnType)>, Parquet), SourceError> {
    let mut reader = reader(path)?;
    let schema = reader.schema().map_err(|error| damaged(path, error))?;
    if reader.num_rows().map_err(|error| damaged(path, error))? == 0 {
        return Err(SourceError::NoRows { path: path.to_owned() });
    }
    Ok((types(&schema), Parquet { path: path.to_owned() }))
}

fn types(schema: &ArrowSchema) -> Vec<(String, ColumnType)> {
    schema.iter().map(|(name, field)| (name.to_string(), type_of(&field.dtype))).collect()
}

fn type_of(dtype: &ArrowDataType) -> ColumnType {
    use ArrowDataType as D;
    match dtype {
        D::Null => ColumnType::Nothing,
        D::Int8 | D::Int16 | D::Int32 | D::Int64 => ColumnType::Number { whole: true },
        D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => ColumnType::Number { whole: true },
        D::Float32 | D::Float64 => ColumnType::Number { whole: false },
        D::Decimal(..) | D::Decimal32(..) | D::Decimal64(..) | D::Decimal256(..) => {
            ColumnType::Number { whole: false }
        }
        D::Boolean | D::Utf8 | D::LargeUtf8 | D::Utf8View => ColumnType::Label,
        D::Dictionary(_, values, _) => type_of(values),
        D::Date32 | D::Date64 | D::Timestamp(..) => ColumnType::Date,
        _ => ColumnType::Other,
    }
}

impl Parquet {
    pub(super) fn column(&self, name: &str, as_labels: bool) -> Result<ColumnValues, SourceError> {
        let damaged = |error| damaged(&self.path, format!("column `{name}`: {error}"));
        let frame = reader(&self.path)?
            .with_columns(Some(vec![name.to_owned()]))
            .finish()
            .map_err(damaged)?;
        let series = frame.column(name).map_err(damaged)?.as_materialized_series();
        if as_labels { labels(series) } else { numbers(series) }.map_err(damaged)
    }
}

fn numbers(series: &Series) -> PolarsResult<ColumnValues> {
    let cast = series.cast(&DataType::Float64)?;
    let mut values = Vec::with_capacity(cast.len());
    for array in cast.f64()?.downcast_iter() {
        if array.validity().is_none() {
            values.extend_from_slice(array.values());
        } else {
            values.extend(array.iter().map(|value| value.copied().unwrap_or(f64::NAN)));
        }
    }
    Ok(ColumnValues::Numbers(values))
}

fn labels(series: &Series) -> PolarsResult<ColumnValues> {
    let mut counter = LabelCounter::default();
    for row in 0..series.len() {
        let value = series.get(row)?;
        match value.get_str() {
            Some(text) => counter.add(Some(text)),
            None if value.is_null() => counter.add(None),
            None => counter.add(Some(&value.to_string())),
        }
    }
    Ok(counter.finish())
}
