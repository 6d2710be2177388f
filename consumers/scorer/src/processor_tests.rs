//! One record in, one outcome out: no broker needed.

use model_core::estimate::NoEstimateReason;
use model_core::listing::Attribute;
use platform_kafka::dead_letter::read_back;
use prometheus::Registry;

use super::*;
use crate::testing::{TODAY, listing, market, model_ref, pricing_model, sales};

struct Fixture {
    processor: Processor,
    codec: Arc<Codec>,
}

impl Fixture {
    /// A processor that knows the market and its champion.
    fn ready() -> Self {
        let mut fixture = Self::empty();
        fixture.processor.engine.install(pricing_model(), model_ref("v7")).unwrap();
        for sale in sales() {
            let payload = fixture.codec.encode_sale(&sale).unwrap();
            let record = record("homes.sales.v1", &sale.key, payload);
            assert!(fixture.processor.sale(&record).is_none(), "{}", sale.key);
        }
        fixture
    }

    fn empty() -> Self {
        let codec = Arc::new(Codec::new().unwrap());
        let topics = TopicNames::new("homes.").unwrap();
        let metrics = ScorerMetrics::register(&Registry::new()).unwrap();
        let engine = PricingEngine::new(market());
        let processor = Processor::new(engine, None, 1 << 20, codec.clone(), &topics, metrics);
        Self { processor, codec }
    }

    fn encoded(&self, change: impl Fn(&mut Listing)) -> Record {
        let mut listing = listing();
        change(&mut listing);
        let payload = self.codec.encode_listing(&listing).unwrap();
        record("homes.listings.v1", &listing.key, payload)
    }

    fn answer(&mut self, record: &Record) -> Outgoing {
        match self.processor.listing(record).unwrap() {
            Outcome::Answered(outgoing) => outgoing,
            Outcome::DeadLetter(letter) => panic!("dead letter: {:?}", letter.headers),
        }
    }

    fn refuse(&mut self, record: &Record) -> Outgoing {
        match self.processor.listing(record).unwrap() {
            Outcome::DeadLetter(letter) => letter,
            Outcome::Answered(_) => panic!("answered: {record:?}"),
        }
    }

    fn decoded(&self, answer: &Outgoing) -> schemas::PublishedEstimate {
        self.codec.decode_price(answer.payload.as_deref().unwrap()).unwrap()
    }
}

