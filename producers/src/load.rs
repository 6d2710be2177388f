//! A source and a mapping, put together: records one by one, or all at once.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use model_core::date::EventDate;
use model_core::listing::{InvalidRecord, Listing, Sale};
use thiserror::Error;

use crate::error::{ReadError, RowError, SourceError};
use crate::mapping::{BoundMapping, Mapping, MappingError, Purpose};
use crate::row::{Place, Row};
use crate::source::{self, Source, SourceConfig};

/// Why nothing could be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The mapping cannot be used, or does not fit the source.
    #[error(transparent)]
    Mapping(Box<MappingError>),
    /// More rows are bad than the caller accepts.
    #[error("{source_name}: {count} bad rows, {limit} accepted; the first: {first}")]
    TooManyBadRows {
        /// The source.
        source_name: String,
        /// How many rows are bad.
        count: usize,
        /// How many were accepted.
        limit: usize,
        /// The first of them.
        first: Box<RowError>,
    },
}

impl From<MappingError> for LoadError {
    fn from(error: MappingError) -> Self {
        Self::Mapping(Box::new(error))
    }
}

/// All sales of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedSales {
    /// What they were read from, for messages.
    pub source_name: String,
    /// The good rows, in the source's order, validated, keys unique.
    pub sales: Vec<Sale>,
    /// The bad rows, each with its place and reason.
    pub row_errors: Vec<RowError>,
    /// Columns that are neither mapped nor ignored.
    pub unmapped_columns: Vec<String>,
}

/// All listings of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedListings {
    /// What they were read from, for messages.
    pub source_name: String,
    /// The good rows, in the source's order, validated, keys unique.
    pub listings: Vec<Listing>,
    /// The bad rows, each with its place and reason.
    pub row_errors: Vec<RowError>,
    /// Columns that are neither mapped nor ignored.
    pub unmapped_columns: Vec<String>,
}

impl LoadedSales {
    /// These sales if at most `limit` rows were bad.
    ///
    /// # Errors
    /// [`LoadError::TooManyBadRows`], with the first of them.
    pub fn accept_bad_rows(self, limit: usize) -> Result<Self, LoadError> {
        too_many(&self.source_name, &self.row_errors, limit).map_or(Ok(self), Err)
    }
}

impl LoadedListings {
    /// These listings if at most `limit` rows were bad.
    ///
    /// # Errors
    /// [`LoadError::TooManyBadRows`], with the first of them.
    pub fn accept_bad_rows(self, limit: usize) -> Result<Self, LoadError> {
        too_many(&self.source_name, &self.row_errors, limit).map_or(Ok(self), Err)
    }
}

fn too_many(source_name: &str, errors: &[RowError], limit: usize) -> Option<LoadError> {
    let (first, count) = (Box::new(errors.first()?.clone()), errors.len());
    let source_name = source_name.to_owned();
    (count > limit).then_some(LoadError::TooManyBadRows { source_name, count, limit, first })
}

/// Loads the sales of a file. Bad rows are returned beside the good ones.
///
/// # Errors
/// The file or the mapping cannot be used at all.
pub fn load_sales(
    path: impl AsRef<Path>,
    mapping: impl AsRef<Path>,
) -> Result<LoadedSales, LoadError> {
    let reader = SaleReader::open(&SourceConfig::file(path), &Mapping::load(mapping)?)?;
    let loaded = reader.collect_all()?;
    Ok(LoadedSales {
        source_name: loaded.source_name,
        sales: loaded.records,
        row_errors: loaded.row_errors,
        unmapped_columns: loaded.unmapped_columns,
    })
}

/// Loads the listings of a file; as [`load_sales`], but `price` need not be there.
///
/// # Errors
/// The file or the mapping cannot be used at all.
pub fn load_listings(
    path: impl AsRef<Path>,
    mapping: impl AsRef<Path>,
) -> Result<LoadedListings, LoadError> {
    let reader = ListingReader::open(&SourceConfig::file(path), &Mapping::load(mapping)?)?;
    let loaded = reader.collect_all()?;
    Ok(LoadedListings {
        source_name: loaded.source_name,
        listings: loaded.records,
        row_errors: loaded.row_errors,
        unmapped_columns: loaded.unmapped_columns,
    })
}

/// What a row can become: [`Sale`] or [`Listing`].
pub trait Record: Sized {
    /// What the mapping must offer.
    const PURPOSE: Purpose;

    /// Converts a row.
    ///
    /// # Errors
    /// A value is missing or is not what its field needs.
    fn from_row(mapping: &BoundMapping, row: &Row) -> Result<Self, RowError>;

