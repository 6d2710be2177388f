//! What is remembered of estimates: by window until it closes, then by listing until the
//! home sells or the estimate is too old.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::date::EventDate;
use crate::estimate::{ExternalStatus, NoEstimateReason, PriceEstimate, PriceOutcome};

/// Longest name of a field that is told; RESO's longest are half as long.
const MAX_FIELD_NAME: usize = 64;

/// Shared copies of texts of which there are few: versions, layouts, currencies.
#[derive(Debug, Default)]
pub(super) struct Interner(BTreeSet<Arc<str>>);

impl Interner {
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
    }
}

/// What a sale needs to know of an estimate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) estimate: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) market_level: f64,
    pub(super) currency: Arc<str>,
    /// Forecast standard deviation, a decimal.
    pub(super) fsd: f64,
    /// Chance of an error below 10 %, percent.
    pub(super) confidence: u8,
}

impl Answer {
    fn order(&self, other: &Self) -> Ordering {
        let numbers = |a: &Self| {
            [a.estimate, a.lower, a.upper, a.market_level, a.fsd, f64::from(a.confidence)]
        };
        order_numbers(&numbers(self), &numbers(other))
            .then_with(|| self.currency.cmp(&other.currency))
    }

    /// The model's log estimate without its running level correction.
    pub(super) fn log_model(&self) -> f64 {
        self.estimate.ln() - self.market_level
    }
}

fn order_numbers(a: &[f64], b: &[f64]) -> Ordering {
    let firsts = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
    firsts.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
}

/// The answer to a listing of an open window.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) version: Option<Arc<str>>,
    pub(super) answer: Option<Answer>,
    pub(super) no_champion: bool,
    /// What stood in the way of an answer.
    pub(super) refusal: Option<Arc<str>>,
    /// Facts were missing or expired because a source was down.
    pub(super) is_degraded: bool,
    /// Whether a fact of an external source had expired; `None` without such sources.
    pub(super) is_stale: Option<bool>,
}

impl Listed {
    /// A total order by content. Of different answers to one listing on one day the greatest
    /// stays, in whatever order they arrive: a price rather than none, then the later
    /// version (`v10` after `v9`).
    fn order(&self, other: &Self) -> Ordering {
        let version =
            |listed: &Self| listed.version.clone().map(|version| (version.len(), version));
        self.answer
            .is_some()
            .cmp(&other.answer.is_some())
            .then_with(|| version(self).cmp(&version(other)))
            .then_with(|| match (&self.answer, &other.answer) {
                (Some(a), Some(b)) => a.order(b),
                _ => other
                    .no_champion
                    .cmp(&self.no_champion)
                    .then_with(|| self.refusal.cmp(&other.refusal)),
            })
            .then_with(|| {
                (self.is_degraded, self.is_stale).cmp(&(other.is_degraded, other.is_stale))
            })
    }
}

/// The feature vector behind an estimate of an open window.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) version: Arc<str>,
    pub(super) layout: Arc<str>,
    pub(super) log_model: f64,
    pub(super) features: Box<[f64]>,
}

/// An estimate, taken apart.
pub(super) struct Observed {
    pub(super) listed: Listed,
    pub(super) row: Option<Row>,
}

impl Observed {
    /// `None` when the estimate's numbers cannot be used.
    pub(super) fn from(estimate: &PriceEstimate, texts: &mut Interner) -> Option<Self> {
        let is_degraded = estimate.is_degraded();
        let is_stale = (!estimate.external_facts.is_empty()).then(|| {
            estimate.external_facts.iter().any(|facts| facts.status == ExternalStatus::Stale)
        });
        let version = estimate.model.as_ref().map(|model| texts.get(&model.version));
        let price = match &estimate.outcome {
            PriceOutcome::NoEstimate { reason, detail } => {
                let no_champion = *reason == NoEstimateReason::NoChampion;
                let refusal = Some(texts.get(&refusal(*reason, detail)));
                let listed =
                    Listed { version, answer: None, no_champion, refusal, is_degraded, is_stale };
                return Some(Self { listed, row: None });
            }
            PriceOutcome::Priced(price) => price,
        };
        let numbers = [price.estimate, price.lower, price.upper, price.market_level];
        if !numbers.iter().all(|number| number.is_finite()) || price.estimate <= 0.0 {
            return None;
        }
        let answer = Answer {
            estimate: price.estimate,
            lower: price.lower,
            upper: price.upper,
            market_level: price.market_level,
            currency: texts.get(&estimate.currency),
            fsd: price.fsd,
            confidence: price.confidence,
        };
        let row = version.clone().map(|version| Row {
            version,
            layout: texts.get(&estimate.feature_spec_hash),
            log_model: answer.log_model(),
            features: price.features.as_slice().into(),
        });
        let listed = Listed {
            version,
            answer: Some(answer),
            no_champion: false,
            refusal: None,
            is_degraded,
            is_stale,
        };
        Some(Self { listed, row })
    }
}

