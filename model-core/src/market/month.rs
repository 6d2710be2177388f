//! What the market said by the first of a month: its level and trend, and by how much each
//! category and each area was dearer or cheaper.
//!
//! Everything here rests on sales before the month began, hence before every query of that
//! month; it is made once a month and shared by all its views.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::date::EventDate;
use crate::listing::Facts;

use super::level::LevelSeries;
use super::params::MarketParams;
use super::tally::{Categories, Cell, Months, Tallies};

/// The market's trend is its level now against so many days ago: as many as a level looks
/// at, so that the two have no sale in common.
const TREND_DAYS: i32 = 180;
/// Sales at the market's mean that a category's or an area's are shrunk with. A category of
/// so few sales says half of what it seems to say.
const PRIOR_SALES: f64 = 20.0;

/// The first month that a month beginning on `start` looks at.
fn first_month(start: EventDate, window_days: i32) -> EventDate {
    start.plus_days(-window_days.max(TREND_DAYS)).month_start()
}

/// The first day that queries of `date`'s month look at, comparables' levels included.
pub(super) fn oldest_needed(date: EventDate, window_days: i32) -> EventDate {
    super::level::oldest_needed(first_month(date.month_start(), window_days))
}

/// The log price per area of an area, as deviations from the whole market's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Area {
    level: f64,
    trend: f64,
}

/// The whole market and its parts as of the first of a month, natural logs of prices per
/// square foot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MonthStatistics {
    /// Level of the whole market: median of the sales of 180 days.
    pub level: Option<f64>,
    /// Change of the level within 180 days.
    pub trend: Option<f64>,
    /// Number of the first month of `levels`.
    first: i32,
    levels: Vec<Option<f64>>,
    categories: Categories<f64>,
    areas: BTreeMap<Cell, Area>,
}

/// Which category of a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CategoryName<'a> {
    /// `PropertyType`.
    PropertyType,
    /// `PostalCode`.
    PostalCode,
    /// A text among the attributes.
    Attribute(&'a str),
}

impl MonthStatistics {
    pub(super) fn new(
        levels: &LevelSeries,
        tallies: &Tallies,
        start: EventDate,
        params: &MarketParams,
    ) -> Self {
        let from = first_month(start, params.window_days);
        let months = std::iter::successors(Some(from), |month| {
            Some(month.next_month_start()).filter(|next| month < next && *next <= start)
        });
        let known = months.map(|month| levels.at_month(month)).collect();
        let level = levels.at_month(start);
        let before = levels.at_month(start.plus_days(-TREND_DAYS).month_start());
        let mut statistics = Self {
            level,
            trend: level.zip(before).map(|(now, then)| now - then),
            first: from.month_number(),
            levels: known,
            ..Self::default()
        };
        let window = start.plus_days(-params.window_days).month_number()..start.month_number();
        let whole = statistics.deviation(&tallies.market, window.clone());
        let share =
            |part: Deviation| (part.sum - part.count * whole.mean()) / (part.count + PRIOR_SALES);
        if params.target_statistics {
            let of = |months: &Months| {
                let part = statistics.deviation(months, window.clone());
                (part.count > 0.0).then(|| share(part))
            };
            statistics.categories = tallies.categories.filter_map(of);
        }
        if params.area_statistics {
            let middle = statistics.middle(&tallies.market, window.clone());
            let of = |(cell, months): (&Cell, &Months)| {
                let part = statistics.deviation(months, window.clone());
                let recent = statistics.deviation(months, middle..window.end);
                let older = statistics.deviation(months, window.start..middle);
                let area = Area { level: share(part), trend: share(recent) - share(older) };
                (part.count > 0.0).then_some((*cell, area))
            };
            statistics.areas = tallies.areas.iter().filter_map(of).collect();
        }
        statistics
    }

    /// Level of a month by its number, known where a comparable of the month's queries may be.
    pub(super) fn level_of(&self, month: i32) -> Option<f64> {
        let place = usize::try_from(month.checked_sub(self.first)?).ok()?;
        *self.levels.get(place)?
    }

    /// By how much homes with a category's text were dearer than the whole market: the mean
    /// log price per square foot of the sales within the window, each against the level of
    /// its own month, less the same of all sales, shrunk to 0 as by 20 sales at the market's
    /// mean (target statistics of categories, ordered by time: Prokhorenkova et al. 2018).
    /// A text never seen is at the market's mean.
    ///
    /// `None` when target statistics are off, or no sale says anything of that category.
    pub fn category(&self, name: CategoryName<'_>, text: &str) -> Option<f64> {
        let categories = &self.categories;
        let levels = match name {
            CategoryName::PropertyType => &categories.property_type,
            CategoryName::PostalCode => &categories.postal_code,
            CategoryName::Attribute(name) => categories.attributes.get(name)?,
        };
        if levels.is_empty() {
            return None;
        }
        Some(levels.get(text).copied().unwrap_or_default())
    }

    /// Level and trend of the area around a home, against the whole market's: made like a
    /// category's statistic; the trend is the recent half of the window's sales against the
    /// older half. An area without sales is at the market's mean.
    pub(super) fn area(&self, subject: &Facts) -> Option<(f64, f64)> {
        let place = subject.coordinates()?;
        if self.areas.is_empty() {
            return None;
        }
        let area = self.areas.get(&Cell::of(place)).copied().unwrap_or_default();
        Some((area.level, area.trend))
    }

    /// Sum of what the sales of some months were above their months' levels. Sales of months
    /// without a level are left out.
    fn deviation(&self, months: &Months, range: Range<i32>) -> Deviation {
        let mut all = Deviation::default();
        for (month, tally) in months.range(range) {
            if let Some(level) = self.level_of(*month) {
                let count = f64::from(tally.count);
                all.count += count;
                all.sum += tally.sum() - count * level;
            }
        }
        all
    }

    /// The month from which on half of the market's sales lie.
    fn middle(&self, market: &Months, range: Range<i32>) -> i32 {
        let total = self.deviation(market, range.clone()).count;
        let mut passed = 0.0;
        for (month, tally) in market.range(range.clone()) {
            if 2.0 * passed >= total {
                return *month;
            }
            if self.level_of(*month).is_some() {
                passed += f64::from(tally.count);
            }
        }
        range.end
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Deviation {
    count: f64,
    sum: f64,
}

impl Deviation {
    fn mean(self) -> f64 {
        if self.count > 0.0 { self.sum / self.count } else { 0.0 }
    }
}
