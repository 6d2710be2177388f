//! What `up` knows of its own run: counted from the topics, as any reader would.

use std::collections::{BTreeMap, BTreeSet};

use model_core::alert::Alert;
use model_core::date::EventDate;
use model_core::estimate::{PriceEstimate, PriceOutcome};
use model_core::listing::Sale;
use model_core::registry::{Registry, RegistryAction, RegistryEvent};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// One answered listing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) event_date: EventDate,
    pub(crate) model_version: String,
    pub(crate) outcome: AnswerOutcome,
    /// SHA-256 of everything in the estimate that a model computed.
    pub(crate) digest: [u8; 32],
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AnswerOutcome {
    Priced { estimate: f64, lower: f64, upper: f64 },
    NoEstimate { reason: &'static str, detail: String },
}

/// Dead letters that a summary shows one by one; all of them are counted.
const MAX_LISTED_DEAD_LETTERS: usize = 1_000;

/// One dead letter of the summary.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct DeadLetterLine {
    pub(crate) key: String,
    pub(crate) topic: String,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// Accuracy of the live prices against the sales that followed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Accuracy {
    pub(crate) mdape: Option<f64>,
    pub(crate) ppe10: Option<f64>,
    pub(crate) coverage90: Option<f64>,
    pub(crate) sales: usize,
}

/// Everything seen so far.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) answers: BTreeMap<String, Answer>,
    pub(crate) prices_published: u64,
    pub(crate) no_estimate: u64,
    pub(crate) dead_letters: u64,
    pub(crate) dead_letter_reasons: BTreeMap<String, u64>,
    pub(crate) dead_letters_list: BTreeSet<DeadLetterLine>,
    pub(crate) drift_windows: u64,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) registry: Registry,
    pub(crate) registry_events: Vec<RegistryEvent>,
    sold: BTreeMap<String, f64>,
    percentage_errors: Vec<f64>,
    covered: usize,
}

impl Tally {
    pub(crate) fn price(&mut self, estimate: &PriceEstimate) {
        let outcome = match &estimate.outcome {
            PriceOutcome::Priced(price) => {
                self.prices_published += 1;
                AnswerOutcome::Priced {
                    estimate: price.estimate,
                    lower: price.lower,
                    upper: price.upper,
                }
            }
            PriceOutcome::NoEstimate { reason, detail } => {
                self.no_estimate += 1;
                AnswerOutcome::NoEstimate { reason: reason.code(), detail: detail.clone() }
            }
        };
        let answer = Answer {
            event_date: estimate.event_date,
            model_version: estimate.model.as_ref().map(|m| m.version.clone()).unwrap_or_default(),
            outcome,
            digest: digest(estimate),
        };
        if let Some(price) = self.sold.get(&estimate.listing_key).copied() {
            self.score(&answer, price);
        }
        self.answers.insert(estimate.listing_key.clone(), answer);
    }

    pub(crate) fn live_sale(&mut self, sale: &Sale) {
        self.sold.insert(sale.key.clone(), sale.price);
        if let Some(answer) = self.answers.get(&sale.key).cloned() {
            self.score(&answer, sale.price);
        }
    }

    fn score(&mut self, answer: &Answer, price: f64) {
        let AnswerOutcome::Priced { estimate, lower, upper } = answer.outcome else { return };
        self.percentage_errors.push((estimate / price - 1.0).abs());
        self.covered += usize::from(lower <= price && price <= upper);
    }

    pub(crate) fn registry_event(&mut self, event: &RegistryEvent) {
        // An event that does not fit changes nothing, for every reader alike.
        if self.registry.apply(event).is_ok() {
            self.registry_events.push(event.clone());
        }
    }

    pub(crate) fn dead_letter(&mut self, letter: DeadLetterLine) {
        self.dead_letters += 1;
        *self.dead_letter_reasons.entry(letter.reason.clone()).or_default() += 1;
        // The first by key, whatever the order in which partitions deliver them.
        self.dead_letters_list.insert(letter);
        if self.dead_letters_list.len() > MAX_LISTED_DEAD_LETTERS {
            self.dead_letters_list.pop_last();
        }
    }

    pub(crate) fn count(&self, action: RegistryAction) -> u64 {
        self.registry_events.iter().filter(|event| event.action == action).count() as u64
    }