/// Why a listing got no estimate, in words of which there are few: the field that its detail
/// begins with, and what is wrong with it.
fn refusal(reason: NoEstimateReason, detail: &str) -> String {
    let what = match reason {
        NoEstimateReason::NoChampion => return "no champion".to_owned(),
        NoEstimateReason::TooFewSales => return "too few sales nearby".to_owned(),
        NoEstimateReason::MissingFacts => "is missing",
        NoEstimateReason::OutOfDomain => "is out of range",
        NoEstimateReason::UnitMismatch => "is not the model's",
    };
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let field = detail.split(|c| !named(c)).next().unwrap_or_default();
    let known = !field.is_empty() && field.len() <= MAX_FIELD_NAME;
    format!("{} {what}", if known { field } else { "a fact" })
}

/// A listing event: its key and date.
pub(super) type Event = (Arc<str>, EventDate);

/// The listings of an open window.
///
/// Every answer is kept, and of the feature vectors up to a limit: those whose keys have the
/// smallest hashes. That is an even sample of the homes, and the same whatever the order in
/// which they arrive.
#[derive(Debug, Default)]
pub(super) struct Listings {
    pub(super) listed: BTreeMap<Event, Listed>,
    rows: BTreeMap<(u64, Event), Row>,
}

impl Listings {
    /// Takes an estimate in; `false` when this listing event was answered already.
    pub(super) fn add(&mut self, event: Event, observed: Observed, max_rows: usize) -> bool {
        let slot = (hash(&event.0), event.clone());
        let mut fresh = true;
        if let Some(known) = self.listed.get(&event) {
            fresh = false;
            let features = |row: Option<&Row>| row.map(|row| row.features.clone());
            let order = observed.listed.order(known).then_with(|| {
                let (new, old) = (features(observed.row.as_ref()), features(self.rows.get(&slot)));
                new.zip(old).map_or(Ordering::Equal, |(new, old)| order_numbers(&new, &old))
            });
            if order != Ordering::Greater {
                return false;
            }
        }
        self.listed.insert(event, observed.listed);
        if let Some(row) = observed.row {
            self.rows.insert(slot, row);
            if self.rows.len() > max_rows {
                self.rows.pop_last();
            }
        }
        fresh
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }
}

/// FNV-1a, then the finaliser of `SplitMix64`, so that keys that differ in their last
/// character only are spread as well.
fn hash(key: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut z = key.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Estimates of closed windows that wait for their sale.
#[derive(Debug, Default)]
pub(super) struct EstimateBook {
    /// Per listing, by ascending date, one answer a date.
    by_key: BTreeMap<Arc<str>, Vec<(EventDate, Answer)>>,
}

impl EstimateBook {
    /// Remembers an answer; `false` when it was known already. Of two answers to one listing
    /// event the greater stays.
    pub(super) fn add(&mut self, (key, date): Event, answer: Answer) -> bool {
        let answers = self.by_key.entry(key).or_default();
        match answers.binary_search_by_key(&date, |(on, _)| *on) {
            Err(at) => answers.insert(at, (date, answer)),
            Ok(at) => {
                let Some((_, known)) = answers.get_mut(at) else { return false };
                match answer.order(known) {
                    Ordering::Equal => return false,
                    Ordering::Greater => *known = answer,
                    Ordering::Less => {}
                }
            }
        }
        true
    }

    /// The latest answer to a listing dated on or before a day and at most `days` before it.
    pub(super) fn latest(&self, key: &str, on: EventDate, days: u32) -> Option<&Answer> {
        let answers = self.by_key.get(key)?;
        let until = answers.partition_point(|(date, _)| *date <= on);
        let (date, answer) = answers.get(until.checked_sub(1)?)?;
        (i64::from(on.days_since(*date)) <= i64::from(days)).then_some(answer)
    }

    /// Forgets answers dated before a day.
    pub(super) fn forget_before(&mut self, day: EventDate) {
        self.by_key.retain(|_, answers| {
            answers.retain(|(date, _)| *date >= day);
            !answers.is_empty()
        });
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.values().map(Vec::len).sum()
    }
}
