//! Garbage made with the real codec: what every reader must refuse.

use model_core::date::EventDate;
use model_core::listing::{Attribute, Facts, Listing};
use producers::{GarbageKind, Garbler, OVERSIZED_BYTES, Records};
use schemas::{Codec, TopicNames};

fn listing(i: u32) -> Listing {
    let facts = Facts {
        living_area: (!i.is_multiple_of(7)).then_some(900.0 + f64::from(i)),
        bedrooms_total: i.is_multiple_of(2).then_some(3),
        latitude: Some(41.6),
        longitude: Some(-83.6),
        attributes: [("wall".to_owned(), Attribute::Text("brick".into()))].into(),
        ..Facts::default()
    };
    Listing {
        key: format!("home-{i}"),
        listed_on: EventDate(9_000 + i as i32),
        list_price: i.is_multiple_of(3).then_some(1e5),
        currency: "USD".into(),
        facts,
    }
}

#[test]
fn every_kind_of_garbage_is_bad_for_the_real_reader() {
    let records = Records::new(Codec::new().unwrap(), &TopicNames::new("homes.").unwrap());
    let encode = |listing: &Listing| records.listing(listing).unwrap().payload.unwrap();
    let is_bad = |payload: &[u8], date: EventDate| records.is_bad_listing(payload, date);
    let mut garbler = Garbler::new(&encode, &is_bad, 7);
    for (i, kind) in GarbageKind::ALL.into_iter().cycle().take(400).enumerate() {
        let listing = listing(i as u32);
        assert!(!is_bad(&encode(&listing), listing.listed_on), "{}", listing.key);
        let garbage = garbler.make(&listing, kind);
        assert!(is_bad(&garbage.payload, garbage.date), "{kind} {:02x?}", garbage.payload);
        assert!(garbage.payload.len() <= OVERSIZED_BYTES, "{kind}");
        let record = records.garbage(&garbage);
        assert_eq!(&*record.topic, "homes.listings.v1");
        assert_eq!(record.key.as_deref(), Some(garbage.key.as_bytes()));
        assert_eq!(record.timestamp_ms, Some(listing.listed_on.to_timestamp_ms()));
    }
}
