//! Settings of the monitor and the calendar of its windows.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::changes::ChangeDetector;
use super::health::HealthParams;
use crate::date::EventDate;
use crate::drift::PsiParams;
use crate::drift_report::Window;

/// How event time is cut into windows.
///
/// In configuration: `"month"`, `"week"`, or `{ days = 14 }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// Calendar months.
    #[default]
    Month,
    /// Weeks from Monday to Sunday, as ISO 8601 has them.
    Week,
    /// This many days, counted from 1970-01-01.
    Days(u32),
}

impl WindowKind {
    /// The window that holds a day.
    pub fn window_of(self, date: EventDate) -> Window {
        // 1970-01-01 was a Thursday: Mondays leave 4 when divided by 7.
        let (days, first) = match self {
            Self::Month => {
                return Window { start: date.month_start(), end: date.next_month_start() };
            }
            Self::Week => (7, 4),
            Self::Days(days) => (i32::try_from(days).unwrap_or(i32::MAX).max(1), 0),
        };
        let start = date.plus_days(-date.0.saturating_sub(first).rem_euclid(days));
        Window { start, end: start.plus_days(days) }
    }
}

/// Settings of the monitor.
///
/// | setting | default | range | why |
/// |---|---|---|---|
/// | `window` | `"month"` | 1 to 3660 days | the unit of housing statistics |
/// | `psi` | see [`PsiParams`] | | |
/// | `health` | see [`HealthParams`] | | |
/// | `detector` | `"adwin"` | `off`, `adwin`, `page_hinkley`, `kswin` | needs no unit, and forgets by itself |
/// | `min_sales` | 30 | at least 1 | the median error of 30 moves by a fifth by chance alone |
/// | `accuracy_factor` | 1.25 | above 1 | a quarter more is felt by those who rely on prices |
/// | `coverage_low`, `coverage_high` | 0.80, 0.97 | 0 to 1, around 0.9 | a tenth of the prices lie outside by design |
/// | `chance` | 0.002 | above 0, to 1 | level, accuracy, coverage and `no_estimate` fire by chance in one window of 500 |
/// | `level_warning`, `level_drift` | 0.03, 0.05 | above 0, in order | a half and a whole year of a rising market |
/// | `no_estimate_share` | 0.05 | above 0, to 1 | |
/// | `min_listings` | 20 | at least 1 | one listing of 20 is 5 % |
/// | `windows_to_fire`, `windows_to_resolve` | 1, 2 | at least 1 | what is over must be over for two windows: one quiet month is not the end of a drift |
/// | `join_days` | 400 | at least 1 | a listing sells within a year |
/// | `max_window_rows` | 50000 | at least 100 | 60 features of so many homes are 24 MB |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorParams {
    /// How event time is cut into windows.
    pub window: WindowKind,
    /// Drift of features and of the estimate.
    pub psi: PsiParams,
    /// Volume, degraded prices and expired facts.
    pub health: HealthParams,
    /// What looks for changes within windows.
    pub detector: ChangeDetector,
    /// Fewest priced sales in a window to judge accuracy, coverage and level by.
    pub min_sales: u64,
    /// The median absolute percentage error alerts above the champion's own times this.
    pub accuracy_factor: f64,
    /// Largest chance of a level, an accuracy, a coverage or a share without an estimate as bad
    /// as the window's, if nothing has changed, for its rule to fire.
    pub chance: f64,
    /// Least accepted share of prices inside their 90 % interval.
    pub coverage_low: f64,
    /// Largest accepted share of prices inside their 90 % interval.
    pub coverage_high: f64,
    /// Level errors of this size, a log difference, are a warning.
    pub level_warning: f64,
    /// Level errors of this size, a log difference, are drift.
    pub level_drift: f64,
    /// Shares of listings without an estimate from here on alert.
    pub no_estimate_share: f64,
    /// Fewest listings in a window to judge the share without an estimate by.
    pub min_listings: u64,
    /// Windows in a row in which a rule must hold to alert.
    pub windows_to_fire: u32,
    /// Windows in a row in which it must not hold to resolve.
    pub windows_to_resolve: u32,
    /// Days for which an estimate waits for its sale.
    pub join_days: u32,
    /// Feature vectors kept of an open window; of more, an even sample is compared.
    pub max_window_rows: usize,
}

