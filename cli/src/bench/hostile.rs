//! Hostile records among the listings: mutations of good ones, in every encoding that
//! readers recognise.

use model_core::date::EventDate;
use model_core::listing::Listing;
use platform_kafka::Outgoing;
use producers::{GARBAGE_KEY_PREFIX, GarbageKind, Garbler, Records};
use serde_json::{Map, Value, json};

/// Every run makes the same.
const SEED: u64 = 20_240_601;
/// Bytes before the datum in Avro's single-object encoding: two of mark, eight of fingerprint.
const SINGLE_OBJECT_HEADER: usize = 10;
/// Bytes before the datum in a schema registry's framing: 0, then the schema's id.
const REGISTRY_HEADER: [u8; 5] = [0, 0, 0, 0, 1];
/// An oversized record comes once in so many turns of its kind: each is a megabyte.
const OVERSIZED_EVERY: u64 = 8;

/// How a payload is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// Avro single-object encoding.
    SingleObject,
    /// A schema registry's framing.
    Registry,
    /// One JSON object.
    Json,
}

impl Encoding {
    const ALL: [Self; 3] = [Self::SingleObject, Self::Registry, Self::Json];

    fn name(self) -> &'static str {
        match self {
            Self::SingleObject => "avro",
            Self::Registry => "registry",
            Self::Json => "json",
        }
    }

    fn encode(self, records: &Records, listing: &Listing) -> Vec<u8> {
        let avro =
            || records.listing(listing).ok().and_then(|record| record.payload).unwrap_or_default();
        match self {
            Self::SingleObject => avro(),
            Self::Registry => {
                let datum = avro().split_off(SINGLE_OBJECT_HEADER);
                [REGISTRY_HEADER.as_slice(), &datum].concat()
            }
            Self::Json => to_json(listing).to_string().into_bytes(),
        }
    }

    /// Whether a reader that knows the schema under id 1 must refuse the payload.
    fn is_bad(self, records: &Records, payload: &[u8], header: &[u8], date: EventDate) -> bool {
        match (self, payload.strip_prefix(&REGISTRY_HEADER)) {
            (Self::Registry, Some(datum)) => {
                records.is_bad_listing(&[header, datum].concat(), date)
            }
            _ => records.is_bad_listing(payload, date),
        }
    }
}

/// Makes hostile records, in turn of every kind and encoding.
pub(crate) struct Hostile<'a> {
    records: &'a Records,
    made: u64,
}

impl<'a> Hostile<'a> {
    /// The first is number `made`: keys go on where another run's ended.
    pub(crate) fn new(records: &'a Records, made: u64) -> Self {
        Self { records, made }
    }

    /// The next hostile record, a mutation of this listing, for a record of that day.
    pub(crate) fn make(&mut self, listing: &Listing, date: EventDate) -> Outgoing {
        let (encoding, kind) = turn(self.made);
        let listing = Listing { listed_on: date, ..listing.clone() };
        let header: Vec<u8> = Encoding::SingleObject
            .encode(self.records, &listing)
            .into_iter()
            .take(SINGLE_OBJECT_HEADER)
            .collect();
        let encode = |listing: &Listing| encoding.encode(self.records, listing);
        let is_bad = |payload: &[u8], date| encoding.is_bad(self.records, payload, &header, date);
        let mut garbler = Garbler::new(&encode, &is_bad, SEED ^ self.made);
        let mut garbage = garbler.make(&listing, kind);
        garbage.key = format!("{GARBAGE_KEY_PREFIX}{}-{:08}", encoding.name(), self.made);
        self.made += 1;
        self.records.garbage(&garbage)
    }
}

/// Encoding and kind of the record of a number.
fn turn(number: u64) -> (Encoding, GarbageKind) {
    let (encodings, kinds) = (Encoding::ALL, GarbageKind::ALL);
    let at = |number: u64, length: usize| (number % length as u64) as usize;
    let encoding = encodings[at(number, encodings.len())];
    let round = number / encodings.len() as u64;
    let kind = kinds[at(round, kinds.len())];
    let again = round / kinds.len() as u64;
    match kind {
        GarbageKind::Oversized if !again.is_multiple_of(OVERSIZED_EVERY) => {
            (encoding, GarbageKind::BitFlipped)
        }
        kind => (encoding, kind),
    }
}

