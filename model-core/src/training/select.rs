//! Selection among strategies, the gate against the champion, and the final fit.

use std::collections::BTreeMap;

use super::archive::{Archived, TrainingArchive};
use super::members::{Choices, Members};
use super::{StrategyName, TrainingError, TrainingParams};
use crate::calibration::{CalibrationParams, ErrorTracker, replay_errors};
use crate::date::EventDate;
use crate::drift::{ColumnSpec, ColumnSpecKind, ProfileError, ReferenceProfile};
use crate::evaluation::quantiles::median;
use crate::features::{FeatureGroup, FeatureSpec};
use crate::learn::{
    BoostedTreesParams, ColumnKind, FeatureMatrix, FittedModel, Loss, Strategy, TrainingData,
};
use crate::model::{PricingModel, ScaleModel};

/// Every tenth training sale chooses the number of trees and the penalty.
const VALIDATION_STRIDE: usize = 10;
/// Sales that a comparison should rest on at least.
const MIN_HOLDOUT: usize = 400;
/// With fewer held-out sales than this the scale of errors is one number for all homes.
const MIN_SCALE_ROWS: usize = 300;
/// Keeps the log of a small error finite; 1 % is below any market's noise.
const ERROR_FLOOR: f64 = 0.01;
/// The reference of price estimates is the last year: prices move by nature.
const ESTIMATE_REFERENCE_DAYS: i32 = 365;
/// Bins of each reference distribution.
const PROFILE_BINS: usize = 10;
/// Fewest sales after the champion's training on which a comparison is fair.
const MIN_FAIR_ROWS: usize = 100;

/// Name of the metric that [`median_level`] measures.
pub(crate) const LEVEL_ERROR: &str = "level_error";

/// The challenger's case against the champion.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Whether the challenger may be promoted.
    pub passed: bool,
    /// The reason, in words, with the figures.
    pub why: String,
}

/// The result of one training.
pub struct Training {
    /// The new version's artifact. When the gate failed it is the model that was compared.
    pub model: PricingModel,
    /// Measured values: the challenger's, and the champion's as `champion_*`.
    pub metrics: BTreeMap<String, f64>,
    /// Whether it may be promoted, and why.
    pub gate: Gate,
}

/// Trains on the sales before `as_of` and compares with the champion.
///
/// # Errors
/// [`TrainingError`] when there are too few sales, a parameter is out of range or no strategy
/// can learn.
pub fn train(
    archive: &mut TrainingArchive,
    champion: Option<&PricingModel>,
    as_of: EventDate,
    params: &TrainingParams,
) -> Result<Training, TrainingError> {
    params.check()?;
    let sales = archive.before(as_of);
    if sales.len() < params.min_sales {
        let needed = params.min_sales;
        return Err(TrainingError::TooFewSales { found: sales.len(), as_of, needed });
    }
    let plain: Vec<_> = sales.iter().map(|archived| &archived.sale).collect();
    let spec = FeatureSpec::discover(&plain, &params.market);
    let rows = Rows::encode(&spec, &sales);
    let learned_through = champion.map(|champion| champion.trained_through);
    let holdout = holdout_start(&rows.dates, params.holdout_share, learned_through);

    let candidate = select(&rows, holdout, params)?;
    let errors = held_out_errors(&rows, holdout, &candidate.model);
    let Scales { model: scale, scaled } = fit_scales(&rows, holdout, &errors, params)?;
    let seed = replay_errors(params.calibration, &scaled);

    let mut metrics = measure(params.calibration, &scaled, &[], holdout_date(&rows, holdout));
    let gate = judge(&sales, champion, &scaled, params, &mut metrics);
    metrics.insert("holdout_sales".into(), scaled.len() as f64);
    metrics.extend(median_level(&scaled));

    let mut model = PricingModel {
        strategy: candidate.choice.name().to_owned(),
        market: params.market,
        calibration: params.calibration,
        scale,
        calibration_seed: seed,
        profile: profile(&spec, &rows, &candidate.model)?,
        trained_from: rows.dates.first().copied().unwrap_or_default(),
        trained_through: rows.dates[holdout.saturating_sub(1)],
        training_rows: holdout as u64,
        metrics: metrics.clone(),
        predictor: candidate.model.clone(),
        spec,
    };
    if gate.passed {
        model.predictor = refit(&rows, &candidate, params)?;
        model.trained_through = rows.dates.last().copied().unwrap_or_default();
        model.training_rows = rows.dates.len() as u64;
        model.profile = profile(&model.spec, &rows, &model.predictor)?;
    }
    Ok(Training { model, metrics, gate })
}

