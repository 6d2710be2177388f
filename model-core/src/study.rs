//! The monitor alone, over a market of the past: what it would have said, and when.
//!
//! A study replays listings and sales in event time through the pricing engine and the monitor,
//! the same code as in service, without a broker. With a [`RetrainPolicy`] it also trains as
//! the trainer would; without one the first champion stays, and what drifts away from it shows.

use thiserror::Error;

use crate::alert::Alert;
use crate::date::EventDate;
use crate::drift_report::DriftReport;
use crate::engine::{InstallError, PricingEngine};
use crate::estimate::ModelRef;
use crate::listing::{Listing, Sale};
use crate::model::PricingModel;
use crate::monitoring::{ChampionReference, ClosedWindow, InvalidSetting, Monitor, MonitorParams};
use crate::random::SplitMix64;
use crate::training::{
    InvalidPolicy, RetrainPolicy, TrainingArchive, TrainingError, TrainingParams, train,
};

/// The stream of random numbers that dates are shuffled by.
const SHUFFLE: u64 = 0x5348;

/// Something that happens in the market.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A home comes on the market.
    Listing(&'a Listing),
    /// A home is sold.
    Sale(&'a Sale),
}

impl Event<'_> {
    fn date(self) -> EventDate {
        match self {
            Self::Listing(listing) => listing.listed_on,
            Self::Sale(sale) => sale.closed_on,
        }
    }
}

/// How a study is made.
#[derive(Clone, Debug)]
pub struct StudyParams {
    /// How models are trained.
    pub training: TrainingParams,
    /// Windows, thresholds, rules.
    pub monitor: MonitorParams,
    /// When to retrain; `None`: never.
    pub retrain: Option<RetrainPolicy>,
}

/// What the monitor said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Study {
    /// Every closed window, in order.
    pub reports: Vec<DriftReport>,
    /// Every change of an alert's state, in order.
    pub alerts: Vec<Alert>,
    /// The champions: version and first day.
    pub champions: Vec<(String, EventDate)>,
    /// Trainings that failed or were refused: the day and the reason.
    pub refused: Vec<(EventDate, String)>,
}

/// Why a study cannot be made.
#[derive(Debug, Error)]
pub enum StudyError {
    /// The history cannot be learned from.
    #[error("the first model: {0}")]
    First(TrainingError),
    /// A setting of the monitor is out of range.
    #[error("monitor.rules.{0}")]
    Monitor(#[from] InvalidSetting),
    /// The retraining policy is out of range.
    #[error(transparent)]
    Policy(#[from] InvalidPolicy),
    /// The model cannot price in this market.
    #[error("the trained model cannot be used: {0}")]
    Install(#[from] InstallError),
}

/// Replays `events`, in order of their days, after training on `history`. `on_window` is told
/// of each window as it closes.
///
/// # Errors
/// [`StudyError`] when a setting is out of range or the history cannot be learned from.
pub fn run<'a>(
    history: &[Sale],
    events: impl IntoIterator<Item = Event<'a>>,
    params: &StudyParams,
    on_window: &mut dyn FnMut(&ClosedWindow),
) -> Result<Study, StudyError> {
    if let Some(policy) = &params.retrain {
        policy.check()?;
    }
    let mut events = events.into_iter().peekable();
    let Some(first_day) = events.peek().map(|event| event.date()) else {
        return Ok(Study::default());
    };
    let mut run = Run::new(params)?;
    for sale in history {
        run.archive.insert(sale.clone());
        run.engine.record_sale(sale.clone());
    }
    let first = train(&mut run.archive, None, first_day, &params.training);
    run.install(first.map_err(StudyError::First)?.model, first_day)?;
    for event in events {
        run.reach(event.date(), on_window)?;
        match event {
            Event::Listing(listing) => {
                let estimate = run.engine.price(listing);
                run.monitor.observe_estimate(&estimate);
            }
            Event::Sale(sale) => {
                run.monitor.observe_sale(sale);
                run.archive.insert(sale.clone());
                run.engine.record_sale(sale.clone());
            }
        }
    }
    let closed = run.monitor.finish();
    run.note(closed, on_window);
    Ok(run.study)
}

/// Gives every sale the date of another, drawn at random: the same homes and the same dates,
/// but nothing that changes with time. Every alert over such a market is a false one.
pub fn shuffle_dates(sales: &mut [Sale], seed: u64) {
    let mut random = SplitMix64::new(seed, SHUFFLE);
    for last in (1..sales.len()).rev() {
        let other = random.below(u32::try_from(last + 1).unwrap_or(u32::MAX)) as usize;
        let dates = (sales[last].closed_on, sales[other].closed_on);
        (sales[other].closed_on, sales[last].closed_on) = dates;
    }
}

struct Run<'p> {
    params: &'p StudyParams,
    engine: PricingEngine,
    archive: TrainingArchive,
    monitor: Monitor,
    study: Study,
    trained_on: Option<EventDate>,
    versions: usize,
}

impl<'p> Run<'p> {
    fn new(params: &'p StudyParams) -> Result<Self, StudyError> {
        Ok(Self {
            params,
            engine: PricingEngine::new(params.training.market),
            archive: TrainingArchive::new(params.training.market),
            monitor: Monitor::new(params.monitor.clone())?,
            study: Study::default(),
            trained_on: None,
            versions: 0,
        })
    }

