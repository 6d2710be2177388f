//! What the first bytes of a record say about the rest, and reading the rest.

use std::io::{self, Read};

use crate::codec::SINGLE_OBJECT_MAGIC;
use crate::error::DecodeError;
use crate::kind::RecordKind;

/// First byte of a schema registry's framing.
const REGISTRY_MAGIC: u8 = 0x00;
/// Bytes of a schema registry's framing: that byte and the schema's id, big-endian.
const FRAMING_BYTES: usize = 5;
/// Bytes shown of a record that cannot be recognised.
const SHOWN: usize = 8;

/// A record whose encoding is recognised.
pub(crate) enum Frame<'b> {
    /// An Avro datum behind a header that names the schema it was written with.
    Avro { writer: Writer, datum: &'b [u8] },
    /// A JSON object.
    Json(&'b [u8]),
}

/// How a header names a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Avro single-object encoding: by its fingerprint.
    Fingerprint([u8; 8]),
    /// A schema registry's framing: by its id there.
    Id(u32),
}

/// The schema id in a schema registry's framing; `None` for bytes framed otherwise.
pub(crate) fn schema_id(bytes: &[u8]) -> Option<u32> {
    match bytes.split_first_chunk::<FRAMING_BYTES>() {
        Some(([REGISTRY_MAGIC, id @ ..], _)) => Some(u32::from_be_bytes(*id)),
        _ => None,
    }
}

/// The framing that says that a datum was written with the schema of this id.
pub(crate) fn registry_framing(schema_id: u32) -> [u8; FRAMING_BYTES] {
    let [a, b, c, d] = schema_id.to_be_bytes();
    [REGISTRY_MAGIC, a, b, c, d]
}

impl<'b> Frame<'b> {
    pub(crate) fn recognise(kind: RecordKind, bytes: &'b [u8]) -> Result<Self, DecodeError> {
        match bytes {
            [] => Err(DecodeError::Empty { expected: kind.accepted() }),
            [REGISTRY_MAGIC, rest @ ..] => registry(rest, bytes.len()),
            [first, rest @ ..] if *first == SINGLE_OBJECT_MAGIC[0] => avro(kind, rest, bytes),
            _ if kind.accepts_json() && bytes.trim_ascii_start().starts_with(b"{") => {
                Ok(Self::Json(bytes))
            }
            _ => Err(Self::unknown(kind, bytes)),
        }
    }

    pub(crate) fn unknown(kind: RecordKind, bytes: &[u8]) -> DecodeError {
        let shown = bytes.get(..SHOWN).unwrap_or(bytes);
        DecodeError::UnknownFraming { found: hex::encode(shown), expected: kind.accepted() }
    }
}

fn avro<'b>(kind: RecordKind, rest: &'b [u8], all: &[u8]) -> Result<Frame<'b>, DecodeError> {
    match rest {
        [version, ..] if *version != SINGLE_OBJECT_MAGIC[1] => Err(Frame::unknown(kind, all)),
        [_, framed @ ..] => match framed.split_first_chunk::<8>() {
            Some((fingerprint, datum)) => {
                Ok(Frame::Avro { writer: Writer::Fingerprint(*fingerprint), datum })
            }
            None => Err(truncated_header(all)),
        },
        [] => Err(truncated_header(all)),
    }
}

fn truncated_header(all: &[u8]) -> DecodeError {
    DecodeError::Truncated {
        bytes: all.len(),
        expected: "header of Avro single-object encoding (c3 01 and an 8-byte fingerprint)",
        field: None,
    }
}

fn registry(rest: &[u8], bytes: usize) -> Result<Frame<'_>, DecodeError> {
    match rest.split_first_chunk::<4>() {
        Some((id, datum)) => Ok(Frame::Avro { writer: Writer::Id(u32::from_be_bytes(*id)), datum }),
        None => Err(DecodeError::Truncated {
            bytes,
            expected: "framing of a schema registry (00 and a 4-byte schema id)",
            field: None,
        }),
    }
}

/// Bytes being read, which remember whether more were asked for than there were.
pub(crate) struct Input<'b> {
    rest: &'b [u8],
    total: usize,
    ended: bool,
}

impl<'b> Input<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes, total: bytes.len(), ended: false }
    }

    pub(crate) fn position(&self) -> usize {
        self.total - self.rest.len()
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn ended(&self) -> bool {
        self.ended
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ended |= buffer.len() > self.rest.len();
        self.rest.read(buffer)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.ended |= buffer.len() > self.rest.len();
        self.rest.read_exact(buffer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn framing_is_a_zero_and_the_id_in_network_order() {
        assert_eq!(registry_framing(0x0102_0304), [0, 1, 2, 3, 4]);
        assert_eq!(schema_id(&[0, 0, 0, 1, 2, 9]), Some(258));
        for other in [&[][..], &[0, 0, 0, 1], &[0xC3, 1, 0, 0, 0, 0], b"{\"a\": 1}"] {
            assert_eq!(schema_id(other), None);
        }
    }

    proptest! {
        #[test]
        fn framing_is_recognised_and_leaves_the_datum(
            id in any::<u32>(),
            datum in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let bytes = [&registry_framing(id)[..], &datum].concat();
            prop_assert_eq!(schema_id(&bytes), Some(id));
            match Frame::recognise(RecordKind::Sale, &bytes) {
                Ok(Frame::Avro { writer, datum: found }) => {
                    prop_assert_eq!(writer, Writer::Id(id));
                    prop_assert_eq!(found, datum.as_slice());
                }
                _ => prop_assert!(false, "not recognised"),
            }
        }
    }
}
