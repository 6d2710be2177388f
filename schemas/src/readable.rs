//! What can be read of a record that cannot be used: for the person who looks at it.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use serde_json::{Map, Value};

use crate::codec::SINGLE_OBJECT_MAGIC;
use crate::kind::RecordKind;
use crate::locate::readable_fields;

/// Bytes before the datum: magic and fingerprint of single-object encoding.
const SINGLE_OBJECT_HEADER: usize = 10;
/// Bytes before the datum: magic and id of a schema registry's framing.
const REGISTRY_HEADER: usize = 5;

/// The fields that can be read of a record, up to the first that cannot, as JSON. A record
/// of Avro is taken to be written with this version's schema of its kind, which another
/// schema's bytes may resemble by chance. `None` when nothing can be read.
pub fn readable_part(kind: RecordKind, bytes: &[u8]) -> Option<Value> {
    let datum = match bytes {
        [first, second, ..] if [*first, *second] == SINGLE_OBJECT_MAGIC => {
            bytes.get(SINGLE_OBJECT_HEADER..)?
        }
        [0x00, ..] => bytes.get(REGISTRY_HEADER..)?,
        _ => return serde_json::from_slice(bytes).ok().filter(Value::is_object),
    };
    let mut schema: Value = serde_json::from_str(kind.schema_json()).ok()?;
    let readable = readable_fields(kind.schema_json(), datum);
    schema.get_mut("fields")?.as_array_mut()?.truncate(readable);
    let part = Schema::parse(&schema).ok()?;
    let reader = GenericDatumReader::builder(&part).build().ok()?;
    let value = reader.read_value(&mut &*datum).ok()?;
    let Value::Object(fields) = Value::try_from(value).ok()? else { return None };
    // What a record does not say is no news.
    let told: Map<String, Value> =
        fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
    (!told.is_empty()).then_some(Value::Object(told))
}

#[cfg(test)]
mod tests {
    use model_core::date::EventDate;
    use model_core::listing::{Facts, Listing};

    use super::*;
    use crate::Codec;

    fn encoded() -> Vec<u8> {
        let listing = Listing {
            key: "L-1".into(),
            listed_on: EventDate(9_000),
            list_price: Some(99_000.0),
            currency: "USD".into(),
            facts: Facts { living_area: Some(1_200.0), ..Facts::default() },
        };
        Codec::new().unwrap().encode_listing(&listing).unwrap()
    }

    fn part(bytes: &[u8]) -> Option<Value> {
        readable_part(RecordKind::Listing, bytes)
    }

    #[test]
    fn a_whole_record_is_read_whole() {
        let whole = part(&encoded()).unwrap();
        assert_eq!(whole["ListingKey"], "L-1");
        assert_eq!(whole["LivingArea"], 1_200.0);
        assert!(whole.get("YearBuilt").is_none(), "{whole}");
    }

    #[test]
    fn a_record_that_ends_early_is_read_as_far_as_it_goes() {
        let bytes = encoded();
        let mut fields = 0;
        for end in 0..bytes.len() {
            let read = part(&bytes[..end]).map_or(0, |value| value.as_object().unwrap().len());
            assert!(read >= fields, "{end} bytes");
            fields = read;
        }
        assert!(fields >= 3, "{fields}");
    }

    #[test]
    fn json_is_shown_as_it_is_and_junk_is_not() {
        assert_eq!(part(br#"{"ListingKey": 3}"#).unwrap()["ListingKey"], 3);
        for junk in [&b""[..], b"\xff\xfe", b"[1]", b"\x00\x01", b"\xc3\x01"] {
            assert_eq!(part(junk), None);
        }
    }
}
