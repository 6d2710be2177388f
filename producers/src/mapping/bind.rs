//! A mapping fitted to the columns of one source.

use std::collections::HashSet;

use model_core::date::EventDate;
use model_core::listing::{Attribute, Facts, Listing, SQUARE_FEET_PER_SQUARE_METRE, Sale};

use super::convert::{self, Expected};
use super::spec::{
    AreaSpec, AttributeKind, ColumnSpec, DateSpec, KeySpec, LivingUnit, LotUnit, MissingCode,
    NameOr,
};
use super::{Mapping, MappingError};
use crate::error::RowError;
use crate::row::{Cell, Row};
use crate::suggest;

const SQUARE_FEET_PER_ACRE: f64 = 43_560.0;
const SQUARE_METRES_PER_HECTARE: f64 = 10_000.0;

/// What rows are to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Sales: `date` and `price` must be mapped and present.
    Sales,
    /// Listings: `price`, and `date` if there is a `listing_date`, need not exist.
    Listings,
}

impl Purpose {
    fn in_words(self) -> &'static str {
        match self {
            Self::Sales => "sales",
            Self::Listings => "listings",
        }
    }
}

/// Converts the rows of one source.
#[derive(Clone, Debug)]
pub struct BoundMapping {
    currency: String,
    key: Option<Vec<Column>>,
    date: Date,
    price: Option<Column>,
    living_area: Option<(Column, f64)>,
    lot_size: Option<(Column, f64)>,
    bedrooms_total: Option<Column>,
    bathrooms_full: Option<Column>,
    bathrooms_half: Option<Column>,
    year_built: Option<Column>,
    stories: Option<Column>,
    property_type: Option<Column>,
    postal_code: Option<Column>,
    latitude: Option<Column>,
    longitude: Option<Column>,
    attributes: Vec<(String, AttributeKind, Column)>,
    unmapped: Vec<String>,
}

/// A column, found.
#[derive(Clone, Debug)]
struct Column {
    index: usize,
    name: String,
    missing: Vec<MissingCode>,
}

#[derive(Clone, Debug)]
enum Date {
    Column(Column, Option<String>),
    Parts { year: Column, month: Column, day: Option<Column> },
}

impl Mapping {
    /// Fits the mapping to the columns of a source; `source_name` is for messages.
    ///
    /// # Errors
    /// The source lacks a mapped column, or the mapping lacks what the purpose needs.
    pub fn bind(
        &self,
        source_name: &str,
        columns: &[String],
        purpose: Purpose,
    ) -> Result<BoundMapping, MappingError> {
        Binder { mapping: self, source_name, columns }.bind(purpose)
    }
}

struct Binder<'a> {
    mapping: &'a Mapping,
    source_name: &'a str,
    columns: &'a [String],
}