/// By how much the median log error of held-out sales lies above their mean: where the monitor
/// begins to measure the market's level from. A model is trained to a mean error of zero, and
/// what the mean of held-out sales has moved since is the market; the median stays above it where
/// some homes sell far below their worth.
pub(super) fn median_level(errors: &[(EventDate, f64, f64)]) -> Option<(String, f64)> {
    let errors: Vec<f64> = errors.iter().map(|(_, error, _)| *error).collect();
    Some((LEVEL_ERROR.to_owned(), median(&errors)? - mean(errors.iter().copied())))
}

/// Encoded sales, oldest first.
pub(super) struct Rows {
    features: FeatureMatrix,
    target: Vec<f64>,
    pub(super) dates: Vec<EventDate>,
    kinds: Vec<ColumnKind>,
}

impl Rows {
    /// The sales of the last year.
    fn recent(&self) -> std::ops::Range<usize> {
        let first = self.dates.last().map_or(0, |last| {
            let from = last.plus_days(-ESTIMATE_REFERENCE_DAYS);
            self.dates.partition_point(|date| *date < from)
        });
        first..self.dates.len()
    }

    pub(super) fn encode(spec: &FeatureSpec, sales: &[&Archived]) -> Self {
        let mut features = FeatureMatrix::with_capacity(spec.len(), sales.len());
        let mut row = Vec::with_capacity(spec.len());
        for archived in sales {
            let sale = &archived.sale;
            spec.encode(&sale.facts, sale.closed_on, archived.view(), &mut row);
            // A row has the spec's width, which is the matrix's: it cannot be refused.
            let _ = features.push_row(&row);
        }
        Self {
            features,
            target: sales.iter().map(|archived| archived.sale.price.ln()).collect(),
            dates: sales.iter().map(|archived| archived.sale.closed_on).collect(),
            kinds: spec.column_kinds(),
        }
    }

    fn part(&self, keep: impl Fn(usize) -> bool, until: usize) -> Part<'_> {
        let indices: Vec<usize> = (0..until).filter(|i| keep(*i)).collect();
        Part {
            features: self.features.select(&indices),
            target: indices.iter().map(|i| self.target[*i]).collect(),
            kinds: &self.kinds,
        }
    }
}

struct Part<'a> {
    features: FeatureMatrix,
    target: Vec<f64>,
    kinds: &'a [ColumnKind],
}

impl Part<'_> {
    fn data(&self) -> TrainingData<'_> {
        TrainingData { features: &self.features, target: &self.target, kinds: self.kinds }
    }
}

/// Index of the first held-out sale: a day is never split.
///
/// The holdout is the most recent `share` of the sales. Against a champion it begins no earlier
/// than half-way through the sales that the champion has not learned from: a challenger that
/// learned from none of them would have nothing to show. It keeps [`MIN_HOLDOUT`] sales where
/// there are as many.
pub(super) fn holdout_start(
    dates: &[EventDate],
    share: f64,
    learned_through: Option<EventDate>,
) -> usize {
    let n = dates.len();
    let mut wanted = ((1.0 - share) * n as f64) as usize;
    if let Some(learned_through) = learned_through {
        let unseen = dates.partition_point(|date| *date <= learned_through);
        let half = unseen + (n - unseen) / 2;
        wanted = wanted.max(half.min(n.saturating_sub(MIN_HOLDOUT)));
    }
    let day = dates[wanted.min(n - 1)];
    dates.partition_point(|date| *date < day)
}