impl Default for MonitorParams {
    fn default() -> Self {
        Self {
            window: WindowKind::Month,
            psi: PsiParams::default(),
            health: HealthParams::default(),
            detector: ChangeDetector::default(),
            min_sales: 30,
            accuracy_factor: 1.25,
            chance: 0.002,
            coverage_low: 0.80,
            coverage_high: 0.97,
            level_warning: 0.03,
            level_drift: 0.05,
            no_estimate_share: 0.05,
            min_listings: 20,
            windows_to_fire: 1,
            windows_to_resolve: 2,
            join_days: 400,
            max_window_rows: 50_000,
        }
    }
}

/// A setting outside its range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{setting} is {value}, expected {expected}")]
pub struct InvalidSetting {
    /// Name of the setting, as in configuration.
    pub setting: &'static str,
    /// Its value.
    pub value: String,
    /// What is accepted, in words.
    pub expected: &'static str,
}

impl MonitorParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first [`InvalidSetting`] found.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let finite = |value: f64, ok: bool| value.is_finite() && ok;
        if let WindowKind::Days(days) = self.window {
            check("window.days", days, (1..=3_660).contains(&days), "1 to 3660")?;
        }
        let psi = self.psi;
        check("psi.warning", psi.warning, finite(psi.warning, psi.warning > 0.0), "above 0")?;
        let ok = finite(psi.drift, psi.drift >= psi.warning);
        check("psi.drift", psi.drift, ok, "at least psi.warning")?;
        check("psi.min_count", psi.min_count, psi.min_count >= 1, "at least 1")?;
        let rate = psi.false_discovery_rate;
        check("psi.false_discovery_rate", rate, rate > 0.0 && rate <= 1.0, "above 0 to 1")?;
        self.health.check()?;
        check("min_sales", self.min_sales, self.min_sales >= 1, "at least 1")?;
        let ok = finite(self.accuracy_factor, self.accuracy_factor > 1.0);
        check("accuracy_factor", self.accuracy_factor, ok, "above 1")?;
        check("chance", self.chance, self.chance > 0.0 && self.chance <= 1.0, "above 0 to 1")?;
        let ok = (0.0..0.9).contains(&self.coverage_low);
        check("coverage_low", self.coverage_low, ok, "0 to below 0.9")?;
        let ok = self.coverage_high > 0.9 && self.coverage_high <= 1.0;
        check("coverage_high", self.coverage_high, ok, "above 0.9 to 1")?;
        let ok = finite(self.level_warning, self.level_warning > 0.0);
        check("level_warning", self.level_warning, ok, "above 0")?;
        let ok = finite(self.level_drift, self.level_drift >= self.level_warning);
        check("level_drift", self.level_drift, ok, "at least level_warning")?;
        let ok = self.no_estimate_share > 0.0 && self.no_estimate_share <= 1.0;
        check("no_estimate_share", self.no_estimate_share, ok, "above 0 to 1")?;
        check("min_listings", self.min_listings, self.min_listings >= 1, "at least 1")?;
        check("windows_to_fire", self.windows_to_fire, self.windows_to_fire >= 1, "at least 1")?;
        let ok = self.windows_to_resolve >= 1;
        check("windows_to_resolve", self.windows_to_resolve, ok, "at least 1")?;
        let ok = (1..=36_600).contains(&self.join_days);
        check("join_days", self.join_days, ok, "1 to 36600")?;
        let ok = self.max_window_rows >= 100;
        check("max_window_rows", self.max_window_rows, ok, "at least 100")
    }
}

