//! The price estimate: an answer, not a number.

use crate::date::EventDate;

/// Which model made an estimate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRef {
    /// Immutable version id, such as `v3`.
    pub version: String,
    /// SHA-256 of the artifact, lower-case hexadecimal.
    pub digest: String,
}

/// Why a listing got no estimate: a price would have been a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoEstimateReason {
    /// No model version is champion yet.
    NoChampion,
    /// Facts that the model cannot do without are missing.
    MissingFacts,
    /// The facts lie far outside everything the model has learned from.
    OutOfDomain,
    /// The listing's currency or area unit is not the model's.
    UnitMismatch,
    /// Too few sales are known around the home's place and date.
    TooFewSales,
}

impl NoEstimateReason {
    /// Every reason, in wire order.
    pub const ALL: [Self; 5] = [
        Self::NoChampion,
        Self::MissingFacts,
        Self::OutOfDomain,
        Self::UnitMismatch,
        Self::TooFewSales,
    ];

    /// The bounded code used on the wire and in metric labels.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoChampion => "no_champion",
            Self::MissingFacts => "missing_facts",
            Self::OutOfDomain => "out_of_domain",
            Self::UnitMismatch => "unit_mismatch",
            Self::TooFewSales => "too_few_sales",
        }
    }

    /// The reason of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// What one feature added to an estimate.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Name of the feature, of `MarketLevel`, or `Other` for all that are not listed.
    pub name: String,
    /// Currency units; negative when the feature lowers the price.
    pub amount: f64,
}

/// A recent sale like the subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparable {
    /// `ListingKey` of the sale.
    pub listing_key: String,
    /// Its `CloseDate`, always before the subject's event date.
    pub closed_on: EventDate,
    /// Its `ClosePrice`.
    pub price: f64,
    /// Its price, adjusted to the subject's size and date:
    /// `price + time_adjustment + size_adjustment`.
    pub adjusted_price: f64,
    /// What the market's move from its date to the subject's adds, currency units.
    pub time_adjustment: f64,
    /// What the subject's other living area adds, currency units.
    pub size_adjustment: f64,
    /// Great-circle distance to the subject, kilometres.
    pub distance_km: f64,
    /// Share of the comparables' weight, 0 to 1; the weights add up to 1.
    pub weight: f64,
}

/// Where the price will lie with a nominal chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Nominal coverage, 0 to 1.
    pub level: f64,
    /// Lower end, currency units; at most the estimate.
    pub lower: f64,
    /// Upper end, currency units; at least the estimate.
    pub upper: f64,
}

/// A price with everything needed to explain it and to compute its estimate and main interval
/// again.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// The estimate, currency units.
    pub estimate: f64,
    /// Lower end of the main interval.
    pub lower: f64,
    /// Upper end of the main interval.
    pub upper: f64,
    /// The main interval's nominal coverage, 0 to 1.
    pub interval_level: f64,
    /// The intervals of every level, the main one among them, ascending: each contains the
    /// ones before it. Empty in records from before there were several.
    pub intervals: Vec<Interval>,
    /// Forecast standard deviation, a decimal: 68 % of sale prices within `estimate * (1 ± fsd)`.
    pub fsd: f64,
    /// Confidence score, 0 to 100: how many of 100 such estimates to expect within 10 % of the
    /// price; see [`Correction::confidence`](crate::calibration::Correction::confidence). 0 too
    /// in records from before there was one.
    pub confidence: u8,
    /// What the contributions start from: the model's average price.
    pub base: f64,
    /// `base + sum(contributions) = estimate`.
    pub contributions: Vec<Contribution>,
    /// The sales that back the estimate, best first.
    pub comparables: Vec<Comparable>,
    /// Days between the event and the latest sale that any market feature used.
    pub market_age_days: Option<i32>,
    /// The feature vector, in the order of the feature spec; NaN is missing.
    pub features: Vec<f64>,
    /// Running correction of the market's level, added to the model's log price.
    pub market_level: f64,
    /// Predicted scale of the log error.
    pub scale: f64,
    /// Quantile of the scaled log error at `(1 - interval_level) / 2`.
    pub error_low: f64,
    /// Quantile of the scaled log error at `(1 + interval_level) / 2`.
    pub error_high: f64,
    /// Facts that were missing or stale because a source was down.
    pub degraded: bool,
}

/// How good the facts were that an external source had for a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExternalStatus {
    /// Known, and within their time to live.
    Fresh,
    /// Older than that, because the source did not answer.
    Stale,
    /// The source has nothing on this home.
    Missing,
    /// The source did not answer, and nothing young enough was known.
    Unavailable,
}

/// What an external source had for a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalFacts {
    /// Name of the source in the settings.
    pub source: String,
    /// How good its facts were.
    pub status: ExternalStatus,
    /// Seconds between the source's answer and the estimate; `None` where there was no answer.
    pub age_seconds: Option<i64>,
}

impl ExternalFacts {
    /// Whether the facts would have been better, had the source answered.
    pub fn is_degraded(&self) -> bool {
        matches!(self.status, ExternalStatus::Stale | ExternalStatus::Unavailable)
    }
}

/// A price, or the reason there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum PriceOutcome {
    /// The home was priced.
    Priced(Box<Price>),
    /// A price would have been a guess.
    NoEstimate {
        /// Bounded reason.
        reason: NoEstimateReason,
        /// What was missing, in words.
        detail: String,
    },
}

/// The answer to one listing.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceEstimate {
    /// `ListingKey` of the subject.
    pub listing_key: String,
    /// The listing's event date.
    pub event_date: EventDate,
    /// ISO 4217 code.
    pub currency: String,
    /// The model that answered; `None` while there is no champion.
    pub model: Option<ModelRef>,
    /// Hash of the feature spec that `features` follow; empty while there is no champion.
    pub feature_spec_hash: String,
    /// The answer.
    pub outcome: PriceOutcome,
    /// What each external source had; empty where none is configured.
    pub external_facts: Vec<ExternalFacts>,
}

impl PriceEstimate {
    /// The estimate with what external sources had, `degraded` following from it.
    #[must_use]
    pub fn with_external_facts(mut self, external_facts: Vec<ExternalFacts>) -> Self {
        if let PriceOutcome::Priced(price) = &mut self.outcome {
            price.degraded |= external_facts.iter().any(ExternalFacts::is_degraded);
        }
        self.external_facts = external_facts;
        self
    }

    /// Whether facts were missing or stale because a source was down. An answer without a price
    /// can be: perhaps the facts that it lacked were there.
    pub fn is_degraded(&self) -> bool {
        self.price().is_some_and(|price| price.degraded)
            || self.external_facts.iter().any(ExternalFacts::is_degraded)
    }

    /// The price, if there is one.
    pub fn price(&self) -> Option<&Price> {
        match &self.outcome {
            PriceOutcome::Priced(price) => Some(price),
            PriceOutcome::NoEstimate { .. } => None,
        }
    }
}