    pub(crate) fn accuracy(&self) -> Accuracy {
        let sales = self.percentage_errors.len();
        if sales == 0 {
            return Accuracy::default();
        }
        let mut errors = self.percentage_errors.clone();
        let (_, median, _) = errors.select_nth_unstable_by(sales / 2, f64::total_cmp);
        let median = *median;
        let within = self.percentage_errors.iter().filter(|error| **error <= 0.1).count();
        Accuracy {
            mdape: Some(median),
            ppe10: Some(within as f64 / sales as f64),
            coverage90: Some(self.covered as f64 / sales as f64),
            sales,
        }
    }

    /// One digest over every answer to a key that `counts`, in order of key.
    pub(crate) fn prices_digest(&self, counts: impl Fn(&str) -> bool) -> String {
        let mut hash = Sha256::new();
        for (key, answer) in self.answers.iter().filter(|(key, _)| counts(key)) {
            hash.update(key.as_bytes());
            hash.update([0]);
            hash.update(answer.digest);
        }
        hex::encode(hash.finalize())
    }
}

/// SHA-256 over the bits of the answer: numbers, features, model. Where the record was does
/// not count, what it says does.
fn digest(estimate: &PriceEstimate) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(estimate.event_date.0.to_le_bytes());
    if let Some(model) = &estimate.model {
        hash.update(model.version.as_bytes());
        hash.update(model.digest.as_bytes());
    }
    match &estimate.outcome {
        PriceOutcome::NoEstimate { reason, detail } => {
            hash.update(reason.code().as_bytes());
            hash.update(detail.as_bytes());
        }
        PriceOutcome::Priced(price) => {
            let numbers = [price.estimate, price.lower, price.upper, price.fsd, price.base];
            for number in numbers.iter().chain(&price.features) {
                hash.update(number.to_bits().to_le_bytes());
            }
            for part in &price.contributions {
                hash.update(part.name.as_bytes());
                hash.update(part.amount.to_bits().to_le_bytes());
            }
            for comparable in &price.comparables {
                hash.update(comparable.listing_key.as_bytes());
                hash.update(comparable.adjusted_price.to_bits().to_le_bytes());
            }
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use model_core::estimate::NoEstimateReason;
    use model_core::listing::Facts;

    use super::*;

    fn refused(key: &str) -> PriceEstimate {
        PriceEstimate {
            listing_key: key.into(),
            event_date: EventDate(1),
            currency: "USD".into(),
            model: None,
            feature_spec_hash: String::new(),
            outcome: PriceOutcome::NoEstimate {
                reason: NoEstimateReason::NoChampion,
                detail: "none".into(),
            },
            external_facts: Vec::new(),
        }
    }

    fn answer(estimate: f64) -> Answer {
        Answer {
            event_date: EventDate(1),
            model_version: "v1".into(),
            outcome: AnswerOutcome::Priced { estimate, lower: 90.0, upper: 110.0 },
            digest: [0; 32],
        }
    }

    fn sale(key: &str, price: f64) -> Sale {
        Sale {
            key: key.into(),
            closed_on: EventDate(9),
            price,
            currency: "USD".into(),
            facts: Facts::default(),
        }
    }

    #[test]
    fn accuracy_counts_priced_sales_alone() {
        let mut tally = Tally::default();
        for (key, estimate) in [("a", 100.0), ("b", 105.0), ("c", 150.0)] {
            tally.answers.insert(key.into(), answer(estimate));
        }
        for key in ["a", "b", "c", "never listed"] {
            tally.live_sale(&sale(key, 100.0));
        }
        let accuracy = tally.accuracy();
        assert_eq!(accuracy.sales, 3);
        assert!((accuracy.mdape.unwrap() - 0.05).abs() < 1e-12);
        assert!((accuracy.ppe10.unwrap() - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(accuracy.coverage90, Some(1.0));
        assert_eq!(Tally::default().accuracy(), Accuracy::default());
    }

    #[test]
    fn the_digest_follows_the_answers_and_not_their_order() {
        let mut one = Tally::default();
        let mut two = Tally::default();
        one.price(&refused("a"));
        one.price(&refused("b"));
        two.price(&refused("b"));
        two.price(&refused("a"));
        assert_eq!(one.prices_digest(|_| true), two.prices_digest(|_| true));
        assert_ne!(one.prices_digest(|_| true), one.prices_digest(|key| key == "a"));
        assert_eq!(one.no_estimate, 2);
    }
}