impl Binder<'_> {
    fn bind(&self, purpose: Purpose) -> Result<BoundMapping, MappingError> {
        let spec = self.mapping.spec();
        let fields = &spec.fields;
        let key = match &spec.key {
            KeySpec::RowNumber => None,
            KeySpec::Columns(columns) => {
                let found: Result<_, _> =
                    columns.iter().map(|column| self.find("key", column, &[])).collect();
                Some(found?)
            }
        };
        let not_mapped = |key| MappingError::NotMapped {
            path: self.mapping.path().to_owned(),
            key,
            purpose: purpose.in_words(),
        };
        let (date, price) = match purpose {
            Purpose::Sales => {
                let date = spec.date.as_ref().ok_or_else(|| not_mapped("date"))?;
                let price = spec.price.as_ref().ok_or_else(|| not_mapped("price"))?;
                (self.date("date", date)?, self.column("price", Some(price))?)
            }
            Purpose::Listings => {
                let (key, date) = match (&spec.listing_date, &spec.date) {
                    (Some(date), _) => ("listing_date", date),
                    (None, Some(date)) => ("date", date),
                    (None, None) => return Err(not_mapped("listing_date")),
                };
                (self.date(key, date)?, self.column("list_price", spec.list_price.as_ref())?)
            }
        };
        let attributes: Result<Vec<_>, MappingError> = spec
            .attributes
            .iter()
            .map(|(name, attribute)| {
                let column = attribute.column.as_ref().unwrap_or(name);
                let key = format!("attributes.{name}");
                let column = self.find(&key, column, &attribute.missing)?;
                Ok((name.clone(), attribute.kind, column))
            })
            .collect();
        Ok(BoundMapping {
            currency: spec.currency.clone(),
            key,
            date,
            price,
            living_area: self.area("fields.LivingArea", fields.living_area.as_ref())?,
            lot_size: self
                .area("fields.LotSizeSquareFeet", fields.lot_size_square_feet.as_ref())?,
            bedrooms_total: self.column("fields.BedroomsTotal", fields.bedrooms_total.as_ref())?,
            bathrooms_full: self.column("fields.BathroomsFull", fields.bathrooms_full.as_ref())?,
            bathrooms_half: self.column("fields.BathroomsHalf", fields.bathrooms_half.as_ref())?,
            year_built: self.column("fields.YearBuilt", fields.year_built.as_ref())?,
            stories: self.column("fields.Stories", fields.stories.as_ref())?,
            property_type: self.column("fields.PropertyType", fields.property_type.as_ref())?,
            postal_code: self.column("fields.PostalCode", fields.postal_code.as_ref())?,
            latitude: self.column("fields.Latitude", fields.latitude.as_ref())?,
            longitude: self.column("fields.Longitude", fields.longitude.as_ref())?,
            attributes: attributes?,
            unmapped: self.unmapped(),
        })
    }

    fn find(
        &self,
        key: &str,
        column: &str,
        missing: &[MissingCode],
    ) -> Result<Column, MappingError> {
        let Some(index) = self.columns.iter().position(|name| name == column) else {
            return Err(MappingError::MissingColumn {
                path: self.mapping.path().to_owned(),
                key: key.to_owned(),
                column: column.to_owned(),
                source_name: self.source_name.to_owned(),
                hint: suggest::hint(column, self.columns.iter().map(String::as_str)),
            });
        };
        let missing = self.mapping.spec().missing.iter().chain(missing).cloned().collect();
        Ok(Column { index, name: column.to_owned(), missing })
    }

    fn column(&self, key: &str, spec: Option<&ColumnSpec>) -> Result<Option<Column>, MappingError> {
        spec.map(|spec| self.find(key, &spec.0.column, &spec.0.missing)).transpose()
    }

    fn area<U: SquareFeet>(
        &self,
        key: &str,
        spec: Option<&AreaSpec<U>>,
    ) -> Result<Option<(Column, f64)>, MappingError> {
        let Some(NameOr(area)) = spec else { return Ok(None) };
        Ok(Some((self.find(key, &area.column, &area.missing)?, area.unit.square_feet())))
    }

    fn date(&self, key: &str, spec: &DateSpec) -> Result<Date, MappingError> {
        Ok(match spec {
            DateSpec::Column { column, format } => {
                Date::Column(self.find(key, column, &[])?, format.clone())
            }
            DateSpec::Parts { year, month, day } => Date::Parts {
                year: self.find(key, year, &[])?,
                month: self.find(key, month, &[])?,
                day: day.as_ref().map(|day| self.find(key, day, &[])).transpose()?,
            },
        })
    }

    fn unmapped(&self) -> Vec<String> {
        let spec = self.mapping.spec();
        let used: HashSet<&str> = spec.columns().into_iter().map(|(_, column)| column).collect();
        let known =
            |column: &&String| used.contains(column.as_str()) || spec.ignore.contains_key(*column);
        self.columns.iter().filter(|column| !known(column)).cloned().collect()
    }
}

/// A unit of area.
trait SquareFeet {
    /// How many square feet one of it has.
    fn square_feet(&self) -> f64;
}

impl SquareFeet for LivingUnit {
    fn square_feet(&self) -> f64 {
        match self {
            Self::SquareFeet => 1.0,
            Self::SquareMetres => SQUARE_FEET_PER_SQUARE_METRE,
        }
    }
}

impl SquareFeet for LotUnit {
    fn square_feet(&self) -> f64 {
        match self {
            Self::SquareFeet => 1.0,
            Self::SquareMetres => SQUARE_FEET_PER_SQUARE_METRE,
            Self::Acres => SQUARE_FEET_PER_ACRE,
            Self::Hectares => SQUARE_METRES_PER_HECTARE * SQUARE_FEET_PER_SQUARE_METRE,
        }
    }
}

impl BoundMapping {
    /// Columns of the source that are neither mapped nor ignored.
    pub fn unmapped_columns(&self) -> &[String] {
        &self.unmapped
    }

    /// The row as a sale. Not yet validated.
    ///
    /// # Errors
    /// A value is missing where one must be, or is not what its field needs.
    pub fn sale(&self, row: &Row) -> Result<Sale, RowError> {
        let Some(column) = &self.price else {
            let reason = "the mapping was bound without a price".to_owned();
            return Err(RowError::Malformed { place: row.place, reason });
        };
        Ok(Sale {
            key: self.key(row)?,
            closed_on: self.date(row)?,
            price: column.required(row, convert::price)?,
            currency: self.currency.clone(),
            facts: self.facts(row)?,
        })
    }