    /// Closes the windows that end by a day, and trains when they ask for it.
    fn reach(
        &mut self,
        day: EventDate,
        on_window: &mut dyn FnMut(&ClosedWindow),
    ) -> Result<(), StudyError> {
        let closed = self.monitor.advance(day);
        let asked_on = self.params.retrain.as_ref().and_then(|policy| {
            let asks =
                |closed: &&ClosedWindow| !policy.asks(&closed.report, self.trained_on).is_empty();
            closed.iter().rfind(asks).map(|closed| closed.report.window.end)
        });
        self.note(closed, on_window);
        match asked_on {
            Some(as_of) => self.retrain(as_of),
            None => Ok(()),
        }
    }

    fn note(&mut self, closed: Vec<ClosedWindow>, on_window: &mut dyn FnMut(&ClosedWindow)) {
        for window in closed {
            on_window(&window);
            self.study.reports.push(window.report);
            self.study.alerts.extend(window.alerts);
        }
    }

    fn retrain(&mut self, as_of: EventDate) -> Result<(), StudyError> {
        let champion = self.engine.champion().map(|(_, model)| model.clone());
        self.trained_on = Some(as_of);
        let params = &self.params.training;
        match train(&mut self.archive, champion.as_deref(), as_of, params) {
            Ok(training) if training.gate.passed => self.install(training.model, as_of),
            Ok(training) => {
                self.versions += 1;
                self.study.refused.push((as_of, training.gate.why));
                Ok(())
            }
            Err(error) => {
                self.study.refused.push((as_of, error.to_string()));
                Ok(())
            }
        }
    }

    fn install(&mut self, model: PricingModel, from: EventDate) -> Result<(), StudyError> {
        self.versions += 1;
        let version = format!("v{}", self.versions);
        self.monitor.champion(&version, ChampionReference::of(&model), from);
        let reference = ModelRef { version: version.clone(), digest: String::new() };
        self.engine.install(model.into(), reference)?;
        self.trained_on = Some(from);
        self.study.champions.push((version, from));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift_report::Verdict;
    use crate::synthetic;
    use crate::training::StrategyName;

    const DAYS: i32 = 1_800;
    const LIVE: EventDate = EventDate(synthetic::FIRST_DAY.0 + 1_000);

    fn params(retrain: Option<RetrainPolicy>) -> StudyParams {
        let training = synthetic::params(&[StrategyName::ElasticNet]);
        StudyParams { training, monitor: MonitorParams::default(), retrain }
    }

    /// Every home is listed and sold on one day.
    fn study(sales: &[Sale], params: &StudyParams) -> Study {
        let history: Vec<Sale> =
            sales.iter().filter(|sale| sale.closed_on < LIVE).cloned().collect();
        let live: Vec<(Listing, &Sale)> = sales
            .iter()
            .filter(|sale| sale.closed_on >= LIVE)
            .map(|sale| {
                let listing = Listing {
                    key: sale.key.clone(),
                    listed_on: sale.closed_on,
                    list_price: None,
                    currency: sale.currency.clone(),
                    facts: sale.facts.clone(),
                };
                (listing, sale)
            })
            .collect();
        let events =
            live.iter().flat_map(|(listing, sale)| [Event::Listing(listing), Event::Sale(sale)]);
        let mut told = 0;
        let study = run(&history, events, params, &mut |_| told += 1).unwrap();
        assert_eq!(told, study.reports.len());
        study
    }

    fn sales() -> Vec<Sale> {
        let mut sales = synthetic::sales(5, 6_000, DAYS);
        sales.sort_by_key(|sale| sale.closed_on);
        sales
    }

    #[test]
    fn a_market_without_change_is_silent() {
        let mut sales = sales();
        shuffle_dates(&mut sales, 1);
        sales.sort_by_key(|sale| sale.closed_on);
        let study = study(&sales, &params(None));
        assert!(study.reports.len() >= 24, "{}", study.reports.len());
        let drifted = |drift: &&crate::drift_report::FeatureDrift| drift.verdict == Verdict::Drift;
        let drifts = study.reports.iter().flat_map(|report| &report.features).filter(drifted);
        assert_eq!(drifts.count(), 0);
        assert_eq!(study.champions, [("v1".to_owned(), study.champions[0].1)]);
    }

    #[test]
    fn a_change_of_unit_fires_in_its_first_window_and_is_not_learned_from() {
        let mut sales = sales();
        let from = LIVE.plus_days(240).next_month_start();
        for sale in sales.iter_mut().filter(|sale| sale.closed_on >= from) {
            sale.facts.living_area = sale.facts.living_area.map(|area| area / 10.763_910_4);
        }
        let without = study(&sales, &params(None));
        let fired: Vec<_> =
            without.alerts.iter().filter(|alert| alert.window.end <= from).collect();
        assert_eq!(fired, Vec::<&Alert>::new());
        let first = without.alerts.first().unwrap();
        assert_eq!((first.rule.as_str(), first.window.start), ("no_estimate", from));
        assert!(first.summary.contains("LivingArea is out of range"), "{}", first.summary);
        // A fault of the data is not learned from.
        let with = study(&sales, &params(Some(RetrainPolicy::default())));
        assert_eq!(with.champions.len() + with.refused.len(), 1);
        assert_eq!(with.reports.len(), without.reports.len());
    }

    #[test]
    fn shuffled_dates_are_the_same_dates_and_follow_the_seed() {
        let original = sales();
        let shuffled = |seed| {
            let mut sales = original.clone();
            shuffle_dates(&mut sales, seed);
            sales.iter().map(|sale| sale.closed_on).collect::<Vec<_>>()
        };
        let mut sorted = shuffled(1);
        assert_eq!(sorted, shuffled(1));
        assert_ne!(sorted, shuffled(2));
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(original.iter().map(|sale| sale.closed_on)));
    }
}
