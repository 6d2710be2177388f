//! Whatever the bytes, decoding ends in a value or an error with a known code.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use schemas::{Codec, CodecError, DEFAULT_MAX_RECORD_BYTES, DecodeError, MAX_RECORD_BYTES_LIMIT};

use crate::{examples, writers};

/// One valid record of each kind and encoding.
fn valid() -> &'static [Vec<u8>] {
    static VALID: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| make_valid(codec()));
    &VALID
}

fn make_valid(codec: &Codec) -> Vec<Vec<u8>> {
    vec![
        codec.encode_listing(&examples::listing()).unwrap(),
        codec.encode_sale(&examples::sale()).unwrap(),
        codec.encode_price(&examples::estimate(), "id").unwrap(),
        codec.encode_price(&examples::no_estimate(), "id").unwrap(),
        codec.encode_drift_report(&examples::drift_report()).unwrap(),
        codec.encode_registry_event(&examples::registry_event()).unwrap(),
        br#"{"ListingKey": "1", "ListingContractDate": 9678, "attributes": {"a": 1}}"#.to_vec(),
        br#"{"ListingKey": "1", "CloseDate": "1996-08-15", "ClosePrice": 1e5}"#.to_vec(),
        writers::produced(),
    ]
}

/// Decodes as every record; returns how many could be read.
fn decode_all(bytes: &[u8]) -> usize {
    let codec = codec();
    let results = [
        codec.decode_listing(bytes).map(drop),
        codec.decode_sale(bytes).map(drop),
        codec.decode_price(bytes).map(drop),
        codec.decode_drift_report(bytes).map(drop),
        codec.decode_registry_event(bytes).map(drop),
    ];
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(DecodeError::CODES.contains(&error.code()));
        assert!(error.to_string().len() < 1_000, "{error}");
    }
    results.iter().filter(|result| result.is_ok()).count()
}

fn codec() -> &'static Codec {
    static CODEC: LazyLock<Codec> = LazyLock::new(writers::codec);
    &CODEC
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..300)) {
        decode_all(&bytes);
    }

    #[test]
    fn random_data_behind_a_valid_header(which in any::<Index>(), data in vec(any::<u8>(), 0..300)) {
        let mut bytes = which.get(valid())[..10].to_vec();
        bytes.extend(data);
        decode_all(&bytes);
    }

    #[test]
    fn mutations(
        which in any::<Index>(),
        changes in vec((any::<Index>(), any::<u8>()), 1..4),
        insert in vec(any::<u8>(), 0..12),
        at in any::<Index>(),
    ) {
        let mut bytes = which.get(valid()).clone();
        for (position, byte) in changes {
            *position.get_mut(&mut bytes) = byte;
        }
        let at = at.index(bytes.len());
        bytes.splice(at..at, insert);
        decode_all(&bytes);
    }
}

#[test]
fn every_truncation_is_an_error_and_so_is_every_addition() {
    for whole in valid() {
        assert_eq!(decode_all(whole), 1);
        for end in 0..whole.len() {
            assert_eq!(decode_all(&whole[..end]), 0, "cut at {end}");
        }
        for more in [&[0][..], &[0; 9], b"{}"] {
            assert_eq!(decode_all(&[whole.as_slice(), more].concat()), 0);
        }
    }
}

#[test]
fn truncated_avro_says_so() {
    let codec = codec();
    let whole = codec.encode_price(&examples::estimate(), "id").unwrap();
    for end in 1..whole.len() {
        let error = codec.decode_price(&whole[..end]).unwrap_err();
        assert_eq!(error.code(), "truncated", "cut at {end}: {error}");
    }
}

