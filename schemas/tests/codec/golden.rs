//! Bytes that must never change: data on a topic outlives the program that wrote it.
//!
//! When a schema changes, keep these files and add `*.v2.hex`: the old bytes must still be
//! read, and new ones written.

use model_core::estimate::PriceEstimate;
use schemas::Codec;

use crate::examples;

const ID: &str = "32ceeed33ae1541d463a1c24b22b3412";

pub(crate) fn golden(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn identifiers_are_these() {
    assert_eq!(schemas::estimate_id("homes.listings.v1", 0, 7, "v3"), ID);
    assert_eq!(
        schemas::registry_event_id(&examples::registry_event()),
        "6b501221202ecfc6cc1e7896a0aaf060"
    );
}

#[test]
fn a_listing_is_these_bytes() {
    let bytes = golden(include_str!("golden/listing.v1.hex"));
    let codec = Codec::new().unwrap();
    assert_eq!(codec.encode_listing(&examples::listing()).unwrap(), bytes);
    assert_eq!(codec.decode_listing(&bytes), Ok(examples::listing()));
}

#[test]
fn a_sale_is_these_bytes() {
    let bytes = golden(include_str!("golden/sale.v1.hex"));
    let codec = Codec::new().unwrap();
    assert_eq!(codec.encode_sale(&examples::sale()).unwrap(), bytes);
    assert_eq!(codec.decode_sale(&bytes), Ok(examples::sale()));
}

#[test]
fn an_estimate_is_these_bytes() {
    let codec = Codec::new().unwrap();
    let check = |hex, estimate: PriceEstimate| {
        let bytes = golden(hex);
        assert_eq!(codec.encode_price(&estimate, ID).unwrap(), bytes);
        let published = codec.decode_price(&bytes).unwrap();
        assert_eq!(published.estimate_id, ID);
        // NaN is not equal to itself: compare what is written.
        assert_eq!(format!("{:?}", published.estimate), format!("{estimate:?}"));
        assert_eq!(codec.encode_price(&published.estimate, ID).unwrap(), bytes);
    };
    check(include_str!("golden/estimate.v3.hex"), examples::estimate());
    check(include_str!("golden/no_estimate.v3.hex"), examples::no_estimate());
}

#[test]
fn estimates_of_older_schemas_are_still_read() {
    let codec = Codec::new().unwrap();
    let check = |hex, estimate: PriceEstimate| {
        let published = codec.decode_price(&golden(hex)).unwrap();
        assert_eq!(published.estimate_id, ID);
        assert_eq!(format!("{:?}", published.estimate), format!("{estimate:?}"));
    };
    check(include_str!("golden/estimate.v1.hex"), examples::estimate_v1());
    check(include_str!("golden/no_estimate.v1.hex"), examples::no_estimate_v2());
    check(include_str!("golden/estimate.v2.hex"), examples::estimate_v2());
    check(include_str!("golden/no_estimate.v2.hex"), examples::no_estimate_v2());
}

#[test]
fn a_confidence_beyond_100_is_not_a_score() {
    let codec = Codec::new().unwrap();
    let bytes = golden(include_str!("golden/estimate.v2.hex"));
    // The score 53 is an int behind its branch of the union and after the spread 0.14.
    let mut known = 0.14_f64.to_le_bytes().to_vec();
    known.extend([2, 106]);
    let at = bytes.windows(known.len()).position(|window| window == known).unwrap();
    let score_at = at + known.len() - 1;
    for (score, wire) in [("101", &[0xCA, 0x01][..]), ("-1", &[0x01])] {
        let mut other = bytes.clone();
        other.splice(score_at..=score_at, wire.iter().copied());
        let error = codec.decode_price(&other).unwrap_err();
        assert_eq!(error.code(), "invalid_value", "{error}");
        assert!(error.to_string().contains(score), "{error}");
    }
}

#[test]
fn a_drift_report_is_these_bytes() {
    let bytes = golden(include_str!("golden/drift_report.v2.hex"));
    let codec = Codec::new().unwrap();
    assert_eq!(codec.encode_drift_report(&examples::drift_report()).unwrap(), bytes);
    assert_eq!(codec.decode_drift_report(&bytes), Ok(examples::drift_report()));
}

#[test]
fn a_drift_report_of_the_first_schema_is_still_read() {
    let bytes = golden(include_str!("golden/drift_report.v1.hex"));
    assert_eq!(Codec::new().unwrap().decode_drift_report(&bytes), Ok(examples::drift_report_v1()));
}

#[test]
fn a_registry_event_is_these_bytes() {
    let bytes = golden(include_str!("golden/registry_event.v1.hex"));
    let codec = Codec::new().unwrap();
    assert_eq!(codec.encode_registry_event(&examples::registry_event()).unwrap(), bytes);
    assert_eq!(codec.decode_registry_event(&bytes), Ok(examples::registry_event()));
}
