//! The monitor: what windows of event time say of the market and of the champion.
//!
//! [`Monitor`] is a pure state machine. Estimates and sales go in as they arrive; when the
//! watermark passes the end of a window, [`Monitor::advance`] closes it and returns its
//! [`DriftReport`] and the [`Alert`]s that changed state.
//!
//! # Guarantees
//! - **Order makes no difference.** Whatever the order in which the same observations arrive
//!   between two calls of `advance`, reports and alerts are the same: sales meet their
//!   estimates, and homes their bins, when the window closes.
//! - **Nothing counts twice.** An estimate is identified by listing and event date, a sale by
//!   listing and close date; a repeat within an open window is recognised.
//! - **Nothing is lost in silence.** What arrives for a closed window is counted in
//!   [`Monitor::late_total`], and a late estimate still meets its sale; what cannot be used
//!   is counted in [`Monitor::invalid_total`].
//! - **References fit.** An estimate names the version that made it, and a window is compared
//!   with the reference of the version that made most of its estimates. Feature vectors of
//!   another layout are never binned with it. That is why vectors are kept until the window
//!   closes rather than binned as they arrive.
//! - **Memory is bounded** by the homes of `join_days` and by the feature vectors of the open
//!   windows, `max_window_rows` each: of a larger window an even sample is compared.

use std::collections::BTreeMap;

use crate::alert::Alert;
use crate::date::EventDate;
use crate::drift_report::{DriftReport, Window};
use crate::estimate::PriceEstimate;
use crate::listing::{OLDEST_EVENT, Sale};

use self::champions::{Champion, Champions};
use self::changes::Changes;
use self::closing::{Closed, OpenWindow};
use self::estimates::{EstimateBook, Interner, Observed};
use self::health::SourceHealth;
use self::rules::{AlertTracks, Finding};

mod champions;
mod changes;
mod closing;
mod estimates;
pub mod health;
mod hints;
pub mod hysteresis;
mod params;
mod rules;
mod segments;

pub use self::champions::ChampionReference;
pub use self::changes::ChangeDetector;
pub(crate) use self::params::check as check_setting;
pub use self::params::{InvalidSetting, MonitorParams, WindowKind};

/// Latest event date that is counted, 2200-01-01: window arithmetic stays inside the calendar.
const NEWEST_EVENT: EventDate = EventDate(84_006);
/// Names of the rules, as reports and alerts carry them.
pub const RULES: [&str; 10] = [
    "feature_drift",
    "estimate_drift",
    "level_drift",
    "accuracy",
    "coverage",
    "no_estimate",
    "volume",
    "degraded",
    "stale_facts",
    "change",
];
/// What the rules of data health are about, as reports and alerts name it.
const SOURCE: &str = "listings";
/// Windows without any data that are reported in a row; of a longer silence the rest is not.
pub const MAX_EMPTY_WINDOWS: u32 = 36;

/// A window that closed.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedWindow {
    /// What it says.
    pub report: DriftReport,
    /// The alerts that began or ended with it.
    pub alerts: Vec<Alert>,
}

/// Watches drift and accuracy over windows of event time.
#[derive(Debug)]
pub struct Monitor {
    params: MonitorParams,
    champions: Champions,
    texts: Interner,
    /// By first day.
    open: BTreeMap<EventDate, OpenWindow>,
    book: EstimateBook,
    tracks: AlertTracks,
    health: SourceHealth,
    changes: Changes,
    /// Windows that end on or before this day are closed.
    closed_until: Option<EventDate>,
    /// First day of the next window to report, once there has been any data.
    next: Option<EventDate>,
    empty_in_a_row: u32,
    has_listed: bool,
    is_cut_short: bool,
    late_total: u64,
    duplicate_total: u64,
    invalid_total: u64,
}

impl Monitor {
    /// A monitor that has seen nothing.
    ///
    /// # Errors
    /// The first [`InvalidSetting`] found.
    pub fn new(params: MonitorParams) -> Result<Self, InvalidSetting> {
        params.check()?;
        Ok(Self {
            params,
            champions: Champions::default(),
            texts: Interner::default(),
            open: BTreeMap::new(),
            book: EstimateBook::default(),
            tracks: AlertTracks::default(),
            health: SourceHealth::default(),
            changes: Changes::default(),
            closed_until: None,
            next: None,
            empty_in_a_row: 0,
            has_listed: false,
            is_cut_short: false,
            late_total: 0,
            duplicate_total: 0,
            invalid_total: 0,
        })
    }

    /// Announces a champion: what it is measured against, and its first day.
    ///
    /// The reference holds for every estimate that the version makes, from the next window to
    /// close on; estimates of earlier champions keep theirs. A version may be announced again
    /// when it returns.
    pub fn champion(&mut self, version: &str, reference: ChampionReference, from: EventDate) {
        self.champions.add(version, Champion { reference, from });
    }

    /// Takes in the answer to a listing. Its event date decides the window.
    ///
    /// Of different answers to one listing event one stays, whatever the order: a price
    /// rather than none, then the later version.
    pub fn observe_estimate(&mut self, estimate: &PriceEstimate) {
        let date = estimate.event_date;
        let observed = Observed::from(estimate, &mut self.texts);
        let Some(observed) = observed.filter(|_| countable(date)) else {
            self.invalid_total += 1;
            return;
        };
        let event = (estimate.listing_key.as_str().into(), date);
        if !self.is_closed(date) {
            let rows = self.params.max_window_rows;
            if !self.window(date).listings.add(event, observed, rows) {
                self.duplicate_total += 1;
            }
            return;
        }
        let known = observed.listed.answer.is_some_and(|answer| !self.book.add(event, answer));
        *(if known { &mut self.duplicate_total } else { &mut self.late_total }) += 1;
    }

