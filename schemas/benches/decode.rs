//! Encoding and decoding of the records on the hot path.

#![allow(missing_docs, reason = "criterion_group declares an undocumented function")]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use model_core::date::EventDate;
use model_core::estimate::{
    Comparable, Contribution, Interval, ModelRef, Price, PriceEstimate, PriceOutcome,
};
use model_core::listing::{Attribute, Facts, Listing};
use schemas::{Codec, CodecError};

/// Facts of the size that the shipped data has: all fields and ten attributes.
fn listing() -> Listing {
    let attributes = (0..10).map(|i| {
        let value = if i % 2 == 0 {
            Attribute::Number(f64::from(i) * 36.0)
        } else {
            Attribute::Text("wdshngl".into())
        };
        (format!("attribute_{i}"), value)
    });
    Listing {
        key: "LC-1042".into(),
        listed_on: EventDate(9_678),
        list_price: Some(84_900.0),
        currency: "USD".into(),
        facts: Facts {
            living_area: Some(1_436.0),
            lot_size: Some(6_080.0),
            bedrooms_total: Some(3),
            bathrooms_full: Some(1),
            bathrooms_half: Some(1),
            year_built: Some(1_927),
            stories: Some(1.5),
            property_type: Some("Residential".into()),
            postal_code: Some("43606".into()),
            latitude: Some(41.67),
            longitude: Some(-83.61),
            attributes: BTreeMap::from_iter(attributes),
        },
    }
}

/// Four intervals, ten contributions, five comparables, forty features.
fn estimate() -> PriceEstimate {
    let contribution =
        |i| Contribution { name: format!("feature_{i}"), amount: f64::from(i) * 100.0 };
    let interval = |level| Interval { level, lower: 66_000.0, upper: 104_000.0 };
    let comparable = |i| Comparable {
        listing_key: format!("LC-{i}"),
        closed_on: EventDate(9_600 + i),
        price: 80_000.0,
        adjusted_price: 81_500.0,
        time_adjustment: 900.0,
        size_adjustment: 600.0,
        distance_km: 0.42,
        weight: 0.2,
    };
    PriceEstimate {
        listing_key: "LC-1042".into(),
        event_date: EventDate(9_678),
        currency: "USD".into(),
        model: Some(ModelRef { version: "v3".into(), digest: "ab".repeat(32) }),
        feature_spec_hash: "5f0c".repeat(16),
        outcome: PriceOutcome::Priced(Box::new(Price {
            estimate: 83_250.5,
            lower: 66_000.0,
            upper: 104_000.0,
            interval_level: 0.9,
            intervals: [0.5, 0.8, 0.9, 0.95].map(interval).into(),
            fsd: 0.14,
            confidence: 53,
            base: 78_000.0,
            contributions: (0..10).map(contribution).collect(),
            comparables: (0..5).map(comparable).collect(),
            market_age_days: Some(11),
            features: (0..40).map(f64::from).collect(),
            market_level: 0.01,
            scale: 0.12,
            error_low: -1.9,
            error_high: 1.8,
            degraded: false,
        })),
        external_facts: Vec::new(),
    }
}

const JSON: &[u8] = br#"{"ListingKey": "LC-1042", "ListingContractDate": "1996-07-01",
    "LivingArea": 1436, "YearBuilt": 1927, "attributes": {"wall": "wdshngl"}}"#;

fn codec(c: &mut Criterion) {
    if let Err(error) = measure(c) {
        unreachable!("a codec can be built: {error}");
    }
}

fn measure(c: &mut Criterion) -> Result<(), CodecError> {
    let codec = Codec::new()?;
    let (listing, estimate) = (listing(), estimate());
    let id = schemas::estimate_id("homes.listings.v1", 0, 7, "v3");
    c.bench_function("encode_listing", |b| b.iter(|| codec.encode_listing(black_box(&listing))));
    let bytes = codec.encode_listing(&listing).unwrap_or_default();
    c.bench_function("decode_listing", |b| b.iter(|| codec.decode_listing(black_box(&bytes))));
    c.bench_function("decode_listing_json", |b| b.iter(|| codec.decode_listing(black_box(JSON))));
    c.bench_function("encode_price", |b| b.iter(|| codec.encode_price(black_box(&estimate), &id)));
    let bytes = codec.encode_price(&estimate, &id).unwrap_or_default();
    c.bench_function("decode_price", |b| b.iter(|| codec.decode_price(black_box(&bytes))));
    c.bench_function("estimate_id", |b| {
        b.iter(|| schemas::estimate_id(black_box("homes.listings.v1"), 0, 7, "v3"))
    });
    Ok(())
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots();
    targets = codec
}
criterion_main!(benches);
