//! The codec: domain types to bytes and back.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::util::max_allocation_bytes;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{AvroResult, Schema};
use model_core::drift_report::DriftReport;
use model_core::estimate::PriceEstimate;
use model_core::listing::{Listing, Sale};
use model_core::registry::RegistryEvent;

use crate::error::{CodecError, DecodeError, EncodeError, MESSAGE_CHARS, shorten_to};
use crate::fingerprint::schema_fingerprint;
use crate::frame::{Frame, Input};
use crate::kind::RecordKind;
use crate::locate::unreadable_field;
use crate::wire::{
    DriftReportWire, ListingWire, PriceEstimateWire, RegistryEventWire, SaleWire, Wire,
};
use crate::writer_check;

/// First two bytes of Avro single-object encoding.
pub const SINGLE_OBJECT_MAGIC: [u8; 2] = [0xC3, 0x01];
/// Largest record that a codec reads or writes unless told otherwise: 1 MiB, the broker's
/// own default.
pub const DEFAULT_MAX_RECORD_BYTES: usize = 1 << 20;
/// Largest record limit that can be set: 8 MiB.
pub const MAX_RECORD_BYTES_LIMIT: usize = AVRO_ALLOCATION_BYTES;
/// Most that Avro may allocate for one text or collection, in the whole process. It is
/// allocated before the bytes are seen to be missing, so it is kept small; 1 MiB of numbers
/// written with another schema takes 7 MiB while it is resolved.
const AVRO_ALLOCATION_BYTES: usize = 8 << 20;
/// Room for a listing without growing the buffer.
const INITIAL_CAPACITY: usize = 512;

/// A price estimate together with the identifier it was published under.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedEstimate {
    /// Identifier of the answer; see [`estimate_id`](crate::estimate_id).
    pub estimate_id: String,
    /// The answer.
    pub estimate: PriceEstimate,
}

/// Encodes domain types for Kafka and decodes what Kafka brings.
///
/// Schemas are parsed once a process, fingerprints computed once a codec; a codec is
/// immutable and can be shared between threads.
pub struct Codec {
    formats: [Format; RecordKind::ALL.len()],
    max_record_bytes: usize,
}

/// What is known of one record's encoding.
struct Format {
    schema: &'static Schema,
    fingerprint: [u8; 8],
    library_fingerprint: [u8; 8],
    writer: GenericDatumWriter<'static>,
    reader: GenericDatumReader<'static>,
    others: Vec<OtherSchema>,
}

/// A schema besides the current one that data may have been written with.
struct OtherSchema {
    fingerprints: [[u8; 8]; 2],
    schema: Schema,
}

impl Codec {
    /// A codec that accepts records of up to [`DEFAULT_MAX_RECORD_BYTES`].
    ///
    /// Sets the process-wide allocation limit of the Avro library, which can be set once.
    ///
    /// # Errors
    /// [`CodecError::AllocationLimit`] when Avro was used before with its larger default.
    pub fn new() -> Result<Self, CodecError> {
        Self::with_max_record_bytes(DEFAULT_MAX_RECORD_BYTES)
    }

    /// A codec with another limit on a record's size; see [`Codec::new`].
    ///
    /// # Errors
    /// As [`Codec::new`], and [`CodecError::RecordLimit`] beyond [`MAX_RECORD_BYTES_LIMIT`].
    pub fn with_max_record_bytes(max_record_bytes: usize) -> Result<Self, CodecError> {
        if max_record_bytes > MAX_RECORD_BYTES_LIMIT {
            let (asked, limit) = (max_record_bytes, MAX_RECORD_BYTES_LIMIT);
            return Err(CodecError::RecordLimit { asked, limit });
        }
        let actual = max_allocation_bytes(AVRO_ALLOCATION_BYTES);
        if actual > AVRO_ALLOCATION_BYTES {
            return Err(CodecError::AllocationLimit { actual, limit: AVRO_ALLOCATION_BYTES });
        }
        let [listing, sale, price, drift, registry] = RecordKind::ALL;
        let formats = [
            Format::new(listing)?,
            Format::new(sale)?,
            Format::new(price)?,
            Format::new(drift)?,
            Format::new(registry)?,
        ];
        Ok(Self { formats, max_record_bytes })
    }

