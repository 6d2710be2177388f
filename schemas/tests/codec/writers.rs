//! Records written with a schema other than the current one.

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use model_core::listing::{Attribute, Facts, Listing, SQUARE_FEET_PER_SQUARE_METRE};
use schemas::{Codec, CodecError, RecordKind, SINGLE_OBJECT_MAGIC};

use crate::examples::{self, day};

/// A producer's own schema: fewer fields in another order, amounts as `long`, no unions.
pub(crate) const PRODUCER: &str = r#"{
    "type": "record", "name": "Listing", "namespace": "com.example.mls", "fields": [
        {"name": "ListPrice", "type": "long"},
        {"name": "ListingKey", "type": "string"},
        {"name": "ListingContractDate", "type": {"type": "int", "logicalType": "date"}},
        {"name": "LivingArea", "type": ["null", "int"]},
        {"name": "LivingAreaUnits", "type": "string"},
        {"name": "AgentName", "type": "string"},
        {"name": "attributes", "type": {"type": "map", "values": "string"}}
    ]
}"#;

/// A codec that accepts the producer's schema.
pub(crate) fn codec() -> Codec {
    Codec::new().unwrap().accept(RecordKind::Listing, PRODUCER).unwrap()
}

/// A listing as the producer writes it.
pub(crate) fn produced() -> Vec<u8> {
    produced_as(&schemas::schema_fingerprint(PRODUCER).unwrap())
}

fn produced_as(fingerprint: &[u8]) -> Vec<u8> {
    // The codec sets the process-wide allocation limit, so it comes first.
    let _codec = codec();
    let schema = Schema::parse_str(PRODUCER).unwrap();
    let fields = [
        ("ListPrice", Value::Long(84_900)),
        ("ListingKey", Value::String("LC-1042".into())),
        ("ListingContractDate", Value::Date(9_678)),
        ("LivingArea", Value::Union(1, Box::new(Value::Int(100)))),
        ("LivingAreaUnits", Value::String("Square Meters".into())),
        ("AgentName", Value::String("Ann".into())),
        ("attributes", Value::Map([("wall".into(), Value::String("brick".into()))].into())),
    ];
    let record = Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).to_vec());
    let mut bytes = SINGLE_OBJECT_MAGIC.to_vec();
    bytes.extend(fingerprint);
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    bytes.extend(writer.write_value_to_vec(record).unwrap());
    bytes
}

#[test]
fn a_producers_own_schema_is_resolved_to_the_current_one() {
    let facts = Facts {
        living_area: Some(100.0 * SQUARE_FEET_PER_SQUARE_METRE),
        attributes: [("wall".into(), Attribute::Text("brick".into()))].into(),
        ..Facts::default()
    };
    let expected = Listing {
        key: "LC-1042".into(),
        listed_on: day("1996-07-01"),
        list_price: Some(84_900.0),
        currency: "USD".into(),
        facts,
    };
    assert_eq!(codec().decode_listing(&produced()).as_ref(), Ok(&expected));
    // The same, from a program that uses the Avro library's own fingerprint.
    let library = Schema::parse_str(PRODUCER).unwrap().fingerprint::<Rabin>().bytes;
    assert_ne!(produced()[2..10], library, "the library now agrees: drop its fingerprints");
    assert_eq!(codec().decode_listing(&produced_as(&library)), Ok(expected));
}

#[test]
fn the_librarys_fingerprint_of_the_current_schema_is_accepted_too() {
    let codec = codec();
    let mut bytes = codec.encode_listing(&examples::listing()).unwrap();
    let schema = Schema::parse_str(RecordKind::Listing.schema_json()).unwrap();
    bytes[2..10].copy_from_slice(&schema.fingerprint::<Rabin>().bytes);
    assert_eq!(codec.decode_listing(&bytes), Ok(examples::listing()));
}

#[test]
fn its_faults_are_told_as_those_of_the_current_schema() {
    let bytes = produced();
    let codec = codec();
    for end in 10..bytes.len() {
        let error = codec.decode_listing(&bytes[..end]).unwrap_err();
        assert_eq!(error.code(), "truncated", "cut at {end}: {error}");
    }
    let error = codec.decode_listing(&[bytes.as_slice(), &[0, 0]].concat()).unwrap_err();
    assert_eq!(error.to_string(), "2 bytes follow the Listing, expected none");
    let error = Codec::new().unwrap().decode_listing(&bytes).unwrap_err();
    assert_eq!(error.code(), "unknown_schema");
    let fingerprint = Codec::new().unwrap().fingerprint(RecordKind::Listing);
    let known: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(error.to_string().ends_with(&format!("known are {known}")), "{error}");
}

#[test]
fn the_current_schema_is_still_read_directly() {
    let codec = codec();
    let bytes = codec.encode_listing(&examples::listing()).unwrap();
    assert_eq!(codec.decode_listing(&bytes), Ok(examples::listing()));
}

#[test]
fn schemas_that_cannot_be_read_or_are_not_safe_are_refused() {
    let fields = |fields: &str| {
        format!(
            r#"{{"type": "record", "name": "Listing", "fields": [
                {{"name": "ListingKey", "type": "string"}}, {fields}]}}"#
        )
    };
    let date = r#"{"name": "ListingContractDate", "type": "int"}"#;
    for (schema, reason) in [
        (fields(r#"{"name": "ListPrice", "type": "long"}"#), "ListingContractDate"),
        (fields(r#"{"name": "ListingContractDate", "type": "string"}"#), "ListingContractDate"),
        (fields(&format!(r#"{date}, {{"name": "x", "type": ["null", "Listing"]}}"#)), "itself"),
        (
            fields(&format!(
                r#"{date}, {{"name": "x", "type": {{"type": "array", "items": "null"}}}}"#
            )),
            "no bytes",
        ),
    ] {
        let error = Codec::new().unwrap().accept(RecordKind::Listing, &schema).unwrap_err();
        assert!(matches!(error, CodecError::Incompatible { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    let error = Codec::new().unwrap().accept(RecordKind::Listing, "{").unwrap_err();
    assert!(matches!(error, CodecError::InvalidSchema { .. }), "{error}");
}
