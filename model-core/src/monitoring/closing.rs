//! Closing a window: its counts, its joins, its report.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::champions::{ChampionReference, Champions};
use super::estimates::{Answer, EstimateBook, Event, Listed, Listings};
use super::health::{WindowHealth, binomial_at_least};
use super::hints::hint;
use super::params::MonitorParams;
use super::segments::segments;
use crate::drift::WindowCounts;
use crate::drift_report::{DriftReport, FeatureDrift, Promise, Verdict, Window, WindowAccuracy};
use crate::evaluation;
use crate::evaluation::quantiles::median;

/// Nominal coverage of the intervals that are checked.
pub(super) const COVERAGE: f64 = 0.9;
/// Half of all normal errors are smaller than this many standard deviations.
const NORMAL_MEDIAN: f64 = 0.674_489_750_196_081_7;

/// A sale that had been priced.
#[derive(Clone, Debug)]
pub(super) struct PricedSale {
    pub(super) estimate: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) market_level: f64,
    pub(super) fsd: f64,
    pub(super) confidence: u8,
    pub(super) price: f64,
    pub(super) area: Option<Arc<str>>,
}

impl PricedSale {
    /// Whether the price lies inside its interval.
    pub(super) fn is_covered(&self) -> bool {
        self.lower <= self.price && self.price <= self.upper
    }

    /// Log error of the model without its running level correction.
    pub(super) fn level_error(&self) -> f64 {
        self.price.ln() - (self.estimate.ln() - self.market_level)
    }
}

/// A sale of an open window.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) price: f64,
    pub(super) currency: Arc<str>,
    pub(super) area: Option<Arc<str>>,
}

/// What has arrived for a window that is still open.
#[derive(Debug, Default)]
pub(super) struct OpenWindow {
    pub(super) listings: Listings,
    pub(super) sales: BTreeMap<Event, Closed>,
}

/// The chances of what the window's sales show, or more, if the model were as good as it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surprise {
    /// Of so many sales on one side of the level that the model began with (sign test, both
    /// sides).
    pub(super) level: f64,
    /// Of so many errors above the champion's median error (sign test).
    pub(super) accuracy: Option<f64>,
    /// Of so few, or so many, prices inside their 90 % interval.
    pub(super) coverage: f64,
}

/// A closed window before its rules are applied.
pub(super) struct Outcome {
    /// Complete but for the verdict and the rules that fired.
    pub(super) report: DriftReport,
    /// In order of date and key.
    pub(super) sales: Vec<PricedSale>,
    /// Logarithms of the version's estimates without the running correction, in the same order.
    pub(super) log_estimates: Vec<f64>,
    /// What the rules of data health look at.
    pub(super) health: WindowHealth,
    /// The level error to expect: the champion's when it was evaluated.
    pub(super) expected_level: f64,
    /// How surprising the accuracy is.
    pub(super) surprise: Option<Surprise>,
    /// What stood in the way of how many of the estimates that are missing.
    pub(super) refusals: BTreeMap<Arc<str>, u64>,
    /// Listings that the share without an estimate is taken over.
    pub(super) n_answerable: u64,
    /// Those of them without an estimate.
    pub(super) n_unanswered: u64,
}

