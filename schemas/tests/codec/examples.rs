//! One value of each record, with every field in use.

use std::collections::BTreeMap;

use model_core::date::EventDate;
use model_core::drift_report::{
    BinShare, DriftReport, FeatureDrift, Promise, RuleFinding, SegmentAccuracy, Verdict, Window,
    WindowAccuracy,
};
use model_core::estimate::{
    Comparable, Contribution, ExternalFacts, ExternalStatus, Interval, ModelRef, NoEstimateReason,
    Price, PriceEstimate, PriceOutcome,
};
use model_core::listing::{Attribute, Facts, Listing, Sale};
use model_core::registry::{Lineage, RegistryAction, RegistryEvent};

/// A date of the examples.
pub(crate) fn day(iso: &str) -> EventDate {
    EventDate::parse_iso(iso).unwrap()
}

/// Facts with every field known.
pub(crate) fn facts() -> Facts {
    Facts {
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
        attributes: BTreeMap::from([
            ("garage_area".into(), Attribute::Number(360.0)),
            ("wall".into(), Attribute::Text("wdshngl".into())),
        ]),
    }
}

/// A listing with every field known.
pub(crate) fn listing() -> Listing {
    Listing {
        key: "LC-1042".into(),
        listed_on: day("1996-07-01"),
        list_price: Some(84_900.0),
        currency: "USD".into(),
        facts: facts(),
    }
}

/// A sale with every field known.
pub(crate) fn sale() -> Sale {
    Sale {
        key: "LC-1042".into(),
        closed_on: day("1996-08-15"),
        price: 82_000.0,
        currency: "USD".into(),
        facts: facts(),
    }
}

/// A price with every field in use.
pub(crate) fn estimate() -> PriceEstimate {
    PriceEstimate {
        listing_key: "LC-1042".into(),
        event_date: day("1996-07-01"),
        currency: "USD".into(),
        model: Some(ModelRef { version: "v3".into(), digest: "ab".repeat(32) }),
        feature_spec_hash: "5f0c".into(),
        outcome: PriceOutcome::Priced(Box::new(Price {
            estimate: 83_250.5,
            lower: 66_000.0,
            upper: 104_000.0,
            interval_level: 0.9,
            intervals: vec![
                Interval { level: 0.5, lower: 76_000.0, upper: 91_000.0 },
                Interval { level: 0.9, lower: 66_000.0, upper: 104_000.0 },
            ],
            fsd: 0.14,
            confidence: 53,
            base: 78_000.0,
            contributions: vec![
                Contribution { name: "LivingArea".into(), amount: 6_000.5 },
                Contribution { name: "Other".into(), amount: -750.0 },
            ],
            comparables: vec![Comparable {
                listing_key: "LC-0007".into(),
                closed_on: day("1996-06-20"),
                price: 80_000.0,
                adjusted_price: 81_500.0,
                time_adjustment: 900.0,
                size_adjustment: 600.0,
                distance_km: 0.42,
                weight: 1.0,
            }],
            market_age_days: Some(11),
            features: vec![7.27, f64::NAN, -0.0],
            market_level: 0.01,
            scale: 0.12,
            error_low: -1.9,
            error_high: 1.8,
            degraded: true,
        })),
        external_facts: vec![
            ExternalFacts {
                source: "parcels".into(),
                status: ExternalStatus::Fresh,
                age_seconds: Some(61),
            },
            ExternalFacts {
                source: "flood".into(),
                status: ExternalStatus::Unavailable,
                age_seconds: None,
            },
        ],
    }
}

/// The price as it was before prices said what external sources had.
pub(crate) fn estimate_v2() -> PriceEstimate {
    PriceEstimate { external_facts: Vec::new(), ..estimate() }
}

/// The price as it was before prices had several intervals, a confidence score and
/// comparables whose adjustments are told apart.
pub(crate) fn estimate_v1() -> PriceEstimate {
    let mut estimate = estimate_v2();
    let PriceOutcome::Priced(price) = &mut estimate.outcome else { unreachable!() };
    price.intervals.clear();
    price.confidence = 0;
    for comparable in &mut price.comparables {
        (comparable.time_adjustment, comparable.size_adjustment) = (0.0, 0.0);
    }
    estimate
}

/// An answer without a price.
pub(crate) fn no_estimate() -> PriceEstimate {
    PriceEstimate {
        model: None,
        feature_spec_hash: String::new(),
        outcome: PriceOutcome::NoEstimate {
            reason: NoEstimateReason::NoChampion,
            detail: "no model version is champion".into(),
        },
        ..estimate()
    }
}

