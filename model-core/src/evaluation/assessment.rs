//! A report on estimates that an assessor, a model validator and a data scientist can use.
//!
//! [`assess`] measures a set of sales and every segment of it, puts a bootstrap confidence
//! interval on each measure, and says which of the assessors' [`Standards`] are met, failed or
//! undecided. Its [`Display`](std::fmt::Display) is a plain-text report of at most 100 columns.
//!
//! - **Segments** are the caller's: any number of dimensions (`area`, `property_type`,
//!   `age_band`, ...), one label of each per sale; [`super::segments`] makes some. The dimension
//!   [`VALUE_TERCILE`] is added here.
//! - **Value terciles** are cut by the [value proxy](super::vertical_equity::value_proxy), half
//!   price and half estimate. Cut by price alone, homes that happened to sell high would count
//!   as dear, and the dear ones would seem to be estimated too low by any model whatsoever.
//! - **Small segments** are listed, not judged: below `min_sales` estimated sales an interval
//!   says little and a verdict would be chance.
//!   Of many segments that just meet a standard, one in forty still fails it by chance at 95 %.
//! - **Trimming**, if asked for, leaves a group's extreme ratios out of its median ratio, COD,
//!   PRD, PRB and vertical equity, as the standards allow; errors, shares and intervals are
//!   always those of all sales.
//! - **Order makes no difference**: the same sales in any order give the same report, bit for
//!   bit, and another segment does not change the intervals of the others.
//!
//! In resamples, homes keep the value order that they have in the sample: the proxy depends on
//! the median ratio, which hardly moves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::bootstrap::Resamples;
use self::sample::{Priced, Sample, Values};
use super::quantiles::{median, quantile};
use super::standards::{Accepted, Standards, Verdict};
use super::vertical_equity::{VerticalEquity, value_proxy, vertical_equity};
use super::{EvaluationError, Result};
use crate::estimate::Price;

mod bootstrap;
mod sample;
mod table;

/// The dimension that [`assess`] adds: `1_low`, `2_middle` and `3_high`.
pub const VALUE_TERCILE: &str = "value_tercile";

/// How estimates are assessed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssessmentParams {
    /// Bootstrap resamples; 100 to 100,000.
    pub resamples: usize,
    /// Confidence of the intervals, a decimal; 0.5 to 0.999.
    pub confidence: f64,
    /// Seed of the resamples.
    pub seed: u64,
    /// Fewest estimated sales of a group that is judged; 3 to 1,000,000.
    pub min_sales: usize,
    /// Leaves ratios out that lie further than this many interquartile ranges from the
    /// quartiles of their group (the standards' factor is 3); 1 to 100.
    pub trim_iqr: Option<f64>,
    /// What is accepted.
    pub standards: Standards,
}

impl Default for AssessmentParams {
    /// 1,000 resamples put 25 beyond each end of a 95 % interval, which another seed then moves
    /// by about 2 % of its width; 30 sales are the fewest that large-sample intervals are
    /// commonly trusted with. Nothing is trimmed: large errors are what a lender looks for.
    fn default() -> Self {
        Self {
            resamples: 1_000,
            confidence: 0.95,
            seed: 0,
            min_sales: 30,
            trim_iqr: None,
            standards: Standards::default(),
        }
    }
}

impl AssessmentParams {
    fn check(&self) -> Result<()> {
        let checks = [
            ("resamples", self.resamples as f64, 100.0..=1e5, "100 to 100000"),
            ("confidence", self.confidence, 0.5..=0.999, "0.5 to 0.999"),
            ("min_sales", self.min_sales as f64, 3.0..=1e6, "3 to 1000000"),
            ("trim_iqr", self.trim_iqr.unwrap_or(3.0), 1.0..=100.0, "1 to 100"),
        ];
        for (name, value, range, expected) in checks {
            if !range.contains(&value) {
                return Err(EvaluationError::Parameter { name, expected });
            }
        }
        Ok(())
    }
}

/// A sale with what was said of it before: the input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluatedSale {
    /// What the home sold for, currency units, above 0.
    pub price: f64,
    /// The estimate, currency units, above 0; `None` when the listing got none.
    pub estimate: Option<f64>,
    /// Intervals of the estimate, at most one of each level.
    pub intervals: Vec<PriceInterval>,
    /// The sale's label in each dimension that it is known in, by dimension.
    pub segments: BTreeMap<String, String>,
}

