//! How good price estimates are: accuracy and ratio-study measures.
//!
//! Every measure takes `estimates` and `prices` of the same homes in the same order and the
//! same currency. A *ratio* is `estimate / price`. Shares and percentage errors are decimals
//! (0.08 is 8 %); only COD is in percent, as the assessors' standards print it.
//!
//! Sources: International Association of Assessing Officers, *Standard on Ratio Studies*
//! (2013; IAAO below) for median ratio, COD, PRD, PRB and trimming, and *Standard on
//! Automated Valuation Models* (2018; AVM below) for PPE and `MdAPE`; Gneiting & Raftery
//! (2007), "Strictly proper scoring rules, prediction, and estimation", *JASA* 102(477),
//! eq. 43 for the interval score.

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_linear::LinearRegression;
use ndarray::{Array1, Array2};
use thiserror::Error;

use self::quantiles::{median, quantile};

pub mod assessment;
pub mod quantiles;
pub mod segments;
pub mod standards;
pub mod vertical_equity;

/// Why a measure has no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EvaluationError {
    /// There is nothing to measure.
    #[error("no estimates to evaluate")]
    Empty,
    /// The slices do not describe the same homes.
    #[error("{0} estimates for {1} prices")]
    LengthMismatch(usize, usize),
    /// A number is NaN or infinite, or not above 0 where a ratio or logarithm needs it.
    #[error("the {what} at position {index} is not a usable number")]
    BadValue {
        /// `estimate`, `price` or `interval`.
        what: &'static str,
        /// Zero-based position.
        index: usize,
    },
    /// The measure divides by a spread that is zero, or has too few values.
    #[error("{0} is not defined for these values")]
    Degenerate(&'static str),
    /// A parameter of the assessment is outside its range.
    #[error("assessment parameter {name} is outside its range, {expected}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// The accepted range.
        expected: &'static str,
    },
    /// Too few sales have an estimate to be judged.
    #[error("{found} sales with an estimate, expected at least {needed}")]
    TooFew {
        /// Sales with an estimate.
        found: u64,
        /// The least that is judged.
        needed: u64,
    },
}

type Result<T> = std::result::Result<T, EvaluationError>;

/// Root mean squared error, currency units: `sqrt(mean((estimate - price)^2))`.
///
/// # Errors
/// [`EvaluationError`] for empty, unequal or non-finite input.
pub fn rmse(estimates: &[f64], prices: &[f64]) -> Result<f64> {
    check_finite(estimates, prices)?;
    Ok(mean(pairs(estimates, prices).map(|(e, p)| (e - p).powi(2))).sqrt())
}

/// Mean absolute error, currency units: `mean(|estimate - price|)`.
///
/// # Errors
/// [`EvaluationError`] for empty, unequal or non-finite input.
pub fn mae(estimates: &[f64], prices: &[f64]) -> Result<f64> {
    check_finite(estimates, prices)?;
    Ok(mean(pairs(estimates, prices).map(|(e, p)| (e - p).abs())))
}

/// Mean absolute percentage error, a decimal: `mean(|estimate - price| / price)`.
///
/// # Errors
/// [`EvaluationError`] for empty or unequal input, or values not above 0.
pub fn mape(estimates: &[f64], prices: &[f64]) -> Result<f64> {
    check_positive(estimates, prices)?;
    Ok(mean(percentage_errors(estimates, prices).into_iter()))
}

/// Median absolute percentage error, a decimal: `median(|estimate - price| / price)` (AVM).
///
/// # Errors
/// [`EvaluationError`] for empty or unequal input, or values not above 0.
pub fn mdape(estimates: &[f64], prices: &[f64]) -> Result<f64> {
    check_positive(estimates, prices)?;
    median(&percentage_errors(estimates, prices)).ok_or(EvaluationError::Empty)
}

/// Coefficient of determination: `1 - sum((price - estimate)^2) / sum((price - mean)^2)`.
///
/// # Errors
/// [`EvaluationError`] for empty, unequal or non-finite input, or prices that are all equal.
pub fn r2(estimates: &[f64], prices: &[f64]) -> Result<f64> {
    check_finite(estimates, prices)?;
    let centre = mean(prices.iter().copied());
    let total: f64 = prices.iter().map(|p| (p - centre).powi(2)).sum();
    if total <= 0.0 {
        return Err(EvaluationError::Degenerate("r2"));
    }
    Ok(1.0 - pairs(estimates, prices).map(|(e, p)| (p - e).powi(2)).sum::<f64>() / total)
}

/// Root mean squared log error: `sqrt(mean((ln(1 + estimate) - ln(1 + price))^2))`, the
/// definition of scikit-learn's `root_mean_squared_log_error`.
///
/// # Errors
/// [`EvaluationError`] for empty or unequal input, or values not above 0.
pub fn rmsle(estimates: &[f64], prices: &[f64]) -> Result<f64> {
    check_positive(estimates, prices)?;
    Ok(mean(pairs(estimates, prices).map(|(e, p)| (e.ln_1p() - p.ln_1p()).powi(2))).sqrt())
}