impl OpenWindow {
    /// Closes the window; its estimates move to the book.
    pub(super) fn close(
        self,
        window: Window,
        champions: &Champions,
        book: &mut EstimateBook,
        params: &MonitorParams,
    ) -> Outcome {
        let version = subject_version(&self.listings, champions, window);
        let (features, estimate) = drift(&self.listings, &version, champions, params);
        let listed = self.listings.listed.values();
        let n_listed = self.listings.listed.len() as u64;
        let n_estimates = listed.clone().filter(|listed| listed.answer.is_some()).count() as u64;
        // Before there is a first champion, to have none is not a fault.
        let waiting = champions.before(window.end).is_none();
        let mut refusals: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        let mut excused = 0;
        for listed in listed.clone() {
            match &listed.refusal {
                Some(_) if waiting && listed.no_champion => excused += 1,
                Some(refusal) => *refusals.entry(refusal.clone()).or_default() += 1,
                None => {}
            }
        }
        let health = health(listed.clone());
        let answers = listed.filter_map(|listed| listed.answer.as_ref());
        let promised = promise(answers.map(|answer| (answer.fsd, answer.confidence)));
        let log_estimates = log_estimates(&self.listings, &version);
        for (event, Listed { answer, .. }) in self.listings.listed {
            if let Some(answer) = answer {
                book.add(event, answer);
            }
        }
        let n_sales = self.sales.len() as u64;
        let sales = join(&self.sales, book, params.join_days);
        let reference = champions.get(&version).map(|champion| &champion.reference);
        let expected = reference.and_then(|reference| reference.expected_mdape);
        let expected_level = reference.and_then(|reference| reference.expected_level);
        let expected_level = expected_level.filter(|level| level.is_finite()).unwrap_or(0.0);
        let n_no_estimate = n_listed - n_estimates;
        Outcome {
            report: DriftReport {
                window,
                model_version: version,
                n_estimates,
                n_no_estimate,
                n_sales,
                features,
                estimate,
                accuracy: accuracy(&sales, expected),
                verdict: Verdict::Ok,
                fired: Vec::new(),
                inhibited: Vec::new(),
                data_faults: Vec::new(),
                promised,
                findings: Vec::new(),
                segments: segments(&sales, params.min_sales),
            },
            health,
            expected_level,
            surprise: surprise(&sales, expected, expected_level),
            sales,
            log_estimates,
            refusals,
            n_answerable: n_listed - excused,
            n_unanswered: n_no_estimate - excused,
        }
    }
}

/// The version that the window is about: of those with a reference the one that made most
/// of its estimates, the later champion if there are two; without a reference the one that
/// made most; without estimates the champion in force at the window's end.
fn subject_version(listings: &Listings, champions: &Champions, window: Window) -> String {
    let mut made: BTreeMap<&str, u64> = BTreeMap::new();
    for listed in listings.listed.values().filter(|listed| listed.answer.is_some()) {
        if let Some(version) = &listed.version {
            *made.entry(version).or_default() += 1;
        }
    }
    let best = made.into_iter().max_by_key(|(version, n)| {
        let from = champions.get(version).map(|champion| champion.from);
        (from.is_some(), *n, from, version.len(), *version)
    });
    best.map(|(version, _)| version).or_else(|| champions.before(window.end)).unwrap_or("").into()
}

/// Drift of the features and of the estimate.
///
/// A version stands for one layout of the feature vector. Vectors of other versions with
/// that layout are counted with it, since what homes come to market does not depend on the
/// model; vectors of another layout are not, and the model's output only of the version
/// itself.
fn drift(
    listings: &Listings,
    version: &str,
    champions: &Champions,
    params: &MonitorParams,
) -> (Vec<FeatureDrift>, Option<FeatureDrift>) {
    let own = listings.rows().filter(|row| &*row.version == version);
    let layout = own.map(|row| row.layout.clone()).max();
    let (Some(champion), Some(layout)) = (champions.get(version), layout) else {
        return (Vec::new(), None);
    };
    let ChampionReference { profile, importance, is_log, .. } = &champion.reference;
    let mut counts = WindowCounts::new(profile);
    for row in listings.rows().filter(|row| row.layout == layout) {
        counts.add(&row.features);
        if &*row.version == version {
            counts.add_estimate(row.log_model);
        }
    }
    let mut features = counts.drift(&params.psi);
    for ((drift, column), counts) in features.iter_mut().zip(&profile.columns).zip(counts.columns())
    {
        drift.importance = importance.get(column.index).copied();
        if drift.verdict > Verdict::Ok {
            let rows = listings.rows().filter(|row| row.layout == layout);
            let values: Vec<f64> =
                rows.filter_map(|row| row.features.get(column.index).copied()).collect();
            let is_log = is_log.get(column.index).copied().unwrap_or(false);
            drift.hint = hint(column, counts, &values, is_log);
        }
    }
    (features, counts.estimate_drift(&params.psi))
}

fn log_estimates(listings: &Listings, version: &str) -> Vec<f64> {
    let own =
        listings.listed.iter().filter(|(_, listed)| listed.version.as_deref() == Some(version));
    let mut by_date: Vec<_> = own.collect();
    by_date.sort_by_key(|((_, date), _)| *date);
    let answers = by_date.into_iter().filter_map(|(_, listed)| listed.answer.as_ref());
    answers.map(Answer::log_model).collect()
}