impl EvaluatedSale {
    /// A home that sold for `price`, with the answer that its listing got, if it was a price.
    /// Segments are left to the caller: [`segments_of`](super::segments::segments_of).
    pub fn new(price: f64, answer: Option<&Price>) -> Self {
        let interval = |answer: &Price| PriceInterval {
            level: answer.interval_level,
            lower: answer.lower,
            upper: answer.upper,
        };
        Self {
            price,
            estimate: answer.map(|answer| answer.estimate),
            intervals: answer.map(interval).into_iter().collect(),
            segments: BTreeMap::new(),
        }
    }
}

/// An interval that the price was to lie in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PriceInterval {
    /// Nominal coverage, above 0 and below 1.
    pub level: f64,
    /// Lower end, currency units.
    pub lower: f64,
    /// Upper end, currency units.
    pub upper: f64,
}

impl PriceInterval {
    fn is_usable(&self) -> bool {
        let ends = self.lower.is_finite() && self.upper.is_finite() && self.lower <= self.upper;
        ends && self.level > 0.0 && self.level < 1.0
    }

    /// The interval score; see [`super::interval_score`].
    fn score(&self, price: f64) -> f64 {
        let outside = (self.lower - price).max(0.0) + (price - self.upper).max(0.0);
        (self.upper - self.lower) + 2.0 / (1.0 - self.level) * outside
    }
}

/// A measure with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The measure of the sales.
    pub value: f64,
    /// Its bootstrap interval; `None` when too few resamples define the measure.
    pub interval: Option<(f64, f64)>,
    /// What the interval says of the standard; `None` where there is no standard.
    pub verdict: Option<Verdict>,
}

/// The vertical equity indicator with its bootstrap interval and the groups behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredEquity {
    /// The indicator, its significance and its groups.
    #[serde(flatten)]
    pub indicator: VerticalEquity,
    /// Bootstrap interval of the indicator, percent.
    pub interval: Option<(f64, f64)>,
    /// Failed as the exposure draft has it, when both the indicator and its significance lie
    /// outside the accepted range; met when the whole interval lies inside.
    pub verdict: Verdict,
}

/// How good the intervals of one level are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredInterval {
    /// Nominal coverage.
    pub level: f64,
    /// Sales that have an interval of this level.
    pub sales: u64,
    /// Share of the prices inside; see [`super::coverage`].
    pub coverage: Measured,
    /// Currency units, smaller is better; see [`super::interval_score`].
    pub interval_score: Measured,
}

/// Every measure of a group of sales. Errors are decimals or currency units, COD and the
/// vertical equity indicator percent; see the functions of [`super`] for definitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Level of the estimates.
    pub median_ratio: Measured,
    /// Coefficient of dispersion, percent.
    pub cod: Measured,
    /// Price-related differential.
    pub prd: Measured,
    /// Coefficient of price-related bias; `None` when all homes have one value.
    pub prb: Option<Measured>,
    /// Vertical equity indicator; `None` for fewer than 20 sales.
    pub vertical_equity: Option<MeasuredEquity>,
    /// Median absolute percentage error, a decimal.
    pub mdape: Measured,
    /// Mean absolute percentage error, a decimal.
    pub mape: Measured,
    /// Share of estimates within 5 % of the price.
    pub ppe5: Measured,
    /// Share within 10 %.
    pub ppe10: Measured,
    /// Share within 20 %.
    pub ppe20: Measured,
    /// Mean absolute error, currency units.
    pub mae: Measured,
    /// Root mean squared error, currency units.
    pub rmse: Measured,
    /// Root mean squared log error.
    pub rmsle: Measured,
    /// Coefficient of determination; `None` when all prices are equal.
    pub r2: Option<Measured>,
    /// By nominal level.
    pub intervals: Vec<MeasuredInterval>,
}

/// A group of sales, measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupAssessment {
    /// Dimension of the segment, such as `area`; `all` for all sales together.
    pub dimension: String,
    /// Label in the dimension; `all` for all sales together.
    pub label: String,
    /// Sales of the group.
    pub listings: u64,
    /// Those that got an estimate.
    pub estimates: u64,
    /// Share of the listings that got an estimate. It is a count of these listings, not an
    /// inference, and has no interval. `None` in [`VALUE_TERCILE`]: without an estimate the
    /// proxy of a home's value is not known.
    pub hit_rate: Option<f64>,
    /// Sales left out of the ratio study by trimming.
    pub trimmed: u64,
    /// What was measured.
    pub measures: Measures,
}

