//! Calendar dates of the event-time axis.

use std::fmt;

use chrono::{Datelike, Days, NaiveDate};
use serde::{Deserialize, Serialize};

const UNIX_EPOCH: NaiveDate = match NaiveDate::from_ymd_opt(1970, 1, 1) {
    Some(date) => date,
    None => NaiveDate::MIN,
};
/// Milliseconds in a day.
pub const DAY_MS: i64 = 86_400_000;

/// A day of event time: days since 1970-01-01, the value of Avro's `date` logical type.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct EventDate(pub i32);

impl EventDate {
    /// The date of a proleptic Gregorian year, month (1-12) and day (1-31), if there is one.
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Self> {
        NaiveDate::from_ymd_opt(year, month, day).map(Self::from)
    }

    /// The day that holds a Kafka timestamp (milliseconds since the epoch, UTC).
    pub fn from_timestamp_ms(timestamp_ms: i64) -> Self {
        let days = timestamp_ms.div_euclid(DAY_MS);
        Self(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }

    /// Midnight UTC at the start of this day, in milliseconds since the epoch.
    pub fn to_timestamp_ms(self) -> i64 {
        i64::from(self.0) * DAY_MS
    }

    /// Parses `YYYY-MM-DD`.
    pub fn parse_iso(text: &str) -> Option<Self> {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Self::from)
    }

    /// This date `days` later (earlier when negative), saturating.
    pub fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Days from `earlier` to this date; negative when `earlier` is later.
    pub fn days_since(self, earlier: Self) -> i32 {
        self.0.saturating_sub(earlier.0)
    }

    /// The calendar year.
    pub fn year(self) -> i32 {
        self.naive().year()
    }

    /// The month of the year, 1 to 12.
    pub fn month(self) -> u32 {
        self.naive().month()
    }

    /// Number of this date's month: months since the start of the year 0.
    pub fn month_number(self) -> i32 {
        let naive = self.naive();
        naive.year() * 12 + naive.month0() as i32
    }

    /// The first day of this date's month.
    pub fn month_start(self) -> Self {
        Self::from_ymd(self.year(), self.month(), 1).unwrap_or(self)
    }

    /// The first day of the month after this date's.
    pub fn next_month_start(self) -> Self {
        let (year, month) = (self.year(), self.month());
        let next = if month == 12 {
            Self::from_ymd(year + 1, 1, 1)
        } else {
            Self::from_ymd(year, month + 1, 1)
        };
        next.unwrap_or(self)
    }

    fn naive(self) -> NaiveDate {
        if self.0 >= 0 {
            UNIX_EPOCH
                .checked_add_days(Days::new(u64::from(self.0.unsigned_abs())))
                .unwrap_or(NaiveDate::MAX)
        } else {
            UNIX_EPOCH
                .checked_sub_days(Days::new(u64::from(self.0.unsigned_abs())))
                .unwrap_or(NaiveDate::MIN)
        }
    }
}

impl From<NaiveDate> for EventDate {
    fn from(date: NaiveDate) -> Self {
        let days = date.signed_duration_since(UNIX_EPOCH).num_days();
        Self(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }
}

impl fmt::Display for EventDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.naive().format("%Y-%m-%d"))
    }
}

/// Dates as `YYYY-MM-DD` where a structure is written for people.
pub(crate) mod iso {
    use serde::Serializer;

    use super::EventDate;

    pub(crate) fn serialize<S: Serializer>(
        date: &EventDate,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_through_text_and_timestamps() {
        for days in [-719_162, -1, 0, 1, 8_766, 20_000] {
            let date = EventDate(days);
            assert_eq!(EventDate::parse_iso(&date.to_string()), Some(date));
            assert_eq!(EventDate::from_timestamp_ms(date.to_timestamp_ms()), date);
            assert_eq!(EventDate::from_timestamp_ms(date.to_timestamp_ms() + DAY_MS - 1), date);
        }
        assert_eq!(EventDate::parse_iso("1970-01-02"), Some(EventDate(1)));
        assert_eq!(EventDate::parse_iso("1996-02-30"), None);
    }

    #[test]
    fn months_begin_on_their_first_day() {
        let date = EventDate::parse_iso("1996-12-17").unwrap();
        assert_eq!(date.month_start().to_string(), "1996-12-01");
        assert_eq!(date.next_month_start().to_string(), "1997-01-01");
        assert_eq!((date.year(), date.month()), (1996, 12));
        assert_eq!(date.month_number(), 1996 * 12 + 11);
        assert_eq!(date.next_month_start().month_number(), 1997 * 12);
    }

    #[test]
    fn extremes_do_not_panic() {
        for date in [EventDate(i32::MIN), EventDate(i32::MAX)] {
            let _ = (date.year(), date.month_start(), date.next_month_start(), date.to_string());
            let _ = date.month_number();
        }
    }
}