/// Percentage of predicted error (AVM): the share of estimates within `within` (a decimal;
/// 0.05, 0.10 and 0.20 are PPE5, PPE10 and PPE20) of the price, bounds included.
///
/// # Errors
/// [`EvaluationError`] for empty or unequal input, or values not above 0.
pub fn ppe(estimates: &[f64], prices: &[f64], within: f64) -> Result<f64> {
    check_positive(estimates, prices)?;
    Ok(mean(pairs(estimates, prices).map(|(e, p)| f64::from((e - p).abs() <= within * p))))
}

/// Median of the ratios (IAAO): 1 is a level without bias, 0.90 to 1.10 is accepted.
///
/// # Errors
/// [`EvaluationError`] for empty or unequal input, or values not above 0.
pub fn median_ratio(estimates: &[f64], prices: &[f64]) -> Result<f64> {
    median(&ratios(estimates, prices)?).ok_or(EvaluationError::Empty)
}

/// Coefficient of dispersion, percent (IAAO): `100 mean(|ratio - median|) / median`.
/// 5 to 15 is accepted for homes.
///
/// # Errors
/// [`EvaluationError`] for empty or unequal input, or values not above 0.
pub fn cod(estimates: &[f64], prices: &[f64]) -> Result<f64> {
    let ratios = ratios(estimates, prices)?;
    let centre = median(&ratios).ok_or(EvaluationError::Empty)?;
    Ok(100.0 * mean(ratios.iter().map(|ratio| (ratio - centre).abs())) / centre)
}

/// Price-related differential (IAAO): mean ratio over weighted mean ratio, the latter
/// `sum(estimates) / sum(prices)`. Above 1.03 dear homes are estimated too low, below 0.98
/// too high.
///
/// # Errors
/// [`EvaluationError`] for empty or unequal input, or values not above 0.
pub fn prd(estimates: &[f64], prices: &[f64]) -> Result<f64> {
    let ratios = ratios(estimates, prices)?;
    let weighted = estimates.iter().sum::<f64>() / prices.iter().sum::<f64>();
    Ok(mean(ratios.into_iter()) / weighted)
}

/// Coefficient of price-related bias (IAAO): by how much ratios change, relative to
/// their median `m`, when the home's value doubles. The slope of `(ratio - m) / m` on
/// `log2((estimate / m + price) / 2)`; within ±0.05 is accepted.
///
/// # Errors
/// [`EvaluationError`] for empty or unequal input, values not above 0, fewer than 3 homes,
/// or homes all of one value.
pub fn prb(estimates: &[f64], prices: &[f64]) -> Result<f64> {
    const DEGENERATE: EvaluationError = EvaluationError::Degenerate("prb");
    let ratios = ratios(estimates, prices)?;
    let centre = median(&ratios).ok_or(EvaluationError::Empty)?;
    if ratios.len() < 3 {
        return Err(DEGENERATE);
    }
    let values: Vec<f64> =
        pairs(estimates, prices).map(|(e, p)| (0.5 * (e / centre + p)).log2()).collect();
    // A slope does not depend on where its line is measured from; centred it is well conditioned.
    let middle = mean(values.iter().copied());
    let x: Vec<f64> = values.iter().map(|value| value - middle).collect();
    let spread: f64 = x.iter().map(|value| value * value).sum();
    let y: Array1<f64> = ratios.iter().map(|ratio| (ratio - centre) / centre).collect();
    if !spread.is_finite() || spread < 1e-12 || !y.iter().all(|value| value.is_finite()) {
        return Err(DEGENERATE);
    }
    let x = Array2::from_shape_vec((x.len(), 1), x).map_err(|_| DEGENERATE)?;
    let line = LinearRegression::new().fit(&Dataset::new(x, y)).map_err(|_| DEGENERATE)?;
    let slope = line.params().first().copied();
    slope.filter(|slope| slope.is_finite()).ok_or(DEGENERATE)
}

/// The homes whose ratio lies within `factor` interquartile ranges of the quartiles, in
/// their order (IAAO trims extreme ratios with a factor of 3).
///
/// # Errors
/// [`EvaluationError`] for empty or unequal input, or values not above 0.
pub fn trimmed(estimates: &[f64], prices: &[f64], factor: f64) -> Result<(Vec<f64>, Vec<f64>)> {
    let ratios = ratios(estimates, prices)?;
    let low = quantile(&ratios, 0.25).ok_or(EvaluationError::Empty)?;
    let high = quantile(&ratios, 0.75).ok_or(EvaluationError::Empty)?;
    let reach = factor * (high - low);
    let kept = low - reach..=high + reach;
    Ok(pairs(estimates, prices).filter(|(e, p)| kept.contains(&(e / p))).unzip())
}

/// Share of prices inside their interval, ends included.
///
/// # Errors
/// [`EvaluationError`] for empty, unequal or non-finite input, or a lower end above the upper.
pub fn coverage(lower: &[f64], upper: &[f64], prices: &[f64]) -> Result<f64> {
    let rows = intervals(lower, upper, prices)?;
    Ok(mean(rows.map(|(l, u, p)| f64::from(l <= p && p <= u))))
}

