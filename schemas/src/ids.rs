//! Identifiers derived from content, so that a repeat is recognisable.

use model_core::registry::RegistryEvent;
use sha2::{Digest, Sha256};

/// Hexadecimal digits of an identifier.
const DIGITS: usize = 32;

/// Identifier of the estimate that a model version gives to one listing record.
///
/// The first 32 hexadecimal digits of SHA-256 over, in this order: the topic's length in
/// bytes (8 bytes, big-endian), the topic (UTF-8), the partition (4 bytes, big-endian), the
/// offset (8 bytes, big-endian), the model version's length (8 bytes, big-endian) and the
/// model version (UTF-8; empty while there is no champion). The definition is stable: the
/// same record priced by the same model has the same identifier in every version of
/// homestream.
pub fn estimate_id(topic: &str, partition: i32, offset: i64, model_version: &str) -> String {
    let mut id = Id::new();
    id.text(topic);
    id.bytes(&partition.to_be_bytes());
    id.bytes(&offset.to_be_bytes());
    id.text(model_version);
    id.finish()
}

/// Identifier of a registry event: a hash of its content.
///
/// The first 32 hexadecimal digits of SHA-256 over the fields in order of declaration: a
/// text as its length in bytes (8 bytes, big-endian) and its UTF-8, a date as 4 bytes and
/// an integer as 8 bytes, big-endian, a number as the 8 bytes of its IEEE 754 bits,
/// big-endian, an optional value as 0 or 1 and the value, a map as its size (8 bytes) and
/// its entries in order of their names.
pub fn registry_event_id(event: &RegistryEvent) -> String {
    let mut id = Id::new();
    id.text(&event.model);
    id.text(&event.version);
    id.text(event.action.code());
    id.bytes(&event.event_date.0.to_be_bytes());
    id.text(&event.who);
    id.text(&event.why);
    id.bytes(&[u8::from(event.digest.is_some())]);
    if let Some(digest) = &event.digest {
        id.text(digest);
    }
    id.bytes(&[u8::from(event.lineage.is_some())]);
    if let Some(lineage) = &event.lineage {
        id.text(&lineage.strategy);
        id.text(&lineage.feature_spec_hash);
        id.bytes(&lineage.trained_from.0.to_be_bytes());
        id.bytes(&lineage.trained_through.0.to_be_bytes());
        id.bytes(&lineage.training_rows.to_be_bytes());
        id.text(&lineage.trigger);
    }
    id.length(event.metrics.len());
    for (name, value) in &event.metrics {
        id.text(name);
        id.bytes(&value.to_bits().to_be_bytes());
    }
    id.finish()
}

/// A hash of fields whose borders are part of what is hashed.
pub(crate) struct Id(Sha256);

impl Id {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.update(text.as_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn length(&mut self, length: usize) {
        self.0.update((length as u64).to_be_bytes());
    }

    pub(crate) fn finish(self) -> String {
        hex::encode(&self.0.finalize()[..DIGITS / 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_id_is_stable_and_tells_its_parts_apart() {
        let id = estimate_id("homes.listings.v1", 3, 42, "v3");
        assert_eq!(id, estimate_id("homes.listings.v1", 3, 42, "v3"));
        assert_eq!(id.len(), DIGITS);
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
        for other in [
            estimate_id("homes.listings.v2", 3, 42, "v3"),
            estimate_id("homes.listings.v1", 4, 42, "v3"),
            estimate_id("homes.listings.v1", 3, 43, "v3"),
            estimate_id("homes.listings.v1", 3, 42, "v4"),
            estimate_id("homes.listings.v1", 3, 42, ""),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn an_estimate_id_can_be_computed_by_others() {
        // printf '\0\0\0\0\0\0\0\1t\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2v1' | sha256sum
        let mut hash = Sha256::new();
        hash.update(b"\0\0\0\0\0\0\0\x01t\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02v1");
        assert_eq!(estimate_id("t", 0, 0, "v1"), hex::encode(hash.finalize())[..DIGITS]);
    }
}