fn join(sales: &BTreeMap<Event, Closed>, book: &EstimateBook, days: u32) -> Vec<PricedSale> {
    let mut by_date: Vec<_> = sales.iter().collect();
    // Stable: those of one day stay in order of their keys.
    by_date.sort_by_key(|((_, closed_on), _)| *closed_on);
    let priced = by_date.into_iter().filter_map(|((key, closed_on), sale)| {
        let answer = book.latest(key, *closed_on, days)?;
        (answer.currency == sale.currency).then_some(PricedSale {
            estimate: answer.estimate,
            lower: answer.lower,
            upper: answer.upper,
            market_level: answer.market_level,
            fsd: answer.fsd,
            confidence: answer.confidence,
            price: sale.price,
            area: sale.area.clone(),
        })
    });
    priced.collect()
}

fn accuracy(sales: &[PricedSale], expected_mdape: Option<f64>) -> Option<WindowAccuracy> {
    let column = |of: fn(&PricedSale) -> f64| sales.iter().map(of).collect::<Vec<f64>>();
    let (estimates, prices) = (column(|sale| sale.estimate), column(|sale| sale.price));
    let covered = sales.iter().filter(|sale| sale.is_covered());
    let n = sales.len() as f64;
    Some(WindowAccuracy {
        n: sales.len() as u64,
        mdape: evaluation::mdape(&estimates, &prices).ok()?,
        ppe10: evaluation::ppe(&estimates, &prices, 0.10).ok()?,
        median_ratio: evaluation::median_ratio(&estimates, &prices).ok()?,
        coverage90: covered.count() as f64 / n,
        level_error: median(&column(PricedSale::level_error))?,
        expected_mdape,
        rmse: evaluation::rmse(&estimates, &prices).ok(),
        bias: Some(column(|sale| sale.estimate / sale.price - 1.0).iter().sum::<f64>() / n),
        cod: evaluation::cod(&estimates, &prices).ok(),
        prd: evaluation::prd(&estimates, &prices).ok(),
        prb: evaluation::prb(&estimates, &prices).ok(),
        promised: promise(sales.iter().map(|sale| (sale.fsd, sale.confidence))),
    })
}

fn health<'a>(listed: impl Iterator<Item = &'a Listed>) -> WindowHealth {
    let mut health = WindowHealth::default();
    for listed in listed {
        health.listings += 1;
        health.degraded.total += 1;
        health.degraded.count += u64::from(listed.is_degraded);
        if let Some(stale) = listed.is_stale {
            health.stale_facts.total += 1;
            health.stale_facts.count += u64::from(stale);
        }
    }
    health
}

fn surprise(
    sales: &[PricedSale],
    expected_mdape: Option<f64>,
    expected_level: f64,
) -> Option<Surprise> {
    let n = sales.len() as u64;
    if n == 0 {
        return None;
    }
    let count = |holds: &dyn Fn(&PricedSale) -> bool| {
        sales.iter().filter(|sale| holds(sale)).count() as u64
    };
    let above = count(&|sale| sale.level_error() > expected_level);
    let below = count(&|sale| sale.level_error() < expected_level);
    let covered = count(&PricedSale::is_covered);
    let error = |sale: &PricedSale| (sale.estimate - sale.price).abs() / sale.price;
    let few = binomial_at_least(n - covered, n, 1.0 - COVERAGE);
    let many = binomial_at_least(covered, n, COVERAGE);
    Some(Surprise {
        level: (2.0 * binomial_at_least(above.max(below), above + below, 0.5)).min(1.0),
        accuracy: expected_mdape
            .map(|expected| binomial_at_least(count(&|sale| error(sale) > expected), n, 0.5)),
        coverage: (2.0 * few.min(many)).min(1.0),
    })
}

/// What estimates with these forecast standard deviations and confidences promise.
fn promise(estimates: impl Iterator<Item = (f64, u8)>) -> Option<Promise> {
    let (fsds, confidences): (Vec<f64>, Vec<f64>) =
        estimates.map(|(fsd, confidence)| (fsd, f64::from(confidence))).unzip();
    let n = confidences.len();
    Some(Promise {
        n: n as u64,
        mdape: NORMAL_MEDIAN * median(&fsds)?,
        ppe10: confidences.iter().sum::<f64>() / (100.0 * n as f64),
    })
}
