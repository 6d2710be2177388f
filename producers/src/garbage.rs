//! Hostile records for tests and drills: what a scorer must survive, the same in every run.
//!
//! Garbage is published besides the good records, never instead of them. How a listing is
//! encoded is the caller's: [`Garbler`] takes the encoder and a test of badness as closures.

use std::fmt;

use model_core::date::EventDate;
use model_core::listing::{Attribute, Listing};
use thiserror::Error;

/// Size of an oversized payload: just below the default limit of brokers, so it does arrive.
pub const OVERSIZED_BYTES: usize = 1_000_000;
/// Random draws for a payload that is really bad before one is made so by force.
const TRIES: usize = 16;
/// A listing dated this far ahead of its record is wrong in any time zone.
const FUTURE_DAYS: i32 = 3_650;

/// What the key of every garbage record begins with.
pub const GARBAGE_KEY_PREFIX: &str = "garbage-";

/// A way of being bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GarbageKind {
    /// A good payload, cut off.
    Truncated,
    /// A good payload with one bit flipped.
    BitFlipped,
    /// A good payload that names a schema which does not exist.
    WrongSchema,
    /// A listing whose living area is NaN.
    NotANumber,
    /// A listing whose living area is negative.
    NegativeArea,
    /// A listing dated years after its record.
    FutureDate,
    /// No bytes.
    Empty,
    /// A listing with a text that makes it [`OVERSIZED_BYTES`] long.
    Oversized,
}

impl GarbageKind {
    /// Every kind, in the order in which they take turns.
    pub const ALL: [Self; 8] = [
        Self::Truncated,
        Self::BitFlipped,
        Self::WrongSchema,
        Self::NotANumber,
        Self::NegativeArea,
        Self::FutureDate,
        Self::Empty,
        Self::Oversized,
    ];

    /// Bounded name, for labels and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::BitFlipped => "bit_flipped",
            Self::WrongSchema => "wrong_schema",
            Self::NotANumber => "not_a_number",
            Self::NegativeArea => "negative_area",
            Self::FutureDate => "future_date",
            Self::Empty => "empty",
            Self::Oversized => "oversized",
        }
    }
}

impl fmt::Display for GarbageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A record that no scorer can price.
#[derive(Clone, Debug, PartialEq)]
pub struct GarbageRecord {
    /// `garbage-000001` and so on.
    pub key: String,
    /// How it is bad.
    pub kind: GarbageKind,
    /// The record's value.
    pub payload: Vec<u8>,
    /// The day of the record's timestamp.
    pub date: EventDate,
}

/// A share that is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a share, expected 0 to 1 or 0% to 100%, such as 0.01 or 1%")]
pub struct InvalidShare(String);

/// Parses `1%` or `0.01`.
///
/// # Errors
/// The text is not a number, or not within 0 to 1 (0 to 100 with `%`).
pub fn parse_share(text: &str) -> Result<f64, InvalidShare> {
    let trimmed = text.trim();
    let (number, whole) = match trimmed.strip_suffix('%') {
        Some(percent) => (percent.trim_end(), 100.0),
        None => (trimmed, 1.0),
    };
    let share = number.parse::<f64>().ok().map(|value| value / whole);
    share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| InvalidShare(text.to_owned()))
}

/// Chooses `round(share * listings)` of the listings, by index and in order, and the kind of
/// garbage to send after each; the kinds take turns. With any share above 0 there is at least one.
pub fn plan_garbage(listings: usize, share: f64, seed: u64) -> Vec<(usize, GarbageKind)> {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let mut wanted = (share * listings as f64).round() as usize;
    if share > 0.0 && listings > 0 {
        wanted = wanted.max(1);
    }
    // Selection sampling: every subset of this size is equally likely, in one pass.
    let mut random = SplitMix64(seed);
    let mut chosen = Vec::with_capacity(wanted);
    for index in 0..listings {
        let left = wanted - chosen.len();
        if left == 0 {
            break;
        }
        if random.below(listings - index) < left {
            chosen.push((index, GarbageKind::ALL[chosen.len() % GarbageKind::ALL.len()]));
        }
    }
    chosen
}

/// Makes garbage of good listings.
pub struct Garbler<'a> {
    encode: &'a dyn Fn(&Listing) -> Vec<u8>,
    is_bad: &'a dyn Fn(&[u8], EventDate) -> bool,
    random: SplitMix64,
    made: u64,
}

impl<'a> Garbler<'a> {
    /// `encode` makes a record's value of a listing; `is_bad` says whether a scorer must refuse
    /// that value in a record of that day.
    pub fn new(
        encode: &'a dyn Fn(&Listing) -> Vec<u8>,
        is_bad: &'a dyn Fn(&[u8], EventDate) -> bool,
        seed: u64,
    ) -> Self {
        Self { encode, is_bad, random: SplitMix64(seed), made: 0 }
    }

