//! Errors of encoding and decoding.

use thiserror::Error;

use crate::kind::RecordKind;

/// Why a codec cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// A schema is not valid Avro.
    #[error("schema of {kind} is not valid: {detail}")]
    InvalidSchema {
        /// The record that the schema describes.
        kind: RecordKind,
        /// What is wrong with it.
        detail: String,
    },
    /// Data of a writer's schema cannot be read with the current one.
    #[error("data written with this schema cannot be read as {kind}: {detail}")]
    Incompatible {
        /// The record that was to be read.
        kind: RecordKind,
        /// What does not fit.
        detail: String,
    },
    /// A schema registry's schemas are not learned without end.
    #[error(
        "{limit} schemas of {kind} have been learned from the schema registry, schema {schema_id} \
         is one too many: restart the service, or register fewer schemas under its topic"
    )]
    TooManySchemas {
        /// The record that they describe.
        kind: RecordKind,
        /// The id that was to be learned.
        schema_id: u32,
        /// The most that are learned.
        limit: usize,
    },
    /// Avro was used in this process before, with a larger allocation limit than is safe here.
    #[error(
        "the process-wide Avro allocation limit is {actual} bytes, at most {limit} is accepted: \
         create the first codec before Avro is used otherwise"
    )]
    AllocationLimit {
        /// The limit in force.
        actual: usize,
        /// The largest accepted.
        limit: usize,
    },
    /// The record limit asked for is larger than the allocation limit allows.
    #[error("record limit of {asked} bytes is beyond the largest possible, {limit}")]
    RecordLimit {
        /// The limit asked for.
        asked: usize,
        /// The largest possible.
        limit: usize,
    },
}

/// Why a value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// A value has no representation on the wire.
    #[error("{field} of {kind} is {value}, which the wire format cannot hold")]
    Unrepresentable {
        /// The record.
        kind: RecordKind,
        /// Name of the field on the wire.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// The encoded record is larger than readers accept.
    #[error("{kind} of {bytes} bytes is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The record.
        kind: RecordKind,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The wire type does not fit its schema: a defect of this crate.
    #[error("{kind} does not fit its schema: {detail}")]
    Schema {
        /// The record.
        kind: RecordKind,
        /// What does not fit.
        detail: String,
    },
}

/// Why bytes cannot be read as the expected record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// There are no bytes.
    #[error("record is empty, expected {expected}")]
    Empty {
        /// Accepted encodings, in words.
        expected: &'static str,
    },
    /// The record is larger than accepted.
    #[error("record of {bytes} bytes is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The first bytes belong to no accepted encoding.
    #[error("record begins with bytes {found}, expected {expected}")]
    UnknownFraming {
        /// The first bytes, hexadecimal.
        found: String,
        /// Accepted encodings, in words.
        expected: &'static str,
    },
    /// The record names a schema by its id in a schema registry.
    #[error(
        "record is framed for a schema registry (0x00, schema id {schema_id}), and no schema \
         registry is configured: set schema_registry.url, or produce Avro single-object encoding"
    )]
    SchemaRegistryNotConfigured {
        /// The id in the registry.
        schema_id: u32,
    },
    /// The fingerprint belongs to no known schema.
    #[error("no schema of {expected} has the fingerprint {fingerprint}; known are {known}")]
    UnknownSchema {
        /// The record's fingerprint: its 8 bytes as received, hexadecimal.
        fingerprint: String,
        /// The record that was expected.
        expected: RecordKind,
        /// The fingerprints that are known, comma-separated.
        known: String,
    },
    /// The id belongs to no schema that this codec was told of.
    #[error(
        "no schema with the id {schema_id} is known for {expected}: the schema registry has none, \
         or could not be asked when the record came"
    )]
    UnknownSchemaId {
        /// The id in the registry.
        schema_id: u32,
        /// The record that was expected.
        expected: RecordKind,
    },
    /// The registry knows the schema, but its data cannot be read as this record.
    #[error("schema {schema_id} of the schema registry cannot be read as {expected}: {detail}")]
    UnusableSchema {
        /// The id in the registry.
        schema_id: u32,
        /// The record that was expected.
        expected: RecordKind,
        /// What does not fit.
        detail: String,
    },
    /// The bytes hold a record of another kind.
    #[error("record is a {found}, expected a {expected}")]
    WrongRecord {
        /// What the bytes hold.
        found: RecordKind,
        /// What was expected.
        expected: RecordKind,
    },
    /// The bytes end inside the record.
    #[error("record ends after {bytes} bytes, inside the {expected}{}", in_field(field))]
    Truncated {
        /// Size of what was received.
        bytes: usize,
        /// What is incomplete, in words.
        expected: &'static str,
        /// The field that is cut off, where it can be told.
        field: Option<String>,
    },
    /// The bytes are no datum of the schema.
    #[error("record is no valid {expected}: {detail} (near byte {at}{})", in_field(field))]
    Malformed {
        /// The record that was expected.
        expected: RecordKind,
        /// Position at which reading stopped.
        at: usize,
        /// What is wrong.
        detail: String,
        /// The field that cannot be read, where it can be told.
        field: Option<String>,
    },
    /// Bytes follow the datum.
    #[error("{count} bytes follow the {expected}, expected none")]
    TrailingBytes {
        /// How many.
        count: usize,
        /// The record that was expected.
        expected: RecordKind,
    },
    /// The text is not JSON.
    #[error("record begins with '{{' but is not valid JSON: {detail}")]
    InvalidJson {
        /// What the parser says, with line and column.
        detail: String,
    },
    /// A JSON field is not part of the record.
    #[error("{field} is not a field of {expected}{}", suggestion(.nearest.as_ref()))]
    UnknownField {
        /// The name as received, shortened.
        field: String,
        /// The record that was expected.
        expected: RecordKind,
        /// The most similar valid name.
        nearest: Option<String>,
    },
    /// A JSON field appears twice.
    #[error("{field} appears twice")]
    DuplicateField {
        /// Name of the field.
        field: String,
    },
    /// A field has a value of another type.
    #[error("{field} is {found}, expected {expected}")]
    WrongType {
        /// Name of the field.
        field: String,
        /// What was received, in words.
        found: String,
        /// What is accepted, in words.
        expected: &'static str,
    },
    /// A required field is missing.
    #[error("{field} is missing")]
    MissingField {
        /// Name of the field.
        field: String,
    },
    /// A field has a value of the right type that means nothing.
    #[error("{field} is '{value}', expected {expected}")]
    InvalidValue {
        /// Name of the field.
        field: String,
        /// The value as received, shortened.
        value: String,
        /// What is accepted, in words.
        expected: &'static str,
    },
    /// An area is given in a unit that cannot be converted.
    #[error("{field} is '{unit}', expected 'Square Feet' or 'Square Meters'")]
    UnsupportedUnit {
        /// Name of the field.
        field: &'static str,
        /// The unit as received, shortened.
        unit: String,
    },
}

