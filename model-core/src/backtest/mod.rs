//! How good a way of training would have been: prices of past sales, each made with nothing
//! but what was known then, by the code that prices listings.
//!
//! | protocol | learned from | market, level and interval as of |
//! |---|---|---|
//! | `time70` | the first 70 % of the sales by date, once | the end of those |
//! | `stream` | everything before each month, anew every month | each home's date |
//! | `cv5` | the other folds, whatever their dates | each home's date, of the other folds' sales |
//!
//! `time70` and `stream` price the same homes: the last 30 % by date. A home's date is the date
//! of its sale. Every home is priced, also those for which the engine would answer that it has
//! no estimate: what it would have refused is counted beside.

mod folds;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::folds::{Folds, FoldsError};
use crate::date::EventDate;
use crate::engine::PricingEngine;
use crate::estimate::{ModelRef, Price};
use crate::listing::{Facts, Listing, Sale};
use crate::market::MarketView;
use crate::training::{StrategyName, TrainingArchive, TrainingError, TrainingParams, train};

/// Share of the sales, the oldest, that `time70` and `stream` begin with.
const FIRST_SHARE: f64 = 0.7;

/// What is learned from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// The first 70 % by date teach once; nothing is learned after.
    Time70,
    /// The same homes, with retraining every month and all that is known before each date.
    Stream,
    /// Cross-validation over five folds.
    Cv5,
}

impl Protocol {
    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time70 => "time70",
            Self::Stream => "stream",
            Self::Cv5 => "cv5",
        }
    }
}

/// Which strategies may win a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// All that `training.strategies` names; the best on the most recent sales.
    Auto,
    /// One alone.
    Only(StrategyName),
}

impl Contestant {
    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Only(strategy) => strategy.name(),
        }
    }

    fn params(self, params: &TrainingParams) -> TrainingParams {
        match self {
            Self::Auto => params.clone(),
            Self::Only(strategy) => TrainingParams { strategies: vec![strategy], ..params.clone() },
        }
    }
}

/// One home, priced.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestSale {
    /// Position in the sales that were given.
    pub row: usize,
    /// The price as it would have been published.
    pub price: Price,
    /// Whether the engine would have answered that it has no estimate.
    pub refused: bool,
}

/// What a backtest gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Backtest {
    /// The homes, in order of pricing.
    pub sales: Vec<BacktestSale>,
    /// Strategy that won each training, in order.
    pub winners: Vec<String>,
    /// Seconds spent in training, by the stopwatch.
    pub fit_seconds: f64,
    /// Seconds spent in pricing, by the stopwatch: market view, features, estimate,
    /// explanation and interval.
    pub price_seconds: f64,
}

/// Why a backtest cannot be made.
#[derive(Debug, Error)]
pub enum BacktestError {
    /// A training failed.
    #[error("training as of {as_of}: {source}")]
    Training {
        /// The date, event time.
        as_of: EventDate,
        /// What was wrong.
        source: TrainingError,
    },
    /// The model cannot price in this market.
    #[error("the trained model cannot be used: {0}")]
    Install(#[from] crate::engine::InstallError),
    /// There is nothing to price.
    #[error("{0} sales are too few for {1}: no home is left to price")]
    TooFew(usize, &'static str),
    /// The caller asked to stop.
    #[error("stopped before it was done")]
    Stopped,
}

/// Told how far a backtest is: done and all trainings. Returns whether to go on.
pub type OnProgress<'a> = &'a mut dyn FnMut(usize, usize) -> bool;

/// How the caller watches a backtest.
pub struct Watch<'a> {
    /// Seconds since any moment; what it measures (wall or CPU time) is the caller's choice.
    pub stopwatch: &'a dyn Fn() -> f64,
    /// Told how far it is; says whether to go on.
    pub on_progress: OnProgress<'a>,
}

/// What every step of a backtest needs.
struct Run<'a> {
    sales: &'a [Sale],
    params: TrainingParams,
    stopwatch: &'a dyn Fn() -> f64,
    result: Backtest,
}

/// Runs a protocol with one contestant.
///
/// `sales` are in the order of their source; those of one day keep it. `folds` says which fold
/// each sale belongs to and is looked at by `cv5` alone.
///
/// # Errors
/// [`BacktestError`], naming the training that failed.
pub fn run(
    protocol: Protocol,
    contestant: Contestant,
    sales: &[Sale],
    folds: &Folds,
    params: &TrainingParams,
    watch: Watch<'_>,
) -> Result<Backtest, BacktestError> {
    let Watch { stopwatch, on_progress } = watch;
    let result =
        Backtest { sales: Vec::new(), winners: Vec::new(), fit_seconds: 0.0, price_seconds: 0.0 };
    let mut run = Run { sales, params: contestant.params(params), stopwatch, result };
    match protocol {
        Protocol::Time70 => run.time70(on_progress)?,
        Protocol::Stream => run.stream(on_progress)?,
        Protocol::Cv5 => run.cross_validate(folds, on_progress)?,
    }
    if run.result.sales.is_empty() {
        return Err(BacktestError::TooFew(sales.len(), protocol.name()));
    }
    Ok(run.result)
}