/// A segment that is too small to judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmallSegment {
    /// Dimension of the segment.
    pub dimension: String,
    /// Label in the dimension.
    pub label: String,
    /// Sales of the segment.
    pub listings: u64,
    /// Those that got an estimate.
    pub estimates: u64,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// How it was made.
    pub params: AssessmentParams,
    /// All sales together.
    pub overall: GroupAssessment,
    /// Segments by dimension and label.
    pub segments: Vec<GroupAssessment>,
    /// Segments with fewer than `min_sales` estimates, by dimension and label.
    pub too_few: Vec<SmallSegment>,
}

/// Assesses estimates, overall and by segment.
///
/// Time is about `30 ns x resamples x sales x (1 + dimensions)`: 3 seconds for 20,000 sales in
/// four dimensions, value terciles among them, at 1,000 resamples.
///
/// # Errors
/// [`EvaluationError`] for a parameter out of range, no sales, values that are not above 0, an
/// interval with exchanged ends, or fewer than `min_sales` estimates.
pub fn assess(sales: &[EvaluatedSale], params: &AssessmentParams) -> Result<Assessment> {
    params.check()?;
    check_sales(sales)?;
    let everything: Vec<&EvaluatedSale> = sales.iter().collect();
    let overall = match group(("all", "all"), &everything, params)? {
        Judged::Enough(group) => *group,
        Judged::TooFew(found) => {
            return Err(EvaluationError::TooFew {
                found: found.estimates,
                needed: params.min_sales as u64,
            });
        }
    };
    let terciles = Terciles::of(&everything);
    let mut members: BTreeMap<(&str, &str), Vec<&EvaluatedSale>> = BTreeMap::new();
    for sale in sales {
        let own = sale.segments.iter().map(|(name, label)| (name.as_str(), label.as_str()));
        let own = own.filter(|(name, _)| *name != VALUE_TERCILE);
        let value = terciles.as_ref().and_then(|terciles| terciles.label(sale));
        for key in own.chain(value.map(|label| (VALUE_TERCILE, label))) {
            members.entry(key).or_default().push(sale);
        }
    }
    let mut report =
        Assessment { params: params.clone(), overall, segments: Vec::new(), too_few: Vec::new() };
    for (key, sales) in members {
        match group(key, &sales, params)? {
            Judged::Enough(group) => report.segments.push(*group),
            Judged::TooFew(segment) => report.too_few.push(segment),
        }
    }
    Ok(report)
}

fn check_sales(sales: &[EvaluatedSale]) -> Result<()> {
    if sales.is_empty() {
        return Err(EvaluationError::Empty);
    }
    let positive = |value: f64| value.is_finite() && value > 0.0;
    for (index, sale) in sales.iter().enumerate() {
        let what = if !positive(sale.price) {
            "price"
        } else if !sale.estimate.is_none_or(positive) {
            "estimate"
        } else if !sale.intervals.iter().all(PriceInterval::is_usable) {
            "interval"
        } else {
            continue;
        };
        return Err(EvaluationError::BadValue { what, index });
    }
    Ok(())
}

enum Judged {
    Enough(Box<GroupAssessment>),
    TooFew(SmallSegment),
}

fn group(
    (dimension, label): (&str, &str),
    sales: &[&EvaluatedSale],
    params: &AssessmentParams,
) -> Result<Judged> {
    let priced: Vec<Priced<'_>> = sales.iter().filter_map(|sale| priced(sale)).collect();
    let (listings, estimates) = (sales.len() as u64, priced.len() as u64);
    let (dimension, label) = (dimension.to_owned(), label.to_owned());
    if priced.len() < params.min_sales {
        return Ok(Judged::TooFew(SmallSegment { dimension, label, listings, estimates }));
    }
    let sample = Sample::new(priced, params.trim_iqr);
    let resamples = Resamples::draw(&sample, params, stream(&dimension, &label));
    let hit_rate = estimates as f64 / listings as f64;
    Ok(Judged::Enough(Box::new(GroupAssessment {
        hit_rate: (dimension != VALUE_TERCILE).then_some(hit_rate),
        listings,
        estimates,
        trimmed: sample.trimmed() as u64,
        measures: measures(&sample, &resamples, &params.standards)?,
        dimension,
        label,
    })))
}

