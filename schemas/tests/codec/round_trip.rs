//! Domain types survive their bytes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use model_core::date::EventDate;
use model_core::drift_report::{
    BinShare, DriftReport, FeatureDrift, Verdict, Window, WindowAccuracy,
};
use model_core::estimate::{
    Comparable, Contribution, ExternalFacts, ExternalStatus, Interval, ModelRef, NoEstimateReason,
    Price, PriceEstimate, PriceOutcome,
};
use model_core::listing::{Attribute, Facts, Listing, Sale};
use model_core::registry::{Lineage, RegistryAction, RegistryEvent};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use schemas::{Codec, EncodeError};

use crate::examples;

/// Counts that Avro's signed `long` can hold.
fn count() -> impl Strategy<Value = u64> {
    0..=i64::MAX.unsigned_abs()
}

fn text() -> impl Strategy<Value = String> {
    any::<String>()
}

fn date() -> impl Strategy<Value = EventDate> {
    any::<i32>().prop_map(EventDate)
}

/// Any bits at all, NaN and infinities included.
fn bits() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

fn attribute() -> impl Strategy<Value = Attribute> {
    prop_oneof![bits().prop_map(Attribute::Number), text().prop_map(Attribute::Text)]
}

fn facts() -> impl Strategy<Value = Facts> {
    let areas = (option::of(bits()), option::of(bits()), option::of(bits()));
    let counts = proptest::array::uniform4(option::of(any::<i32>()));
    let texts = (option::of(text()), option::of(text()));
    let place = (option::of(bits()), option::of(bits()));
    (areas, counts, texts, place, btree_map(text(), attribute(), 0..5)).prop_map(
        |(areas, counts, texts, place, attributes)| Facts {
            living_area: areas.0,
            lot_size: areas.1,
            stories: areas.2,
            bedrooms_total: counts[0],
            bathrooms_full: counts[1],
            bathrooms_half: counts[2],
            year_built: counts[3],
            property_type: texts.0,
            postal_code: texts.1,
            latitude: place.0,
            longitude: place.1,
            attributes,
        },
    )
}

fn listing() -> impl Strategy<Value = Listing> {
    (text(), date(), option::of(bits()), text(), facts()).prop_map(
        |(key, listed_on, list_price, currency, facts)| Listing {
            key,
            listed_on,
            list_price,
            currency,
            facts,
        },
    )
}

fn sale() -> impl Strategy<Value = Sale> {
    (text(), date(), bits(), text(), facts()).prop_map(
        |(key, closed_on, price, currency, facts)| Sale { key, closed_on, price, currency, facts },
    )
}

fn price() -> impl Strategy<Value = Price> {
    let numbers = proptest::array::uniform10(bits());
    let contributions =
        vec((text(), bits()).prop_map(|(name, amount)| Contribution { name, amount }), 0..4);
    let comparable = (text(), date(), proptest::array::uniform6(bits())).prop_map(
        |(listing_key, closed_on, numbers)| Comparable {
            listing_key,
            closed_on,
            price: numbers[0],
            adjusted_price: numbers[1],
            time_adjustment: numbers[2],
            size_adjustment: numbers[3],
            distance_km: numbers[4],
            weight: numbers[5],
        },
    );
    let interval = proptest::array::uniform3(bits()).prop_map(|[level, lower, upper]| Interval {
        level,
        lower,
        upper,
    });
    let age = option::of(any::<i32>());
    let told = (vec(interval, 0..4), 0..=100_u8, contributions, vec(comparable, 0..3));
    (numbers, told, age, vec(bits(), 0..30), any::<bool>()).prop_map(
        |(numbers, told, market_age_days, features, degraded)| {
            let (intervals, confidence, contributions, comparables) = told;
            Price {
                intervals,
                confidence,
                estimate: numbers[0],
                lower: numbers[1],
                upper: numbers[2],
                interval_level: numbers[3],
                fsd: numbers[4],
                base: numbers[5],
                market_level: numbers[6],
                scale: numbers[7],
                error_low: numbers[8],
                error_high: numbers[9],
                contributions,
                comparables,
                market_age_days,
                features,
                degraded,
            }
        },
    )
}

fn estimate() -> impl Strategy<Value = PriceEstimate> {
    let outcome = prop_oneof![
        price().prop_map(|price| PriceOutcome::Priced(Box::new(price))),
        (proptest::sample::select(NoEstimateReason::ALL.to_vec()), text())
            .prop_map(|(reason, detail)| PriceOutcome::NoEstimate { reason, detail }),
    ];
    let model =
        option::of((text(), text()).prop_map(|(version, digest)| ModelRef { version, digest }));
    (text(), date(), text(), model, text(), outcome, vec(external_facts(), 0..3)).prop_map(
        |(listing_key, event_date, currency, model, feature_spec_hash, outcome, external)| {
            let external_facts = Vec::new();
            PriceEstimate {
                listing_key,
                event_date,
                currency,
                model,
                feature_spec_hash,
                outcome,
                external_facts,
            }
            .with_external_facts(external)
        },
    )
}

fn external_facts() -> impl Strategy<Value = ExternalFacts> {
    use ExternalStatus::{Fresh, Missing, Stale, Unavailable};
    let status = proptest::sample::select(vec![Fresh, Stale, Missing, Unavailable]);
    (text(), status, option::of(any::<i64>()))
        .prop_map(|(source, status, age_seconds)| ExternalFacts { source, status, age_seconds })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    proptest::sample::select(vec![Verdict::Ok, Verdict::Warning, Verdict::Drift])
}