impl DecodeError {
    /// Every code that [`DecodeError::code`] can return.
    pub const CODES: [&'static str; 18] = [
        "empty",
        "too_large",
        "unknown_framing",
        "schema_registry_not_configured",
        "unknown_schema",
        "unknown_schema_id",
        "unusable_schema",
        "wrong_record",
        "truncated",
        "malformed",
        "trailing_bytes",
        "invalid_json",
        "unknown_field",
        "duplicate_field",
        "wrong_type",
        "missing_field",
        "invalid_value",
        "unsupported_unit",
    ];

    /// Bounded reason code for dead letters and metric labels.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "empty",
            Self::TooLarge { .. } => "too_large",
            Self::UnknownFraming { .. } => "unknown_framing",
            Self::SchemaRegistryNotConfigured { .. } => "schema_registry_not_configured",
            Self::UnknownSchema { .. } => "unknown_schema",
            Self::UnknownSchemaId { .. } => "unknown_schema_id",
            Self::UnusableSchema { .. } => "unusable_schema",
            Self::WrongRecord { .. } => "wrong_record",
            Self::Truncated { .. } => "truncated",
            Self::Malformed { .. } => "malformed",
            Self::TrailingBytes { .. } => "trailing_bytes",
            Self::InvalidJson { .. } => "invalid_json",
            Self::UnknownField { .. } => "unknown_field",
            Self::DuplicateField { .. } => "duplicate_field",
            Self::WrongType { .. } => "wrong_type",
            Self::MissingField { .. } => "missing_field",
            Self::InvalidValue { .. } => "invalid_value",
            Self::UnsupportedUnit { .. } => "unsupported_unit",
        }
    }

    /// Name of the field at fault, where one is.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::UnknownField { field, .. }
            | Self::DuplicateField { field }
            | Self::WrongType { field, .. }
            | Self::MissingField { field }
            | Self::InvalidValue { field, .. } => Some(field),
            Self::UnsupportedUnit { field, .. } => Some(field),
            Self::Truncated { field, .. } | Self::Malformed { field, .. } => field.as_deref(),
            _ => None,
        }
    }
}

fn in_field(field: &Option<String>) -> String {
    field.as_ref().map_or_else(String::new, |field| format!(", in field {field}"))
}

fn suggestion(nearest: Option<&String>) -> String {
    nearest.map_or_else(
        || "; facts it has no field for go in attributes".to_owned(),
        |name| format!("; did you mean {name}?"),
    )
}

/// Most characters of a library's message that an error repeats.
pub(crate) const MESSAGE_CHARS: usize = 200;
/// Most characters of a received value that an error repeats.
const VALUE_CHARS: usize = 64;

/// The beginning of a text that a stranger wrote, fit for a message.
pub(crate) fn shorten(text: &str) -> String {
    shorten_to(VALUE_CHARS, text)
}

/// At most `most` characters of a text, control characters escaped.
pub(crate) fn shorten_to(most: usize, text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    let mut short: String = text.chars().take(most).map(escape).collect();
    if text.chars().nth(most).is_some() {
        short.push_str("...");
    }
    short
}
