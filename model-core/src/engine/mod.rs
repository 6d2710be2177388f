//! The pricing engine: the one path from a listing to its price, online and offline.
//!
//! It holds the market index, the champion and the champion's recent errors. Everything it
//! answers depends on the listing, the champion and the sales before the listing's date: not
//! on when sales arrived, nor on what came after.

mod answer;
mod intervals;

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

pub use self::answer::{Recomputed, recompute};
use crate::calibration::ErrorTracker;
use crate::date::EventDate;
use crate::estimate::{ModelRef, NoEstimateReason, Price, PriceEstimate, PriceOutcome};
use crate::features::Domain;
use crate::listing::{Facts, Listing, Sale};
use crate::market::{MAX_NEARBY, MarketIndex, MarketParams, MarketView};
use crate::model::PricingModel;

/// Sales are kept whole this long, so that a new champion's errors can be computed on those
/// since its training: longer than champions usually reign. The index answers queries as far
/// back, for those errors as for late listings.
const RECENT_DAYS: i32 = 400;
/// Fewer comparables than this and a price would be a guess.
const MIN_NEARBY: usize = 5;
const _: () = assert!(MIN_NEARBY <= MAX_NEARBY, "views name fewer");
/// A home this many times larger or smaller than any learned from is out of domain.
const AREA_MARGIN: f64 = 2.0;
/// A home this many degrees outside the learned area is out of domain (about 10 km).
const DEGREE_MARGIN: f64 = 0.1;

/// Why a model cannot be installed. The champion before it goes on.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum InstallError {
    /// The index no longer holds the sales that the model looks at.
    #[error(
        "the model looks back {model} days, the market index holds {index}: \
         raise training.market.window_days and restart"
    )]
    Window {
        /// Days that the model looks back.
        model: i32,
        /// Days that the index holds.
        index: i32,
    },
}

struct Champion {
    model: Arc<PricingModel>,
    reference: ModelRef,
    spec_hash: String,
    errors: ErrorTracker,
    /// Sales before this day are in `errors`.
    followed_until: EventDate,
}

impl Champion {
    fn new(model: Arc<PricingModel>, reference: ModelRef) -> Self {
        Self {
            errors: ErrorTracker::new(model.calibration, &model.calibration_seed),
            followed_until: model.trained_through.plus_days(1),
            spec_hash: model.spec.hash(),
            reference,
            model,
        }
    }

    /// Computes the model's errors on sales before `until`, in order of date: on about
    /// `sales` of them, whole days. Whether none are left.
    fn follow(
        &mut self,
        index: &MarketIndex,
        recent: &BTreeMap<(EventDate, String), Sale>,
        until: EventDate,
        sales: usize,
    ) -> bool {
        if self.followed_until >= until {
            return true;
        }
        let from = (self.followed_until, String::new());
        let mut row = Vec::new();
        for (followed, ((closed_on, _), sale)) in
            recent.range(from..(until, String::new())).enumerate()
        {
            if followed >= sales && *closed_on > self.followed_until {
                self.followed_until = *closed_on;
                return false;
            }
            self.followed_until = *closed_on;
            self.record_error(index, *closed_on, sale, &mut row);
        }
        self.followed_until = until;
        true
    }

    fn record_error(
        &mut self,
        index: &MarketIndex,
        closed_on: EventDate,
        sale: &Sale,
        row: &mut Vec<f64>,
    ) {
        let model = &self.model;
        if check_domain(&model.spec.domain, &sale.currency, &sale.facts).is_err() {
            return;
        }
        let view = index.view(&sale.facts, closed_on);
        if view.nearby.len() < MIN_NEARBY {
            return;
        }
        model.spec.encode(&sale.facts, closed_on, &view, row);
        let error = sale.price.ln() - model.predictor.predict(row);
        self.errors.record(closed_on, error, model.scale.predict(row));
    }

