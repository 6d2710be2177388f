//! `PriceEstimate`: flat, so that readers without this crate find `estimate` at the top.

use std::borrow::Cow;

use model_core::date::EventDate;
use model_core::estimate::{
    Comparable, Contribution, ExternalFacts, ExternalStatus, Interval, ModelRef, NoEstimateReason,
    Price, PriceEstimate, PriceOutcome,
};
use serde::{Deserialize, Serialize};

use super::{Wire, invalid};
use crate::codec::PublishedEstimate;
use crate::error::DecodeError;
use crate::kind::RecordKind;

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusWire {
    Estimate,
    NoEstimate,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename = "Interval")]
struct IntervalWire {
    level: f64,
    lower: f64,
    upper: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Contribution")]
struct ContributionWire<'a> {
    name: Cow<'a, str>,
    amount: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Comparable")]
struct ComparableWire<'a> {
    #[serde(rename = "ListingKey")]
    listing_key: Cow<'a, str>,
    #[serde(rename = "CloseDate")]
    close_date: i32,
    #[serde(rename = "ClosePrice")]
    close_price: f64,
    adjusted_price: f64,
    time_adjustment: f64,
    size_adjustment: f64,
    distance_km: f64,
    weight: f64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ExternalStatusWire {
    Fresh,
    Stale,
    Missing,
    Unavailable,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "ExternalFacts")]
struct ExternalFactsWire<'a> {
    source: Cow<'a, str>,
    status: ExternalStatusWire,
    age_seconds: Option<i64>,
}

/// A price estimate on the wire.
#[derive(Serialize, Deserialize)]
#[serde(rename = "PriceEstimate")]
pub(crate) struct PriceEstimateWire<'a> {
    estimate_id: Cow<'a, str>,
    #[serde(rename = "ListingKey")]
    listing_key: Cow<'a, str>,
    event_date: i32,
    status: StatusWire,
    no_estimate_reason: Option<Cow<'a, str>>,
    no_estimate_detail: Option<Cow<'a, str>>,
    #[serde(rename = "Currency")]
    currency: Cow<'a, str>,
    model_version: Option<Cow<'a, str>>,
    model_digest: Option<Cow<'a, str>>,
    feature_spec_hash: Cow<'a, str>,
    estimate: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
    interval_level: Option<f64>,
    intervals: Vec<IntervalWire>,
    fsd: Option<f64>,
    confidence: Option<i32>,
    base: Option<f64>,
    contributions: Vec<ContributionWire<'a>>,
    comparables: Vec<ComparableWire<'a>>,
    market_age_days: Option<i32>,
    features: Cow<'a, [f64]>,
    market_level: Option<f64>,
    scale: Option<f64>,
    error_low: Option<f64>,
    error_high: Option<f64>,
    degraded: bool,
    external_facts: Vec<ExternalFactsWire<'a>>,
}

impl Wire for PriceEstimateWire<'static> {
    const KIND: RecordKind = RecordKind::PriceEstimate;
}

impl<'a> PriceEstimateWire<'a> {
    pub(crate) fn new(answer: &'a PriceEstimate, estimate_id: &'a str) -> Self {
        let wire = Self::without_outcome(answer, estimate_id);
        match &answer.outcome {
            PriceOutcome::NoEstimate { reason, detail } => Self {
                no_estimate_reason: Some(Cow::Borrowed(reason.code())),
                no_estimate_detail: Some(Cow::Borrowed(detail)),
                ..wire
            },
            PriceOutcome::Priced(price) => Self {
                status: StatusWire::Estimate,
                estimate: Some(price.estimate),
                lower: Some(price.lower),
                upper: Some(price.upper),
                interval_level: Some(price.interval_level),
                intervals: price.intervals.iter().copied().map(IntervalWire::from).collect(),
                fsd: Some(price.fsd),
                confidence: Some(i32::from(price.confidence)),
                base: Some(price.base),
                contributions: price.contributions.iter().map(ContributionWire::from).collect(),
                comparables: price.comparables.iter().map(ComparableWire::from).collect(),
                market_age_days: price.market_age_days,
                features: Cow::Borrowed(&price.features),
                market_level: Some(price.market_level),
                scale: Some(price.scale),
                error_low: Some(price.error_low),
                error_high: Some(price.error_high),
                ..wire
            },
        }
    }

