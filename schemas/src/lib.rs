//! Wire formats of homestream: Avro records, alerts as CloudEvents, topic names.
//!
//! The domain types live in `model-core` and never change for the wire's sake; this crate
//! holds the wire types, the [`Codec`] between both, and the released schemas that every
//! later one must be able to read.
//!
//! # Formats
//! [`Codec`] writes Avro *single-object encoding*: `0xC3 0x01`, the schema's CRC-64-AVRO
//! fingerprint (8 bytes, little-endian), the datum. It recognises what it reads by the first
//! bytes: that encoding, plain JSON (`{`, listings and sales only) and, to say clearly that
//! it is not configured, the framing of a schema registry (`0x00`).
//!
//! ```
//! use schemas::Codec;
//!
//! let codec = Codec::new()?;
//! let listing = codec.decode_listing(
//!     br#"{"ListingKey": "1", "ListingContractDate": "1996-07-01", "LivingArea": 1436}"#,
//! )?;
//! let bytes = codec.encode_listing(&listing)?;
//! assert_eq!(bytes[..2], schemas::SINGLE_OBJECT_MAGIC);
//! assert_eq!(codec.decode_listing(&bytes)?, listing);
//!
//! let error = codec.decode_listing(br#"{"ListingKey": "1", "Beds": 3}"#).unwrap_err();
//! assert_eq!(error.code(), "unknown_field");
//! assert!(error.to_string().ends_with("did you mean BedroomsTotal?"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! - No I/O, no clock, no randomness.
//! - Decoding never panics, whatever the bytes. The record's size is checked first, and no
//!   length that a record claims makes it allocate more than 8 MiB, given back at once when
//!   the bytes are not there.
//! - Every decoding error has a bounded code, fit for metric labels and dead letters, and a
//!   short message that says what was expected.
//! - Decoding says what the record holds, not whether a home can be like that: see
//!   [`Listing::validate`](model_core::listing::Listing::validate).

mod alerts;
mod codec;
mod error;
mod fingerprint;
mod frame;
mod ids;
mod json;
mod kind;
mod locate;
mod price_file;
mod readable;
mod topics;
mod wire;
mod writer_check;

pub use alerts::{
    ALERT_CONTENT_TYPE, ALERT_SOURCE, AlertError, MAX_ALERT_BYTES, alert_id, decode_alert,
    encode_alert,
};
pub use codec::{
    Codec, DEFAULT_MAX_RECORD_BYTES, MAX_RECORD_BYTES_LIMIT, PublishedEstimate, SINGLE_OBJECT_MAGIC,
};
pub use error::{CodecError, DecodeError, EncodeError};
pub use fingerprint::schema_fingerprint;
pub use ids::{estimate_id, registry_event_id};
pub use kind::{RecordKind, ReleasedSchema};
pub use price_file::{PriceFileError, PriceFileWriter, read_price_file};
pub use readable::readable_part;
pub use topics::{InvalidPrefix, TopicNames, TopicSettings};