fn holdout_date(rows: &Rows, holdout: usize) -> EventDate {
    rows.dates.get(holdout).copied().unwrap_or_default()
}

struct Candidate {
    choice: StrategyName,
    choices: Choices,
    model: FittedModel,
}

/// Fits every strategy before the holdout and keeps the one with the smallest mean absolute
/// log error on it, level correction included; the first of equals.
fn select(
    rows: &Rows,
    holdout: usize,
    params: &TrainingParams,
) -> Result<Candidate, TrainingError> {
    let train = rows.part(|i| !validates(i), holdout);
    let validation = rows.part(validates, holdout);
    let members = Members::fit(
        &params.strategies,
        &train.data(),
        &validation.data(),
        Choices::default(),
        params,
    )?;
    let mut best: Option<(f64, Candidate)> = None;
    for choice in params.strategies.iter().copied() {
        let model = members.model(choice)?;
        let errors: Vec<_> = held_out_errors(rows, holdout, &model)
            .into_iter()
            .map(|(date, error)| (date, error, 1.0))
            .collect();
        let corrected = corrected_errors(params.calibration, &errors, &[]);
        let loss = mean(corrected.iter().map(|error| error.abs()));
        if best.as_ref().is_none_or(|(least, _)| loss < *least) {
            best = Some((loss, Candidate { choice, choices: members.choices(), model }));
        }
    }
    best.map(|(_, candidate)| candidate).ok_or(TrainingError::NoStrategy)
}

fn validates(i: usize) -> bool {
    i % VALIDATION_STRIDE == VALIDATION_STRIDE / 2
}

/// The winner's strategy once more, on every sale, with the penalty and as many trees as validation chose.
fn refit(
    rows: &Rows,
    winner: &Candidate,
    params: &TrainingParams,
) -> Result<FittedModel, TrainingError> {
    let all = rows.part(|_| true, rows.dates.len());
    let validation = rows.part(validates, rows.dates.len());
    let strategies = [winner.choice];
    Members::fit(&strategies, &all.data(), &validation.data(), winner.choices, params)?
        .model(winner.choice)
}

pub(super) fn held_out_errors(
    rows: &Rows,
    holdout: usize,
    model: &FittedModel,
) -> Vec<(EventDate, f64)> {
    (holdout..rows.dates.len())
        .map(|i| (rows.dates[i], rows.target[i] - model.predict(rows.features.row(i))))
        .collect()
}

/// What the held-out errors teach of their own scale.
pub(super) struct Scales {
    /// Predicts the scale of any home.
    pub(super) model: ScaleModel,
    /// The held-out errors, each with a scale that was not learned from it.
    pub(super) scaled: Vec<(EventDate, f64, f64)>,
}

/// Learns the scale of errors from the held-out sales. Their own scales, on which the interval
/// will rest, come from models of the other half of them (cross-fitting): a scale that had seen
/// its error would fit it too well, and the interval would be too narrow.
pub(super) fn fit_scales(
    rows: &Rows,
    holdout: usize,
    errors: &[(EventDate, f64)],
    params: &TrainingParams,
) -> Result<Scales, TrainingError> {
    let plain: Vec<_> = errors.iter().map(|(date, error)| (*date, *error, 1.0)).collect();
    let corrected = corrected_errors(params.calibration, &plain, &[]);
    let target: Vec<f64> = corrected.iter().map(|e| (e.abs() + ERROR_FLOOR).ln()).collect();
    let all: Vec<usize> = (0..target.len()).collect();
    let halves = [0, 1].map(|half| all.iter().copied().filter(|i| i % 2 != half).collect());
    let [others_of_even, others_of_odd]: [Vec<usize>; 2] = halves;
    let of_half = [
        fit_scale(rows, holdout, &target, &others_of_even)?,
        fit_scale(rows, holdout, &target, &others_of_odd)?,
    ];
    let scaled = errors
        .iter()
        .enumerate()
        .map(|(i, (date, error))| {
            (*date, *error, of_half[i % 2].predict(rows.features.row(holdout + i)))
        })
        .collect();
    Ok(Scales { model: fit_scale(rows, holdout, &target, &all)?, scaled })
}