    /// One record of garbage, dated as the listing.
    ///
    /// A cut or flipped payload that happens to be good is drawn again; should a kind never
    /// come out bad, the first byte of the payload is inverted.
    pub fn make(&mut self, listing: &Listing, kind: GarbageKind) -> GarbageRecord {
        self.made += 1;
        let date = listing.listed_on;
        let mut payload = Vec::new();
        for _ in 0..TRIES {
            payload = self.draw(listing, kind);
            if (self.is_bad)(&payload, date) {
                break;
            }
        }
        if !(self.is_bad)(&payload, date)
            && let Some(first) = payload.first_mut()
        {
            *first = !*first;
        }
        GarbageRecord { key: format!("{GARBAGE_KEY_PREFIX}{:06}", self.made), kind, payload, date }
    }

    fn draw(&mut self, listing: &Listing, kind: GarbageKind) -> Vec<u8> {
        let good = || (self.encode)(listing);
        let changed = |change: &dyn Fn(&mut Listing)| {
            let mut changed = listing.clone();
            change(&mut changed);
            (self.encode)(&changed)
        };
        match kind {
            GarbageKind::Empty => Vec::new(),
            GarbageKind::Truncated => {
                let mut payload = good();
                let kept = 1 + self.random.below(payload.len().saturating_sub(1));
                payload.truncate(kept);
                payload
            }
            GarbageKind::BitFlipped => {
                let mut payload = good();
                let bit = self.random.below(payload.len() * 8);
                if let Some(byte) = payload.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
                payload
            }
            GarbageKind::WrongSchema => wrong_schema(good(), &mut self.random),
            GarbageKind::NotANumber => changed(&|l| l.facts.living_area = Some(f64::NAN)),
            GarbageKind::NegativeArea => changed(&|l| {
                l.facts.living_area = Some(-l.facts.living_area.unwrap_or(1_000.0).abs());
            }),
            GarbageKind::FutureDate => {
                changed(&|l| l.listed_on = l.listed_on.plus_days(FUTURE_DAYS))
            }
            GarbageKind::Oversized => {
                let padded = |bytes: usize| {
                    changed(&|l| {
                        let text = Attribute::Text("x".repeat(bytes));
                        l.facts.attributes.insert("padding".to_owned(), text);
                    })
                };
                // What the encoding adds around the text is the same for any long text.
                let probe = OVERSIZED_BYTES / 2;
                let around = padded(probe).len().saturating_sub(probe);
                padded(OVERSIZED_BYTES.saturating_sub(around))
            }
        }
    }
}

/// Replaces the schema's id in either framing; a payload without one becomes foreign JSON.
fn wrong_schema(mut payload: Vec<u8>, random: &mut SplitMix64) -> Vec<u8> {
    match payload.as_mut_slice() {
        // Avro single-object encoding: 0xC3 0x01, then the fingerprint.
        [0xc3, 0x01, f0, f1, f2, f3, f4, f5, f6, f7, ..] => {
            let drawn = random.next().to_le_bytes();
            for (byte, drawn) in [f0, f1, f2, f3, f4, f5, f6, f7].into_iter().zip(drawn) {
                *byte = drawn;
            }
        }
        // Confluent framing: 0x00, then a big-endian id; ids this high are never given out.
        [0x00, id @ .., _] if id.len() >= 4 => {
            let drawn = (random.next() as u32 | 0x7000_0000) & 0x7fff_ffff;
            for (byte, drawn) in id.iter_mut().zip(drawn.to_be_bytes()) {
                *byte = drawn;
            }
        }
        _ => payload = br#"{"temperature":21.5,"sensor":"attic"}"#.to_vec(),
    }
    payload
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, fast, and the same everywhere.
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `limit` (0 when `limit` is 0); the bias of the remainder is below
    /// `limit / 2^64`.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % (limit.max(1) as u64)) as usize
    }
}