/// Mean interval score, currency units, smaller is better: the interval's width, plus
/// `2 / (1 - level)` times the distance by which the price lies outside (Gneiting & Raftery
/// 2007, eq. 43). `level` is the nominal coverage, above 0 and below 1.
///
/// # Errors
/// [`EvaluationError`] for empty, unequal or non-finite input, a lower end above the upper,
/// or a level outside 0 to 1.
pub fn interval_score(lower: &[f64], upper: &[f64], prices: &[f64], level: f64) -> Result<f64> {
    if !(level > 0.0 && level < 1.0) {
        return Err(EvaluationError::Degenerate("interval_score"));
    }
    let penalty = 2.0 / (1.0 - level);
    let rows = intervals(lower, upper, prices)?;
    Ok(mean(rows.map(|(l, u, p)| (u - l) + penalty * ((l - p).max(0.0) + (p - u).max(0.0)))))
}

/// All measures of a set of estimates together.
#[derive(Clone, Debug, PartialEq)]
pub struct AccuracySummary {
    /// Priced sales.
    pub n: u64,
    /// See [`rmse`]; currency units.
    pub rmse: f64,
    /// See [`mae`]; currency units.
    pub mae: f64,
    /// See [`mape`]; a decimal.
    pub mape: f64,
    /// See [`mdape`]; a decimal.
    pub mdape: f64,
    /// See [`r2`]; `None` when all prices are equal.
    pub r2: Option<f64>,
    /// See [`rmsle`].
    pub rmsle: f64,
    /// Share within 5 % of the price; see [`ppe`].
    pub ppe5: f64,
    /// Share within 10 % of the price.
    pub ppe10: f64,
    /// Share within 20 % of the price.
    pub ppe20: f64,
    /// See [`median_ratio`].
    pub median_ratio: f64,
    /// See [`cod`]; percent.
    pub cod: f64,
    /// See [`prd`].
    pub prd: f64,
    /// See [`prb`]; `None` for fewer than 3 homes or homes all of one value.
    pub prb: Option<f64>,
}

impl AccuracySummary {
    /// Computes every measure.
    ///
    /// # Errors
    /// [`EvaluationError`] for empty or unequal input, or values not above 0.
    pub fn of(estimates: &[f64], prices: &[f64]) -> Result<Self> {
        check_positive(estimates, prices)?;
        Ok(Self {
            n: prices.len() as u64,
            rmse: rmse(estimates, prices)?,
            mae: mae(estimates, prices)?,
            mape: mape(estimates, prices)?,
            mdape: mdape(estimates, prices)?,
            r2: r2(estimates, prices).ok(),
            rmsle: rmsle(estimates, prices)?,
            ppe5: ppe(estimates, prices, 0.05)?,
            ppe10: ppe(estimates, prices, 0.10)?,
            ppe20: ppe(estimates, prices, 0.20)?,
            median_ratio: median_ratio(estimates, prices)?,
            cod: cod(estimates, prices)?,
            prd: prd(estimates, prices)?,
            prb: prb(estimates, prices).ok(),
        })
    }
}

fn pairs<'a>(estimates: &'a [f64], prices: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    estimates.iter().copied().zip(prices.iter().copied())
}

/// Mean of a non-empty sequence.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0_u64), |(sum, n), value| (sum + value, n + 1));
    sum / n as f64
}

fn percentage_errors(estimates: &[f64], prices: &[f64]) -> Vec<f64> {
    pairs(estimates, prices).map(|(e, p)| (e - p).abs() / p).collect()
}

fn ratios(estimates: &[f64], prices: &[f64]) -> Result<Vec<f64>> {
    check_positive(estimates, prices)?;
    Ok(pairs(estimates, prices).map(|(e, p)| e / p).collect())
}

fn check_finite(estimates: &[f64], prices: &[f64]) -> Result<()> {
    check(estimates, prices, |value| value.is_finite())
}

fn check_positive(estimates: &[f64], prices: &[f64]) -> Result<()> {
    check(estimates, prices, |value| value.is_finite() && value > 0.0)
}

fn check(estimates: &[f64], prices: &[f64], usable: impl Fn(f64) -> bool) -> Result<()> {
    if estimates.len() != prices.len() {
        return Err(EvaluationError::LengthMismatch(estimates.len(), prices.len()));
    }
    if prices.is_empty() {
        return Err(EvaluationError::Empty);
    }
    for (what, values) in [("estimate", estimates), ("price", prices)] {
        if let Some(index) = values.iter().position(|value| !usable(*value)) {
            return Err(EvaluationError::BadValue { what, index });
        }
    }
    Ok(())
}

fn intervals<'a>(
    lower: &'a [f64],
    upper: &'a [f64],
    prices: &'a [f64],
) -> Result<impl Iterator<Item = (f64, f64, f64)> + 'a> {
    check_finite(lower, prices)?;
    check_finite(upper, prices)?;
    if let Some(index) = pairs(lower, upper).position(|(l, u)| l > u) {
        return Err(EvaluationError::BadValue { what: "interval", index });
    }
    Ok(pairs(lower, upper).zip(prices).map(|((l, u), p)| (l, u, *p)))
}

#[cfg(test)]
mod tests;
