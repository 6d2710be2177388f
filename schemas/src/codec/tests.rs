//! The fast readers and writer beside the general ones.

use std::fmt::Debug;
use std::sync::LazyLock;

use model_core::date::EventDate;
use model_core::listing::Facts;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

#[path = "../../tests/codec/strategies.rs"]
mod strategies;

use strategies::{estimate, listing, sale, text};

const HEADER: usize = 10;

fn codec() -> &'static Codec {
    static CODEC: LazyLock<Codec> = LazyLock::new(|| Codec::new().unwrap());
    &CODEC
}

/// A listing of which only the key, of one byte, and the date, likewise, are known.
fn bare() -> Listing {
    Listing {
        key: "1".into(),
        listed_on: EventDate(5),
        list_price: None,
        currency: "USD".into(),
        facts: Facts::default(),
    }
}

fn general<W: Wire, T: TryFrom<W, Error = DecodeError>>(datum: &[u8]) -> Result<T, DecodeError> {
    codec().format(W::KIND).read_current::<W>(datum)?.try_into()
}

/// What the fast reader accepts is what the general one reads; `Debug` tells -0 from 0.
fn same<T: Debug>(fast: Option<T>, general: &Result<T, DecodeError>) -> Result<(), TestCaseError> {
    if let Some(fast) = fast {
        prop_assert_eq!(format!("Ok({fast:?})"), format!("{general:?}"));
    }
    Ok(())
}

fn both(datum: &[u8]) -> Result<(), TestCaseError> {
    same(fast::listing(datum), &general::<ListingWire<'static>, _>(datum))?;
    same(fast::sale(datum), &general::<SaleWire<'static>, _>(datum))
}

/// Bytes with some of them changed, some taken out and some put in.
fn mutated(
    mut bytes: Vec<u8>,
    changes: Vec<(Index, u8)>,
    cut: (Index, usize),
    insert: Vec<u8>,
) -> Vec<u8> {
    for (place, byte) in changes {
        *place.get_mut(&mut bytes) = byte;
    }
    let from = cut.0.index(bytes.len());
    let until = (from + cut.1).min(bytes.len());
    bytes.splice(from..until, insert);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_written_plainly_is_read_fast(listing in listing(), sale in sale()) {
        let bytes = codec().encode_listing(&listing).unwrap();
        let read = fast::listing(&bytes[HEADER..]);
        prop_assert_eq!(format!("{read:?}"), format!("{:?}", Some(&listing)));
        both(&bytes[HEADER..])?;
        let bytes = codec().encode_sale(&sale).unwrap();
        let read = fast::sale(&bytes[HEADER..]);
        prop_assert_eq!(format!("{read:?}"), format!("{:?}", Some(&sale)));
        both(&bytes[HEADER..])?;
    }

    #[test]
    fn random_bytes_are_read_alike(datum in vec(any::<u8>(), 0..200)) {
        both(&datum)?;
    }

    #[test]
    fn mutations_are_read_alike(
        listing in listing(),
        sale in sale(),
        changes in vec((any::<Index>(), any::<u8>()), 0..4),
        cut in (any::<Index>(), 0..3_usize),
        insert in vec(any::<u8>(), 0..4),
    ) {
        for bytes in [codec().encode_listing(&listing), codec().encode_sale(&sale)] {
            let datum = bytes.unwrap()[HEADER..].to_vec();
            both(&mutated(datum, changes.clone(), cut, insert.clone()))?;
        }
    }

    #[test]
    fn estimates_are_written_alike(estimate in estimate(), id in text()) {
        let bytes = codec().encode_price(&estimate, &id).unwrap();
        let wire = PriceEstimateWire::new(&estimate, &id);
        prop_assert_eq!(bytes, codec().encode(RecordKind::PriceEstimate, &wire).unwrap());
    }
}

#[test]
fn numbers_of_any_length_are_read_alike() {
    let bytes = codec().encode_listing(&bare()).unwrap();
    let datum = &bytes[HEADER..];
    // The event date follows a key of one byte.
    for n in 0..12 {
        for last in 0..=0x7F_u8 {
            let number = [vec![0x80 | last; n], vec![last]].concat();
            let datum = [&datum[..2], &number, &datum[3..]].concat();
            both(&datum).unwrap();
        }
    }
}

#[test]
fn what_is_unusual_is_left_to_the_general_reader() {
    let bytes = codec().encode_listing(&bare()).unwrap();
    let datum = &bytes[HEADER..];
    let end = datum.len() - 1;
    // An entry's block with its size, then the end: the name "a", the number 0.
    let entry = [&[2, b'a', 0][..], &[0; 8]].concat();
    let sized = [&datum[..end], &[1, 22], &entry, &[0]].concat();
    assert_eq!(fast::listing(&sized), None);
    let read = general::<ListingWire<'static>, Listing>(&sized).unwrap();
    assert_eq!(read.facts.attributes.len(), 1);
    let plain = [&datum[..end], &[2], &entry, &[2], &entry, &[0]].concat();
    assert_eq!(fast::listing(&plain), Some(read), "the last of two of a name counts");
    assert_eq!(fast::listing(&[datum, &[0]].concat()), None, "a byte too many");
}