    /// Also accepts records written with `writer_schema` (JSON), in single-object encoding
    /// with that schema's fingerprint: for producers that have a schema of their own, such as
    /// fewer fields or `long` amounts. They are read by Avro's schema resolution.
    ///
    /// # Errors
    /// [`CodecError::InvalidSchema`] or [`CodecError::Incompatible`], which says why.
    pub fn accept(mut self, kind: RecordKind, writer_schema: &str) -> Result<Self, CodecError> {
        self.formats[kind as usize].accept(kind, writer_schema)?;
        Ok(self)
    }

    /// CRC-64-AVRO fingerprint of the schema that this codec writes, as it stands in the
    /// encoding (little-endian).
    pub fn fingerprint(&self, kind: RecordKind) -> [u8; 8] {
        self.format(kind).fingerprint
    }

    /// Encodes a listing.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`].
    pub fn encode_listing(&self, listing: &Listing) -> Result<Vec<u8>, EncodeError> {
        self.encode(RecordKind::Listing, &ListingWire::from(listing))
    }

    /// Decodes a listing from Avro or JSON. Areas become square feet; nothing else is
    /// checked against what a home can have: see [`Listing::validate`].
    ///
    /// # Errors
    /// [`DecodeError`], with a bounded code.
    pub fn decode_listing(&self, bytes: &[u8]) -> Result<Listing, DecodeError> {
        match self.frame(RecordKind::Listing, bytes)? {
            Frame::Json(json) => ListingWire::from_json(json)?.try_into(),
            Frame::Avro { fingerprint, datum } => {
                self.read::<ListingWire<'static>>(fingerprint, datum)?.try_into()
            }
        }
    }

    /// Encodes a sale.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`].
    pub fn encode_sale(&self, sale: &Sale) -> Result<Vec<u8>, EncodeError> {
        self.encode(RecordKind::Sale, &SaleWire::from(sale))
    }

    /// Decodes a sale from Avro or JSON; see [`Codec::decode_listing`].
    ///
    /// # Errors
    /// [`DecodeError`], with a bounded code.
    pub fn decode_sale(&self, bytes: &[u8]) -> Result<Sale, DecodeError> {
        match self.frame(RecordKind::Sale, bytes)? {
            Frame::Json(json) => SaleWire::from_json(json)?.try_into(),
            Frame::Avro { fingerprint, datum } => {
                self.read::<SaleWire<'static>>(fingerprint, datum)?.try_into()
            }
        }
    }

