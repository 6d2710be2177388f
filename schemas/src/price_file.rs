//! Published prices in a file: Avro's object container format, which other Avro readers
//! read, too.

use std::io::{Read, Write};

use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Reader, Schema, Writer};
use thiserror::Error;

use crate::codec::{Codec, PublishedEstimate, SINGLE_OBJECT_MAGIC, current_schema};
use crate::error::DecodeError;
use crate::kind::RecordKind;
use crate::wire::PriceEstimateWire;

/// Why a file of prices cannot be read or written.
#[derive(Debug, Error)]
pub enum PriceFileError {
    /// The file is none of Avro, or damaged.
    #[error("no file of published prices: {0}")]
    Avro(String),
    /// A record of it is no price.
    #[error("record {index} (from 0): {source}")]
    Record {
        /// Its place in the file.
        index: usize,
        /// The reason.
        source: DecodeError,
    },
}

impl PriceFileError {
    fn avro(error: &apache_avro::Error) -> Self {
        Self::Avro(error.to_string())
    }
}

/// The schema that this version writes prices with.
fn schema() -> Result<&'static Schema, PriceFileError> {
    current_schema(RecordKind::PriceEstimate)
        .map_err(|error| PriceFileError::Avro(error.to_string()))
}

/// Writes prices to a file.
pub struct PriceFileWriter<W: Write> {
    writer: Writer<'static, W>,
}

impl<W: Write> PriceFileWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`PriceFileError::Avro`] when the schema built in cannot be used.
    pub fn new(file: W) -> Result<Self, PriceFileError> {
        let schema = schema()?;
        let writer = Writer::new(schema, file).map_err(|error| PriceFileError::avro(&error))?;
        Ok(Self { writer })
    }

    /// Appends a price as it was published.
    ///
    /// # Errors
    /// [`PriceFileError::Avro`] when it cannot be encoded, or the file not written.
    pub fn append(&mut self, price: &PublishedEstimate) -> Result<(), PriceFileError> {
        let wire = PriceEstimateWire::new(&price.estimate, &price.estimate_id);
        self.writer.append_ser(wire).map(drop).map_err(|error| PriceFileError::avro(&error))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`PriceFileError::Avro`] when it cannot be written.
    pub fn finish(mut self) -> Result<(), PriceFileError> {
        self.writer.flush().map(drop).map_err(|error| PriceFileError::avro(&error))
    }
}

/// Reads the prices of a file, whichever released schema they were written with, one by one.
///
/// # Errors
/// [`PriceFileError`], for the file or for each price.
pub fn read_price_file<'c, R: Read + 'c>(
    codec: &'c Codec,
    file: R,
) -> Result<impl Iterator<Item = Result<PublishedEstimate, PriceFileError>> + 'c, PriceFileError> {
    let current = schema()?;
    let reader = Reader::builder(file)
        .reader_schema(current)
        .build()
        .map_err(|error| PriceFileError::avro(&error))?;
    let writer = GenericDatumWriter::builder(current)
        .build()
        .map_err(|error| PriceFileError::avro(&error))?;
    let fingerprint = codec.fingerprint(RecordKind::PriceEstimate);
    Ok(reader.enumerate().map(move |(index, value)| {
        let avro = |error: apache_avro::Error| PriceFileError::avro(&error);
        let datum = writer.write_value_to_vec(value.map_err(avro)?).map_err(avro)?;
        // From here on as if it had been read from the topic.
        let framed = [&SINGLE_OBJECT_MAGIC[..], &fingerprint, &datum].concat();
        codec.decode_price(&framed).map_err(|source| PriceFileError::Record { index, source })
    }))
}

#[cfg(test)]
mod tests {
    use model_core::date::EventDate;
    use model_core::estimate::{NoEstimateReason, PriceEstimate, PriceOutcome};

    use super::*;

    fn price(key: &str) -> PublishedEstimate {
        let outcome = PriceOutcome::NoEstimate {
            reason: NoEstimateReason::NoChampion,
            detail: "no model version is champion".into(),
        };
        PublishedEstimate {
            estimate_id: format!("id-{key}"),
            estimate: PriceEstimate {
                listing_key: key.into(),
                event_date: EventDate(9_000),
                currency: "USD".into(),
                model: None,
                feature_spec_hash: String::new(),
                outcome,
            },
        }
    }

    fn file(prices: &[PublishedEstimate]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = PriceFileWriter::new(&mut file).unwrap();
        prices.iter().for_each(|price| writer.append(price).unwrap());
        writer.finish().unwrap();
        file
    }

    #[test]
    fn prices_come_back_as_they_were_written() {
        let prices = [price("a"), price("b")];
        let codec = Codec::new().unwrap();
        let file = file(&prices);
        let read: Result<Vec<_>, _> = read_price_file(&codec, &*file).unwrap().collect();
        assert_eq!(read.unwrap(), prices);
    }

    #[test]
    fn a_file_that_is_something_else_or_cut_is_told() {
        let codec = Codec::new().unwrap();
        let none = read_price_file(&codec, &b"{\"a\": 1}"[..]).err().unwrap().to_string();
        assert!(none.starts_with("no file of published prices: "), "{none}");
        let file = file(&[price("a")]);
        let cut = &file[..file.len() - 9];
        let read: Result<Vec<_>, _> = read_price_file(&codec, cut).unwrap().collect();
        assert!(matches!(read, Err(PriceFileError::Avro(_))), "{read:?}");
    }
}