/// An answer without a price, from before answers said what external sources had.
pub(crate) fn no_estimate_v2() -> PriceEstimate {
    PriceEstimate { external_facts: Vec::new(), ..no_estimate() }
}

/// A drift report with every field in use.
pub(crate) fn drift_report() -> DriftReport {
    let drift = |feature: &str, kind: &str, verdict| FeatureDrift {
        feature: feature.into(),
        kind: kind.into(),
        statistic: "psi".into(),
        value: 0.31,
        expected: 0.02,
        threshold_warning: 0.1,
        threshold_drift: 0.25,
        verdict,
        n_reference: 12_000,
        n_current: 340,
        missing_reference: 0.01,
        missing_current: 0.5,
        bins: vec![BinShare { label: "stucco".into(), reference: 0.02, current: 0.09 }],
        p_value: Some(1e-9),
        q_value: Some(2e-8),
        importance: Some(0.03),
        statistics: BTreeMap::from([("ks".into(), 0.21)]),
        hint: "missing in 50.0 % of homes, 1.0 % before".into(),
    };
    DriftReport {
        window: Window { start: day("1996-06-01"), end: day("1996-07-01") },
        model_version: "v3".into(),
        n_estimates: 340,
        n_no_estimate: 2,
        n_sales: 310,
        features: vec![
            drift("wall", "categorical", Verdict::Drift),
            drift("LivingArea", "numeric", Verdict::Warning),
        ],
        estimate: Some(drift("estimate", "numeric", Verdict::Ok)),
        accuracy: Some(WindowAccuracy {
            n: 300,
            mdape: 0.11,
            ppe10: 0.46,
            median_ratio: 0.99,
            coverage90: 0.88,
            level_error: -0.03,
            expected_mdape: Some(0.1),
            rmse: Some(21_000.0),
            bias: Some(0.02),
            cod: Some(14.5),
            prd: Some(1.02),
            prb: Some(-0.03),
            promised: Some(Promise { n: 300, mdape: 0.1, ppe10: 0.5 }),
        }),
        verdict: Verdict::Drift,
        fired: vec!["feature_drift:wall".into()],
        inhibited: vec!["coverage:coverage90".into()],
        data_faults: vec!["feature_drift:wall".into()],
        promised: Some(Promise { n: 340, mdape: 0.09, ppe10: 0.55 }),
        findings: vec![RuleFinding {
            rule: "volume".into(),
            subject: "listings".into(),
            value: 340.0,
            expected: Some(330.0),
            threshold: 180.0,
            p_value: Some(0.4),
            verdict: Verdict::Ok,
            detail: "340 listings, about 330 expected".into(),
        }],
        segments: vec![SegmentAccuracy {
            segment: "area:43606".into(),
            n: 41,
            mdape: 0.12,
            median_ratio: 0.97,
            coverage90: 0.88,
        }],
    }
}

/// The same report, as the first schema had it.
pub(crate) fn drift_report_v1() -> DriftReport {
    let mut report = DriftReport {
        inhibited: Vec::new(),
        data_faults: Vec::new(),
        promised: None,
        findings: Vec::new(),
        segments: Vec::new(),
        ..drift_report()
    };
    for drift in report.features.iter_mut().chain(&mut report.estimate) {
        (drift.p_value, drift.q_value, drift.importance) = (None, None, None);
        drift.statistics.clear();
        drift.hint.clear();
    }
    report.accuracy = report.accuracy.map(|accuracy| WindowAccuracy {
        rmse: None,
        bias: None,
        cod: None,
        prd: None,
        prb: None,
        promised: None,
        ..accuracy
    });
    report
}

/// A registration with every field in use.
pub(crate) fn registry_event() -> RegistryEvent {
    RegistryEvent {
        model: "homes".into(),
        version: "v3".into(),
        action: RegistryAction::Registered,
        event_date: day("1996-07-01"),
        who: "trainer".into(),
        why: "drift in wall".into(),
        digest: Some("ab".repeat(32)),
        lineage: Some(Lineage {
            strategy: "boosted_trees".into(),
            feature_spec_hash: "5f0c".into(),
            trained_from: day("1993-01-04"),
            trained_through: day("1996-06-30"),
            training_rows: 12_000,
            trigger: "1996-06-01/1996-07-01".into(),
        }),
        metrics: BTreeMap::from([("mdape".into(), 0.1), ("ppe10".into(), 0.5)]),
    }
}