/// Small trees of `target`, `ln(|error|)` of the held-out sales, learned from those at `chosen`.
fn fit_scale(
    rows: &Rows,
    holdout: usize,
    target: &[f64],
    chosen: &[usize],
) -> Result<ScaleModel, TrainingError> {
    let learned: Vec<f64> = chosen.iter().map(|i| target[*i]).collect();
    let constant = mean(learned.iter().copied());
    // The halves follow the whole, so that all of them are trees or none is.
    if target.len() < MIN_SCALE_ROWS {
        return Ok(ScaleModel { constant, trees: None });
    }
    let places: Vec<usize> = chosen.iter().map(|i| holdout + i).collect();
    let features = rows.features.select(&places);
    let data = TrainingData { features: &features, target: &learned, kinds: &rows.kinds };
    let small = BoostedTreesParams {
        loss: Loss::Squared,
        learning_rate: 0.1,
        num_leaves: 6,
        min_child_rows: u32::try_from(learned.len() / 15).unwrap_or(400).clamp(40, 400),
        ..BoostedTreesParams::default()
    };
    let trees = small
        .with_rounds(40)
        .check()
        .and_then(|strategy| strategy.fit(&data, None))
        .map_err(|source| TrainingError::Fit { strategy: "scale", source })?;
    Ok(ScaleModel { constant, trees: Some(trees) })
}

/// Errors around the estimate corrected by the level of the sales before, unscaled.
fn corrected_errors(
    params: CalibrationParams,
    errors: &[(EventDate, f64, f64)],
    seed: &[f64],
) -> Vec<f64> {
    let mut tracker = ErrorTracker::new(params, seed);
    errors
        .iter()
        .map(|(date, error, scale)| {
            let level = tracker.as_of(*date).level;
            tracker.record(*date, *error, *scale);
            error - level
        })
        .collect()
}

/// Accuracy in service: each sale from `from` on, priced with the level and the interval that
/// the sales before it would have given.
pub(super) fn measure(
    params: CalibrationParams,
    errors: &[(EventDate, f64, f64)],
    seed: &[f64],
    from: EventDate,
) -> BTreeMap<String, f64> {
    let mut tracker = ErrorTracker::new(params, seed);
    let (mut log_errors, mut percentages, mut covered) = (Vec::new(), Vec::new(), 0_usize);
    for (date, error, scale) in errors {
        let correction = tracker.as_of(*date);
        tracker.record(*date, *error, *scale);
        if *date < from {
            continue;
        }
        let rest = error - correction.level;
        log_errors.push(rest);
        percentages.push(((-rest).exp() - 1.0).abs());
        let scaled = rest / scale;
        covered += usize::from(correction.error_low <= scaled && scaled <= correction.error_high);
    }
    let n = log_errors.len().max(1) as f64;
    percentages.sort_by(f64::total_cmp);
    let within = percentages.iter().filter(|share| **share <= 0.1).count();
    let median = percentages.get(percentages.len() / 2).copied().unwrap_or(0.0);
    BTreeMap::from([
        ("mean_absolute_log_error".to_owned(), mean(log_errors.iter().map(|e| e.abs()))),
        ("rmse_log".to_owned(), mean(log_errors.iter().map(|e| e * e)).sqrt()),
        ("mape".to_owned(), mean(percentages.iter().copied())),
        ("mdape".to_owned(), median),
        ("ppe10".to_owned(), within as f64 / n),
        ("coverage90".to_owned(), covered as f64 / n),
    ])
}

