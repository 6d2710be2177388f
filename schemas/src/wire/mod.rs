//! Wire types: what the schemas say, field by field, and how it becomes a domain type.
//!
//! Text is borrowed from the domain type while encoding and owned after decoding. Names and
//! order of the fields are those of the schemas, so that the serializer writes straight
//! through.

mod attributes;
mod drift;
mod estimate;
mod listing;
mod registry;

pub(crate) use attributes::Attributes;
pub(crate) use drift::DriftReportWire;
pub(crate) use estimate::PriceEstimateWire;
pub(crate) use listing::{ListingWire, SQUARE_FEET, SaleWire};
pub(crate) use registry::RegistryEventWire;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{DecodeError, EncodeError, shorten};
use crate::kind::RecordKind;

/// A record as its schema has it.
pub(crate) trait Wire: Serialize + DeserializeOwned {
    /// The record that it is.
    const KIND: RecordKind;
}

/// The wire value of an optional enumeration with textual codes.
pub(crate) fn invalid(field: &str, value: &str, expected: &'static str) -> DecodeError {
    DecodeError::InvalidValue { field: field.to_owned(), value: shorten(value), expected }
}

/// A count as Avro's signed `long`.
pub(crate) fn to_long(
    kind: RecordKind,
    field: &'static str,
    count: u64,
) -> Result<i64, EncodeError> {
    i64::try_from(count).map_err(|_| EncodeError::Unrepresentable {
        kind,
        field,
        value: count.to_string(),
    })
}

/// A count from Avro's signed `long`.
pub(crate) fn from_long(field: &str, long: i64) -> Result<u64, DecodeError> {
    u64::try_from(long).map_err(|_| invalid(field, &long.to_string(), "a count, 0 or more"))
}

/// A decision, as the schema's `Verdict`.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerdictWire {
    Ok,
    Warning,
    Drift,
}
