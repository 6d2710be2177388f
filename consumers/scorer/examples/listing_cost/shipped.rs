//! The shipped sales of Lucas County, mapped as `data/lucas_county/mapping.toml` says.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;

use csv::{ReaderBuilder, StringRecord};
use flate2::read::GzDecoder;
use model_core::date::EventDate;
use model_core::listing::{Attribute, Facts, Sale};

/// Reads `lucas_county.csv.gz`.
pub(crate) fn sales(path: &str) -> Result<Vec<Sale>, Box<dyn Error>> {
    let mut reader = ReaderBuilder::new().from_reader(GzDecoder::new(File::open(path)?));
    let columns = reader.headers()?.clone();
    reader.records().map(|row| Row { columns: &columns, row: row? }.sale()).collect()
}

struct Row<'a> {
    columns: &'a StringRecord,
    row: StringRecord,
}

impl Row<'_> {
    fn sale(&self) -> Result<Sale, Box<dyn Error>> {
        let integer = |name| self.number(name).map(|value| value as i32);
        Ok(Sale {
            key: self.text("sale_id").ok_or("no sale_id")?.to_owned(),
            closed_on: self
                .text("sale_date")
                .and_then(EventDate::parse_iso)
                .ok_or("no sale_date")?,
            price: self.number("price").ok_or("no price")?,
            currency: "USD".into(),
            facts: Facts {
                living_area: self.number("TLA"),
                lot_size: self.number("lotsize"),
                bedrooms_total: integer("beds"),
                bathrooms_full: integer("baths"),
                bathrooms_half: integer("halfbaths"),
                year_built: integer("yrbuilt"),
                latitude: self.number("latitude"),
                longitude: self.number("longitude"),
                attributes: self.attributes(),
                ..Facts::default()
            },
        })
    }

    fn attributes(&self) -> BTreeMap<String, Attribute> {
        let texts = [("wall", "wall"), ("garage", "garage"), ("levels", "stories")];
        let texts = texts.into_iter().filter_map(|(name, column)| {
            Some((name.to_owned(), Attribute::Text(self.text(column)?.to_owned())))
        });
        let numbers = [("rooms", "rooms"), ("garage_square_feet", "garagesqft")];
        let known = [("frontage_feet", "frontage"), ("depth_feet", "depth")];
        let known = known.into_iter().filter(|(_, column)| self.number(column) != Some(0.0));
        let numbers = numbers.into_iter().chain(known).filter_map(|(name, column)| {
            Some((name.to_owned(), Attribute::Number(self.number(column)?)))
        });
        texts.chain(numbers).collect()
    }

    fn text(&self, name: &str) -> Option<&str> {
        let column = self.columns.iter().position(|column| column == name)?;
        self.row.get(column).filter(|text| !text.is_empty())
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok()
    }
}