    /// Takes back the errors on sales from a day on: a sale of that day came late or was
    /// corrected, and later errors rest on it.
    fn follow_again_from(&mut self, day: EventDate) {
        let day = day.max(self.model.trained_through.plus_days(1));
        if day < self.followed_until {
            self.errors.forget_from(day);
            self.followed_until = day;
        }
    }
}

/// The state from which listings are priced.
pub struct PricingEngine {
    index: MarketIndex,
    window_days: i32,
    recent: BTreeMap<(EventDate, String), Sale>,
    champion: Option<Champion>,
    /// The champion to come, while its errors are computed.
    staged: Option<Champion>,
    row: Vec<f64>,
    parts: Vec<f64>,
    evicted_on: EventDate,
    viewed_until: EventDate,
    generation: u64,
}

impl PricingEngine {
    /// An engine without sales or champion. `market.window_days` bounds what the index holds.
    pub fn new(market: MarketParams) -> Self {
        Self {
            index: MarketIndex::new(market),
            window_days: market.window_days,
            recent: BTreeMap::new(),
            champion: None,
            staged: None,
            row: Vec::new(),
            parts: Vec::new(),
            evicted_on: EventDate(i32::MIN),
            viewed_until: EventDate(i32::MIN),
            generation: 0,
        }
    }

    /// Records a sale. One with a known key replaces it; one seen before changes nothing.
    pub fn record_sale(&mut self, sale: Sale) {
        let place = (sale.closed_on, sale.key.clone());
        if self.recent.get(&place) == Some(&sale) {
            return;
        }
        let mut changed_from = sale.closed_on;
        if let Some(replaced) = self.index.insert(&sale) {
            self.recent.remove(&(replaced, sale.key.clone()));
            changed_from = changed_from.min(replaced);
        }
        self.recent.insert(place, sale);
        if changed_from < self.viewed_until {
            self.generation += 1;
        }
        for champion in [&mut self.champion, &mut self.staged].into_iter().flatten() {
            champion.follow_again_from(changed_from);
        }
        let Some(latest) = self.index.latest() else { return };
        // Once a month of event time is often enough to keep memory bounded.
        if latest.days_since(self.evicted_on) >= 30 {
            self.evicted_on = latest;
            let horizon = latest.plus_days(-RECENT_DAYS);
            self.index.evict(horizon);
            self.recent = self.recent.split_off(&(horizon, String::new()));
        }
    }

    /// Makes a model champion, from the next listing on.
    ///
    /// # Errors
    /// [`InstallError`]; the champion before it goes on.
    pub fn install(
        &mut self,
        model: Arc<PricingModel>,
        reference: ModelRef,
    ) -> Result<(), InstallError> {
        self.stage(model, reference)?;
        self.install_staged();
        Ok(())
    }

    /// Prepares a model to become champion while the one before it goes on: its errors on
    /// recent sales can be computed in steps, so that no listing waits for all of them.
    ///
    /// # Errors
    /// [`InstallError`]; what was staged before stays.
    pub fn stage(
        &mut self,
        model: Arc<PricingModel>,
        reference: ModelRef,
    ) -> Result<(), InstallError> {
        if model.market.window_days > self.window_days {
            return Err(InstallError::Window {
                model: model.market.window_days,
                index: self.window_days,
            });
        }
        self.staged = Some(Champion::new(model, reference));
        Ok(())
    }

    /// Computes the staged model's errors on about `sales` sales more. Whether it is ready,
    /// or none is staged.
    pub fn advance_staged(&mut self, sales: usize) -> bool {
        let Some(staged) = &mut self.staged else { return true };
        // A model that looks at the market another way waits for its own index parameters.
        staged.model.market != *self.index.params()
            || staged.follow(&self.index, &self.recent, self.viewed_until, sales)
    }

    /// Makes the staged model champion, from the next listing on; it changes nothing but
    /// time whether it was ready. Without one, nothing changes.
    pub fn install_staged(&mut self) {
        let Some(champion) = self.staged.take() else { return };
        self.index.set_params(champion.model.market);
        self.generation += 1;
        self.parts = vec![0.0; champion.model.spec.len()];
        self.champion = Some(champion);
    }

