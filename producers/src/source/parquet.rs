//! Parquet, through polars: the whole file is read into memory.
//!
//! Columns of types that no field can hold (lists, structs, times of day) are not read, since
//! polars panics on types it was not compiled for; a mapping that names one gets row errors.

use std::io::Cursor;

use model_core::date::{DAY_MS, EventDate};
use polars::prelude::{AnyValue, ArrowDataType, DataFrame, ParquetReader, SerReader, TimeUnit};

use super::Source;
use super::input::Input;
use crate::error::{ReadError, RowError, SourceError};
use crate::row::{Cell, Place, Row};

const UNSUPPORTED: Cell = Cell::Unsupported("a value of a type that no field can hold");

pub(super) struct Parquet {
    input: Input,
    columns: Vec<String>,
    /// Where each column is in the frame; `None` for those that are not read.
    places: Vec<Option<usize>>,
    frame: DataFrame,
    next: usize,
}

impl Parquet {
    pub(super) fn open(input: Input) -> Result<Self, SourceError> {
        let damaged = |error| input.malformed(format!("cannot read the Parquet data ({error})"));
        let mut reader = ParquetReader::new(Cursor::new(input.bytes()?));
        let schema = reader.schema().map_err(damaged)?;
        let (mut columns, mut places, mut projection) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (name, field)) in schema.iter().enumerate() {
            columns.push(name.to_string());
            let read = is_scalar(&field.dtype);
            places.push(read.then_some(projection.len()));
            projection.extend(read.then_some(index));
        }
        if projection.is_empty() {
            return Err(input.malformed("no column is a number, a text or a date"));
        }
        let frame =
            reader.with_projection(Some(projection)).set_rechunk(true).finish().map_err(damaged)?;
        Ok(Self { input, columns, places, frame, next: 0 })
    }

    fn cells(&self, row: usize) -> Result<Vec<Cell>, String> {
        let frame = self.frame.columns();
        let mut cells = Vec::with_capacity(self.places.len());
        for place in &self.places {
            cells.push(match place.and_then(|place| frame.get(place)) {
                Some(column) => cell(column.get(row).map_err(|error| error.to_string())?),
                None => UNSUPPORTED,
            });
        }
        Ok(cells)
    }
}

fn is_scalar(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as D;
    match dtype {
        D::Null | D::Boolean | D::Float32 | D::Float64 => true,
        D::Int8 | D::Int16 | D::Int32 | D::Int64 => true,
        D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => true,
        D::Utf8 | D::LargeUtf8 | D::Utf8View => true,
        D::Date32 | D::Date64 | D::Timestamp(..) => true,
        D::Decimal(..) | D::Decimal32(..) | D::Decimal64(..) | D::Decimal256(..) => true,
        D::Dictionary(_, values, _) => is_scalar(values),
        _ => false,
    }
}

impl Source for Parquet {
    fn name(&self) -> &str {
        &self.input.name
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next_row(&mut self) -> Option<Result<Row, ReadError>> {
        if self.next >= self.frame.height() {
            return None;
        }
        let index = self.next;
        self.next += 1;
        let (place, number) = (Place::Row(self.next as u64), self.next as u64);
        Some(match self.cells(index) {
            Ok(cells) => Ok(Row { place, number, cells }),
            Err(reason) => Err(RowError::Malformed { place, reason }.into()),
        })
    }
}

fn cell(value: AnyValue<'_>) -> Cell {
    if let Some(text) = value.get_str() {
        return Cell::Text(text.to_owned());
    }
    match value {
        AnyValue::Null => Cell::Missing,
        AnyValue::Boolean(value) => Cell::Bool(value),
        AnyValue::Int8(value) => Cell::Integer(value.into()),
        AnyValue::Int16(value) => Cell::Integer(value.into()),
        AnyValue::Int32(value) => Cell::Integer(value.into()),
        AnyValue::Int64(value) => Cell::Integer(value),
        AnyValue::UInt8(value) => Cell::Integer(value.into()),
        AnyValue::UInt16(value) => Cell::Integer(value.into()),
        AnyValue::UInt32(value) => Cell::Integer(value.into()),
        AnyValue::UInt64(value) => {
            i64::try_from(value).map_or(Cell::Number(value as f64), Cell::Integer)
        }
        AnyValue::Float32(value) => number(value.into()),
        AnyValue::Float64(value) => number(value),
        AnyValue::Decimal(value, _, scale) => number(value as f64 / 10_f64.powi(scale as i32)),
        AnyValue::Date(days) => Cell::Date(EventDate(days)),
        AnyValue::Datetime(value, unit, _) | AnyValue::DatetimeOwned(value, unit, _) => {
            let per_day = match unit {
                TimeUnit::Nanoseconds => DAY_MS * 1_000_000,
                TimeUnit::Microseconds => DAY_MS * 1_000,
                TimeUnit::Milliseconds => DAY_MS,
            };
            let days = value.div_euclid(per_day);
            i32::try_from(days).map_or(Cell::Unsupported("a date out of range"), |days| {
                Cell::Date(EventDate(days))
            })
        }
        _ => UNSUPPORTED,
    }
}

/// Data frames write missing numbers as NaN.
fn number(value: f64) -> Cell {
    if value.is_nan() { Cell::Missing } else { Cell::Number(value) }
}