    /// The key, unique in its source.
    fn key(&self) -> &str;

    /// Checks every field; see [`Sale::validate`].
    ///
    /// # Errors
    /// The first field at fault.
    fn check(&self, today: EventDate) -> Result<(), InvalidRecord>;
}

impl Record for Sale {
    const PURPOSE: Purpose = Purpose::Sales;

    fn from_row(mapping: &BoundMapping, row: &Row) -> Result<Self, RowError> {
        mapping.sale(row)
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn check(&self, today: EventDate) -> Result<(), InvalidRecord> {
        self.validate(today)
    }
}

impl Record for Listing {
    const PURPOSE: Purpose = Purpose::Listings;

    fn from_row(mapping: &BoundMapping, row: &Row) -> Result<Self, RowError> {
        mapping.listing(row)
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn check(&self, today: EventDate) -> Result<(), InvalidRecord> {
        self.validate(today)
    }
}

/// Reads sales one by one.
pub type SaleReader = RecordReader<Sale>;
/// Reads listings one by one.
pub type ListingReader = RecordReader<Listing>;

/// Reads records one by one, in the source's order. An item is a checked record, a bad row
/// (the next may be good), or the end of a broken source. Keeps every key, to find repeats.
pub struct RecordReader<T> {
    source: Box<dyn Source>,
    mapping: BoundMapping,
    today: EventDate,
    seen: HashMap<String, Place>,
    record: PhantomData<fn() -> T>,
}

impl<T: Record> RecordReader<T> {
    /// Opens a source and fits the mapping to it. Columns that are neither mapped nor ignored
    /// are listed in one warning. Events after today are refused.
    ///
    /// # Errors
    /// The source cannot be opened, or the mapping does not fit it.
    pub fn open(config: &SourceConfig, mapping: &Mapping) -> Result<Self, LoadError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        Self::new(source::open(config)?, mapping, EventDate::from_timestamp_ms(now_ms))
    }

    /// As [`RecordReader::open`] with a source that is open, and the date after which no event
    /// can be.
    ///
    /// # Errors
    /// The mapping does not fit the source.
    pub fn new(
        source: Box<dyn Source>,
        mapping: &Mapping,
        today: EventDate,
    ) -> Result<Self, LoadError> {
        let bound = mapping.bind(source.name(), source.columns(), T::PURPOSE)?;
        if !bound.unmapped_columns().is_empty() {
            tracing::warn!(
                source = source.name(),
                mapping = %mapping.path().display(),
                columns = bound.unmapped_columns().join(", "),
                "columns are neither mapped nor ignored and will not be used"
            );
        }
        let (seen, record) = (HashMap::new(), PhantomData);
        Ok(Self { source, mapping: bound, today, seen, record })
    }

    /// What is read, for messages.
    pub fn source_name(&self) -> &str {
        self.source.name()
    }

    /// Columns that are neither mapped nor ignored.
    pub fn unmapped_columns(&self) -> &[String] {
        self.mapping.unmapped_columns()
    }

    fn convert(&mut self, row: &Row) -> Result<T, RowError> {
        let record = T::from_row(&self.mapping, row)?;
        let place = row.place;
        record.check(self.today).map_err(|reason| RowError::Invalid { place, reason })?;
        if let Some(first) = self.seen.get(record.key()) {
            let (key, first) = (record.key().to_owned(), *first);
            return Err(RowError::DuplicateKey { place, key, first });
        }
        self.seen.insert(record.key().to_owned(), place);
        Ok(record)
    }

    fn collect_all(mut self) -> Result<Loaded<T>, SourceError> {
        let (mut records, mut row_errors) = (Vec::new(), Vec::new());
        for item in self.by_ref() {
            match item {
                Ok(record) => records.push(record),
                Err(ReadError::Row(error)) => row_errors.push(error),
                Err(ReadError::Source(error)) => return Err(error),
            }
        }
        let source_name = self.source.name().to_owned();
        let unmapped_columns = self.mapping.unmapped_columns().to_vec();
        Ok(Loaded { source_name, records, row_errors, unmapped_columns })
    }
}

struct Loaded<T> {
    source_name: String,
    records: Vec<T>,
    row_errors: Vec<RowError>,
    unmapped_columns: Vec<String>,
}

impl<T: Record> Iterator for RecordReader<T> {
    type Item = Result<T, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.source.next_row()?;
        Some(row.and_then(|row| self.convert(&row).map_err(ReadError::from)))
    }
}
