//! `Listing` and `Sale` from a datum of their current schemas.

use model_core::date::EventDate;
use model_core::listing::{Facts, Listing, Sale};

use super::reader::Reader;
use crate::wire::SQUARE_FEET;

/// A listing; `None` leaves the datum to the general reader.
pub(crate) fn listing(datum: &[u8]) -> Option<Listing> {
    let mut datum = Reader::new(datum);
    let key = datum.text()?;
    let listed_on = datum.int()?;
    let list_price = datum.optional(Reader::double)?;
    let currency = datum.text()?;
    let facts = facts(&mut datum)?;
    datum.end(Listing {
        key: key.to_owned(),
        listed_on: EventDate(listed_on),
        list_price,
        currency: currency.to_owned(),
        facts,
    })
}

/// A sale; likewise.
pub(crate) fn sale(datum: &[u8]) -> Option<Sale> {
    let mut datum = Reader::new(datum);
    let key = datum.text()?;
    let closed_on = datum.int()?;
    let price = datum.double()?;
    let currency = datum.text()?;
    let _list_price = datum.optional(Reader::double)?;
    let _listed_on = datum.optional(Reader::int)?;
    let facts = facts(&mut datum)?;
    datum.end(Sale {
        key: key.to_owned(),
        closed_on: EventDate(closed_on),
        price,
        currency: currency.to_owned(),
        facts,
    })
}

/// The fields that both records end with. Fields are read in the order in which they are named.
fn facts(datum: &mut Reader<'_>) -> Option<Facts> {
    let living_area = datum.optional(Reader::double)?;
    if datum.text()? != SQUARE_FEET {
        return None;
    }
    let lot_size = datum.optional(Reader::double)?;
    let bedrooms_total = datum.optional(Reader::int)?;
    let bathrooms_full = datum.optional(Reader::int)?;
    let bathrooms_half = datum.optional(Reader::int)?;
    let year_built = datum.optional(Reader::int)?;
    let stories = datum.optional(Reader::double)?;
    let property_type = datum.optional(Reader::text)?.map(str::to_owned);
    let postal_code = datum.optional(Reader::text)?.map(str::to_owned);
    let latitude = datum.optional(Reader::double)?;
    let longitude = datum.optional(Reader::double)?;
    let _modified = datum.optional(Reader::long)?;
    let attributes = datum.attributes()?;
    Some(Facts {
        living_area,
        lot_size,
        bedrooms_total,
        bathrooms_full,
        bathrooms_half,
        year_built,
        stories,
        property_type,
        postal_code,
        latitude,
        longitude,
        attributes,
    })
}
