//! `PriceEstimate` as a datum of its current schema.

use model_core::estimate::{ExternalStatus, Price, PriceEstimate, PriceOutcome};

/// Branch of a union with null, as its bytes: null is the first one.
const NULL: u8 = 0;
const PRESENT: u8 = 2;
/// Symbols of `EstimateStatus`, as their bytes.
const ESTIMATE: u8 = 0;
const NO_ESTIMATE: u8 = 2;
/// Ends an array.
const END: u8 = 0;
/// Room for the fields of fixed size, and for texts of common length.
const FIXED_BYTES: usize = 512;
/// Room for an interval, a contribution, a comparable, a feature.
const ITEM_BYTES: [usize; 4] = [24, 40, 80, 8];

/// Appends the datum of an estimate to `bytes`: field by field, in the schema's order.
pub(crate) fn write_price(bytes: &mut Vec<u8>, answer: &PriceEstimate, estimate_id: &str) {
    bytes.reserve(room(answer));
    let out = &mut Writer(bytes);
    out.text(estimate_id);
    out.text(&answer.listing_key);
    out.long(answer.event_date.0.into());
    match &answer.outcome {
        PriceOutcome::Priced(_) => out.0.extend_from_slice(&[ESTIMATE, NULL, NULL]),
        PriceOutcome::NoEstimate { reason, detail } => {
            out.0.push(NO_ESTIMATE);
            out.present(|out| out.text(reason.code()));
            out.present(|out| out.text(detail));
        }
    }
    out.text(&answer.currency);
    match &answer.model {
        Some(model) => {
            out.present(|out| out.text(&model.version));
            out.present(|out| out.text(&model.digest));
        }
        None => out.0.extend_from_slice(&[NULL, NULL]),
    }
    out.text(&answer.feature_spec_hash);
    match &answer.outcome {
        PriceOutcome::Priced(price) => write_outcome(out, price),
        PriceOutcome::NoEstimate { .. } => write_no_price(out),
    }
    out.0.push(answer.is_degraded().into());
    out.array(&answer.external_facts, |out, facts| {
        out.text(&facts.source);
        out.0.push(external_status(facts.status));
        match facts.age_seconds {
            Some(age) => out.present(|out| out.long(age)),
            None => out.0.push(NULL),
        }
    });
}

/// A symbol of `ExternalStatus`, as its byte.
fn external_status(status: ExternalStatus) -> u8 {
    match status {
        ExternalStatus::Fresh => 0,
        ExternalStatus::Stale => 2,
        ExternalStatus::Missing => 4,
        ExternalStatus::Unavailable => 6,
    }
}

fn room(answer: &PriceEstimate) -> usize {
    let Some(price) = answer.price() else { return FIXED_BYTES };
    let items = [
        price.intervals.len(),
        price.contributions.len(),
        price.comparables.len(),
        price.features.len(),
    ];
    FIXED_BYTES + items.iter().zip(ITEM_BYTES).map(|(n, bytes)| n * bytes).sum::<usize>()
}

fn write_outcome(out: &mut Writer<'_>, price: &Price) {
    for number in [price.estimate, price.lower, price.upper, price.interval_level] {
        out.optional_double(number);
    }
    out.array(&price.intervals, |out, interval| {
        out.doubles(&[interval.level, interval.lower, interval.upper]);
    });
    out.optional_double(price.fsd);
    out.present(|out| out.long(price.confidence.into()));
    out.optional_double(price.base);
    out.array(&price.contributions, |out, contribution| {
        out.text(&contribution.name);
        out.doubles(&[contribution.amount]);
    });
    out.array(&price.comparables, |out, near| {
        out.text(&near.listing_key);
        out.long(near.closed_on.0.into());
        out.doubles(&[
            near.price,
            near.adjusted_price,
            near.time_adjustment,
            near.size_adjustment,
            near.distance_km,
            near.weight,
        ]);
    });
    match price.market_age_days {
        Some(days) => out.present(|out| out.long(days.into())),
        None => out.0.push(NULL),
    }
    out.array(&price.features, |out, feature| out.doubles(&[*feature]));
    for number in [price.market_level, price.scale, price.error_low, price.error_high] {
        out.optional_double(number);
    }
}

/// The fields of [`write_outcome`] where there is no price: nulls and empty arrays.
fn write_no_price(out: &mut Writer<'_>) {
    /// Nulls and arrays' ends are the same byte.
    const FIELDS: usize = 16;
    out.0.extend_from_slice(&[NULL; FIELDS]);
}

/// Avro's binary encoding, appended.
struct Writer<'b>(&'b mut Vec<u8>);

impl Writer<'_> {
    fn long(&mut self, value: i64) {
        let mut bits = ((value << 1) ^ (value >> 63)) as u64;
        while bits > 0x7F {
            self.0.push(bits as u8 | 0x80);
            bits >>= 7;
        }
        self.0.push(bits as u8);
    }

    fn text(&mut self, text: &str) {
        self.long(text.len() as i64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn doubles(&mut self, numbers: &[f64]) {
        for number in numbers {
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn present(&mut self, write: impl FnOnce(&mut Self)) {
        self.0.push(PRESENT);
        write(self);
    }

    fn optional_double(&mut self, number: f64) {
        self.present(|out| out.doubles(&[number]));
    }

    /// An array in one block.
    fn array<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        if !items.is_empty() {
            self.long(items.len() as i64);
            items.iter().for_each(|item| write(self, item));
        }
        self.0.push(END);
    }
}
