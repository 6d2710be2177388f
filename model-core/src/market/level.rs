//! The market's level over time: the median log price per area, month by month.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::date::EventDate;

/// Sales of this many days before a month's first day make its level: long enough that
/// the changing mix of homes averages out, short enough to follow a market.
const LEVEL_DAYS: i32 = 180;
/// Fewer sales than this say nothing about a level.
const MIN_SALES: usize = 20;

/// The first day that the level of the month that begins on `month` looks at.
pub(super) fn oldest_needed(month: EventDate) -> EventDate {
    month.plus_days(-LEVEL_DAYS)
}

/// Median log price per area of the [`LEVEL_DAYS`] before each month.
#[derive(Debug, Default)]
pub(super) struct LevelSeries {
    values: BTreeMap<EventDate, Vec<f64>>,
    cache: Mutex<BTreeMap<EventDate, Option<f64>>>,
}

impl LevelSeries {
    pub(super) fn insert(&mut self, date: EventDate, value: f64) {
        self.values.entry(date).or_default().push(value);
        self.forget_from(date);
    }

    pub(super) fn remove(&mut self, date: EventDate, value: f64) {
        if let Some(values) = self.values.get_mut(&date) {
            if let Some(place) = values.iter().position(|other| other.to_bits() == value.to_bits())
            {
                values.swap_remove(place);
            }
            if values.is_empty() {
                self.values.remove(&date);
            }
        }
        self.forget_from(date);
    }

    /// The level of the month that begins on `month`: of sales before that day.
    pub(super) fn at_month(&self, month: EventDate) -> Option<f64> {
        let mut cache = match self.cache.lock() {
            Ok(cache) => cache,
            Err(poisoned) => poisoned.into_inner(),
        };
        *cache.entry(month).or_insert_with(|| self.compute(month))
    }

    /// Drops the sales before a day. Cached levels stay.
    pub(super) fn drop_before(&mut self, horizon: EventDate) {
        self.values = self.values.split_off(&horizon);
    }

    fn compute(&self, month: EventDate) -> Option<f64> {
        let mut window: Vec<f64> = self
            .values
            .range(month.plus_days(-LEVEL_DAYS)..month)
            .flat_map(|(_, values)| values.iter().copied())
            .collect();
        if window.len() < MIN_SALES {
            return None;
        }
        let middle = window.len() / 2;
        window.select_nth_unstable_by(middle, f64::total_cmp);
        window.get(middle).copied()
    }

    fn forget_from(&mut self, date: EventDate) {
        let cache = match self.cache.get_mut() {
            Ok(cache) => cache,
            Err(poisoned) => poisoned.into_inner(),
        };
        // Only months that begin after the date look at it.
        drop(cache.split_off(&date.plus_days(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_sees_the_sales_before_it_began() {
        let mut series = LevelSeries::default();
        let june = EventDate::parse_iso("1996-06-10").unwrap();
        for i in 0..21 {
            series.insert(june, f64::from(i));
        }
        let july = EventDate::parse_iso("1996-07-01").unwrap();
        assert_eq!(series.at_month(july), Some(10.0));
        assert_eq!(series.at_month(june.month_start()), None, "its own month is not over");
        series.insert(EventDate::parse_iso("1996-07-02").unwrap(), 99.0);
        assert_eq!(series.at_month(july), Some(10.0));
        for _ in 0..21 {
            series.insert(june, 50.0);
        }
        assert_eq!(series.at_month(july), Some(50.0), "a late sale is taken in");
    }
}
