//! Records in a schema registry's framing.

use proptest::prelude::*;
use schemas::{Codec, CodecError, DEFAULT_MAX_RECORD_BYTES, DecodeError, RecordKind};

use crate::golden::golden;
use crate::{examples, writers};

/// The same record as `bytes` (single-object encoding), framed under an id.
fn framed(schema_id: u32, bytes: &[u8]) -> Vec<u8> {
    [&[0], &schema_id.to_be_bytes()[..], &bytes[10..]].concat()
}

fn codec() -> Codec {
    Codec::new().unwrap().with_registry()
}

#[test]
fn every_record_is_written_under_its_id_and_read_back() {
    let plain = Codec::new().unwrap();
    let codec = RecordKind::ALL
        .into_iter()
        .zip(7..)
        .fold(Codec::new().unwrap(), |codec, (kind, id)| codec.write_as(kind, id));

    let bytes = codec.encode_listing(&examples::listing()).unwrap();
    assert_eq!(bytes, framed(7, &plain.encode_listing(&examples::listing()).unwrap()));
    assert_eq!(codec.decode_listing(&bytes), Ok(examples::listing()));
    let bytes = codec.encode_sale(&examples::sale()).unwrap();
    assert_eq!(codec.decode_sale(&bytes), Ok(examples::sale()));
    let bytes = codec.encode_price(&examples::estimate(), "id").unwrap();
    assert_eq!(bytes[..5], [0, 0, 0, 0, 9]);
    // Features may be NaN, so bytes are compared.
    let read = codec.decode_price(&bytes).unwrap();
    assert_eq!(codec.encode_price(&read.estimate, &read.estimate_id), Ok(bytes));
    let bytes = codec.encode_drift_report(&examples::drift_report()).unwrap();
    assert_eq!(codec.decode_drift_report(&bytes), Ok(examples::drift_report()));
    let bytes = codec.encode_registry_event(&examples::registry_event()).unwrap();
    assert_eq!(codec.decode_registry_event(&bytes), Ok(examples::registry_event()));
    assert_eq!(codec.unknown_id(RecordKind::RegistryEvent, &bytes), None);

    let (kind, other) = (RecordKind::Listing, Codec::new().unwrap());
    assert_eq!((codec.written_id(kind), other.written_id(kind)), (Some(7), None));
}

#[test]
fn single_object_encoding_and_json_are_read_beside_it() {
    let codec = codec().write_as(RecordKind::Listing, 3);
    let plain = Codec::new().unwrap().encode_listing(&examples::listing()).unwrap();
    assert_eq!(codec.decode_listing(&plain), Ok(examples::listing()));
    assert_eq!(codec.unknown_id(RecordKind::Listing, &plain), None);
    let json = br#"{"ListingKey": "1", "ListingContractDate": "1996-07-01"}"#;
    assert_eq!(codec.decode_listing(json).unwrap().key, "1");
    assert_eq!(codec.unknown_id(RecordKind::Listing, json), None);
}

#[test]
fn an_id_is_unknown_until_it_is_learned() {
    let codec = codec();
    let plain = Codec::new().unwrap().encode_listing(&examples::listing()).unwrap();
    let bytes = framed(42, &plain);
    let unknown = codec.decode_listing(&bytes).unwrap_err();
    assert_eq!(unknown.code(), "unknown_schema_id");
    assert!(unknown.to_string().contains("id 42 is known for Listing"), "{unknown}");
    assert_eq!(codec.unknown_id(RecordKind::Listing, &bytes), Some(42));

    // As the registry gives it back: the same schema in other words.
    let schema: serde_json::Value =
        serde_json::from_str(RecordKind::Listing.schema_json()).unwrap();
    codec.learn(RecordKind::Listing, 42, &schema.to_string()).unwrap();
    assert_eq!(codec.unknown_id(RecordKind::Listing, &bytes), None);
    assert_eq!(codec.decode_listing(&bytes), Ok(examples::listing()));
    // An id is known for the records it was learned for.
    assert_eq!(codec.unknown_id(RecordKind::Sale, &bytes), Some(42));
    assert_eq!(codec.decode_sale(&bytes).unwrap_err().code(), "unknown_schema_id");
}

#[test]
fn a_producers_own_schema_is_resolved() {
    let codec = codec();
    let bytes = framed(5, &writers::produced());
    codec.learn(RecordKind::Listing, 5, writers::PRODUCER).unwrap();
    let by_fingerprint = writers::codec().decode_listing(&writers::produced()).unwrap();
    assert_eq!(codec.decode_listing(&bytes), Ok(by_fingerprint));
    for end in 5..bytes.len() {
        let error = codec.decode_listing(&bytes[..end]).unwrap_err();
        assert_eq!(error.code(), "truncated", "cut at {end}: {error}");
    }
}

