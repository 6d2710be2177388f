//! The keys of a mapping file, one type per table.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::convert;

/// A mapping file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingSpec {
    /// Currency of every price: an ISO 4217 code such as `USD`. Required.
    pub currency: String,
    /// What makes `ListingKey`. Required.
    pub key: KeySpec,
    /// When the sale closed: `CloseDate`. Required unless `listing_date` is given.
    pub date: Option<DateSpec>,
    /// What it closed at: `ClosePrice`. Required to read sales.
    pub price: Option<ColumnSpec>,
    /// When the home was listed: `ListingContractDate`. Default: as `date`.
    pub listing_date: Option<DateSpec>,
    /// What it was offered at: `ListPrice`. Default: not known.
    pub list_price: Option<ColumnSpec>,
    /// Codes that mean "not known" in every column. Default: none; an empty value always does.
    #[serde(default)]
    pub missing: Vec<MissingCode>,
    /// Facts that the RESO Data Dictionary names.
    #[serde(default)]
    pub fields: FieldSpecs,
    /// Facts that it lacks, by the name they shall have.
    #[serde(default)]
    pub attributes: BTreeMap<String, AttributeSpec>,
    /// Columns that are never to be features, each with the reason. A column listed here need
    /// not exist in the source. Columns that are neither mapped nor ignored are warned about.
    #[serde(default)]
    pub ignore: BTreeMap<String, String>,
}

/// What makes `ListingKey`, which must be unique per sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySpec {
    /// `key = "sale_id"` or `key = ["id", "date"]`: the values, joined by `-`.
    Columns(Vec<String>),
    /// `key = { generate = "row_number" }`: the number of the row, from 1, for sources
    /// without any key. It identifies a sale only as long as the file does not change.
    RowNumber,
}

/// A column: `"beds"`, or a table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnTable {
    /// The column of the source.
    pub column: String,
    /// Codes that mean "not known" in this column, besides those of the whole file.
    #[serde(default)]
    pub missing: Vec<MissingCode>,
}

/// A column with an area: `"TLA"`, or a table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "U: Deserialize<'de> + Default")]
pub struct AreaTable<U> {
    /// The column of the source.
    pub column: String,
    /// The unit it is in. Default: `square_feet`.
    #[serde(default)]
    pub unit: U,
    /// Codes that mean "not known" in this column, besides those of the whole file.
    #[serde(default)]
    pub missing: Vec<MissingCode>,
}

/// Unit of a living area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LivingUnit {
    /// Square feet.
    #[default]
    SquareFeet,
    /// Square metres.
    SquareMetres,
}

/// Unit of a lot's area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LotUnit {
    /// Square feet.
    #[default]
    SquareFeet,
    /// Square metres.
    SquareMetres,
    /// Acres of 43,560 square feet.
    Acres,
    /// Hectares of 10,000 square metres.
    Hectares,
}

/// A date: `"sale_date"` for ISO 8601 (a time after the date is cut off), or a table with
/// `column` and `format`, or with `year`, `month` and `day`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DateSpec {
    /// One column.
    Column {
        /// The column of the source.
        column: String,
        /// As in strftime, e.g. `%m/%d/%Y`, `%Y%m%dT%H%M%S`. Default: ISO 8601. Typed dates
        /// (Parquet) need none.
        format: Option<String>,
    },
    /// A column for each part.
    Parts {
        /// Column with the calendar year.
        year: String,
        /// Column with the month, 1 to 12.
        month: String,
        /// Column with the day of the month. Default: the first.
        day: Option<String>,
    },
}