#[test]
fn lengths_that_lie_cost_nothing() {
    let codec = codec();
    let header = &codec.encode_listing(&examples::listing()).unwrap()[..10];
    // A key of 2^62 bytes, of 2^31 bytes, of -1 bytes; a varint without an end.
    for (length, code) in [
        (vec![0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], "malformed"),
        (vec![0xFE, 0xFF, 0xFF, 0xFF, 0x0F], "malformed"),
        (vec![0x01], "malformed"),
        (vec![0xFF; 12], "malformed"),
        (vec![0xFE, 0xFF, 0x01], "truncated"),
    ] {
        let error = codec.decode_listing(&[header, &length].concat()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    // Blocks of 2^62 attributes, and of -2^63.
    let whole = codec.encode_listing(&examples::listing()).unwrap();
    let name = b"garage_area";
    let attributes = whole.windows(name.len()).position(|window| window == name).unwrap() - 2;
    assert_eq!(whole[attributes..attributes + 2], [4, 22], "two attributes, the first of 11");
    for count in [
        vec![0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
        vec![0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
    ] {
        let bytes = [&whole[..attributes], &count, &whole[attributes + 1..]].concat();
        let error = codec.decode_listing(&bytes).unwrap_err();
        assert!(["malformed", "truncated"].contains(&error.code()), "{error}");
    }
}

#[test]
fn deep_json_is_refused() {
    for deep in ["[".repeat(500_000), "{\"a\":".repeat(200_000)] {
        let json = format!(r#"{{"ListingKey": {deep}"#);
        assert_eq!(codec().decode_listing(json.as_bytes()).unwrap_err().code(), "invalid_json");
    }
}

#[test]
fn framing_is_told_in_words() {
    let codec = codec();
    let sale = codec.encode_sale(&examples::sale()).unwrap();
    let too_large = vec![b'{'; DEFAULT_MAX_RECORD_BYTES + 1];
    for (bytes, code, message) in [
        (
            &b""[..],
            "empty",
            "record is empty, expected Avro single-object encoding (c3 01) or a JSON object ('{')",
        ),
        (
            &[0, 0, 0, 0, 42, 1, 2],
            "schema_registry_not_configured",
            "record is framed for a schema registry (0x00, schema id 42), and no schema registry \
             is configured: set schema_registry.url, or produce Avro single-object encoding",
        ),
        (
            &[0, 0, 0],
            "truncated",
            "record ends after 3 bytes, inside the framing of a schema registry (00 and a 4-byte \
             schema id)",
        ),
        (
            b"ListingKey,ListPrice",
            "unknown_framing",
            "record begins with bytes 4c697374696e674b, expected Avro single-object encoding (c3 \
             01) or a JSON object ('{')",
        ),
        (
            &[0xC3, 0x02, 0, 0, 0, 0, 0, 0, 0, 0],
            "unknown_framing",
            "record begins with bytes c302000000000000, expected Avro single-object encoding (c3 \
             01) or a JSON object ('{')",
        ),
        (
            &[0xC3, 0x01, 9],
            "truncated",
            "record ends after 3 bytes, inside the header of Avro single-object encoding (c3 01 \
             and an 8-byte fingerprint)",
        ),
        (&sale, "wrong_record", "record is a Sale, expected a Listing"),
        (
            &too_large,
            "too_large",
            "record of 1048577 bytes is larger than the limit of 1048576 bytes",
        ),
    ] {
        let error = codec.decode_listing(bytes).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    }
}

#[test]
fn values_without_meaning_are_errors() {
    let codec = codec();
    let whole = codec.encode_price(&examples::no_estimate(), "id").unwrap();
    let text = b"no_champion";
    let at = whole.windows(text.len()).position(|window| window == text).unwrap();
    let mut bytes = whole.clone();
    bytes[at..at + text.len()].copy_from_slice(b"no_chumpion");
    assert_eq!(
        codec.decode_price(&bytes).unwrap_err().to_string(),
        "no_estimate_reason is 'no_chumpion', expected a known reason code"
    );
    bytes[at + 3] = 0xFF;
    assert_eq!(codec.decode_price(&bytes).unwrap_err().code(), "malformed");
    // status estimate, without one
    let mut bytes = whole;
    bytes[at - 3] = 0;
    assert_eq!(codec.decode_price(&bytes).unwrap_err().to_string(), "estimate is missing");
}

#[test]
fn limits_are_checked_when_the_codec_is_built() {
    assert!(Codec::with_max_record_bytes(MAX_RECORD_BYTES_LIMIT).is_ok());
    let asked = MAX_RECORD_BYTES_LIMIT + 1;
    let error = Codec::with_max_record_bytes(asked).unwrap_err();
    assert_eq!(error, CodecError::RecordLimit { asked, limit: MAX_RECORD_BYTES_LIMIT });
}
