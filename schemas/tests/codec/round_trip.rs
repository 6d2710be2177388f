//! Domain types survive their bytes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use model_core::drift_report::{
    BinShare, DriftReport, FeatureDrift, Promise, RuleFinding, SegmentAccuracy, Verdict, Window,
    WindowAccuracy,
};
use model_core::listing::{Facts, Listing};
use model_core::registry::{Lineage, RegistryAction, RegistryEvent};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use schemas::{Codec, EncodeError};

use crate::examples;
use crate::strategies::{bits, date, estimate, listing, sale, text};

/// Counts that Avro's signed `long` can hold.
fn count() -> impl Strategy<Value = u64> {
    0..=i64::MAX.unsigned_abs()
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
    let optional = proptest::array::uniform3(option::of(bits()));
    let more = (optional, btree_map(text(), bits(), 0..3), text());
    (names, numbers, verdict(), count(), count(), bins, more).prop_map(
        |([feature, kind, statistic], numbers, verdict, n_reference, n_current, bins, more)| {
            let ([p_value, q_value, importance], statistics, hint) = more;
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
                p_value,
                q_value,
                importance,
                statistics,
                hint,
            }
        },
    )
}

fn promise() -> impl Strategy<Value = Option<Promise>> {
    option::of((count(), bits(), bits()).prop_map(|(n, mdape, ppe10)| Promise { n, mdape, ppe10 }))
}

fn finding() -> impl Strategy<Value = RuleFinding> {
    let texts = proptest::array::uniform3(text());
    (texts, bits(), bits(), option::of(bits()), option::of(bits()), verdict()).prop_map(
        |([rule, subject, detail], value, threshold, expected, p_value, verdict)| RuleFinding {
            rule,
            subject,
            value,
            expected,
            threshold,
            p_value,
            verdict,
            detail,
        },
    )
}

fn segment() -> impl Strategy<Value = SegmentAccuracy> {
    (text(), count(), proptest::array::uniform3(bits())).prop_map(
        |(segment, n, [mdape, median_ratio, coverage90])| SegmentAccuracy {
            segment,
            n,
            mdape,
            median_ratio,
            coverage90,
        },
    )
}

fn report() -> impl Strategy<Value = DriftReport> {
    let optional = proptest::array::uniform6(option::of(bits()));
    let accuracy = (count(), proptest::array::uniform5(bits()), optional, promise()).prop_map(
        |(n, [mdape, ppe10, median_ratio, coverage90, level_error], optional, promised)| {
            let [expected_mdape, rmse, bias, cod, prd, prb] = optional;
            WindowAccuracy {
                n,
                mdape,
                ppe10,
                median_ratio,
                coverage90,
                level_error,
                expected_mdape,
                rmse,
                bias,
                cod,
                prd,
                prb,
                promised,
            }
        },
    );
    let head = (date(), date(), verdict(), text(), proptest::array::uniform3(count()));
    let rules = proptest::array::uniform3(vec(text(), 0..3));
    let more = (promise(), vec(finding(), 0..3), vec(segment(), 0..3));
    (head, vec(drift(), 0..4), option::of(drift()), option::of(accuracy), rules, more).prop_map(
        |(head, features, estimate, accuracy, [fired, inhibited, data_faults], more)| DriftReport {
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
            inhibited,
            data_faults,
            promised: more.0,
            findings: more.1,
            segments: more.2,
        },
    )
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