fn record(topic: &str, key: &str, payload: Vec<u8>) -> Record {
    Record {
        topic: topic.into(),
        partition: 2,
        offset: 41,
        timestamp_ms: Some(TODAY.to_timestamp_ms()),
        key: Some(key.as_bytes().to_vec()),
        payload: Some(payload),
        headers: vec![
            Header::text("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            Header::text("internal", "not for consumers"),
        ],
    }
}

/// As the broker would hand the dead letter over.
fn stored(letter: &Outgoing) -> Record {
    Record {
        topic: letter.topic.clone(),
        partition: 0,
        offset: 0,
        timestamp_ms: letter.timestamp_ms,
        key: letter.key.clone(),
        payload: letter.payload.clone(),
        headers: letter.headers.clone(),
    }
}

#[test]
fn a_good_listing_is_answered_under_its_key_time_and_trace() {
    let mut fixture = Fixture::ready();
    let record = fixture.encoded(|_| {});
    let answer = fixture.answer(&record);
    assert_eq!(&*answer.topic, "homes.prices.v1");
    assert_eq!(answer.key.as_deref(), Some(b"L-1".as_slice()));
    assert_eq!(answer.timestamp_ms, record.timestamp_ms);
    assert_eq!(answer.headers, record.headers[..1]);
    let estimate = fixture.decoded(&answer).estimate;
    assert_eq!((estimate.event_date, estimate.model.as_ref()), (TODAY, Some(&model_ref("v7"))));
    let truth = 80.0 * listing().facts.living_area.unwrap();
    let price = estimate.price().unwrap();
    assert!((price.estimate / truth - 1.0).abs() < 0.1, "{} {truth}", price.estimate);
    assert_eq!(price.features.len(), pricing_model().spec.len());
}

#[test]
fn an_estimate_is_named_by_its_record_and_its_model() {
    let mut fixture = Fixture::ready();
    let record = fixture.encoded(|_| {});
    let first = fixture.answer(&record);
    assert_eq!(fixture.answer(&record), first, "a repeat is the same, byte for byte");
    let id = fixture.decoded(&first).estimate_id;
    assert_eq!(id, estimate_id("homes.listings.v1", 2, 41, "v7"));
    let next = fixture.answer(&Record { offset: 42, ..record.clone() });
    assert_ne!(fixture.decoded(&next).estimate_id, id);
    fixture.processor.engine.install(pricing_model(), model_ref("v8")).unwrap();
    let swapped = fixture.answer(&record);
    assert_ne!(fixture.decoded(&swapped).estimate_id, id);
}

#[test]
fn what_cannot_be_priced_is_answered_with_a_reason() {
    let mut fixture = Fixture::ready();
    let missing = fixture.encoded(|listing| listing.facts.living_area = None);
    let outcome = |fixture: &mut Fixture, record: &Record| {
        let answer = fixture.answer(record);
        match fixture.decoded(&answer).estimate.outcome {
            PriceOutcome::NoEstimate { reason, detail } => (reason, detail),
            PriceOutcome::Priced(price) => panic!("priced at {}", price.estimate),
        }
    };
    let (reason, detail) = outcome(&mut fixture, &missing);
    assert_eq!(
        (reason, detail.as_str()),
        (NoEstimateReason::MissingFacts, "LivingArea is missing")
    );
    let count = |fixture: &Fixture, label: &str| {
        fixture.processor.metrics.listings.with_label_values(&[label]).get()
    };
    assert_eq!((count(&fixture, "missing_facts"), count(&fixture, "priced")), (1, 0));

    let mut empty = Fixture::empty();
    let record = empty.encoded(|_| {});
    assert_eq!(outcome(&mut empty, &record).0, NoEstimateReason::NoChampion);
}

/// A hostile payload, its bounded code, its stage, and what its message must name.
type Hostile = (&'static str, Vec<u8>, &'static str, &'static str, &'static str);

fn hostile(codec: &Codec) -> Vec<Hostile> {
    let encoded = |change: &dyn Fn(&mut Listing)| {
        let mut listing = listing();
        change(&mut listing);
        codec.encode_listing(&listing).unwrap()
    };
    let good = encoded(&|_| {});
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let json = |text: &str| text.as_bytes().to_vec();
    let (read, held) = ("VALUE_CONVERTER", "TRANSFORMATION");
    vec![
        ("empty", vec![], "empty", read, "empty"),
        ("noise", b"\xff\xfenoise".to_vec(), "unknown_framing", read, "fffe"),
        ("cut header", good[..7].to_vec(), "truncated", read, "7 bytes"),
        ("cut datum", good[..good.len() - 3].to_vec(), "truncated", read, "ends after"),
        ("other schema", with(&|b| b[5] ^= 1), "unknown_schema", read, "fingerprint"),
        ("registry", vec![0, 0, 0, 0, 9, 1], "schema_registry_not_configured", read, "id 9"),
        ("a sale", codec.encode_sale(&sales()[0]).unwrap(), "wrong_record", read, "Sale"),
        ("more bytes", with(&|b| b.push(0)), "trailing_bytes", read, "1 bytes follow"),
        ("too large", vec![0xc3; (1 << 20) + 1], "too_large", read, "1048577 bytes"),
        ("bad json", json("{\"ListingKey\": "), "invalid_json", read, "JSON"),
        (
            "unknown field",
            json(r#"{"ListingKey":"L-1","ListingContractDate":"1995-06-19","Beds":3}"#),
            "unknown_field",
            read,
            "Beds",
        ),
        ("no date", json(r#"{"ListingKey":"L-1"}"#), "missing_field", read, "ListingContractDate"),
        (
            "text for a number",
            json(r#"{"ListingKey":"L-1","ListingContractDate":"1995-06-19","LivingArea":"big"}"#),
            "wrong_type",
            read,
            "LivingArea",
        ),
        (
            "no such day",
            json(r#"{"ListingKey":"L-1","ListingContractDate":"1995-02-30"}"#),
            "invalid_value",
            read,
            "ListingContractDate",
        ),
        (
            "NaN",
            encoded(&|l| l.facts.living_area = Some(f64::NAN)),
            "not_finite",
            held,
            "LivingArea",
        ),
        (
            "negative",
            encoded(&|l| l.facts.living_area = Some(-1_200.0)),
            "out_of_range",
            held,
            "LivingArea",
        ),
        (
            "on the moon",
            encoded(&|l| l.facts.latitude = Some(141.6)),
            "out_of_range",
            held,
            "Latitude",
        ),
        (
            "years ahead",
            encoded(&|l| l.listed_on = l.listed_on.plus_days(3_650)),
            "future_date",
            held,
            "ListingContractDate",
        ),
        ("no currency", encoded(&|l| l.currency = "$".into()), "out_of_range", held, "Currency"),
        (
            "endless text",
            encoded(&|l| {
                let text = Attribute::Text("x".repeat(5_000));
                l.facts.attributes.insert("remarks".into(), text);
            }),
            "too_long",
            held,
            "attributes.remarks",
        ),
        ("nameless", encoded(&|l| l.key = String::new()), "missing_field", held, "ListingKey"),
    ]
}

#[test]
fn every_hostile_record_is_a_dead_letter_that_says_where_and_why() {
    let mut fixture = Fixture::ready();
    let codec = fixture.codec.clone();
    for (name, payload, code, stage, named) in hostile(&codec) {
        let record = record("homes.listings.v1", "L-1", payload);
        let letter = fixture.refuse(&record);
        assert_eq!(&*letter.topic, "homes.listings.v1.dlq");
        assert_eq!((&letter.key, &letter.payload), (&record.key, &record.payload), "{name}");
        let read = read_back(&stored(&letter)).unwrap();
        assert_eq!(read.original.headers, record.headers, "{name}");
        assert_eq!(read.original.timestamp_ms, record.timestamp_ms, "{name}");
        assert_eq!(
            (read.topic.as_str(), read.partition, read.offset),
            ("homes.listings.v1", 2, 41)
        );
        assert_eq!((read.code.as_str(), read.stage.as_str()), (code, stage), "{name}");
        assert!(read.class_name.starts_with("homestream."), "{name}: {}", read.class_name);
        assert!(read.message.contains(named), "{name}: {}", read.message);
        let counted = &fixture.processor.metrics.dead_letters;
        assert!(counted.with_label_values(&[code]).get() > 0, "{name}");
    }
    let record = fixture.encoded(|_| {});
    fixture.answer(&record);
}

#[test]
fn a_tombstone_is_a_dead_letter_without_a_payload() {
    let mut fixture = Fixture::ready();
    let record = Record { payload: None, ..fixture.encoded(|_| {}) };
    let letter = fixture.refuse(&record);
    assert_eq!(letter.payload, None);
    assert_eq!(read_back(&stored(&letter)).unwrap().code, "empty");
}

#[test]
fn a_record_under_another_key_is_a_dead_letter_and_one_without_a_key_is_not() {
    let mut fixture = Fixture::ready();
    let good = fixture.encoded(|_| {});
    let other = Record { key: Some(b"L-\xff2".to_vec()), ..good.clone() };
    let letter = fixture.refuse(&other);
    let read = read_back(&stored(&letter)).unwrap();
    assert_eq!((read.code.as_str(), read.stage.as_str()), ("key_mismatch", "KEY_CONVERTER"));
    assert!(read.message.starts_with("ListingKey is \"L-1\""), "{}", read.message);
    assert_eq!(letter.key, other.key, "as received");
    let answer = fixture.answer(&Record { key: None, ..good });
    assert_eq!(answer.key.as_deref(), Some(b"L-1".as_slice()));
}

#[test]
fn a_date_is_held_against_the_record_and_needs_no_time_to_be_priced() {
    let mut fixture = Fixture::ready();
    let good = fixture.encoded(|_| {});
    let early = TODAY.plus_days(-3).to_timestamp_ms();
    let letter = fixture.refuse(&Record { timestamp_ms: Some(early), ..good.clone() });
    assert_eq!(read_back(&stored(&letter)).unwrap().code, "future_date");
    let answer = fixture.answer(&Record { timestamp_ms: None, ..good });
    assert_eq!(answer.timestamp_ms, None);
}

#[test]
fn a_bad_sale_is_a_dead_letter_and_changes_no_price() {
    let mut fixture = Fixture::ready();
    let listing = fixture.encoded(|_| {});
    let before = fixture.answer(&listing);
    let known = fixture.processor.engine.indexed_sales();
    let mut cheap = sales()[299].clone();
    cheap.price = -1.0;
    let negative = fixture.codec.encode_sale(&cheap).unwrap();
    for (payload, code, named) in [
        (negative.clone(), "out_of_range", "ClosePrice"),
        (negative[..20].to_vec(), "truncated", "ends after"),
        (b"junk".to_vec(), "unknown_framing", "6a756e6b"),
    ] {
        let record = record("homes.sales.v1", &cheap.key, payload);
        let letter = fixture.processor.sale(&record).unwrap();
        let read = read_back(&stored(&letter)).unwrap();
        assert_eq!((read.topic.as_str(), read.code.as_str()), ("homes.sales.v1", code));
        assert!(read.message.contains(named), "{}", read.message);
    }
    assert_eq!(fixture.processor.engine.indexed_sales(), known);
    assert_eq!(fixture.answer(&listing), before);
}

#[test]
fn a_sale_outside_the_area_is_left_out() {
    let mut fixture = Fixture::empty();
    let north = Area { south: 41.6, west: -180.0, north: 90.0, east: 180.0 };
    fixture.processor.area = Some(north);
    for sale in sales() {
        let payload = fixture.codec.encode_sale(&sale).unwrap();
        assert!(fixture.processor.sale(&record("homes.sales.v1", &sale.key, payload)).is_none());
    }
    let inside = sales().iter().filter(|sale| sale.facts.latitude >= Some(41.6)).count();
    assert!((100..200).contains(&inside), "{inside}");
    assert_eq!(fixture.processor.engine.indexed_sales(), inside);
}

#[test]
fn headers_too_long_to_be_a_context_stay_behind() {
    let mut fixture = Fixture::ready();
    let mut record = fixture.encoded(|_| {});
    record.headers = vec![
        Header::text("traceparent", "0".repeat(1 << 10)),
        Header::text("tracestate", "a=1,".repeat(1 << 10)),
    ];
    assert_eq!(fixture.answer(&record).headers, []);
    record.headers = vec![Header::text("tracestate", "vendor=1")];
    assert_eq!(fixture.answer(&record).headers, record.headers);
}