/// `[fields]`: facts by their RESO names. Each is a column name, or a table with `column` and
/// `missing`; areas also take `unit`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub struct FieldSpecs {
    /// Living area; unit `square_feet` (default) or `square_metres`.
    pub living_area: Option<AreaSpec<LivingUnit>>,
    /// Area of the lot; unit `square_feet` (default), `square_metres`, `acres` or `hectares`.
    pub lot_size_square_feet: Option<AreaSpec<LotUnit>>,
    /// Bedrooms, a whole number.
    pub bedrooms_total: Option<ColumnSpec>,
    /// Full bathrooms, a whole number.
    pub bathrooms_full: Option<ColumnSpec>,
    /// Half bathrooms, a whole number.
    pub bathrooms_half: Option<ColumnSpec>,
    /// Calendar year of construction.
    pub year_built: Option<ColumnSpec>,
    /// Stories, a number (1.5 is one).
    pub stories: Option<ColumnSpec>,
    /// Kind of property, text.
    pub property_type: Option<ColumnSpec>,
    /// Postal code, text: digits are kept as they stand.
    pub postal_code: Option<ColumnSpec>,
    /// Degrees, WGS 84.
    pub latitude: Option<ColumnSpec>,
    /// Degrees, WGS 84.
    pub longitude: Option<ColumnSpec>,
}

/// An entry of `[attributes]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeSpec {
    /// The column of the source. Default: the attribute's name.
    pub column: Option<String>,
    /// What its values are. Required: whether `3` is a number or a label is not guessed.
    pub kind: AttributeKind,
    /// Codes that mean "not known" in this column, besides those of the whole file.
    #[serde(default)]
    pub missing: Vec<MissingCode>,
}

/// What an attribute's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// Numbers.
    Number,
    /// Labels.
    Category,
}

/// A value that means "not known": `0`, `"NA"`. A number code matches every way of writing
/// that number; a text code matches the trimmed text.
#[derive(Clone, Debug, PartialEq)]
pub enum MissingCode {
    /// As text.
    Text(String),
    /// As a number.
    Number(f64),
}

/// A column by its name alone or as a table; see [`ColumnTable`].
pub type ColumnSpec = NameOr<ColumnTable>;
/// An area by its column's name alone or as a table; see [`AreaTable`].
pub type AreaSpec<U> = NameOr<AreaTable<U>>;

/// A table that may be shortened to the name of its column.
#[derive(Clone, Debug)]
pub struct NameOr<T>(pub T);

/// What [`NameOr`] can hold: built from a bare column name.
pub trait FromName {
    /// The table with everything but the column at its default.
    fn from_name(column: &str) -> Self;
}

impl FromName for ColumnTable {
    fn from_name(column: &str) -> Self {
        Self { column: column.to_owned(), missing: Vec::new() }
    }
}

impl<U: Default> FromName for AreaTable<U> {
    fn from_name(column: &str) -> Self {
        Self { column: column.to_owned(), unit: U::default(), missing: Vec::new() }
    }
}

impl<'de, T: Deserialize<'de> + FromName> Deserialize<'de> for NameOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de> + FromName> Visitor<'de> for Either<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a column, or a table with `column`")
            }

            fn visit_str<E>(self, name: &str) -> Result<T, E> {
                Ok(T::from_name(name))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(Either(std::marker::PhantomData)).map(Self)
    }
}