#[test]
fn every_released_schema_is_learned() {
    let codec = codec();
    for kind in RecordKind::ALL {
        for (released, id) in kind.released().iter().zip(1..) {
            codec.learn(kind, id, released.json).unwrap();
        }
    }
    let plain = golden(include_str!("golden/estimate.v1.hex"));
    let [expected, read] =
        [&plain, &framed(1, &plain)].map(|bytes| codec.decode_price(bytes).unwrap());
    // Features may be NaN, so bytes are compared.
    let [expected, read] = [expected, read]
        .map(|published| codec.encode_price(&published.estimate, &published.estimate_id).unwrap());
    assert_eq!(read, expected);
}

#[test]
fn what_cannot_be_read_is_known_to_be_so_and_not_asked_for_again() {
    let codec = codec();
    let bytes = framed(8, &writers::produced());
    let error = codec.learn(RecordKind::Listing, 8, RecordKind::Sale.schema_json()).unwrap_err();
    assert!(matches!(error, CodecError::Incompatible { .. }), "{error}");
    assert_eq!(codec.unknown_id(RecordKind::Listing, &bytes), None);
    let error = codec.decode_listing(&bytes).unwrap_err();
    assert_eq!(error.code(), "unusable_schema");
    assert!(error.to_string().contains("as Listing: Incompatible schemata! The name"), "{error}");

    let error = codec.learn(RecordKind::Listing, 9, "{").unwrap_err();
    assert!(matches!(error, CodecError::InvalidSchema { .. }), "{error}");
    codec.learn_unusable(RecordKind::Listing, 10, "it is Protobuf").unwrap();
    let error = codec.decode_listing(&framed(10, &bytes)).unwrap_err();
    let DecodeError::UnusableSchema { schema_id: 10, detail, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(detail, "it is Protobuf");
}

#[test]
fn learning_has_an_end() {
    let codec = codec();
    for id in 0..1_000 {
        codec.learn_unusable(RecordKind::Sale, id, "no").unwrap();
    }
    codec.learn_unusable(RecordKind::Sale, 999, "still no").unwrap();
    let error = codec.learn_unusable(RecordKind::Sale, 1_000, "no").unwrap_err();
    assert!(matches!(error, CodecError::TooManySchemas { limit: 1_000, .. }), "{error}");
    let error = codec.learn(RecordKind::Sale, 1_000, RecordKind::Sale.schema_json()).unwrap_err();
    assert!(error.to_string().contains("schema 1000 is one too many"), "{error}");
    codec.learn(RecordKind::Listing, 1_000, RecordKind::Listing.schema_json()).unwrap();
}

#[test]
fn without_a_registry_nothing_is_asked_for_and_records_say_so() {
    let codec = Codec::new().unwrap();
    let bytes = framed(1, &codec.encode_sale(&examples::sale()).unwrap());
    codec.learn(RecordKind::Sale, 1, RecordKind::Sale.schema_json()).unwrap();
    assert_eq!(codec.unknown_id(RecordKind::Sale, &bytes), None);
    let error = codec.decode_sale(&bytes).unwrap_err();
    assert_eq!(error.code(), "schema_registry_not_configured");
    assert!(error.to_string().contains("schema_registry.url"), "{error}");
}

#[test]
fn a_record_that_is_too_large_anyway_is_not_asked_for() {
    let codec = codec();
    let bytes = framed(1, &vec![0; DEFAULT_MAX_RECORD_BYTES + 10]);
    assert_eq!(codec.unknown_id(RecordKind::Listing, &bytes), None);
    assert_eq!(codec.decode_listing(&bytes).unwrap_err().code(), "too_large");
}

proptest! {
    #[test]
    fn any_id_round_trips(id in any::<u32>()) {
        let codec = codec().write_as(RecordKind::Sale, id);
        let bytes = codec.encode_sale(&examples::sale()).unwrap();
        prop_assert_eq!(&bytes[1..5], &id.to_be_bytes());
        prop_assert_eq!(codec.decode_sale(&bytes), Ok(examples::sale()));
    }

    #[test]
    fn framed_bytes_of_any_kind_never_panic(
        id in 0_u32..4,
        datum in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let codec = codec().write_as(RecordKind::Listing, 0);
        codec.learn(RecordKind::Listing, 1, writers::PRODUCER).unwrap();
        codec.learn_unusable(RecordKind::Listing, 2, "no").unwrap();
        let bytes = [&[0], &id.to_be_bytes()[..], &datum].concat();
        if let Err(error) = codec.decode_listing(&bytes) {
            prop_assert!(DecodeError::CODES.contains(&error.code()));
        }
    }
}