/// A listing as a person would write it by hand.
fn to_json(listing: &Listing) -> Value {
    let facts = &listing.facts;
    let fields = [
        ("ListingKey", json!(listing.key)),
        ("ListingContractDate", json!(listing.listed_on.to_string())),
        ("ListPrice", json!(listing.list_price)),
        ("Currency", json!(listing.currency)),
        ("LivingArea", json!(facts.living_area)),
        ("LotSizeSquareFeet", json!(facts.lot_size)),
        ("BedroomsTotal", json!(facts.bedrooms_total)),
        ("BathroomsFull", json!(facts.bathrooms_full)),
        ("BathroomsHalf", json!(facts.bathrooms_half)),
        ("YearBuilt", json!(facts.year_built)),
        ("Stories", json!(facts.stories)),
        ("PropertyType", json!(facts.property_type)),
        ("PostalCode", json!(facts.postal_code)),
        ("Latitude", json!(facts.latitude)),
        ("Longitude", json!(facts.longitude)),
        ("attributes", json!(facts.attributes)),
    ];
    let known = fields.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(known.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model_core::listing::{Attribute, Facts};
    use schemas::{Codec, TopicNames};

    use super::*;

    fn listing() -> Listing {
        Listing {
            key: "bench-00000007".into(),
            listed_on: EventDate(9_000),
            list_price: None,
            currency: "USD".into(),
            facts: Facts {
                living_area: Some(1_436.0),
                stories: Some(1.5),
                year_built: Some(1_948),
                attributes: [("wall".to_owned(), Attribute::Text("brick".into()))].into(),
                ..Facts::default()
            },
        }
    }

    fn records() -> Records {
        Records::new(Codec::new().unwrap(), &TopicNames::new("test.").unwrap())
    }

    #[test]
    fn what_is_mutated_is_good_in_every_encoding() {
        let (records, codec) = (records(), Codec::new().unwrap());
        let avro = Encoding::SingleObject.encode(&records, &listing());
        assert_eq!(codec.decode_listing(&avro).unwrap(), listing());
        let json = Encoding::Json.encode(&records, &listing());
        assert_eq!(codec.decode_listing(&json).unwrap(), listing());
        let framed = Encoding::Registry.encode(&records, &listing());
        let header = &avro[..SINGLE_OBJECT_HEADER];
        assert!(!Encoding::Registry.is_bad(&records, &framed, header, EventDate(9_000)));
    }

    #[test]
    fn every_record_is_bad_and_has_a_key_of_its_own() {
        let (records, codec) = (records(), Codec::new().unwrap());
        let mut hostile = Hostile::new(&records, 0);
        let day = EventDate(20_000);
        let mut keys = BTreeSet::new();
        for _ in 0..240 {
            let record = hostile.make(&listing(), day);
            let payload = record.payload.unwrap();
            let refused =
                codec.decode_listing(&payload).map_or(true, |read| read.validate(day).is_err());
            assert!(refused, "{payload:?}");
            assert_eq!(record.timestamp_ms, Some(day.to_timestamp_ms()));
            keys.insert(record.key.unwrap());
        }
        assert_eq!(keys.len(), 240);
    }

    #[test]
    fn every_kind_comes_in_every_encoding_and_megabytes_seldom() {
        let turns: Vec<(Encoding, GarbageKind)> = (0..1_920).map(turn).collect();
        for encoding in Encoding::ALL {
            for kind in GarbageKind::ALL {
                assert!(turns.contains(&(encoding, kind)), "{encoding:?} {kind}");
            }
        }
        let large = turns.iter().filter(|(_, kind)| *kind == GarbageKind::Oversized).count();
        assert_eq!(large, 1_920 / 8 / 8);
    }
}