impl<'de> Deserialize<'de> for KeySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Generator {
            RowNumber,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            generate: Generator,
        }
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = KeySpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column, a list of columns, or { generate = \"row_number\" }")
            }

            fn visit_str<E>(self, name: &str) -> Result<KeySpec, E> {
                Ok(KeySpec::Columns(vec![name.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<KeySpec, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(KeySpec::Columns)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<KeySpec, A::Error> {
                let Table { generate: Generator::RowNumber } =
                    Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(KeySpec::RowNumber)
            }
        }
        deserializer.deserialize_any(KeyVisitor)
    }
}

impl<'de> Deserialize<'de> for DateSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            column: Option<String>,
            format: Option<String>,
            year: Option<String>,
            month: Option<String>,
            day: Option<String>,
        }
        impl FromName for Table {
            fn from_name(column: &str) -> Self {
                let column = Some(column.to_owned());
                Self { column, format: None, year: None, month: None, day: None }
            }
        }
        match NameOr::<Table>::deserialize(deserializer)?.0 {
            Table { column: Some(column), format, year: None, month: None, day: None } => {
                Ok(Self::Column { column, format })
            }
            Table { column: None, format: None, year: Some(year), month: Some(month), day } => {
                Ok(Self::Parts { year, month, day })
            }
            _ => Err(serde::de::Error::custom(
                "a date is a column, { column, format }, or { year, month, day } with the day optional",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for MissingCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CodeVisitor;
        impl Visitor<'_> for CodeVisitor {
            type Value = MissingCode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E>(self, text: &str) -> Result<MissingCode, E> {
                Ok(MissingCode::Text(text.trim().to_owned()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<MissingCode, E> {
                Ok(MissingCode::Number(value as f64))
            }

            fn visit_f64<E>(self, value: f64) -> Result<MissingCode, E> {
                Ok(MissingCode::Number(value))
            }
        }
        deserializer.deserialize_any(CodeVisitor)
    }
}

impl MappingSpec {
    /// Checks what types cannot; an error is the key and what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let bad = |key: &str, reason: String| Err((key.to_owned(), reason));
        if self.currency.len() != 3 || !self.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            let reason = format!("`{}` is not a three-letter ISO 4217 code", self.currency);
            return bad("currency", reason);
        }
        if matches!(&self.key, KeySpec::Columns(columns) if columns.is_empty()) {
            return bad("key", "the list of columns is empty".to_owned());
        }
        if self.date.is_none() && self.listing_date.is_none() {
            return bad("date", "missing; every record needs a date".to_owned());
        }
        for (key, date) in [("date", &self.date), ("listing_date", &self.listing_date)] {
            if let Some(DateSpec::Column { format: Some(format), .. }) = date {
                convert::check_format(format).map_err(|reason| (key.to_owned(), reason))?;
            }
        }
        for (column, reason) in &self.ignore {
            if reason.trim().is_empty() {
                return bad(&format!("ignore.{column}"), "say why it is ignored".to_owned());
            }
            if let Some((key, _)) = self.columns().iter().find(|(_, c)| c == column) {
                let reason = format!("the column is also used by `{key}`; it is one or the other");
                return bad(&format!("ignore.{column}"), reason);
            }
        }
        Ok(())
    }

    /// Every column that is used, with the key that uses it.
    pub fn columns(&self) -> Vec<(String, &str)> {
        let mut used: Vec<(String, &str)> = Vec::new();
        if let KeySpec::Columns(columns) = &self.key {
            used.extend(columns.iter().map(|column| ("key".to_owned(), column.as_str())));
        }
        for (key, date) in [("date", &self.date), ("listing_date", &self.listing_date)] {
            match date {
                Some(DateSpec::Column { column, .. }) => used.push((key.to_owned(), column)),
                Some(DateSpec::Parts { year, month, day }) => {
                    let parts = [Some(year), Some(month), day.as_ref()];
                    used.extend(parts.into_iter().flatten().map(|c| (key.to_owned(), c.as_str())));
                }
                None => {}
            }
        }
        for (key, price) in [("price", &self.price), ("list_price", &self.list_price)] {
            used.extend(price.iter().map(|price| (key.to_owned(), price.0.column.as_str())));
        }
        let fields = self.fields.columns().into_iter();
        used.extend(fields.map(|(name, column)| (format!("fields.{name}"), column)));
        for (name, attribute) in &self.attributes {
            let column = attribute.column.as_ref().unwrap_or(name);
            used.push((format!("attributes.{name}"), column));
        }
        used
    }
}

impl FieldSpecs {
    fn columns(&self) -> Vec<(&'static str, &str)> {
        let area = [
            ("LivingArea", self.living_area.as_ref().map(|a| a.0.column.as_str())),
            ("LotSizeSquareFeet", self.lot_size_square_feet.as_ref().map(|a| a.0.column.as_str())),
        ];
        let plain = [
            ("BedroomsTotal", &self.bedrooms_total),
            ("BathroomsFull", &self.bathrooms_full),
            ("BathroomsHalf", &self.bathrooms_half),
            ("YearBuilt", &self.year_built),
            ("Stories", &self.stories),
            ("PropertyType", &self.property_type),
            ("PostalCode", &self.postal_code),
            ("Latitude", &self.latitude),
            ("Longitude", &self.longitude),
        ];
        let plain = plain.map(|(name, spec)| (name, spec.as_ref().map(|s| s.0.column.as_str())));
        let named = area.into_iter().chain(plain);
        named.filter_map(|(name, column)| Some((name, column?))).collect()
    }
}