    /// Forgets the staged model.
    pub fn discard_staged(&mut self) {
        self.staged = None;
    }

    /// The champion.
    pub fn champion(&self) -> Option<(&ModelRef, &Arc<PricingModel>)> {
        self.champion.as_ref().map(|champion| (&champion.reference, &champion.model))
    }

    /// Sales in the market index.
    pub fn indexed_sales(&self) -> usize {
        self.index.len()
    }

    /// What the market says about a home as of a date. A view stays valid until a sale from
    /// before its date is recorded late, or the champion changes: see [`Self::generation`].
    pub fn view(&mut self, facts: &Facts, as_of: EventDate) -> MarketView {
        self.viewed_until = self.viewed_until.max(as_of);
        self.index.view(facts, as_of)
    }

    /// Changes whenever views made before may no longer hold.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Prices a listing as of its date.
    pub fn price(&mut self, listing: &Listing) -> PriceEstimate {
        let view = self.view(&listing.facts, listing.listed_on);
        self.price_with(listing, &view)
    }

    /// Prices a listing with a view of its facts and date that is still valid.
    pub fn price_with(&mut self, listing: &Listing, view: &MarketView) -> PriceEstimate {
        let outcome = match self.appraise(listing, view) {
            None => no_champion(),
            Some((_, Some(refusal))) => no_estimate(refusal.reason, refusal.detail),
            Some((price, None)) => PriceOutcome::Priced(Box::new(price)),
        };
        self.estimate(listing, outcome)
    }

    /// [`PricingEngine::price_with`] of several listings, the same bit for bit, for less than the
    /// price of each: the champion's trees are gone through once for all.
    pub fn price_batch(&mut self, listings: &[(&Listing, &MarketView)]) -> Vec<PriceEstimate> {
        let Some(outcomes) = self.outcomes(listings) else {
            return listings
                .iter()
                .map(|(listing, _)| self.estimate(listing, no_champion()))
                .collect();
        };
        let each = listings.iter().zip(outcomes);
        each.map(|((listing, _), outcome)| self.estimate(listing, outcome)).collect()
    }

    /// `None` while there is no champion.
    fn outcomes(&mut self, listings: &[(&Listing, &MarketView)]) -> Option<Vec<PriceOutcome>> {
        let mut corrections = Vec::with_capacity(listings.len());
        let mut rows = Vec::with_capacity(listings.len());
        for (listing, view) in listings {
            self.follow_errors(listing.listed_on);
            let champion = self.champion.as_mut()?;
            let mut row = Vec::with_capacity(champion.model.spec.len());
            champion.model.spec.encode(&listing.facts, listing.listed_on, view, &mut row);
            rows.push(row);
            corrections.push(champion.errors.as_of(listing.listed_on));
        }
        let model = &self.champion.as_ref()?.model;
        let width = model.spec.len();
        let rows_by_reference: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let mut parts = vec![0.0; listings.len() * width];
        let explained = model.predictor.explain_batch(&rows_by_reference, &mut parts, width);
        let parts = parts.chunks(width.max(1));
        let each = listings.iter().zip(&rows).zip(&corrections).zip(explained).zip(parts);
        let outcomes = each.map(|(((((listing, view), row), correction), explained), parts)| {
            match self.refusal(model, listing, view) {
                Some(refusal) => no_estimate(refusal.reason, refusal.detail),
                None => PriceOutcome::Priced(Box::new(answer::explained_price(
                    model, row, correction, view, explained, parts,
                ))),
            }
        });
        Some(outcomes.collect())
    }

    /// What speaks against pricing a listing.
    fn refusal(
        &self,
        model: &PricingModel,
        listing: &Listing,
        view: &MarketView,
    ) -> Option<Refusal> {
        check_domain(&model.spec.domain, &listing.currency, &listing.facts)
            .and_then(|()| check_nearby(self.index.params(), view))
            .err()
    }

