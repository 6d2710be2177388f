//! Taking in a predictor that was trained elsewhere: the rest of a version is learned here.

use super::archive::{Archived, TrainingArchive};
use super::select::{
    Rows, Scales, fit_scales, held_out_errors, holdout_start, measure, median_level, profile,
};
use super::{TrainingError, TrainingParams};
use crate::calibration::replay_errors;
use crate::date::EventDate;
use crate::features::{FeatureSpec, SpecFile};
use crate::learn::FittedModel;
use crate::model::PricingModel;

/// Share of the sales, the most recent, that an adopted model is measured on where nothing else
/// is said.
const HELD_OUT_SHARE: f64 = 0.3;
/// Fewest sales on either side of the date that a model was trained through.
const MIN_SIDE: usize = 100;

/// A sale as a model sees it.
pub struct EncodedSale<'a> {
    /// Its key.
    pub key: &'a str,
    /// When it closed.
    pub closed_on: EventDate,
    /// Its price, currency units.
    pub price: f64,
    /// The feature vector, shape `(spec.len(),)`.
    pub features: &'a [f64],
}

/// The spec that the sales in the archive offer.
pub fn discover(archive: &mut TrainingArchive) -> FeatureSpec {
    let market = *archive.params();
    let sales = all(archive);
    let plain: Vec<_> = sales.iter().map(|archived| &archived.sale).collect();
    FeatureSpec::discover(&plain, &market)
}

/// Tells `each` every sale, oldest first, encoded with the market as it was on its day: the very
/// numbers that a model is served with.
///
/// # Errors
/// The first error of `each`.
pub fn encode_sales<E>(
    archive: &mut TrainingArchive,
    spec: &FeatureSpec,
    mut each: impl FnMut(EncodedSale<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut row = Vec::with_capacity(spec.len());
    for archived in all(archive) {
        let sale = &archived.sale;
        spec.encode(&sale.facts, sale.closed_on, archived.view(), &mut row);
        each(EncodedSale {
            key: &sale.key,
            closed_on: sale.closed_on,
            price: sale.price,
            features: &row,
        })?;
    }
    Ok(())
}

fn all(archive: &mut TrainingArchive) -> Vec<&Archived> {
    archive.before(EventDate(i32::MAX))
}

/// Makes a version of a predictor that was trained elsewhere on sales through a date: the scale
/// of its errors, their seed and its accuracy come from the sales after, drift's reference from
/// those before.
///
/// `predictor` answers the natural log of the price over `file.spec`'s columns; `strategy` is
/// its name in the registry. Without `trained_through` the most recent 30 % of the sales count as
/// those after.
///
/// # Errors
/// [`TrainingError`] when there are fewer than 100 sales on either side.
pub fn adopt(
    archive: &mut TrainingArchive,
    file: &SpecFile,
    predictor: FittedModel,
    strategy: &str,
    trained_through: Option<EventDate>,
    params: &TrainingParams,
) -> Result<PricingModel, TrainingError> {
    params.check()?;
    let sales = all(archive);
    let rows = Rows::encode(&file.spec, &sales);
    let n = rows.dates.len();
    let holdout = match trained_through {
        Some(date) => rows.dates.partition_point(|closed_on| *closed_on <= date),
        None if n == 0 => 0,
        None => holdout_start(&rows.dates, HELD_OUT_SHARE, None),
    };
    if holdout < MIN_SIDE || n - holdout < MIN_SIDE {
        return Err(TrainingError::Sides { before: holdout, after: n - holdout, needed: MIN_SIDE });
    }
    let errors = held_out_errors(&rows, holdout, &predictor);
    let Scales { model: scale, scaled } = fit_scales(&rows, holdout, &errors, params)?;
    let mut metrics = measure(params.calibration, &scaled, &[], rows.dates[holdout]);
    metrics.insert("holdout_sales".into(), scaled.len() as f64);
    metrics.extend(median_level(&scaled));
    let learned = Rows::encode(&file.spec, &sales[..holdout]);
    Ok(PricingModel {
        strategy: strategy.to_owned(),
        spec: file.spec.clone(),
        market: file.market,
        calibration: params.calibration,
        profile: profile(&file.spec, &learned, &predictor)?,
        predictor,
        scale,
        calibration_seed: replay_errors(params.calibration, &scaled),
        trained_from: rows.dates[0],
        trained_through: rows.dates[holdout - 1],
        training_rows: holdout as u64,
        metrics,
    })
}
