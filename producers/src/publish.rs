//! From domain events to records.

use std::sync::Arc;

use model_core::date::EventDate;
use model_core::listing::{Listing, Sale};
use platform_kafka::Outgoing;
use schemas::{Codec, EncodeError, TopicNames};

use crate::garbage::GarbageRecord;

/// Turns events into records: keyed by `ListingKey`, dated by event time.
pub struct Records {
    codec: Codec,
    listings: Arc<str>,
    sales: Arc<str>,
}

impl Records {
    /// Records for the topics of a prefix.
    pub fn new(codec: Codec, topics: &TopicNames) -> Self {
        Self { codec, listings: topics.listings(), sales: topics.sales() }
    }

    /// The record of a listing.
    ///
    /// # Errors
    /// When the listing cannot be encoded.
    pub fn listing(&self, listing: &Listing) -> Result<Outgoing, EncodeError> {
        let payload = self.codec.encode_listing(listing)?;
        Ok(dated(&self.listings, &listing.key, payload, listing.listed_on))
    }

    /// The record of a sale.
    ///
    /// # Errors
    /// When the sale cannot be encoded.
    pub fn sale(&self, sale: &Sale) -> Result<Outgoing, EncodeError> {
        let payload = self.codec.encode_sale(sale)?;
        Ok(dated(&self.sales, &sale.key, payload, sale.closed_on))
    }

    /// The record of a hostile payload, among the listings.
    pub fn garbage(&self, garbage: &GarbageRecord) -> Outgoing {
        dated(&self.listings, &garbage.key, garbage.payload.clone(), garbage.date)
    }

    /// Whether a payload is one that no reader can price: it does not decode, or it decodes to
    /// a listing that does not hold at `date`.
    pub fn is_bad_listing(&self, payload: &[u8], date: EventDate) -> bool {
        self.codec.decode_listing(payload).map_or(true, |listing| listing.validate(date).is_err())
    }
}

fn dated(topic: &Arc<str>, key: &str, payload: Vec<u8>, date: EventDate) -> Outgoing {
    let mut outgoing = Outgoing::new(topic.clone(), key.as_bytes(), payload);
    outgoing.timestamp_ms = Some(date.to_timestamp_ms());
    outgoing
}
