//! From prediction and correction to the answer that is published.

use super::intervals::intervals;
use crate::calibration::Correction;
use crate::estimate::{Comparable, Contribution, Price};
use crate::learn::Explained;
use crate::market::{MAX_NEARBY, MarketView};
use crate::model::PricingModel;

/// Comparables that an answer shows.
const SHOWN_COMPARABLES: usize = 5;
const _: () = assert!(SHOWN_COMPARABLES <= MAX_NEARBY, "views name fewer");
/// Features whose contributions an answer shows one by one; the rest is `Other`.
const SHOWN_CONTRIBUTIONS: usize = 8;

/// What an answer's numbers follow from: computed alike when a price is published and when it
/// is computed again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recomputed {
    /// The estimate, currency units.
    pub estimate: f64,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
    /// Predicted scale of the log error.
    pub scale: f64,
}

/// Estimate and interval of a feature vector under a model, a level and error quantiles.
pub fn recompute(
    model: &PricingModel,
    features: &[f64],
    market_level: f64,
    error_low: f64,
    error_high: f64,
) -> Recomputed {
    let prediction = model.predictor.predict(features);
    from_prediction(model, features, prediction, market_level, (error_low, error_high))
}

/// [`recompute`] where the predictor has been asked already.
fn from_prediction(
    model: &PricingModel,
    features: &[f64],
    prediction: f64,
    market_level: f64,
    (error_low, error_high): (f64, f64),
) -> Recomputed {
    let log_estimate = prediction + market_level;
    let scale = model.scale.predict(features);
    let estimate = log_estimate.exp();
    Recomputed {
        estimate,
        lower: (log_estimate + error_low * scale).exp().min(estimate),
        upper: (log_estimate + error_high * scale).exp().max(estimate),
        scale,
    }
}

/// The price that a model gives a feature vector, `parts` taking its contributions.
pub(super) fn price(
    model: &PricingModel,
    features: &[f64],
    correction: &Correction,
    view: &MarketView,
    parts: &mut [f64],
) -> Price {
    let explained = model.predictor.explain(features, parts);
    explained_price(model, features, correction, view, explained, parts)
}

/// [`price`] where the predictor has been asked already.
pub(super) fn explained_price(
    model: &PricingModel,
    features: &[f64],
    correction: &Correction,
    view: &MarketView,
    explained: Explained,
    parts: &[f64],
) -> Price {
    let errors = (correction.error_low, correction.error_high);
    let numbers = from_prediction(model, features, explained.prediction, correction.level, errors);
    let base = explained.base.exp();
    Price {
        estimate: numbers.estimate,
        lower: numbers.lower,
        upper: numbers.upper,
        interval_level: model.calibration.interval_level,
        intervals: intervals(&numbers, model.calibration.interval_level, correction.ranges()),
        fsd: correction.error_68 * numbers.scale,
        confidence: correction.confidence(numbers.scale),
        base,
        contributions: contributions(model, numbers.estimate, base, parts, correction.level),
        comparables: comparables(view),
        market_age_days: view.latest_age_days,
        features: features.to_vec(),
        market_level: correction.level,
        scale: numbers.scale,
        error_low: correction.error_low,
        error_high: correction.error_high,
        degraded: false,
    }
}

/// Log contributions in currency: each part of `ln(estimate) - ln(base)` times their
/// logarithmic mean (additive LMDI, Ang 2004), so that the parts add up to
/// `estimate - base`. What rounding and the features not shown leave is `Other`.
fn contributions(
    model: &PricingModel,
    estimate: f64,
    base: f64,
    parts: &[f64],
    level: f64,
) -> Vec<Contribution> {
    let mean = logarithmic_mean(estimate, base);
    let mut shown: Vec<Contribution> = Vec::with_capacity(SHOWN_CONTRIBUTIONS + 2);
    for (index, part) in largest(parts) {
        shown.push(Contribution {
            name: model.spec.features[index].name.clone(),
            amount: mean * part,
        });
    }
    shown.push(Contribution { name: "MarketLevel".into(), amount: mean * level });
    let told: f64 = shown.iter().map(|part| part.amount).sum();
    shown.push(Contribution { name: "Other".into(), amount: estimate - base - told });
    shown
}

/// The parts that are shown and their places: by size, and the first of those alike.
fn largest(parts: &[f64]) -> Vec<(usize, f64)> {
    let mut largest: Vec<(usize, f64)> = Vec::with_capacity(SHOWN_CONTRIBUTIONS + 1);
    for (index, &part) in parts.iter().enumerate().filter(|(_, part)| **part != 0.0) {
        let place =
            largest.partition_point(|(_, other)| other.abs().total_cmp(&part.abs()).is_ge());
        if place < SHOWN_CONTRIBUTIONS {
            largest.insert(place, (index, part));
            largest.truncate(SHOWN_CONTRIBUTIONS);
        }
    }
    largest
}

/// `(a - b) / (ln a - ln b)`, and `a` where the two are as good as equal: what one unit of log
/// is worth between them.
fn logarithmic_mean(a: f64, b: f64) -> f64 {
    let span = a.ln() - b.ln();
    if span.abs() < 1e-9 { a } else { (a - b) / span }
}

/// The sales that an answer shows. The log adjustments of each become currency as
/// contributions do: times the logarithmic mean of its adjusted price and its price, so that
/// neither comes first and the two add up to the difference.
fn comparables(view: &MarketView) -> Vec<Comparable> {
    let shown = view.nearby.get(..SHOWN_COMPARABLES).unwrap_or(&view.nearby);
    let total: f64 = shown.iter().map(|near| near.weight).sum();
    shown
        .iter()
        .map(|near| {
            let adjusted_price = near.adjusted_log_price.exp();
            let mean = logarithmic_mean(adjusted_price, near.price);
            Comparable {
                listing_key: near.key.to_string(),
                closed_on: near.closed_on,
                price: near.price,
                adjusted_price,
                time_adjustment: mean * near.log_time_adjustment,
                size_adjustment: mean * near.log_size_adjustment,
                distance_km: near.distance_km,
                weight: near.weight / total,
            }
        })
        .collect()
}
