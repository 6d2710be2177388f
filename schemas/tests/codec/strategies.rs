//! Any listing, sale and price estimate: for the tests from outside and for those within.

use model_core::date::EventDate;
use model_core::estimate::{
    Comparable, Contribution, ExternalFacts, ExternalStatus, Interval, ModelRef, NoEstimateReason,
    Price, PriceEstimate, PriceOutcome,
};
use model_core::listing::{Attribute, Facts, Listing, Sale};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

pub(crate) fn text() -> impl Strategy<Value = String> {
    any::<String>()
}

pub(crate) fn date() -> impl Strategy<Value = EventDate> {
    any::<i32>().prop_map(EventDate)
}

/// Any bits at all, NaN and infinities included.
pub(crate) fn bits() -> impl Strategy<Value = f64> {
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

pub(crate) fn listing() -> impl Strategy<Value = Listing> {
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

pub(crate) fn sale() -> impl Strategy<Value = Sale> {
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

pub(crate) fn estimate() -> impl Strategy<Value = PriceEstimate> {
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
