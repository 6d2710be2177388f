//! What becomes of one record: plain functions from record and state to outcome, tested
//! without a broker.

use std::sync::Arc;

use model_core::date::EventDate;
use model_core::engine::PricingEngine;
use model_core::estimate::{ExternalFacts, PriceEstimate, PriceOutcome};
use model_core::listing::{InvalidRecord, Listing, Sale};
use model_core::market::{Area, MarketView};
use platform_kafka::dead_letter::{Fault, dead_letter};
use platform_kafka::{Header, Outgoing, Record};
use platform_telemetry::{BatchTrace, RecordPlace, TRACEPARENT, TRACESTATE};
use schemas::{Codec, DecodeError, EncodeError, TopicNames, estimate_id};

use crate::cache::EnrichmentCache;
use crate::metrics::ScorerMetrics;

/// Headers that carry a trace from listing to price (W3C Trace Context), and the longest value
/// of each that is carried.
const CARRIED: [(&str, usize); 2] = [(TRACEPARENT, 128), (TRACESTATE, 512)];

/// What becomes of one record: exactly one of these.
#[cfg(test)]
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A price estimate, or the reason there is none.
    Answered(Outgoing),
    /// The bytes as received, with the reason.
    DeadLetter(Outgoing),
}

/// Listings that are priced together: their market views stay in the second level cache.
const PRICED_TOGETHER: usize = 32;

/// A listing that can be priced.
#[derive(Debug)]
pub struct Accepted<'a> {
    /// Where it comes from.
    pub record: &'a Record,
    /// What it says.
    pub listing: &'a Listing,
    /// What external sources had for it.
    pub external: Vec<ExternalFacts>,
}

/// Prices listings and follows sales.
pub struct Processor {
    pub(crate) engine: PricingEngine,
    area: Option<Area>,
    cache: EnrichmentCache,
    codec: Arc<Codec>,
    metrics: ScorerMetrics,
    prices: Arc<str>,
    dead_letters: Arc<str>,
}

/// Why a record cannot be used.
enum Unusable {
    Decode(DecodeError),
    Invalid(InvalidRecord),
    KeyMismatch { key: String, record_key: String },
}

impl Processor {
    /// A processor with an enrichment cache of about `cache_bytes`.
    pub fn new(
        engine: PricingEngine,
        area: Option<Area>,
        cache_bytes: u64,
        codec: Arc<Codec>,
        topics: &TopicNames,
        metrics: ScorerMetrics,
    ) -> Self {
        Self {
            engine,
            area,
            cache: EnrichmentCache::new(cache_bytes),
            codec,
            metrics,
            prices: topics.prices(),
            dead_letters: topics.dead_letters(),
        }
    }

    /// Records a sale in the market index, or says why it cannot be. One outside the area is
    /// left out.
    pub(crate) fn sale(&mut self, record: &Record) -> Option<Outgoing> {
        match self.decode_sale(record) {
            Ok(sale) if self.area.is_some_and(|area| !area.contains(&sale.facts)) => None,
            Ok(sale) => {
                self.engine.record_sale(sale);
                self.metrics.indexed_sales.set(self.engine.indexed_sales() as i64);
                None
            }
            Err(unusable) => Some(self.dead_letter(record, &unusable)),
        }
    }

    /// Answers a listing for which no external source was asked.
    #[cfg(test)]
    pub(crate) fn listing(&mut self, record: &Record) -> Result<Outcome, EncodeError> {
        match self.accept(record) {
            Ok(listing) => {
                let accepted = Accepted { record, listing: &listing, external: Vec::new() };
                let mut answers = self.price(vec![accepted])?;
                Ok(Outcome::Answered(answers.remove(0)))
            }
            Err(dead_letter) => Ok(Outcome::DeadLetter(dead_letter)),
        }
    }

    /// Reads a listing and checks it; what cannot be used becomes a dead letter.
    ///
    /// # Errors
    /// The dead letter.
    pub fn accept(&self, record: &Record) -> Result<Listing, Outgoing> {
        self.decode_listing(record).map_err(|unusable| self.dead_letter(record, &unusable))
    }

    /// Prices listings that were accepted from these records, and says what external sources had
    /// for each; the answers are in the same order.
    ///
    /// # Errors
    /// When an answer cannot be encoded: a defect of ours, not of the record.
    pub fn price(&mut self, accepted: Vec<Accepted<'_>>) -> Result<Vec<Outgoing>, EncodeError> {
        let mut answers = Vec::with_capacity(accepted.len());
        let mut accepted = accepted.into_iter().peekable();
        while accepted.peek().is_some() {
            let together: Vec<Accepted<'_>> = accepted.by_ref().take(PRICED_TOGETHER).collect();
            self.price_together(together, &mut answers)?;
        }
        Ok(answers)
    }