/// The finalizer of SplitMix64: every bit of the input moves every bit of the output.
pub(crate) fn mix(value: u64) -> u64 {
    let z = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use model_core::listing::Facts;

    use super::*;

    fn listing(index: i32) -> Listing {
        Listing {
            key: format!("home-{index}"),
            listed_on: EventDate(9_000 + index),
            list_price: None,
            currency: "USD".to_owned(),
            facts: Facts { living_area: Some(1_200.0), ..Facts::default() },
        }
    }

    /// A toy codec, framed like the real one: mark, fingerprint, date, area, texts, check sum.
    fn encode(listing: &Listing) -> Vec<u8> {
        let mut bytes = vec![0xc3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8];
        bytes.extend(listing.listed_on.0.to_le_bytes());
        bytes.extend(listing.facts.living_area.unwrap_or(0.0).to_le_bytes());
        for (name, attribute) in &listing.facts.attributes {
            bytes.extend(name.bytes());
            if let Attribute::Text(text) = attribute {
                bytes.extend(text.bytes());
            }
        }
        bytes
    }

    fn is_bad(payload: &[u8], date: EventDate) -> bool {
        let fits = payload.starts_with(&[0xc3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8]);
        let (Some(day), Some(area)) = (payload.get(10..14), payload.get(14..22)) else {
            return true;
        };
        let day = i32::from_le_bytes(day.try_into().unwrap());
        let area = f64::from_le_bytes(area.try_into().unwrap());
        !fits || day > date.0 + 2 || !(1.0..=1e6).contains(&area) || payload.len() > 2_000
    }

    #[test]
    fn every_kind_is_bad_and_the_same_in_every_run() {
        let make = |seed| -> Vec<GarbageRecord> {
            let mut garbler = Garbler::new(&encode, &is_bad, seed);
            let kinds = GarbageKind::ALL.iter().cycle().take(80).enumerate();
            kinds.map(|(i, kind)| garbler.make(&listing(i as i32), *kind)).collect()
        };
        let records = make(7);
        assert_eq!(records, make(7));
        assert_ne!(records, make(8));
        for (i, record) in records.iter().enumerate() {
            assert!(is_bad(&record.payload, record.date), "{} is good", record.kind);
            assert_eq!(record.date, EventDate(9_000 + i as i32));
        }
        assert_eq!(records[0].key, "garbage-000001");
        let length = |kind| records.iter().find(|r| r.kind == kind).unwrap().payload.len();
        assert_eq!(length(GarbageKind::Empty), 0);
        assert_eq!(length(GarbageKind::Oversized), OVERSIZED_BYTES);
        assert_eq!(length(GarbageKind::WrongSchema), encode(&listing(0)).len());
    }

    #[test]
    fn what_never_comes_out_bad_is_made_bad() {
        // A reader that looks at the first byte only.
        let lenient = |payload: &[u8], _: EventDate| payload.first() != Some(&0xc3);
        let mut garbler = Garbler::new(&encode, &lenient, 1);
        for kind in [GarbageKind::NegativeArea, GarbageKind::Truncated, GarbageKind::WrongSchema] {
            let record = garbler.make(&listing(1), kind);
            assert_eq!(record.payload.first(), Some(&0x3c), "{kind}");
        }
    }

    #[test]
    fn wrong_schemas_keep_their_framing() {
        let mut random = SplitMix64(1);
        let confluent = wrong_schema(vec![0, 0, 0, 0, 1, 42, 43], &mut random);
        assert_eq!((confluent[0], confluent[1] & 0xf0, &confluent[5..]), (0, 0x70, &[42, 43][..]));
        let avro = wrong_schema(vec![0xc3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 42], &mut random);
        assert_eq!((&avro[..2], avro.len(), avro[10]), (&[0xc3, 1][..], 11, 42));
        assert!(wrong_schema(b"{}".to_vec(), &mut random).starts_with(b"{\"temperature\""));
    }

    #[test]
    fn the_plan_has_its_share_in_order_and_every_kind_in_turn() {
        let plan = plan_garbage(1_000, 0.05, 3);
        assert_eq!(plan.len(), 50);
        assert!(plan.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let kinds: Vec<GarbageKind> = plan.iter().take(8).map(|(_, kind)| *kind).collect();
        assert_eq!(kinds, GarbageKind::ALL);
        assert!(plan.last().is_some_and(|(index, _)| *index > 800), "spread over the whole");
        assert_eq!(plan, plan_garbage(1_000, 0.05, 3));
        assert_ne!(plan, plan_garbage(1_000, 0.05, 4));
        assert_eq!(plan_garbage(10, 0.001, 3).len(), 1);
        assert_eq!(plan_garbage(10, 1.0, 3).len(), 10);
        assert!(plan_garbage(10, 0.0, 3).is_empty() && plan_garbage(0, 0.5, 3).is_empty());
    }

    #[test]
    fn shares_are_numbers_or_percentages() {
        for (text, share) in [("1%", 0.01), ("0.01", 0.01), (" 2.5 % ", 0.025), ("0", 0.0)] {
            assert_eq!(parse_share(text), Ok(share), "{text}");
        }
        for bad in ["", "%", "-1%", "101%", "1.5", "NaN", "one"] {
            let error = parse_share(bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{bad}` is not a share")), "{error}");
        }
    }

    #[test]
    fn splitmix_is_the_published_one() {
        let mut random = SplitMix64(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }
}
