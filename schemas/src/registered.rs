//! Schemas by their ids in a schema registry. Whoever can ask the registry teaches the codec;
//! this crate asks nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use apache_avro::Schema;

use crate::codec::{Codec, fingerprint, parse};
use crate::error::{CodecError, DecodeError, MESSAGE_CHARS, shorten_to};
use crate::frame::schema_id;
use crate::kind::RecordKind;

const KINDS: usize = RecordKind::ALL.len();
/// Most schemas that are learned for one record. A topic has a handful; the bound keeps
/// strangers, who can name any id of the registry, from filling the memory.
const MAX_LEARNED: usize = 1_000;

/// What a codec knows of a schema registry's ids.
#[derive(Default)]
pub(crate) struct RegisteredSchemas {
    /// The ids that records are written with.
    written: [Option<u32>; KINDS],
    /// The ids that records may be read with.
    known: [RwLock<BTreeMap<u32, Registered>>; KINDS],
}

/// What an id stands for, seen from one record.
#[derive(Clone)]
enum Registered {
    /// The current schema: read straight into the wire type.
    Current,
    /// Another schema, that data is resolved from.
    Other(Arc<Schema>),
    /// A schema whose data is no such record, and why.
    Unusable(Arc<str>),
}

impl RegisteredSchemas {
    fn known(&self, kind: RecordKind) -> RwLockReadGuard<'_, BTreeMap<u32, Registered>> {
        self.known[kind as usize].read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self, kind: RecordKind) -> RwLockWriteGuard<'_, BTreeMap<u32, Registered>> {
        self.known[kind as usize].write().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(
        &self,
        kind: RecordKind,
        schema_id: u32,
        schema: Registered,
    ) -> Result<(), CodecError> {
        let mut known = self.known_mut(kind);
        if known.len() >= MAX_LEARNED && !known.contains_key(&schema_id) {
            return Err(CodecError::TooManySchemas { kind, schema_id, limit: MAX_LEARNED });
        }
        known.insert(schema_id, schema);
        Ok(())
    }
}

impl Codec {
    /// Reads a schema registry's framing: ids that were [learned](Codec::learn) are read,
    /// others are an unknown id instead of a registry that is not configured.
    #[must_use]
    pub fn with_registry(mut self) -> Self {
        self.registered.get_or_insert_default();
        self
    }

    /// Writes this record in a schema registry's framing, under the id that the current schema
    /// has there, and reads it under that id.
    #[must_use]
    pub fn write_as(mut self, kind: RecordKind, schema_id: u32) -> Self {
        let registered = self.registered.get_or_insert_default();
        registered.written[kind as usize] = Some(schema_id);
        registered.known_mut(kind).insert(schema_id, Registered::Current);
        self
    }

    /// The id under which this record is written; `None` in single-object encoding.
    pub fn written_id(&self, kind: RecordKind) -> Option<u32> {
        self.registered.as_ref()?.written[kind as usize]
    }

    /// The schema id of a framed record that this codec does not know yet, so that it can be
    /// asked for and [learned](Codec::learn) before the record is decoded. `None` without a
    /// registry, for other encodings, and for records that are too large anyway.
    pub fn unknown_id(&self, kind: RecordKind, bytes: &[u8]) -> Option<u32> {
        let registered = self.registered.as_ref()?;
        let id = schema_id(bytes).filter(|_| bytes.len() <= self.max_record_bytes)?;
        (!registered.known(kind).contains_key(&id)).then_some(id)
    }

    /// Learns which schema (JSON) an id stands for in the registry. Records of that id are
    /// read from then on: as fast as any if it is the current schema, else by Avro's schema
    /// resolution.
    ///
    /// # Errors
    /// [`CodecError::InvalidSchema`] or [`CodecError::Incompatible`] when its data cannot be
    /// read as `kind`; the id is known from then on, and its records are
    /// [`DecodeError::UnusableSchema`]. [`CodecError::TooManySchemas`], and the id stays
    /// unknown.
    pub fn learn(
        &self,
        kind: RecordKind,
        schema_id: u32,
        schema_json: &str,
    ) -> Result<(), CodecError> {
        let Some(registered) = &self.registered else { return Ok(()) };
        match self.as_registered(kind, schema_json) {
            Ok(schema) => registered.remember(kind, schema_id, schema),
            Err(error) => {
                let why = match &error {
                    CodecError::Incompatible { detail, .. } => detail.clone(),
                    other => other.to_string(),
                };
                self.learn_unusable(kind, schema_id, &why)?;
                Err(error)
            }
        }
    }

    /// Learns that an id stands for something that no record of this kind can be written with,
    /// such as a Protobuf schema, and why.
    ///
    /// # Errors
    /// [`CodecError::TooManySchemas`].
    pub fn learn_unusable(
        &self,
        kind: RecordKind,
        schema_id: u32,
        why: &str,
    ) -> Result<(), CodecError> {
        let Some(registered) = &self.registered else { return Ok(()) };
        let why = shorten_to(MESSAGE_CHARS, why).into();
        registered.remember(kind, schema_id, Registered::Unusable(why))
    }

    fn as_registered(&self, kind: RecordKind, json: &str) -> Result<Registered, CodecError> {
        let format = self.format(kind);
        let schema = parse(kind, json)?;
        if format.is_current(fingerprint(kind, json)?) {
            return Ok(Registered::Current);
        }
        format.check_readable(kind, &schema)?;
        Ok(Registered::Other(Arc::new(schema)))
    }

    /// The schema that a record of this id was written with; `None` for the current one.
    pub(crate) fn registered(
        &self,
        kind: RecordKind,
        schema_id: u32,
    ) -> Result<Option<Arc<Schema>>, DecodeError> {
        let Some(registered) = &self.registered else {
            return Err(DecodeError::SchemaRegistryNotConfigured { schema_id });
        };
        match registered.known(kind).get(&schema_id) {
            Some(Registered::Current) => Ok(None),
            Some(Registered::Other(schema)) => Ok(Some(Arc::clone(schema))),
            Some(Registered::Unusable(why)) => {
                let detail = why.to_string();
                Err(DecodeError::UnusableSchema { schema_id, expected: kind, detail })
            }
            None => Err(DecodeError::UnknownSchemaId { schema_id, expected: kind }),
        }
    }
}