    fn price_together(
        &mut self,
        accepted: Vec<Accepted<'_>>,
        answers: &mut Vec<Outgoing>,
    ) -> Result<(), EncodeError> {
        let mut views = Vec::with_capacity(accepted.len());
        for Accepted { listing, .. } in &accepted {
            let (view, lookup) = self.cache.view(&mut self.engine, listing);
            self.metrics.enrichment.with_label_values(&[lookup.label()]).inc();
            views.push(view);
        }
        let listings: Vec<(&Listing, &MarketView)> = accepted
            .iter()
            .zip(&views)
            .map(|(accepted, view)| (accepted.listing, &**view))
            .collect();
        let estimates = self.engine.price_batch(&listings);
        for (Accepted { record, listing, external }, estimate) in
            accepted.into_iter().zip(estimates)
        {
            answers.push(self.answer(record, listing, estimate.with_external_facts(external))?);
        }
        Ok(())
    }

    fn answer(
        &self,
        record: &Record,
        listing: &Listing,
        estimate: PriceEstimate,
    ) -> Result<Outgoing, EncodeError> {
        self.count(&estimate);
        let version = estimate.model.as_ref().map_or("", |model| model.version.as_str());
        let id = estimate_id(&record.topic, record.partition, record.offset, version);
        let mut outgoing = Outgoing::new(
            self.prices.clone(),
            listing.key.as_bytes(),
            self.codec.encode_price(&estimate, &id)?,
        );
        outgoing.timestamp_ms = record.timestamp_ms;
        outgoing.headers = carried_headers(record);
        Ok(outgoing)
    }

    fn decode_listing(&self, record: &Record) -> Result<Listing, Unusable> {
        let listing = self
            .codec
            .decode_listing(record.payload.as_deref().unwrap_or_default())
            .map_err(Unusable::Decode)?;
        listing.validate(record_date(record, listing.listed_on)).map_err(Unusable::Invalid)?;
        check_key(record, &listing.key)?;
        Ok(listing)
    }

    fn decode_sale(&self, record: &Record) -> Result<Sale, Unusable> {
        let sale = self
            .codec
            .decode_sale(record.payload.as_deref().unwrap_or_default())
            .map_err(Unusable::Decode)?;
        sale.validate(record_date(record, sale.closed_on)).map_err(Unusable::Invalid)?;
        check_key(record, &sale.key)?;
        Ok(sale)
    }

    fn dead_letter(&self, record: &Record, unusable: &Unusable) -> Outgoing {
        let fault = unusable.fault();
        self.metrics.dead_letters.with_label_values(&[fault.code]).inc();
        tracing::debug!(
            topic = &*record.topic,
            partition = record.partition,
            offset = record.offset,
            code = fault.code,
            reason = fault.message,
            "dead letter"
        );
        dead_letter(record, self.dead_letters.clone(), &fault)
    }

    fn count(&self, estimate: &PriceEstimate) {
        let outcome = match &estimate.outcome {
            PriceOutcome::Priced(_) => "priced",
            PriceOutcome::NoEstimate { reason, .. } => reason.code(),
        };
        self.metrics.listings.with_label_values(&[outcome]).inc();
    }
}

impl Unusable {
    fn fault(&self) -> Fault {
        match self {
            Self::Decode(error) => Fault {
                stage: "VALUE_CONVERTER",
                class_name: "homestream.schemas.Codec",
                code: error.code(),
                message: error.to_string(),
            },
            Self::Invalid(error) => Fault {
                stage: "TRANSFORMATION",
                class_name: "homestream.scorer.Validation",
                code: error.code(),
                message: error.to_string(),
            },
            Self::KeyMismatch { key, record_key } => Fault {
                stage: "KEY_CONVERTER",
                class_name: "homestream.scorer.Validation",
                code: "key_mismatch",
                message: format!(
                    "ListingKey is {key:?}, the record's key is {record_key:?}: they must be equal"
                ),
            },
        }
    }
}

/// Gives a record its span, where its producer asked for one, and lets its price point there.
pub(crate) fn trace_record(trace: &BatchTrace<'_>, record: &Record, price: &mut Outgoing) {
    let place = RecordPlace { partition: record.partition, offset: record.offset };
    let parent = record.header(TRACEPARENT);
    let Some(span) = trace.record(place, parent, record.header(TRACESTATE)) else { return };
    let carried = price.headers.iter_mut().find(|header| header.name == TRACEPARENT);
    if let Some(header) = carried {
        header.value = Some(span.into_bytes());
    }
}

/// The date an event is held against: its record's, or its own where records carry no time.
fn record_date(record: &Record, event_date: EventDate) -> EventDate {
    record.timestamp_ms.map_or(event_date, EventDate::from_timestamp_ms)
}

/// Partitions follow the record's key: under another key a home's events lose their order.
fn check_key(record: &Record, key: &str) -> Result<(), Unusable> {
    match record.key.as_deref() {
        Some(record_key) if record_key != key.as_bytes() => Err(Unusable::KeyMismatch {
            key: key.chars().take(64).collect(),
            record_key: String::from_utf8_lossy(record_key).chars().take(64).collect(),
        }),
        _ => Ok(()),
    }
}

fn carried_headers(record: &Record) -> Vec<Header> {
    let carried = CARRIED.iter().filter_map(|(name, longest)| {
        let value = record.header(name).filter(|value| value.len() <= *longest)?;
        Some(Header { name: (*name).to_owned(), value: Some(value.to_vec()) })
    });
    carried.collect()
}

#[cfg(test)]
#[path = "processor_tests.rs"]
mod tests;