pub(crate) fn check(
    setting: &'static str,
    value: impl ToString,
    ok: bool,
    expected: &'static str,
) -> Result<(), InvalidSetting> {
    if ok { Ok(()) } else { Err(InvalidSetting { setting, value: value.to_string(), expected }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(kind: WindowKind, date: &str) -> String {
        kind.window_of(EventDate::parse_iso(date).unwrap()).id()
    }

    #[test]
    fn windows_by_hand() {
        assert_eq!(window(WindowKind::Month, "1996-02-29"), "1996-02-01/1996-03-01");
        assert_eq!(window(WindowKind::Month, "1995-12-31"), "1995-12-01/1996-01-01");
        // 1996-02-29, a leap day, was a Thursday.
        assert_eq!(window(WindowKind::Week, "1996-02-29"), "1996-02-26/1996-03-04");
        assert_eq!(window(WindowKind::Week, "1996-02-26"), "1996-02-26/1996-03-04");
        assert_eq!(window(WindowKind::Week, "1969-12-31"), "1969-12-29/1970-01-05");
        assert_eq!(window(WindowKind::Days(10), "1970-01-10"), "1970-01-01/1970-01-11");
        assert_eq!(window(WindowKind::Days(10), "1969-12-31"), "1969-12-22/1970-01-01");
    }

    #[test]
    fn the_defaults_pass_their_own_check() {
        assert_eq!(MonitorParams::default().check(), Ok(()));
    }

    #[test]
    fn every_setting_out_of_range_is_named() {
        type Break = fn(&mut MonitorParams);
        let cases: [(&str, Break); 17] = [
            ("window.days", |p| p.window = WindowKind::Days(0)),
            ("psi.warning", |p| p.psi.warning = f64::NAN),
            ("psi.drift", |p| p.psi.drift = 0.05),
            ("psi.min_count", |p| p.psi.min_count = 0),
            ("psi.false_discovery_rate", |p| p.psi.false_discovery_rate = 0.0),
            ("min_sales", |p| p.min_sales = 0),
            ("accuracy_factor", |p| p.accuracy_factor = 1.0),
            ("chance", |p| p.chance = 0.0),
            ("coverage_low", |p| p.coverage_low = 0.95),
            ("coverage_high", |p| p.coverage_high = 0.85),
            ("level_warning", |p| p.level_warning = 0.0),
            ("level_drift", |p| p.level_drift = 0.01),
            ("no_estimate_share", |p| p.no_estimate_share = 0.0),
            ("min_listings", |p| p.min_listings = 0),
            ("windows_to_fire", |p| p.windows_to_fire = 0),
            ("join_days", |p| p.join_days = 0),
            ("max_window_rows", |p| p.max_window_rows = 1),
        ];
        for (setting, make_bad) in cases {
            let mut params = MonitorParams::default();
            make_bad(&mut params);
            assert_eq!(params.check().unwrap_err().setting, setting);
        }
        let params = MonitorParams { min_sales: 0, ..MonitorParams::default() };
        let text = params.check().unwrap_err().to_string();
        assert_eq!(text, "min_sales is 0, expected at least 1");
    }

    #[test]
    fn unknown_settings_are_refused_and_missing_ones_default() {
        let params: MonitorParams =
            serde_json::from_str(r#"{"window": {"days": 14}, "psi": {"drift": 0.3}}"#).unwrap();
        assert_eq!(params.window, WindowKind::Days(14));
        assert_eq!((params.psi.warning, params.psi.drift, params.min_sales), (0.1, 0.3, 30));
        let week: MonitorParams = serde_json::from_str(r#"{"window": "week"}"#).unwrap();
        assert_eq!(week.window, WindowKind::Week);
        let error = serde_json::from_str::<MonitorParams>(r#"{"min_sale": 3}"#).unwrap_err();
        assert!(error.to_string().contains("min_sale"), "{error}");
    }

    proptest! {
        #[test]
        fn windows_tile_the_calendar(days in -25_567..84_000_i32, kind in kinds()) {
            let date = EventDate(days);
            let window = kind.window_of(date);
            prop_assert!(window.contains(date));
            prop_assert_eq!(kind.window_of(window.start), window);
            prop_assert_eq!(kind.window_of(window.end.plus_days(-1)), window);
            prop_assert_eq!(kind.window_of(window.end).start, window.end);
            prop_assert_eq!(kind.window_of(window.start.plus_days(-1)).end, window.start);
            let length = window.end.days_since(window.start);
            match kind {
                WindowKind::Month => {
                    let (year, month) = (window.start.year(), window.start.month());
                    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
                    prop_assert_eq!(length, match month {
                        2 => 28 + i32::from(leap),
                        4 | 6 | 9 | 11 => 30,
                        _ => 31,
                    });
                }
                WindowKind::Week => prop_assert_eq!(length, 7),
                WindowKind::Days(n) => prop_assert_eq!(length, n as i32),
            }
        }
    }

    fn kinds() -> impl Strategy<Value = WindowKind> {
        prop_oneof![
            Just(WindowKind::Month),
            Just(WindowKind::Week),
            (1..400_u32).prop_map(WindowKind::Days),
        ]
    }
}