    fn without_outcome(answer: &'a PriceEstimate, estimate_id: &'a str) -> Self {
        let model = answer.model.as_ref();
        Self {
            estimate_id: Cow::Borrowed(estimate_id),
            listing_key: Cow::Borrowed(&answer.listing_key),
            event_date: answer.event_date.0,
            status: StatusWire::NoEstimate,
            no_estimate_reason: None,
            no_estimate_detail: None,
            currency: Cow::Borrowed(&answer.currency),
            model_version: model.map(|model| Cow::Borrowed(model.version.as_str())),
            model_digest: model.map(|model| Cow::Borrowed(model.digest.as_str())),
            feature_spec_hash: Cow::Borrowed(&answer.feature_spec_hash),
            estimate: None,
            lower: None,
            upper: None,
            interval_level: None,
            intervals: Vec::new(),
            fsd: None,
            confidence: None,
            base: None,
            contributions: Vec::new(),
            comparables: Vec::new(),
            market_age_days: None,
            features: Cow::Borrowed(&[]),
            market_level: None,
            scale: None,
            error_low: None,
            error_high: None,
            degraded: answer.is_degraded(),
            external_facts: answer.external_facts.iter().map(ExternalFactsWire::from).collect(),
        }
    }

    fn into_price(self) -> Result<Price, DecodeError> {
        Ok(Price {
            estimate: present("estimate", self.estimate)?,
            lower: present("lower", self.lower)?,
            upper: present("upper", self.upper)?,
            interval_level: present("interval_level", self.interval_level)?,
            intervals: self.intervals.into_iter().map(Interval::from).collect(),
            fsd: present("fsd", self.fsd)?,
            confidence: confidence(self.confidence.unwrap_or_default())?,
            base: present("base", self.base)?,
            contributions: self.contributions.into_iter().map(Contribution::from).collect(),
            comparables: self.comparables.into_iter().map(Comparable::from).collect(),
            market_age_days: self.market_age_days,
            features: self.features.into_owned(),
            market_level: present("market_level", self.market_level)?,
            scale: present("scale", self.scale)?,
            error_low: present("error_low", self.error_low)?,
            error_high: present("error_high", self.error_high)?,
            degraded: self.degraded,
        })
    }

    fn no_estimate(&mut self) -> Result<PriceOutcome, DecodeError> {
        let code = present("no_estimate_reason", self.no_estimate_reason.take())?;
        let reason = NoEstimateReason::from_code(&code)
            .ok_or_else(|| invalid("no_estimate_reason", &code, "a known reason code"))?;
        let detail = self.no_estimate_detail.take().unwrap_or_default().into_owned();
        Ok(PriceOutcome::NoEstimate { reason, detail })
    }
}

impl TryFrom<PriceEstimateWire<'_>> for PublishedEstimate {
    type Error = DecodeError;

    fn try_from(mut wire: PriceEstimateWire<'_>) -> Result<Self, DecodeError> {
        let model = match (wire.model_version.take(), wire.model_digest.take()) {
            (Some(version), Some(digest)) => {
                Some(ModelRef { version: version.into_owned(), digest: digest.into_owned() })
            }
            (None, None) => None,
            (Some(_), None) => return Err(missing("model_digest")),
            (None, Some(_)) => return Err(missing("model_version")),
        };
        let estimate_id = std::mem::take(&mut wire.estimate_id).into_owned();
        let listing_key = std::mem::take(&mut wire.listing_key).into_owned();
        let currency = std::mem::take(&mut wire.currency).into_owned();
        let feature_spec_hash = std::mem::take(&mut wire.feature_spec_hash).into_owned();
        let event_date = EventDate(wire.event_date);
        let external_facts = std::mem::take(&mut wire.external_facts);
        let external_facts = external_facts.into_iter().map(ExternalFacts::from).collect();
        let outcome = match wire.status {
            StatusWire::Estimate => PriceOutcome::Priced(Box::new(wire.into_price()?)),
            StatusWire::NoEstimate => wire.no_estimate()?,
        };
        Ok(Self {
            estimate_id,
            estimate: PriceEstimate {
                listing_key,
                event_date,
                currency,
                model,
                feature_spec_hash,
                outcome,
                external_facts,
            },
        })
    }
}