    fn estimate(&self, listing: &Listing, outcome: PriceOutcome) -> PriceEstimate {
        let champion = self.champion.as_ref();
        PriceEstimate {
            listing_key: listing.key.clone(),
            event_date: listing.listed_on,
            currency: listing.currency.clone(),
            model: champion.map(|champion| champion.reference.clone()),
            feature_spec_hash: champion.map(|c| c.spec_hash.clone()).unwrap_or_default(),
            outcome,
            external_facts: Vec::new(),
        }
    }

    /// The champion's price of a listing whatever may speak against it, and what does: a price
    /// with a [`Refusal`] is a guess and is not published. `None` while there is no champion.
    pub fn appraise(
        &mut self,
        listing: &Listing,
        view: &MarketView,
    ) -> Option<(Price, Option<Refusal>)> {
        self.follow_errors(listing.listed_on);
        let refusal = self.refusal(&self.champion.as_ref()?.model, listing, view);
        let champion = self.champion.as_mut()?;
        let model = &champion.model;
        model.spec.encode(&listing.facts, listing.listed_on, view, &mut self.row);
        let correction = champion.errors.as_of(listing.listed_on);
        Some((answer::price(model, &self.row, &correction, view, &mut self.parts), refusal))
    }

    /// Computes the champion's errors on sales before `until`.
    fn follow_errors(&mut self, until: EventDate) {
        if let Some(champion) = &mut self.champion {
            champion.follow(&self.index, &self.recent, until, usize::MAX);
        }
    }
}

/// Why an estimate would be a guess.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Bounded reason.
    pub reason: NoEstimateReason,
    /// What was missing, in words.
    pub detail: String,
}

fn no_champion() -> PriceOutcome {
    no_estimate(NoEstimateReason::NoChampion, "no model version is champion".to_owned())
}

fn no_estimate(reason: NoEstimateReason, detail: String) -> PriceOutcome {
    PriceOutcome::NoEstimate { reason, detail }
}

/// Whether enough sales are known around the home's place and date.
fn check_nearby(params: &MarketParams, view: &MarketView) -> Result<(), Refusal> {
    if view.nearby.len() >= MIN_NEARBY {
        return Ok(());
    }
    let detail = format!(
        "{} sales within {} km and {} days, at least {MIN_NEARBY} are needed",
        view.nearby.len(),
        params.max_distance_km,
        params.window_days,
    );
    Err(Refusal { reason: NoEstimateReason::TooFewSales, detail })
}

/// Whether the model has learned from homes like this one.
fn check_domain(domain: &Domain, currency: &str, facts: &Facts) -> Result<(), Refusal> {
    if currency != domain.currency {
        let detail = format!("Currency is {currency}, the model knows {}", domain.currency);
        return Err(Refusal { reason: NoEstimateReason::UnitMismatch, detail });
    }
    let checks = [
        ("LivingArea", facts.living_area, domain.living_area, Margin::Times(AREA_MARGIN)),
        ("Latitude", facts.latitude, domain.latitude, Margin::Plus(DEGREE_MARGIN)),
        ("Longitude", facts.longitude, domain.longitude, Margin::Plus(DEGREE_MARGIN)),
    ];
    for (field, value, range, margin) in checks {
        let Some(range) = range else { continue };
        let Some(value) = value else {
            let located = field != "LivingArea" && facts.postal_code.is_some();
            if located {
                continue;
            }
            let detail = format!("{field} is missing");
            return Err(Refusal { reason: NoEstimateReason::MissingFacts, detail });
        };
        let (low, high) = match margin {
            Margin::Times(factor) => (range.low / factor, range.high * factor),
            Margin::Plus(step) => (range.low - step, range.high + step),
        };
        if value < low || value > high {
            let detail = format!(
                "{field} is {value}, the model has learned from {} to {}",
                range.low, range.high
            );
            return Err(Refusal { reason: NoEstimateReason::OutOfDomain, detail });
        }
    }
    Ok(())
}

enum Margin {
    Times(f64),
    Plus(f64),
}

#[cfg(test)]
mod tests;
