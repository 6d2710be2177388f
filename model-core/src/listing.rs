//! Listings and sales: what is known of a home, and when.

mod fill;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::date::EventDate;

pub use fill::FactField;

/// Square feet in a square metre.
pub const SQUARE_FEET_PER_SQUARE_METRE: f64 = 10.763_910_416_709_722;
/// Longest accepted `ListingKey`, in bytes.
pub const MAX_KEY_BYTES: usize = 256;
/// Most attributes a listing or sale may carry.
pub const MAX_ATTRIBUTES: usize = 256;
/// Longest accepted text value, in bytes.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// A fact that the RESO Data Dictionary has no field for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    /// A number, in the unit that its name states.
    Number(f64),
    /// A category.
    Text(String),
}

/// Facts of a home, shared by listings and sales. Names are those of the RESO Data
/// Dictionary; `None` means *not known*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// `LivingArea`, square feet.
    pub living_area: Option<f64>,
    /// `LotSizeSquareFeet`.
    pub lot_size: Option<f64>,
    /// `BedroomsTotal`.
    pub bedrooms_total: Option<i32>,
    /// `BathroomsFull`.
    pub bathrooms_full: Option<i32>,
    /// `BathroomsHalf`.
    pub bathrooms_half: Option<i32>,
    /// `YearBuilt`, the calendar year.
    pub year_built: Option<i32>,
    /// `Stories`.
    pub stories: Option<f64>,
    /// `PropertyType`.
    pub property_type: Option<String>,
    /// `PostalCode`.
    pub postal_code: Option<String>,
    /// `Latitude`, degrees, WGS 84.
    pub latitude: Option<f64>,
    /// `Longitude`, degrees, WGS 84.
    pub longitude: Option<f64>,
    /// Facts the dictionary lacks, by name.
    pub attributes: BTreeMap<String, Attribute>,
}

impl Facts {
    /// Latitude and longitude, when both are known.
    pub fn coordinates(&self) -> Option<(f64, f64)> {
        Some((self.latitude?, self.longitude?))
    }
}

/// A home offered for sale.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// `ListingKey`, unique in its source.
    pub key: String,
    /// `ListingContractDate`: the date of the event.
    pub listed_on: EventDate,
    /// `ListPrice`, in `currency`.
    pub list_price: Option<f64>,
    /// ISO 4217 code.
    pub currency: String,
    /// What is known of the home.
    pub facts: Facts,
}

/// A closed, labelled outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Sale {
    /// `ListingKey` of the listing that it closes.
    pub key: String,
    /// `CloseDate`: the date of the event.
    pub closed_on: EventDate,
    /// `ClosePrice`, in `currency`.
    pub price: f64,
    /// ISO 4217 code.
    pub currency: String,
    /// What is known of the home.
    pub facts: Facts,
}

/// Why a listing or sale cannot be used. The reason code is bounded (it labels metrics
/// and dead letters); the message names the field, its value and what is accepted.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum InvalidRecord {
    /// A required field is missing or empty.
    #[error("{field} is missing")]
    Missing {
        /// RESO name of the field.
        field: String,
    },
    /// A number is NaN or infinite.
    #[error("{field} is not a finite number")]
    NotFinite {
        /// RESO name of the field.
        field: String,
    },
    /// A value lies outside what any home can have.
    #[error("{field} is {value}, expected {expected}")]
    OutOfRange {
        /// RESO name of the field.
        field: String,
        /// The value as received.
        value: String,
        /// What is accepted, in words.
        expected: String,
    },
    /// The event lies in its record's future.
    #[error("{field} is {date}, after the record's own time {record_date}")]
    FutureDate {
        /// RESO name of the field.
        field: String,
        /// The date as received.
        date: EventDate,
        /// The date of the record's timestamp.
        record_date: EventDate,
    },
    /// A text or collection is larger than accepted.
    #[error("{field} is longer than {limit}")]
    TooLong {
        /// RESO name of the field.
        field: String,
        /// The limit, in bytes or entries.
        limit: usize,
    },
}