fn drift() -> impl Strategy<Value = FeatureDrift> {
    let bins = vec(
        (text(), bits(), bits()).prop_map(|(label, reference, current)| BinShare {
            label,
            reference,
            current,
        }),
        0..3,
    );
    let names = proptest::array::uniform3(text());
    let numbers = proptest::array::uniform6(bits());
    (names, numbers, verdict(), count(), count(), bins).prop_map(
        |([feature, kind, statistic], numbers, verdict, n_reference, n_current, bins)| {
            FeatureDrift {
                feature,
                kind,
                statistic,
                value: numbers[0],
                expected: numbers[1],
                threshold_warning: numbers[2],
                threshold_drift: numbers[3],
                missing_reference: numbers[4],
                missing_current: numbers[5],
                verdict,
                n_reference,
                n_current,
                bins,
            }
        },
    )
}

fn report() -> impl Strategy<Value = DriftReport> {
    let accuracy = (count(), proptest::array::uniform5(bits()), option::of(bits())).prop_map(
        |(n, [mdape, ppe10, median_ratio, coverage90, level_error], expected_mdape)| {
            WindowAccuracy {
                n,
                mdape,
                ppe10,
                median_ratio,
                coverage90,
                level_error,
                expected_mdape,
            }
        },
    );
    let head = (date(), date(), verdict(), text(), proptest::array::uniform3(count()));
    (head, vec(drift(), 0..4), option::of(drift()), option::of(accuracy), vec(text(), 0..3))
        .prop_map(|(head, features, estimate, accuracy, fired)| DriftReport {
            window: Window { start: head.0, end: head.1 },
            verdict: head.2,
            model_version: head.3,
            n_estimates: head.4[0],
            n_no_estimate: head.4[1],
            n_sales: head.4[2],
            features,
            estimate,
            accuracy,
            fired,
        })
}

fn event() -> impl Strategy<Value = RegistryEvent> {
    let lineage = (proptest::array::uniform3(text()), date(), date(), count()).prop_map(
        |([strategy, feature_spec_hash, trigger], trained_from, trained_through, training_rows)| {
            Lineage {
                strategy,
                feature_spec_hash,
                trained_from,
                trained_through,
                training_rows,
                trigger,
            }
        },
    );
    let action = proptest::sample::select(RegistryAction::ALL.to_vec());
    let texts = proptest::array::uniform4(text());
    (
        texts,
        action,
        date(),
        option::of(text()),
        option::of(lineage),
        btree_map(text(), bits(), 0..4),
    )
        .prop_map(
            |([model, version, who, why], action, event_date, digest, lineage, metrics)| {
                RegistryEvent {
                    model,
                    version,
                    action,
                    event_date,
                    who,
                    why,
                    digest,
                    lineage,
                    metrics,
                }
            },
        )
}

/// Equal bit for bit: `Debug` prints every NaN alike and tells -0 from 0, and the bytes
/// written again tell NaNs apart.
macro_rules! survives {
    ($value:expr, $encode:expr, $decode:expr) => {{
        let bytes = $encode(&$value).unwrap();
        let back = $decode(&bytes).unwrap();
        prop_assert_eq!(format!("{:?}", back), format!("{:?}", $value));
        prop_assert_eq!($encode(&back).unwrap(), bytes);
    }};
}

fn codec() -> &'static Codec {
    static CODEC: LazyLock<Codec> = LazyLock::new(|| Codec::new().unwrap());
    &CODEC
}

proptest! {
    #[test]
    fn listings_and_sales_survive(listing in listing(), sale in sale()) {
        let codec = codec();
        survives!(listing, |v| codec.encode_listing(v), |b| codec.decode_listing(b));
        survives!(sale, |v| codec.encode_sale(v), |b| codec.decode_sale(b));
    }

    #[test]
    fn estimates_survive(estimate in estimate(), id in text()) {
        let codec = codec();
        survives!(
            estimate,
            |v| codec.encode_price(v, &id),
            |b| codec.decode_price(b).map(|published| {
                assert_eq!(published.estimate_id, id);
                published.estimate
            })
        );
    }

    #[test]
    fn drift_reports_survive(report in report()) {
        let codec = codec();
        survives!(report, |v| codec.encode_drift_report(v), |b| codec.decode_drift_report(b));
    }

    #[test]
    fn registry_events_survive(event in event()) {
        let codec = codec();
        survives!(event, |v| codec.encode_registry_event(v), |b| codec.decode_registry_event(b));
    }
}

#[test]
fn nothing_known_survives_too() {
    let codec = Codec::new().unwrap();
    let bare = Listing { facts: Facts::default(), list_price: None, ..examples::listing() };
    assert_eq!(codec.decode_listing(&codec.encode_listing(&bare).unwrap()), Ok(bare));
    let empty = RegistryEvent {
        digest: None,
        lineage: None,
        metrics: BTreeMap::new(),
        ..examples::registry_event()
    };
    let bytes = codec.encode_registry_event(&empty).unwrap();
    assert_eq!(codec.decode_registry_event(&bytes), Ok(empty));
}

#[test]
fn what_readers_would_refuse_is_not_written() {
    let codec = Codec::with_max_record_bytes(64).unwrap();
    let error = codec.encode_listing(&examples::listing()).unwrap_err();
    assert!(matches!(error, EncodeError::TooLarge { limit: 64, .. }), "{error}");

    let report = DriftReport { n_sales: u64::MAX, ..examples::drift_report() };
    let error = Codec::new().unwrap().encode_drift_report(&report).unwrap_err();
    assert_eq!(
        error.to_string(),
        "n_sales of DriftReport is 18446744073709551615, which the wire format cannot hold"
    );
}
