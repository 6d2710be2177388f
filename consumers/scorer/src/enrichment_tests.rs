//! Listings, filled in from sources of the tests' own, and priced.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use model_core::engine::PricingEngine;
use platform_facts::{
    Answer, BreakerSettings, CacheSettings, FactError, FactMetrics, FactSource, Lifetimes, Load,
};
use platform_kafka::Record;
use prometheus::Registry;
use schemas::{Codec, TopicNames};

use super::*;
use crate::metrics::ScorerMetrics;
use crate::processor::{Accepted, Processor};
use crate::testing::{TODAY, listing, market, model_ref, pricing_model, sales};

/// Rows by key, or an error; the keys that were asked for.
#[derive(Clone, Default)]
struct Fake {
    rows: Arc<Mutex<Option<BTreeMap<String, FactRow>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn with(rows: &[(&str, &[Option<FactValue>])]) -> Self {
        let fake = Self::default();
        let rows = rows.iter().map(|(key, row)| ((*key).to_owned(), (*row).into())).collect();
        *fake.rows.lock().unwrap() = Some(rows);
        fake
    }

    fn goes_down(&self) {
        *self.rows.lock().unwrap() = None;
    }
}

impl FactSource for Fake {
    fn max_keys(&self) -> usize {
        500
    }

    fn load<'a>(&'a self, keys: &'a [FactKey]) -> Load<'a> {
        self.asked.lock().unwrap().extend(keys.iter().map(|key| key.to_string()));
        let rows = self.rows.lock().unwrap().clone();
        let rows = rows.ok_or_else(|| FactError::Unreachable("down".into()));
        let answer = |rows: &BTreeMap<String, FactRow>, key: &FactKey| {
            rows.get(&**key).map_or(Answer::Absent, |row| Answer::Found(row.clone()))
        };
        let answers = rows.map(|rows| keys.iter().map(|key| answer(&rows, key)).collect());
        Box::pin(std::future::ready(answers))
    }
}

fn number(number: f64) -> Option<FactValue> {
    Some(FactValue::Number(number))
}

fn text(text: &str) -> Option<FactValue> {
    Some(FactValue::Text(text.into()))
}

fn source(name: &str, fake: &Fake, key: FactsKey, facts: &[(FactField, FactKind)]) -> FactsSource {
    let settings = CacheSettings {
        name: name.into(),
        lifetimes: Lifetimes {
            ttl: Duration::from_secs(60),
            negative_ttl: Duration::from_secs(60),
            stale_limit: Duration::from_secs(600),
        },
        timeout: Duration::from_secs(1),
        patience: Duration::from_millis(50),
        breaker: BreakerSettings { failures: 3, open_for: Duration::from_secs(5) },
        concurrency: 2,
        max_keys_in_flight: 1_000,
        max_bytes: 1 << 20,
    };
    let metrics = FactMetrics::register(&Registry::new()).unwrap();
    let facts = facts.iter().map(|(field, kind)| TakenFact { field: field.clone(), kind: *kind });
    FactsSource {
        cache: FactCache::new(settings, fake.clone(), &metrics),
        key,
        facts: facts.collect(),
    }
}

fn attribute(name: &str) -> FactField {
    FactField::Attribute(name.into())
}

fn told(source: &str, status: ExternalStatus, age_seconds: Option<i64>) -> ExternalFacts {
    ExternalFacts { source: source.into(), status, age_seconds }
}

#[tokio::test(start_paused = true)]
async fn what_a_listing_does_not_say_is_filled_in_and_nothing_else() {
    let parcels = Fake::with(&[("L-1", &[number(1.0), number(3.0), text("17"), text("yes")])]);
    let zips = Fake::with(&[("43604", &[number(2.5), text("first wins")])]);
    let enricher = Enricher::new(vec![
        source(
            "parcels",
            &parcels,
            FactsKey::ListingKey,
            &[
                (FactField::LivingArea, FactKind::AsIs),
                (FactField::BedroomsTotal, FactKind::AsIs),
                (attribute("age"), FactKind::Number),
                (attribute("pool"), FactKind::AsIs),
            ],
        ),
        source(
            "zips",
            &zips,
            FactsKey::PostalCode,
            &[(FactField::BathroomsFull, FactKind::AsIs), (attribute("pool"), FactKind::AsIs)],
        ),
    ]);
    let mut first = listing();
    first.facts.postal_code = Some("43604".into());
    let mut second = Listing { key: "L-2".into(), ..listing() };
    let before = (first.clone(), second.clone());
    let external = enricher.enrich([&mut first, &mut second].into_iter()).await;
    let mut expected = before.0;
    expected.facts.bedrooms_total = Some(3);
    expected.facts.attributes.insert("age".into(), Attribute::Number(17.0));
    expected.facts.attributes.insert("pool".into(), Attribute::Text("yes".into()));
    assert_eq!(first, expected, "2.5 baths are no baths, and the first pool stays");
    assert_eq!(second, before.1);
    use ExternalStatus::{Fresh, Missing};
    let known = vec![told("parcels", Fresh, Some(0)), told("zips", Fresh, Some(0))];
    let unknown = vec![told("parcels", Missing, Some(0)), told("zips", Missing, None)];
    assert_eq!(external, [known, unknown]);
    assert_eq!(*zips.asked.lock().unwrap(), ["43604"], "who has no key is not asked about");
}