    /// The row as a listing. Not yet validated.
    ///
    /// # Errors
    /// A value is missing where one must be, or is not what its field needs.
    pub fn listing(&self, row: &Row) -> Result<Listing, RowError> {
        Ok(Listing {
            key: self.key(row)?,
            listed_on: self.date(row)?,
            list_price: optional(&self.price, row, convert::price)?,
            currency: self.currency.clone(),
            facts: self.facts(row)?,
        })
    }

    fn key(&self, row: &Row) -> Result<String, RowError> {
        let Some(columns) = &self.key else { return Ok(row.number.to_string()) };
        let parts: Result<Vec<String>, _> =
            columns.iter().map(|column| column.required(row, convert::text)).collect();
        Ok(parts?.join("-"))
    }

    fn date(&self, row: &Row) -> Result<EventDate, RowError> {
        match &self.date {
            Date::Column(column, format) => {
                column.required(row, |cell| convert::date(cell, format.as_deref()))
            }
            Date::Parts { year, month, day } => {
                let y = year.required(row, convert::integer)?;
                let m = month.required(row, |cell| in_range(cell, 12, "a month, 1 to 12"))?;
                let d = match day {
                    Some(day) => day.required(row, |cell| in_range(cell, 31, "a day, 1 to 31"))?,
                    None => 1,
                };
                EventDate::from_ymd(y, m, d).ok_or_else(|| {
                    let fault = day.as_ref().unwrap_or(year);
                    fault.error(row, format!("a date that exists (not {y}-{m}-{d})"))
                })
            }
        }
    }

    fn facts(&self, row: &Row) -> Result<Facts, RowError> {
        let area = |area: &Option<(Column, f64)>| match area {
            Some((column, factor)) => {
                Ok(column.value(row, convert::number)?.map(|value| value * factor))
            }
            None => Ok(None),
        };
        let mut facts = Facts {
            living_area: area(&self.living_area)?,
            lot_size: area(&self.lot_size)?,
            bedrooms_total: optional(&self.bedrooms_total, row, convert::integer)?,
            bathrooms_full: optional(&self.bathrooms_full, row, convert::integer)?,
            bathrooms_half: optional(&self.bathrooms_half, row, convert::integer)?,
            year_built: optional(&self.year_built, row, convert::integer)?,
            stories: optional(&self.stories, row, convert::number)?,
            property_type: optional(&self.property_type, row, convert::text)?,
            postal_code: optional(&self.postal_code, row, convert::text)?,
            latitude: optional(&self.latitude, row, convert::number)?,
            longitude: optional(&self.longitude, row, convert::number)?,
            ..Facts::default()
        };
        for (name, kind, column) in &self.attributes {
            let value = match kind {
                AttributeKind::Number => column.value(row, convert::number)?.map(Attribute::Number),
                AttributeKind::Category => column.value(row, convert::text)?.map(Attribute::Text),
            };
            if let Some(value) = value {
                facts.attributes.insert(name.clone(), value);
            }
        }
        Ok(facts)
    }
}

fn in_range(cell: &Cell, highest: i32, expected: &str) -> Result<u32, Expected> {
    let value = convert::integer(cell).ok().filter(|value| (1..=highest).contains(value));
    value.map(i32::unsigned_abs).ok_or_else(|| expected.to_owned())
}

fn optional<T>(
    column: &Option<Column>,
    row: &Row,
    convert: impl Fn(&Cell) -> Result<T, Expected>,
) -> Result<Option<T>, RowError> {
    match column {
        Some(column) => column.value(row, convert),
        None => Ok(None),
    }
}

impl Column {
    /// The value, or `None` when it is missing.
    fn value<T>(
        &self,
        row: &Row,
        convert: impl Fn(&Cell) -> Result<T, Expected>,
    ) -> Result<Option<T>, RowError> {
        let cell = row.cells.get(self.index).unwrap_or(&Cell::Missing);
        if convert::is_missing(cell, &self.missing) {
            return Ok(None);
        }
        convert(cell).map(Some).map_err(|expected| self.error(row, expected))
    }

    /// The value; missing is an error.
    fn required<T>(
        &self,
        row: &Row,
        convert: impl Fn(&Cell) -> Result<T, Expected>,
    ) -> Result<T, RowError> {
        let absent = || match convert(&Cell::Missing) {
            Err(expected) => self.error(row, expected),
            Ok(_) => self.error(row, "a value".to_owned()),
        };
        self.value(row, &convert)?.ok_or_else(absent)
    }

    fn error(&self, row: &Row, expected: Expected) -> RowError {
        let cell = row.cells.get(self.index).unwrap_or(&Cell::Missing);
        let (place, column, value) = (row.place, self.name.clone(), cell.to_string());
        RowError::Value { place, column, value, expected }
    }
}