    /// Encodes a price estimate under an identifier; see [`estimate_id`](crate::estimate_id).
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`].
    pub fn encode_price(
        &self,
        estimate: &PriceEstimate,
        estimate_id: &str,
    ) -> Result<Vec<u8>, EncodeError> {
        self.encode(RecordKind::PriceEstimate, &PriceEstimateWire::new(estimate, estimate_id))
    }

    /// Decodes a price estimate from Avro, bit for bit as it was encoded.
    ///
    /// # Errors
    /// [`DecodeError`], with a bounded code.
    pub fn decode_price(&self, bytes: &[u8]) -> Result<PublishedEstimate, DecodeError> {
        self.decode::<PriceEstimateWire<'static>>(bytes)?.try_into()
    }

    /// Encodes a drift report.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`], or [`EncodeError::Unrepresentable`] for counts beyond
    /// `i64::MAX`.
    pub fn encode_drift_report(&self, report: &DriftReport) -> Result<Vec<u8>, EncodeError> {
        self.encode(RecordKind::DriftReport, &DriftReportWire::try_from(report)?)
    }

    /// Decodes a drift report from Avro.
    ///
    /// # Errors
    /// [`DecodeError`], with a bounded code.
    pub fn decode_drift_report(&self, bytes: &[u8]) -> Result<DriftReport, DecodeError> {
        self.decode::<DriftReportWire<'static>>(bytes)?.try_into()
    }

    /// Encodes a registry event; its identifier is
    /// [`registry_event_id`](crate::registry_event_id).
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`], or [`EncodeError::Unrepresentable`] for counts beyond
    /// `i64::MAX`.
    pub fn encode_registry_event(&self, event: &RegistryEvent) -> Result<Vec<u8>, EncodeError> {
        self.encode(RecordKind::RegistryEvent, &RegistryEventWire::try_from(event)?)
    }

    /// Decodes a registry event from Avro.
    ///
    /// # Errors
    /// [`DecodeError`], with a bounded code.
    pub fn decode_registry_event(&self, bytes: &[u8]) -> Result<RegistryEvent, DecodeError> {
        self.decode::<RegistryEventWire<'static>>(bytes)?.try_into()
    }

    fn format(&self, kind: RecordKind) -> &Format {
        &self.formats[kind as usize]
    }

    fn encode(
        &self,
        kind: RecordKind,
        wire: &impl serde::Serialize,
    ) -> Result<Vec<u8>, EncodeError> {
        let format = self.format(kind);
        let mut bytes = Vec::with_capacity(INITIAL_CAPACITY);
        bytes.extend_from_slice(&SINGLE_OBJECT_MAGIC);
        bytes.extend_from_slice(&format.fingerprint);
        format
            .writer
            .write_ser(&mut bytes, wire)
            .map_err(|error| EncodeError::Schema { kind, detail: describe(error) })?;
        if bytes.len() > self.max_record_bytes {
            let limit = self.max_record_bytes;
            return Err(EncodeError::TooLarge { kind, bytes: bytes.len(), limit });
        }
        Ok(bytes)
    }

    fn frame<'b>(&self, kind: RecordKind, bytes: &'b [u8]) -> Result<Frame<'b>, DecodeError> {
        if bytes.len() > self.max_record_bytes {
            let limit = self.max_record_bytes;
            return Err(DecodeError::TooLarge { bytes: bytes.len(), limit });
        }
        Frame::recognise(kind, bytes)
    }

    fn decode<W: Wire>(&self, bytes: &[u8]) -> Result<W, DecodeError> {
        match self.frame(W::KIND, bytes)? {
            Frame::Avro { fingerprint, datum } => self.read(fingerprint, datum),
            Frame::Json(json) => Err(Frame::unknown(W::KIND, json)),
        }
    }

    fn read<W: Wire>(&self, fingerprint: [u8; 8], datum: &[u8]) -> Result<W, DecodeError> {
        let format = self.format(W::KIND);
        if format.is_current(fingerprint) {
            return format.read_current(datum);
        }
        match format.others.iter().find(|other| other.fingerprints.contains(&fingerprint)) {
            Some(other) => format.read_other(&other.schema, datum),
            None => Err(self.unknown_schema(W::KIND, fingerprint)),
        }
    }

    fn unknown_schema(&self, expected: RecordKind, fingerprint: [u8; 8]) -> DecodeError {
        match RecordKind::ALL.into_iter().find(|kind| self.format(*kind).knows(fingerprint)) {
            Some(found) => DecodeError::WrongRecord { found, expected },
            None => DecodeError::UnknownSchema {
                fingerprint: hex::encode(fingerprint),
                expected,
                known: self.format(expected).known(),
            },
        }
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").field("max_record_bytes", &self.max_record_bytes).finish()
    }
}

impl Format {
    fn new(kind: RecordKind) -> Result<Self, CodecError> {
        let schema = current_schema(kind)?;
        let invalid = |error| CodecError::InvalidSchema { kind, detail: describe(error) };
        let mut format = Self {
            schema,
            fingerprint: fingerprint(kind, kind.schema_json())?,
            library_fingerprint: library_fingerprint(schema),
            writer: GenericDatumWriter::builder(schema).build().map_err(invalid)?,
            reader: GenericDatumReader::builder(schema).build().map_err(invalid)?,
            others: Vec::new(),
        };
        for released in kind.released() {
            format.accept(kind, released.json)?;
        }
        Ok(format)
    }

    fn accept(&mut self, kind: RecordKind, json: &str) -> Result<(), CodecError> {
        let schema = parse(kind, json)?;
        let fingerprint = fingerprint(kind, json)?;
        if self.knows(fingerprint) {
            return Ok(());
        }
        if let Some(detail) = writer_check::fault(&schema) {
            return Err(CodecError::Incompatible { kind, detail });
        }
        SchemaCompatibility::can_read(&schema, self.schema)
            .map_err(|error| CodecError::Incompatible { kind, detail: error.to_string() })?;
        let fingerprints = [fingerprint, library_fingerprint(&schema)];
        self.others.push(OtherSchema { fingerprints, schema });
        Ok(())
    }

    fn knows(&self, fingerprint: [u8; 8]) -> bool {
        self.is_current(fingerprint)
            || self.others.iter().any(|other| other.fingerprints.contains(&fingerprint))
    }

    fn is_current(&self, fingerprint: [u8; 8]) -> bool {
        self.fingerprint == fingerprint || self.library_fingerprint == fingerprint
    }

    fn known(&self) -> String {
        let others = self.others.iter().map(|other| other.fingerprints[0]);
        let all: Vec<_> =
            std::iter::once(self.fingerprint).chain(others).map(hex::encode).collect();
        all.join(", ")
    }

    /// Reads a datum of the current schema straight into the wire type.
    fn read_current<W: Wire>(&self, datum: &[u8]) -> Result<W, DecodeError> {
        self.guarded(W::KIND, datum, |input| self.reader.read_deser(input))
    }

    /// Reads a datum of another schema: resolved to the current schema as a generic value,
    /// then written with that schema, so that all decoding ends in one place.
    fn read_other<W: Wire>(&self, schema: &Schema, datum: &[u8]) -> Result<W, DecodeError> {
        let current = self.guarded(W::KIND, datum, |input| {
            let reader = GenericDatumReader::builder(schema).reader_schema(self.schema).build()?;
            self.writer.write_value_to_vec(reader.read_value(input)?)
        })?;
        self.read_current(&current)
    }

    /// Runs a reader over a datum; what it leaves, misses or trips over is an error.
    fn guarded<T>(
        &self,
        expected: RecordKind,
        datum: &[u8],
        read: impl FnOnce(&mut Input<'_>) -> AvroResult<T>,
    ) -> Result<T, DecodeError> {
        let mut input = Input::new(datum);
        let result = catch_unwind(AssertUnwindSafe(|| read(&mut input)));
        let (at, ended, left) = (input.position(), input.ended(), input.left());
        // A reader may take an early end for a missing value, so the end is checked first.
        if ended {
            let (bytes, field) = (datum.len(), unreadable_field(expected.schema_json(), datum));
            return Err(DecodeError::Truncated { bytes, expected: "Avro datum", field });
        }
        let malformed = |detail| {
            let field = unreadable_field(expected.schema_json(), datum);
            DecodeError::Malformed { expected, at, detail, field }
        };
        match result {
            Ok(Ok(_)) if left > 0 => Err(DecodeError::TrailingBytes { count: left, expected }),
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(malformed(describe(error))),
            Err(_) => Err(malformed("it does not fit its schema".to_owned())),
        }
    }
}

/// The schema that this version writes, parsed once a process so that readers and writers
/// can refer to it for good.
pub(crate) fn current_schema(kind: RecordKind) -> Result<&'static Schema, CodecError> {
    static SCHEMAS: [OnceLock<Result<Schema, CodecError>>; RecordKind::ALL.len()] =
        [const { OnceLock::new() }; RecordKind::ALL.len()];
    let parsed = SCHEMAS[kind as usize].get_or_init(|| parse(kind, kind.schema_json()));
    parsed.as_ref().map_err(CodecError::clone)
}

fn parse(kind: RecordKind, json: &str) -> Result<Schema, CodecError> {
    Schema::parse_str(json)
        .map_err(|error| CodecError::InvalidSchema { kind, detail: describe(error) })
}

fn fingerprint(kind: RecordKind, json: &str) -> Result<[u8; 8], CodecError> {
    schema_fingerprint(json).ok_or_else(|| {
        let detail = "its canonical form cannot be written".to_owned();
        CodecError::InvalidSchema { kind, detail }
    })
}

/// The fingerprint that programs with the same Avro library write; it differs from other
/// implementations' for schemas with logical types.
fn library_fingerprint(schema: &Schema) -> [u8; 8] {
    let digest = schema.fingerprint::<Rabin>();
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(&digest.bytes) {
        *to = *from;
    }
    bytes
}

/// What the Avro library says, without the schema that it likes to print.
fn describe(error: apache_avro::Error) -> String {
    use apache_avro::error::Details;
    let message = match error.details() {
        Details::DeserializeSchemaAware { value_type, value, .. }
        | Details::SerializeValueWithSchema { value_type, value, .. } => {
            format!("{value_type}: {value}")
        }
        Details::SerializeRecordFieldWithSchema { field_name, error, .. } => {
            format!("{field_name}: {error}")
        }
        _ => error.to_string(),
    };
    shorten_to(MESSAGE_CHARS, &message)
}
