//! One of the two files that are compared: its columns, or the facts that a mapping makes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use model_core::listing::{Attribute, Facts, Sale};
use producers::columns::{ColumnFile, ColumnType, ColumnValues, MAX_LABELS};

use crate::error::CliError;
use crate::market::Sales;

/// One of the two files.
pub(crate) enum Side {
    /// As it is.
    Plain(Box<ColumnFile>),
    /// Through a mapping.
    Mapped(Mapped),
}

/// The facts of sales, by name.
pub(crate) struct Mapped {
    columns: Vec<(String, ColumnType)>,
    values: BTreeMap<String, Vec<Fact>>,
}

/// A fact of one sale.
#[derive(Clone, Debug)]
enum Fact {
    Unknown,
    Number(f64),
    Text(String),
}

impl Side {
    /// Opens a file.
    ///
    /// # Errors
    /// Wrong usage when the file or its mapping is wrong.
    pub(crate) fn open(
        option: &str,
        path: &Path,
        mapping: Option<&Path>,
    ) -> Result<Self, CliError> {
        let Some(mapping) = mapping else {
            let file = ColumnFile::open(path)
                .map_err(|error| CliError::usage(anyhow!("{option}: {error}")))?;
            return Ok(Self::Plain(Box::new(file)));
        };
        let loaded = Sales::load(path, Some(mapping))?;
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        Ok(Self::Mapped(Mapped::new(&loaded.sales)))
    }

    /// Its columns, in order.
    pub(crate) fn columns(&self) -> &[(String, ColumnType)] {
        match self {
            Self::Plain(file) => file.columns(),
            Self::Mapped(mapped) => &mapped.columns,
        }
    }

    /// Says which columns will be asked for, and whether as labels.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn prepare(&mut self, wanted: &BTreeMap<String, bool>) -> Result<(), CliError> {
        match self {
            Self::Plain(file) => file.prepare(wanted).map_err(CliError::usage),
            Self::Mapped(_) => Ok(()),
        }
    }

    /// The values of a column, once.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn take(&mut self, name: &str, as_labels: bool) -> Result<ColumnValues, CliError> {
        match self {
            Self::Plain(file) => file.take(name, as_labels).map_err(CliError::usage),
            Self::Mapped(mapped) => Ok(mapped.take(name, as_labels)),
        }
    }
}

impl Mapped {
    fn new(sales: &[Sale]) -> Self {
        let mut values: BTreeMap<String, Vec<Fact>> = BTreeMap::new();
        for (row, sale) in sales.iter().enumerate() {
            for (name, fact) in facts(sale) {
                let column = values.entry(name).or_default();
                // Unknown in the sales since the last that had it.
                column.resize(row, Fact::Unknown);
                column.push(fact);
            }
        }
        values.values_mut().for_each(|column| column.resize(sales.len(), Fact::Unknown));
        let columns = values.iter().map(|(name, column)| (name.clone(), type_of(column))).collect();
        Self { columns, values }
    }

    fn take(&mut self, name: &str, as_labels: bool) -> ColumnValues {
        let column = self.values.remove(name).unwrap_or_default();
        if !as_labels {
            let number = |fact| if let Fact::Number(value) = fact { value } else { f64::NAN };
            return ColumnValues::Numbers(column.into_iter().map(number).collect());
        }
        let (mut counts, mut missing) = (BTreeMap::new(), 0);
        for fact in column {
            let label = match fact {
                Fact::Unknown => {
                    missing += 1;
                    continue;
                }
                Fact::Number(value) => value.to_string(),
                Fact::Text(text) => text,
            };
            *counts.entry(label).or_insert(0) += 1;
        }
        if counts.len() > MAX_LABELS {
            return ColumnValues::TooManyLabels;
        }
        ColumnValues::Labels { counts, missing }
    }
}

fn type_of(column: &[Fact]) -> ColumnType {
    let mut whole = true;
    let mut known = false;
    for fact in column {
        match fact {
            Fact::Unknown => {}
            Fact::Text(_) => return ColumnType::Label,
            Fact::Number(value) => {
                known = true;
                whole &= value.fract() == 0.0;
            }
        }
    }
    if known { ColumnType::Number { whole } } else { ColumnType::Nothing }
}

/// What is known of a sale, by the names of the RESO Data Dictionary.
fn facts(sale: &Sale) -> Vec<(String, Fact)> {
    let Facts {
        living_area,
        lot_size,
        bedrooms_total,
        bathrooms_full,
        bathrooms_half,
        year_built,
        stories,
        property_type,
        postal_code,
        latitude,
        longitude,
        attributes,
    } = &sale.facts;
    let numbers = [
        ("LivingArea", *living_area),
        ("LotSizeSquareFeet", *lot_size),
        ("BedroomsTotal", bedrooms_total.map(f64::from)),
        ("BathroomsFull", bathrooms_full.map(f64::from)),
        ("BathroomsHalf", bathrooms_half.map(f64::from)),
        ("YearBuilt", year_built.map(f64::from)),
        ("Stories", *stories),
        ("Latitude", *latitude),
        ("Longitude", *longitude),
        ("ClosePrice", Some(sale.price)),
    ];
    let texts = [("PropertyType", property_type), ("PostalCode", postal_code)];
    let numbers = numbers
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Fact::Number(value?))));
    let texts = texts
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), Fact::Text(text.clone()?))));
    let attributes = attributes.iter().map(|(name, value)| {
        let fact = match value {
            Attribute::Number(value) => Fact::Number(*value),
            Attribute::Text(text) => Fact::Text(text.clone()),
        };
        (name.clone(), fact)
    });
    numbers.chain(texts).chain(attributes).collect()
}