/// Compares with the champion on held-out sales that the champion has not learned from.
fn judge(
    sales: &[&Archived],
    champion: Option<&PricingModel>,
    challenger: &[(EventDate, f64, f64)],
    params: &TrainingParams,
    metrics: &mut BTreeMap<String, f64>,
) -> Gate {
    let Some(champion) = champion else {
        return Gate { passed: true, why: "there is no champion to compare with".into() };
    };
    let first = challenger.first().map(|(date, _, _)| *date).unwrap_or_default();
    let fair = first.max(champion.trained_through.plus_days(1));
    let enough = challenger.iter().filter(|(date, _, _)| *date >= fair).count() >= MIN_FAIR_ROWS;
    let from = if enough { fair } else { first };

    let mut row = Vec::new();
    let errors: Vec<(EventDate, f64, f64)> = sales
        .iter()
        .filter(|a| a.sale.closed_on > champion.trained_through || a.sale.closed_on >= from)
        .map(|archived| {
            let sale = &archived.sale;
            champion.spec.encode(&sale.facts, sale.closed_on, archived.view(), &mut row);
            let error = sale.price.ln() - champion.predictor.predict(&row);
            (sale.closed_on, error, champion.scale.predict(&row))
        })
        .collect();
    let theirs = measure(champion.calibration, &errors, &champion.calibration_seed, from);
    let ours = measure(params.calibration, challenger, &[], from);
    let name = "mean_absolute_log_error";
    let (ours, theirs_error) = (
        ours.get(name).copied().unwrap_or(f64::INFINITY),
        theirs.get(name).copied().unwrap_or(f64::INFINITY),
    );
    metrics.extend(theirs.into_iter().map(|(name, value)| (format!("champion_{name}"), value)));
    metrics.insert("compared_mean_absolute_log_error".into(), ours);
    let limit = theirs_error * (1.0 - params.min_improvement);
    let passed = ours < limit;
    let verb = if passed { "is below" } else { "is not below" };
    let why = format!(
        "mean absolute log error {ours:.4} on sales from {from} on {verb} {limit:.4} \
         (champion {theirs_error:.4}, min_improvement {})",
        params.min_improvement
    );
    Gate { passed, why }
}

/// The reference that drift is measured against: facts and places of all training sales,
/// estimates of the last year's.
pub(super) fn profile(
    spec: &FeatureSpec,
    rows: &Rows,
    predictor: &FittedModel,
) -> Result<ReferenceProfile, ProfileError> {
    let columns: Vec<ColumnSpec> = spec
        .features
        .iter()
        .enumerate()
        .filter(|(_, f)| matches!(f.group, FeatureGroup::Fact | FeatureGroup::Location))
        .map(|(index, feature)| ColumnSpec {
            index,
            name: feature.name.clone(),
            kind: if feature.levels.is_empty() {
                ColumnSpecKind::Numeric
            } else {
                ColumnSpecKind::Categorical { labels: feature.levels.clone() }
            },
        })
        .collect();
    let estimates: Vec<f64> =
        rows.recent().map(|i| predictor.predict(rows.features.row(i))).collect();
    ReferenceProfile::build(&columns, rows.features.rows(), &estimates, PROFILE_BINS)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0_usize), |(sum, n), value| (sum + value, n + 1));
    if n == 0 { 0.0 } else { sum / n as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(n: i32) -> Vec<EventDate> {
        (0..n).map(EventDate).collect()
    }

    #[test]
    fn the_holdout_is_the_most_recent_share() {
        assert_eq!(holdout_start(&days(1_000), 0.15, None), 850);
    }

    #[test]
    fn against_a_champion_it_begins_half_way_through_what_that_has_not_seen() {
        assert_eq!(holdout_start(&days(8_000), 0.15, Some(EventDate(6_999))), 7_500);
        assert_eq!(holdout_start(&days(8_000), 0.15, Some(EventDate(99))), 6_800);
    }

    #[test]
    fn it_keeps_enough_sales_to_compare_on_and_never_splits_a_day() {
        assert_eq!(holdout_start(&days(8_000), 0.15, Some(EventDate(7_989))), 7_600);
        let one_day = vec![EventDate(5); 100];
        assert_eq!(holdout_start(&one_day, 0.15, None), 0);
    }
}