fn priced(sale: &EvaluatedSale) -> Option<Priced<'_>> {
    Some(Priced { estimate: sale.estimate?, price: sale.price, intervals: &sale.intervals })
}

fn measures(sample: &Sample, resamples: &Resamples, standards: &Standards) -> Result<Measures> {
    let whole = sample.measure(&vec![1; sample.len()]);
    let measured = |read: &dyn Fn(&Values) -> f64, accepted: Option<Accepted>| {
        let interval = resamples.interval(read);
        let verdict = accepted.map(|accepted| accepted.verdict(interval));
        Measured { value: read(&whole), interval, verdict }
    };
    let defined = |measured: Measured| measured.value.is_finite().then_some(measured);
    let plain = |read: &dyn Fn(&Values) -> f64| measured(read, None);
    let level_of = |values: &Values, at: usize| values.levels.get(at).copied();
    let intervals = sample.levels().enumerate().map(|(at, (level, sales))| MeasuredInterval {
        level,
        sales: sales as u64,
        coverage: measured(
            &|values| level_of(values, at).map_or(f64::NAN, |(coverage, _)| coverage),
            Some(standards.coverage(level)),
        ),
        interval_score: plain(&|values| level_of(values, at).map_or(f64::NAN, |(_, score)| score)),
    });
    Ok(Measures {
        median_ratio: measured(&|v| v.ratios.median_ratio, Some(standards.median_ratio)),
        cod: measured(&|v| v.ratios.cod, Some(standards.cod)),
        prd: measured(&|v| v.ratios.prd, Some(standards.prd)),
        prb: defined(measured(&|v| v.ratios.prb, Some(standards.prb))),
        vertical_equity: equity(sample, resamples, standards.vertical_equity)?,
        mdape: plain(&|v| v.mdape),
        mape: plain(&|v| v.mape),
        ppe5: plain(&|v| v.ppe[0]),
        ppe10: plain(&|v| v.ppe[1]),
        ppe20: plain(&|v| v.ppe[2]),
        mae: plain(&|v| v.mae),
        rmse: plain(&|v| v.rmse),
        rmsle: plain(&|v| v.rmsle),
        r2: defined(plain(&|v| v.r2)),
        intervals: intervals.collect(),
    })
}

fn equity(
    sample: &Sample,
    resamples: &Resamples,
    accepted: Accepted,
) -> Result<Option<MeasuredEquity>> {
    let (estimates, prices) = sample.studied();
    let indicator = match vertical_equity(&estimates, &prices) {
        Ok(indicator) => indicator,
        Err(EvaluationError::Degenerate(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let interval = resamples.interval(|values| values.ratios.vertical_equity);
    let significant = indicator.significance > accepted.high;
    let verdict = if significant && !accepted.holds(indicator.value) {
        Verdict::NotMet
    } else if accepted.verdict(interval) == Verdict::Met {
        Verdict::Met
    } else {
        Verdict::Inconclusive
    };
    Ok(Some(MeasuredEquity { indicator, interval, verdict }))
}

/// Where the thirds of the value proxy end.
struct Terciles {
    median_ratio: f64,
    cuts: (f64, f64),
}

impl Terciles {
    fn of(sales: &[&EvaluatedSale]) -> Option<Self> {
        let priced: Vec<Priced<'_>> = sales.iter().filter_map(|sale| priced(sale)).collect();
        let ratios: Vec<f64> = priced.iter().map(Priced::ratio).collect();
        let centre = median(&ratios)?;
        let proxy = |sale: &Priced<'_>| value_proxy(sale.estimate, sale.price, centre);
        let values: Vec<f64> = priced.iter().map(proxy).collect();
        let cuts = (quantile(&values, 1.0 / 3.0)?, quantile(&values, 2.0 / 3.0)?);
        Some(Self { median_ratio: centre, cuts })
    }

    fn label(&self, sale: &EvaluatedSale) -> Option<&'static str> {
        let value = value_proxy(sale.estimate?, sale.price, self.median_ratio);
        Some(match value {
            value if value <= self.cuts.0 => "1_low",
            value if value <= self.cuts.1 => "2_middle",
            _ => "3_high",
        })
    }
}

/// A stream of random numbers for each group: FNV-1a of its names.
fn stream(dimension: &str, label: &str) -> u64 {
    let bytes = dimension.bytes().chain([0]).chain(label.bytes());
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests;