#[tokio::test(start_paused = true)]
async fn an_attribute_can_be_the_key() {
    let fake = Fake::with(&[("7", &[number(1.0)]), ("7b", &[number(2.0)])]);
    let key = FactsKey::Attribute("parcel".into());
    let enricher =
        Enricher::new(vec![source("gis", &fake, key, &[(attribute("x"), FactKind::Text)])]);
    let with = |parcel: Attribute| {
        let mut listing = listing();
        listing.facts.attributes.insert("parcel".into(), parcel);
        listing
    };
    let mut listings =
        [with(Attribute::Number(7.0)), with(Attribute::Text("7b".into())), listing()];
    enricher.enrich(listings.iter_mut()).await;
    let x = |listing: &Listing| listing.facts.attributes.get("x").cloned();
    assert_eq!(x(&listings[0]), Some(Attribute::Text("1".into())));
    assert_eq!(x(&listings[1]), Some(Attribute::Text("2".into())));
    assert_eq!(x(&listings[2]), None);
}

#[test]
fn values_are_taken_as_the_settings_say() {
    let take = |kind: FactKind, value: Option<FactValue>| kind.take(&value.unwrap());
    assert_eq!(take(FactKind::Number, text("1.5")), Some(Attribute::Number(1.5)));
    assert_eq!(take(FactKind::Number, text("true")), Some(Attribute::Number(1.0)));
    assert_eq!(take(FactKind::Number, text("n/a")), None);
    assert_eq!(take(FactKind::Number, text("inf")), None);
    assert_eq!(take(FactKind::Text, number(43_604.0)), Some(Attribute::Text("43604".into())));
    assert_eq!(take(FactKind::AsIs, text("1.5")), Some(Attribute::Text("1.5".into())));
}

#[tokio::test]
async fn without_sources_nothing_is_done() {
    let mut listing = listing();
    let before = listing.clone();
    assert!(Enricher::default().enrich([&mut listing].into_iter()).await.is_empty());
    assert_eq!(listing, before);
}

/// A listing without a living area, which the model needs; a source that has it; what becomes
/// of the price while the source comes and goes.
#[tokio::test(start_paused = true)]
async fn a_price_says_how_good_its_external_facts_were() {
    let codec = Arc::new(Codec::new().unwrap());
    let topics = TopicNames::new("homes.").unwrap();
    let metrics = ScorerMetrics::register(&Registry::new()).unwrap();
    let mut engine = PricingEngine::new(market());
    engine.install(pricing_model(), model_ref("v7")).unwrap();
    sales().into_iter().for_each(|sale| engine.record_sale(sale));
    let mut processor = Processor::new(engine, None, 1 << 20, codec.clone(), &topics, metrics);
    let record = |listing: &Listing| Record {
        topic: "homes.listings.v1".into(),
        partition: 0,
        offset: 0,
        timestamp_ms: Some(TODAY.to_timestamp_ms()),
        key: Some(listing.key.as_bytes().to_vec()),
        payload: Some(codec.encode_listing(listing).unwrap()),
        headers: Vec::new(),
    };
    let area = listing().facts.living_area.unwrap();
    let fake = Fake::with(&[("L-1", &[number(area)])]);
    let facts = [(FactField::LivingArea, FactKind::AsIs)];
    let enricher = Enricher::new(vec![source("areas", &fake, FactsKey::ListingKey, &facts)]);

    let mut answer = async |key: &str| {
        let mut bare = Listing { key: key.into(), ..listing() };
        bare.facts.living_area = None;
        let record = record(&bare);
        let mut accepted = processor.accept(&record).unwrap();
        let mut external = enricher.enrich([&mut accepted].into_iter()).await;
        let outgoing = processor
            .price(vec![Accepted {
                record: &record,
                listing: &accepted,
                external: external.remove(0),
            }])
            .unwrap()
            .remove(0);
        codec.decode_price(outgoing.payload.as_deref().unwrap()).unwrap().estimate
    };
    use ExternalStatus::{Fresh, Missing, Stale, Unavailable};
    let fresh = answer("L-1").await;
    assert_eq!(fresh.external_facts, [told("areas", Fresh, Some(0))]);
    assert!(!fresh.price().unwrap().degraded);

    let nothing_known = answer("L-2").await;
    assert_eq!(nothing_known.external_facts, [told("areas", Missing, Some(0))]);
    assert!(nothing_known.price().is_none() && !nothing_known.is_degraded());

    fake.goes_down();
    tokio::time::advance(Duration::from_secs(90)).await;
    let stale = answer("L-1").await;
    assert_eq!(stale.external_facts, [told("areas", Stale, Some(90))]);
    assert_eq!(stale.price().unwrap().estimate, fresh.price().unwrap().estimate);
    assert!(stale.price().unwrap().degraded);

    let unavailable = answer("L-3").await;
    assert_eq!(unavailable.external_facts, [told("areas", Unavailable, None)]);
    assert!(unavailable.price().is_none() && unavailable.is_degraded());
}