impl Run<'_> {
    fn time70(&mut self, on_progress: OnProgress<'_>) -> Result<(), BacktestError> {
        let (first, rest) = split(self.sales);
        go_on(on_progress(0, 1))?;
        let mut archive = self.archive(&first);
        let as_of = self.day_after(&first);
        let mut engine = PricingEngine::new(self.params.market);
        first.iter().for_each(|row| engine.record_sale(self.sales[*row].clone()));
        self.train(&mut engine, &mut archive, as_of)?;
        for row in rest {
            // The market stays as it was when learning ended.
            let seen = self.sales[row].closed_on.min(as_of);
            self.price(row, &mut engine, |engine, facts| engine.view(facts, seen));
        }
        go_on(on_progress(1, 1))
    }

    fn stream(&mut self, on_progress: OnProgress<'_>) -> Result<(), BacktestError> {
        let (first, rest) = split(self.sales);
        let all: Vec<usize> = first.iter().chain(&rest).copied().collect();
        let mut archive = self.archive(&all);
        let month = |row: &usize| self.sales[*row].closed_on.month_start();
        let months: Vec<Vec<usize>> =
            rest.chunk_by(|a, b| month(a) == month(b)).map(<[usize]>::to_vec).collect();
        let mut engine = PricingEngine::new(self.params.market);
        first.iter().for_each(|row| engine.record_sale(self.sales[*row].clone()));
        for (done, rows) in months.iter().enumerate() {
            go_on(on_progress(done, months.len()))?;
            let Some(first) = rows.first() else { continue };
            self.train(&mut engine, &mut archive, self.sales[*first].closed_on)?;
            rows.iter().for_each(|row| engine.record_sale(self.sales[*row].clone()));
            for row in rows {
                let date = self.sales[*row].closed_on;
                self.price(*row, &mut engine, |engine, facts| engine.view(facts, date));
            }
        }
        go_on(on_progress(months.len(), months.len()))
    }

    fn cross_validate(
        &mut self,
        folds: &Folds,
        on_progress: OnProgress<'_>,
    ) -> Result<(), BacktestError> {
        let names = folds.names();
        for (done, fold) in names.iter().enumerate() {
            go_on(on_progress(done, names.len()))?;
            let (held_out, others): (Vec<usize>, Vec<usize>) =
                by_date(self.sales).into_iter().partition(|row| folds.of(*row) == Some(*fold));
            let mut archive = self.archive(&others);
            let as_of = self.day_after(&others);
            let mut engine = PricingEngine::new(self.params.market);
            self.train(&mut engine, &mut archive, as_of)?;
            for row in held_out {
                // The engine forgets sales of years ago, the archive does not.
                let date = self.sales[row].closed_on;
                self.price(row, &mut engine, |_, facts| archive.view(facts, date));
            }
        }
        go_on(on_progress(names.len(), names.len()))
    }

    fn archive(&self, rows: &[usize]) -> TrainingArchive {
        let mut archive = TrainingArchive::new(self.params.market);
        rows.iter().for_each(|row| archive.insert(self.sales[*row].clone()));
        archive
    }

    fn day_after(&self, rows: &[usize]) -> EventDate {
        rows.last().map_or(EventDate(0), |row| self.sales[*row].closed_on.plus_days(1))
    }

    /// Makes the engine's champion a model that learned from the sales before a date.
    fn train(
        &mut self,
        engine: &mut PricingEngine,
        archive: &mut TrainingArchive,
        as_of: EventDate,
    ) -> Result<(), BacktestError> {
        let from = (self.stopwatch)();
        let training = train(archive, None, as_of, &self.params)
            .map_err(|source| BacktestError::Training { as_of, source })?;
        self.result.fit_seconds += (self.stopwatch)() - from;
        self.result.winners.push(training.model.strategy.clone());
        let reference = ModelRef { version: "backtest".into(), digest: String::new() };
        engine.install(training.model.into(), reference)?;
        Ok(())
    }

    /// Prices a home with the market view that `view` makes of it.
    fn price(
        &mut self,
        row: usize,
        engine: &mut PricingEngine,
        view: impl FnOnce(&mut PricingEngine, &Facts) -> MarketView,
    ) {
        let sale = &self.sales[row];
        let listing = Listing {
            key: sale.key.clone(),
            listed_on: sale.closed_on,
            list_price: None,
            currency: sale.currency.clone(),
            facts: sale.facts.clone(),
        };
        let from = (self.stopwatch)();
        let view = view(engine, &listing.facts);
        let appraisal = engine.appraise(&listing, &view);
        self.result.price_seconds += (self.stopwatch)() - from;
        if let Some((price, refusal)) = appraisal {
            let refused = refusal.is_some();
            self.result.sales.push(BacktestSale { row, price, refused });
        }
    }
}

fn go_on(wanted: bool) -> Result<(), BacktestError> {
    if wanted { Ok(()) } else { Err(BacktestError::Stopped) }
}

/// Rows by date; those of one day in their order.
fn by_date(sales: &[Sale]) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..sales.len()).collect();
    rows.sort_by_key(|row| sales[*row].closed_on);
    rows
}

/// The first 70 % of the rows by date, and the others.
fn split(sales: &[Sale]) -> (Vec<usize>, Vec<usize>) {
    let mut rows = by_date(sales);
    let rest = rows.split_off((FIRST_SHARE * sales.len() as f64) as usize);
    (rows, rest)
}

#[cfg(test)]
mod tests;