impl InvalidRecord {
    /// Bounded reason code for dead letters and metric labels.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing_field",
            Self::NotFinite { .. } => "not_finite",
            Self::OutOfRange { .. } => "out_of_range",
            Self::FutureDate { .. } => "future_date",
            Self::TooLong { .. } => "too_long",
        }
    }

    /// RESO name of the field at fault.
    pub fn field(&self) -> &str {
        match self {
            Self::Missing { field }
            | Self::NotFinite { field }
            | Self::OutOfRange { field, .. }
            | Self::FutureDate { field, .. }
            | Self::TooLong { field, .. } => field,
        }
    }
}

/// Days by which an event may run ahead of its record's timestamp (time zones, clocks).
pub const FUTURE_TOLERANCE_DAYS: i32 = 2;
/// Oldest accepted event date: 1900-01-01.
pub const OLDEST_EVENT: EventDate = EventDate(-25_567);

impl Listing {
    /// Checks every field against what a home can have.
    ///
    /// `record_date` is the date of the record that carried the listing; an event more than
    /// [`FUTURE_TOLERANCE_DAYS`] after it is refused.
    ///
    /// # Errors
    /// The first [`InvalidRecord`] found.
    pub fn validate(&self, record_date: EventDate) -> Result<(), InvalidRecord> {
        check_key(&self.key)?;
        check_date("ListingContractDate", self.listed_on, record_date)?;
        check_currency(&self.currency)?;
        if let Some(price) = self.list_price {
            check_range("ListPrice", price, 1.0, 1e10)?;
        }
        check_facts(&self.facts)
    }
}

impl Sale {
    /// Checks every field against what a home can have; see [`Listing::validate`].
    ///
    /// # Errors
    /// The first [`InvalidRecord`] found.
    pub fn validate(&self, record_date: EventDate) -> Result<(), InvalidRecord> {
        check_key(&self.key)?;
        check_date("CloseDate", self.closed_on, record_date)?;
        check_currency(&self.currency)?;
        check_range("ClosePrice", self.price, 1.0, 1e10)?;
        check_facts(&self.facts)
    }
}

fn check_key(key: &str) -> Result<(), InvalidRecord> {
    if key.is_empty() {
        return Err(InvalidRecord::Missing { field: "ListingKey".into() });
    }
    check_length("ListingKey", key.len(), MAX_KEY_BYTES)
}

fn check_date(field: &str, date: EventDate, record_date: EventDate) -> Result<(), InvalidRecord> {
    if date < OLDEST_EVENT {
        return Err(InvalidRecord::OutOfRange {
            field: field.into(),
            value: date.to_string(),
            expected: format!("a date from {OLDEST_EVENT} on"),
        });
    }
    if date.days_since(record_date) > FUTURE_TOLERANCE_DAYS {
        return Err(InvalidRecord::FutureDate { field: field.into(), date, record_date });
    }
    Ok(())
}

fn check_currency(currency: &str) -> Result<(), InvalidRecord> {
    if currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(InvalidRecord::OutOfRange {
        field: "Currency".into(),
        value: currency.chars().take(16).collect(),
        expected: "a three-letter ISO 4217 code".into(),
    })
}