    /// Takes in a sale. Its close date decides the window; when that closes, the sale meets
    /// the latest estimate of its listing dated on or before the close date, in the same
    /// currency.
    ///
    /// Of different prices of one sale the highest stays, whatever the order.
    pub fn observe_sale(&mut self, sale: &Sale) {
        let date = sale.closed_on;
        if !countable(date) || !sale.price.is_finite() || sale.price <= 0.0 {
            self.invalid_total += 1;
            return;
        }
        if self.is_closed(date) {
            self.late_total += 1;
            return;
        }
        let area = segments::area(&sale.facts).map(|area| self.texts.get(&area));
        let closed = Closed { price: sale.price, currency: self.texts.get(&sale.currency), area };
        let sales = &mut self.window(date).sales;
        let event = (sale.key.as_str().into(), date);
        if let Some(known) = sales.get_mut(&event) {
            let order = closed.price.total_cmp(&known.price);
            let order = order.then_with(|| closed.currency.cmp(&known.currency));
            if order.then_with(|| closed.area.cmp(&known.area)).is_gt() {
                *known = closed;
            }
            self.duplicate_total += 1;
        } else {
            sales.insert(event, closed);
        }
    }

    /// Closes every window that ends on or before the watermark, in order. A watermark
    /// before an earlier one closes nothing.
    ///
    /// Windows without data are reported too, up to [`MAX_EMPTY_WINDOWS`] in a row, from the
    /// first window with data on.
    pub fn advance(&mut self, watermark: EventDate) -> Vec<ClosedWindow> {
        let watermark = watermark.clamp(OLDEST_EVENT, NEWEST_EVENT);
        let until = self.params.window.window_of(watermark).start;
        if self.closed_until.is_some_and(|closed| closed >= until) {
            return Vec::new();
        }
        self.closed_until = Some(until);
        let mut closed = Vec::new();
        // Reports begin with the first window that holds data.
        if let Some(mut next) = self.next.or_else(|| self.first_open(until)) {
            while next < until {
                next = self.close_next(next, until, &mut closed);
            }
            self.next = Some(next);
        }
        let days = i32::try_from(self.params.join_days).unwrap_or(i32::MAX);
        self.book.forget_before(until.plus_days(-days));
        closed
    }

    /// Closes the window that starts on a day, or skips to the end of a long silence; the
    /// first day of the window that comes next.
    fn close_next(
        &mut self,
        start: EventDate,
        until: EventDate,
        closed: &mut Vec<ClosedWindow>,
    ) -> EventDate {
        let window = self.params.window.window_of(start);
        let open = self.open.remove(&start);
        if open.is_some() {
            self.empty_in_a_row = 0;
        } else if self.empty_in_a_row < MAX_EMPTY_WINDOWS {
            self.empty_in_a_row += 1;
        } else {
            return self.first_open(until).unwrap_or(until);
        }
        closed.push(self.close(window, open.unwrap_or_default()));
        window.end
    }

    fn first_open(&self, until: EventDate) -> Option<EventDate> {
        self.open.keys().next().copied().filter(|start| *start < until)
    }

    /// Closes every window that holds data, at the end of a finite stream. The last one may be
    /// cut short: its volume is not judged.
    pub fn finish(&mut self) -> Vec<ClosedWindow> {
        let Some(last) = self.open.keys().next_back().copied() else { return Vec::new() };
        let mut closed = self.advance(last);
        self.is_cut_short = true;
        closed.extend(self.advance(self.params.window.window_of(last).end));
        closed
    }

    /// Estimates and sales that arrived after their window had closed.
    pub fn late_total(&self) -> u64 {
        self.late_total
    }

    /// Estimates and sales that had been seen before.
    pub fn duplicate_total(&self) -> u64 {
        self.duplicate_total
    }

    /// Estimates and sales whose date or numbers cannot be used.
    pub fn invalid_total(&self) -> u64 {
        self.invalid_total
    }

    /// Windows that hold data and are not closed.
    pub fn open_windows(&self) -> usize {
        self.open.len()
    }

    /// Estimates of closed windows that wait for a sale.
    pub fn waiting_estimates(&self) -> usize {
        self.book.len()
    }

    /// The settings.
    pub fn params(&self) -> &MonitorParams {
        &self.params
    }

    fn is_closed(&self, date: EventDate) -> bool {
        self.closed_until.is_some_and(|until| date < until)
    }

    fn window(&mut self, date: EventDate) -> &mut OpenWindow {
        self.open.entry(self.params.window.window_of(date).start).or_default()
    }

    fn close(&mut self, window: Window, open: OpenWindow) -> ClosedWindow {
        let mut outcome = open.close(window, &self.champions, &mut self.book, &self.params);
        let mut findings = rules::findings(&outcome, &self.params);
        // The first listings may have come, or the last, in the middle of the window.
        let is_whole = self.has_listed && !self.is_cut_short;
        self.has_listed |= outcome.health.listings > 0;
        if is_whole {
            let health = self.health.close(SOURCE, window, &outcome.health, &self.params.health);
            findings.extend(health.into_iter().map(Finding::from));
        }
        let changes = self.changes.close(&outcome, self.params.detector);
        findings.extend(changes.into_iter().map(Finding::from));
        rules::inhibit(&mut findings, &outcome, &self.params);
        rules::judge(&mut outcome, &findings);
        let alerts = self.tracks.step(&outcome, &findings, &self.params);
        ClosedWindow { report: outcome.report, alerts }
    }
}

fn countable(date: EventDate) -> bool {
    (OLDEST_EVENT..NEWEST_EVENT).contains(&date)
}

#[cfg(test)]
mod tests;