fn present<T>(field: &str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or_else(|| missing(field))
}

/// A confidence score; records from before there was one count as 0.
fn confidence(score: i32) -> Result<u8, DecodeError> {
    match u8::try_from(score) {
        Ok(score) if score <= 100 => Ok(score),
        _ => Err(invalid("confidence", &score.to_string(), "a score, 0 to 100")),
    }
}

fn missing(field: &str) -> DecodeError {
    DecodeError::MissingField { field: field.to_owned() }
}

impl From<Interval> for IntervalWire {
    fn from(interval: Interval) -> Self {
        let Interval { level, lower, upper } = interval;
        Self { level, lower, upper }
    }
}

impl From<IntervalWire> for Interval {
    fn from(wire: IntervalWire) -> Self {
        Self { level: wire.level, lower: wire.lower, upper: wire.upper }
    }
}

impl<'a> From<&'a Contribution> for ContributionWire<'a> {
    fn from(contribution: &'a Contribution) -> Self {
        Self { name: Cow::Borrowed(&contribution.name), amount: contribution.amount }
    }
}

impl From<ContributionWire<'_>> for Contribution {
    fn from(wire: ContributionWire<'_>) -> Self {
        Self { name: wire.name.into_owned(), amount: wire.amount }
    }
}

impl<'a> From<&'a Comparable> for ComparableWire<'a> {
    fn from(comparable: &'a Comparable) -> Self {
        Self {
            listing_key: Cow::Borrowed(&comparable.listing_key),
            close_date: comparable.closed_on.0,
            close_price: comparable.price,
            adjusted_price: comparable.adjusted_price,
            time_adjustment: comparable.time_adjustment,
            size_adjustment: comparable.size_adjustment,
            distance_km: comparable.distance_km,
            weight: comparable.weight,
        }
    }
}

impl From<ComparableWire<'_>> for Comparable {
    fn from(wire: ComparableWire<'_>) -> Self {
        Self {
            listing_key: wire.listing_key.into_owned(),
            closed_on: EventDate(wire.close_date),
            price: wire.close_price,
            adjusted_price: wire.adjusted_price,
            time_adjustment: wire.time_adjustment,
            size_adjustment: wire.size_adjustment,
            distance_km: wire.distance_km,
            weight: wire.weight,
        }
    }
}

impl<'a> From<&'a ExternalFacts> for ExternalFactsWire<'a> {
    fn from(facts: &'a ExternalFacts) -> Self {
        let status = match facts.status {
            ExternalStatus::Fresh => ExternalStatusWire::Fresh,
            ExternalStatus::Stale => ExternalStatusWire::Stale,
            ExternalStatus::Missing => ExternalStatusWire::Missing,
            ExternalStatus::Unavailable => ExternalStatusWire::Unavailable,
        };
        Self { source: Cow::Borrowed(&facts.source), status, age_seconds: facts.age_seconds }
    }
}

impl From<ExternalFactsWire<'_>> for ExternalFacts {
    fn from(wire: ExternalFactsWire<'_>) -> Self {
        let status = match wire.status {
            ExternalStatusWire::Fresh => ExternalStatus::Fresh,
            ExternalStatusWire::Stale => ExternalStatus::Stale,
            ExternalStatusWire::Missing => ExternalStatus::Missing,
            ExternalStatusWire::Unavailable => ExternalStatus::Unavailable,
        };
        Self { source: wire.source.into_owned(), status, age_seconds: wire.age_seconds }
    }
}