fn check_facts(facts: &Facts) -> Result<(), InvalidRecord> {
    let numbers = [
        ("LivingArea", facts.living_area, 1.0, 1e6),
        ("LotSizeSquareFeet", facts.lot_size, 1.0, 1e10),
        ("BedroomsTotal", facts.bedrooms_total.map(f64::from), 0.0, 200.0),
        ("BathroomsFull", facts.bathrooms_full.map(f64::from), 0.0, 200.0),
        ("BathroomsHalf", facts.bathrooms_half.map(f64::from), 0.0, 200.0),
        ("YearBuilt", facts.year_built.map(f64::from), 1500.0, 2200.0),
        ("Stories", facts.stories, 0.0, 200.0),
        ("Latitude", facts.latitude, -90.0, 90.0),
        ("Longitude", facts.longitude, -180.0, 180.0),
    ];
    for (field, value, low, high) in numbers {
        if let Some(value) = value {
            check_range(field, value, low, high)?;
        }
    }
    for (field, text) in
        [("PropertyType", &facts.property_type), ("PostalCode", &facts.postal_code)]
    {
        if let Some(text) = text {
            check_length(field, text.len(), MAX_TEXT_BYTES)?;
        }
    }
    check_length("attributes", facts.attributes.len(), MAX_ATTRIBUTES)?;
    for (name, attribute) in &facts.attributes {
        check_length("attributes", name.len(), MAX_TEXT_BYTES)?;
        match attribute {
            Attribute::Number(value) if !value.is_finite() => {
                return Err(InvalidRecord::NotFinite { field: format!("attributes.{name}") });
            }
            Attribute::Number(_) => {}
            Attribute::Text(text) => {
                if text.len() > MAX_TEXT_BYTES {
                    let field = format!("attributes.{name}");
                    return Err(InvalidRecord::TooLong { field, limit: MAX_TEXT_BYTES });
                }
            }
        }
    }
    Ok(())
}

fn check_range(field: &str, value: f64, low: f64, high: f64) -> Result<(), InvalidRecord> {
    if !value.is_finite() {
        return Err(InvalidRecord::NotFinite { field: field.into() });
    }
    if value < low || value > high {
        return Err(InvalidRecord::OutOfRange {
            field: field.into(),
            value: value.to_string(),
            expected: format!("{low} to {high}"),
        });
    }
    Ok(())
}

fn check_length(field: &str, length: usize, limit: usize) -> Result<(), InvalidRecord> {
    if length > limit {
        return Err(InvalidRecord::TooLong { field: field.into(), limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> Listing {
        Listing {
            key: "1".into(),
            listed_on: EventDate(9_000),
            list_price: None,
            currency: "USD".into(),
            facts: Facts { living_area: Some(1_200.0), ..Facts::default() },
        }
    }

    #[test]
    fn a_plain_listing_is_valid_with_everything_else_missing() {
        assert_eq!(listing().validate(EventDate(9_000)), Ok(()));
    }

    #[test]
    fn every_fault_names_its_field() {
        type Break = fn(&mut Listing);
        let cases: [(&str, &str, Break); 10] = [
            ("ListingKey", "missing_field", |l| l.key.clear()),
            ("ListingKey", "too_long", |l| l.key = "k".repeat(257)),
            ("ListingContractDate", "future_date", |l| l.listed_on = EventDate(30_000)),
            ("ListingContractDate", "out_of_range", |l| l.listed_on = EventDate(-100_000)),
            ("Currency", "out_of_range", |l| l.currency = "dollars".into()),
            ("ListPrice", "out_of_range", |l| l.list_price = Some(-5.0)),
            ("LivingArea", "not_finite", |l| l.facts.living_area = Some(f64::NAN)),
            ("LivingArea", "out_of_range", |l| l.facts.living_area = Some(-1_200.0)),
            ("Latitude", "out_of_range", |l| l.facts.latitude = Some(95.0)),
            ("attributes.rooms", "not_finite", |l| {
                l.facts.attributes.insert("rooms".into(), Attribute::Number(f64::INFINITY));
            }),
        ];
        for (field, code, make_bad) in cases {
            let mut bad = listing();
            make_bad(&mut bad);
            let error = bad.validate(EventDate(9_000)).unwrap_err();
            assert_eq!((error.field(), error.code()), (field, code));
            assert!(error.to_string().contains(field), "{error}");
        }
    }

    #[test]
    fn a_clock_a_day_ahead_is_tolerated() {
        assert_eq!(listing().validate(EventDate(8_998)), Ok(()));
        assert!(listing().validate(EventDate(8_997)).is_err());
    }
}
