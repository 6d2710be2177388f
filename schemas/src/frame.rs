//! What the first bytes of a record say about the rest, and reading the rest.

use std::io::{self, Read};

use crate::codec::SINGLE_OBJECT_MAGIC;
use crate::error::DecodeError;
use crate::kind::RecordKind;

/// First byte of a schema registry's framing.
const REGISTRY_MAGIC: u8 = 0x00;
/// Bytes shown of a record that cannot be recognised.
const SHOWN: usize = 8;

/// A record whose encoding is recognised.
pub(crate) enum Frame<'b> {
    /// Avro single-object encoding.
    Avro { fingerprint: [u8; 8], datum: &'b [u8] },
    /// A JSON object.
    Json(&'b [u8]),
}

impl<'b> Frame<'b> {
    pub(crate) fn recognise(kind: RecordKind, bytes: &'b [u8]) -> Result<Self, DecodeError> {
        match bytes {
            [] => Err(DecodeError::Empty { expected: kind.accepted() }),
            [REGISTRY_MAGIC, rest @ ..] => Err(registry(rest, bytes.len())),
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
            Some((fingerprint, datum)) => Ok(Frame::Avro { fingerprint: *fingerprint, datum }),
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

fn registry(rest: &[u8], bytes: usize) -> DecodeError {
    match rest.first_chunk::<4>() {
        Some(id) => DecodeError::SchemaRegistryNotConfigured { schema_id: u32::from_be_bytes(*id) },
        None => DecodeError::Truncated {
            bytes,
            expected: "framing of a schema registry (00 and a 4-byte schema id)",
            field: None,
        },
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
