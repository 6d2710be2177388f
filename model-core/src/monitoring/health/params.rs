//! Settings of the rules of data health.

use serde::{Deserialize, Serialize};

use super::shares::ShareRule;
use crate::monitoring::{InvalidSetting, check_setting as check};

/// Settings of the rules of data health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthParams {
    /// Listings in a window.
    pub volume: VolumeParams,
    /// Time without listings.
    pub silence: SilenceParams,
    /// Shares of what went wrong.
    pub shares: SharesParams,
}

/// Settings of `volume`.
///
/// | setting | default | range | why |
/// |---|---|---|---|
/// | `alpha` | 0.002 | above 0, to 0.1 | expectations are estimates: up to 0.01 of windows without change fire |
/// | `low`, `high` | 0.7, 1.6 | above 0 to below 1; above 1 | less is nothing to act on |
/// | `min_expected` | 20 | at least 1 | half of 20 comes by chance |
/// | `min_windows` | 4 | at least 3 | of fewer no spread can be learned |
/// | `windows_to_accept` | 3 | at least 2 | then a new level is what is expected |
/// | `max_windows` | 1500 | at least 8 | four years of days |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VolumeParams {
    /// Chance, two-sided, at or below which a window's listings fire; ten times as much warns.
    pub alpha: f64,
    /// Share of the expected listings at or below which too few fire.
    pub low: f64,
    /// Multiple of the expected listings at or above which too many fire.
    pub high: f64,
    /// Windows with fewer expected listings are not judged.
    pub min_expected: f64,
    /// Closed windows before the first is judged.
    pub min_windows: usize,
    /// Windows in a row on one side after which their level is the expectation.
    pub windows_to_accept: usize,
    /// Closed windows that are remembered.
    pub max_windows: usize,
}

impl Default for VolumeParams {
    fn default() -> Self {
        Self {
            alpha: 0.002,
            low: 0.7,
            high: 1.6,
            min_expected: 20.0,
            min_windows: 4,
            windows_to_accept: 3,
            max_windows: 1_500,
        }
    }
}

/// Settings of `silence`.
///
/// | setting | default | range | why |
/// |---|---|---|---|
/// | `alpha` | 0.001 | above 0, to 0.1 | one false alarm in 1,000 weeks |
/// | `min_gap_minutes` | 120 | at least 1 | a shorter gap ends before anyone looks |
/// | `min_weeks` | 3 | at least 1 | each hour of the week was seen as often |
/// | `min_arrivals` | 100 | at least 1 | |
/// | `half_life_weeks` | 8 | at least 1 | follows the season |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SilenceParams {
    /// Chance within a week at or below which a gap fires; ten times as much warns.
    pub alpha: f64,
    /// Shorter gaps, in minutes, never fire.
    pub min_gap_minutes: u32,
    /// Weeks of arrivals before a gap is judged.
    pub min_weeks: f64,
    /// Arrivals before a gap is judged.
    pub min_arrivals: u64,
    /// Weeks after which an arrival counts half.
    pub half_life_weeks: f64,
}

impl Default for SilenceParams {
    fn default() -> Self {
        Self {
            alpha: 0.001,
            min_gap_minutes: 120,
            min_weeks: 3.0,
            min_arrivals: 100,
            half_life_weeks: 8.0,
        }
    }
}

/// Settings of the rules about shares.
///
/// | setting | default | range | why |
/// |---|---|---|---|
/// | `alpha` | 0.001 | above 0, to 0.1 | chance of an alert in a window without change |
/// | `min_total` | 20 | at least 1 | one of 20 is 5 % |
/// | `min_windows`, `max_windows` | 3, 12 | at least 1, in order | the baseline: a year of months |
/// | `duplicates` | 0.05 | above 0, to 1 | |
/// | `no_estimate` | 0.05 | above 0, to 1 | as the monitor's `no_estimate_share` |
/// | `degraded`, `stale_facts` | 0.10 | above 0, to 1 | a source of facts may be down for an hour |
/// | `dead_letters` | 0.01 | above 0, to 1 | there should be none |
/// | `lag` | 0.05 | above 0, to 1 | |
/// | `lag_seconds` | 60 | above 0 | later prices count as late |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SharesParams {
    /// Chance at or below which a share that is large enough fires.
    pub alpha: f64,
    /// Fewest records in a window to judge a share by.
    pub min_total: u64,
    /// Closed windows before there is a baseline; until then the fixed share is.
    pub min_windows: usize,
    /// Closed windows that make the baseline.
    pub max_windows: usize,
    /// Share of repeats from which on it fires.
    pub duplicates: f64,
    /// Share of listings without a price from which on it fires.
    pub no_estimate: f64,
    /// Share of degraded prices from which on it fires.
    pub degraded: f64,
    /// Share of prices with expired facts from which on it fires.
    pub stale_facts: f64,
    /// Share of dead letters from which on it fires.
    pub dead_letters: f64,
    /// Share of late prices from which on it fires.
    pub lag: f64,
    /// Seconds from a listing to its price after which the price is late.
    pub lag_seconds: f64,
}

impl Default for SharesParams {
    fn default() -> Self {
        Self {
            alpha: 0.001,
            min_total: 20,
            min_windows: 3,
            max_windows: 12,
            duplicates: 0.05,
            no_estimate: 0.05,
            degraded: 0.10,
            stale_facts: 0.10,
            dead_letters: 0.01,
            lag: 0.05,
            lag_seconds: 60.0,
        }
    }
}

impl SharesParams {
    /// The share from which on a rule fires.
    pub fn threshold(&self, rule: ShareRule) -> f64 {
        match rule {
            ShareRule::Duplicates => self.duplicates,
            ShareRule::NoEstimate => self.no_estimate,
            ShareRule::Degraded => self.degraded,
            ShareRule::StaleFacts => self.stale_facts,
            ShareRule::DeadLetters => self.dead_letters,
            ShareRule::Lag => self.lag,
        }
    }
}

impl HealthParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first [`InvalidSetting`] found.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        self.volume.check()?;
        self.silence.check()?;
        self.shares.check()
    }
}

fn check_alpha(setting: &'static str, alpha: f64) -> Result<(), InvalidSetting> {
    check(setting, alpha, alpha > 0.0 && alpha <= 0.1, "above 0 to 0.1")
}

impl VolumeParams {
    fn check(&self) -> Result<(), InvalidSetting> {
        check_alpha("health.volume.alpha", self.alpha)?;
        let ok = self.low > 0.0 && self.low < 1.0;
        check("health.volume.low", self.low, ok, "above 0, below 1")?;
        let ok = self.high > 1.0 && self.high.is_finite();
        check("health.volume.high", self.high, ok, "above 1")?;
        let ok = self.min_expected >= 1.0 && self.min_expected.is_finite();
        check("health.volume.min_expected", self.min_expected, ok, "at least 1")?;
        let ok = self.min_windows >= 3;
        check("health.volume.min_windows", self.min_windows, ok, "at least 3")?;
        let ok = self.windows_to_accept >= 2;
        check("health.volume.windows_to_accept", self.windows_to_accept, ok, "at least 2")?;
        let (windows, ok) = (self.max_windows, self.max_windows >= 8.max(self.min_windows));
        check("health.volume.max_windows", windows, ok, "at least 8 and health.volume.min_windows")
    }
}

impl SilenceParams {
    fn check(&self) -> Result<(), InvalidSetting> {
        check_alpha("health.silence.alpha", self.alpha)?;
        let minutes = self.min_gap_minutes;
        check("health.silence.min_gap_minutes", minutes, minutes >= 1, "at least 1")?;
        let weeks = |weeks: f64| weeks >= 1.0 && weeks.is_finite();
        let ok = weeks(self.min_weeks);
        check("health.silence.min_weeks", self.min_weeks, ok, "at least 1")?;
        let ok = self.min_arrivals >= 1;
        check("health.silence.min_arrivals", self.min_arrivals, ok, "at least 1")?;
        let ok = weeks(self.half_life_weeks);
        check("health.silence.half_life_weeks", self.half_life_weeks, ok, "at least 1")
    }
}

impl SharesParams {
    fn check(&self) -> Result<(), InvalidSetting> {
        check_alpha("health.shares.alpha", self.alpha)?;
        check("health.shares.min_total", self.min_total, self.min_total >= 1, "at least 1")?;
        check("health.shares.min_windows", self.min_windows, self.min_windows >= 1, "at least 1")?;
        let ok = self.max_windows >= self.min_windows;
        let expected = "at least health.shares.min_windows";
        check("health.shares.max_windows", self.max_windows, ok, expected)?;
        for (setting, share) in [
            ("health.shares.duplicates", self.duplicates),
            ("health.shares.no_estimate", self.no_estimate),
            ("health.shares.degraded", self.degraded),
            ("health.shares.stale_facts", self.stale_facts),
            ("health.shares.dead_letters", self.dead_letters),
            ("health.shares.lag", self.lag),
        ] {
            check(setting, share, share > 0.0 && share <= 1.0, "above 0 to 1")?;
        }
        let ok = self.lag_seconds > 0.0 && self.lag_seconds.is_finite();
        check("health.shares.lag_seconds", self.lag_seconds, ok, "above 0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_out_of_range_is_named() {
        type Break = fn(&mut HealthParams);
        let cases: [(&str, Break); 18] = [
            ("health.volume.alpha", |p| p.volume.alpha = f64::NAN),
            ("health.volume.low", |p| p.volume.low = 1.0),
            ("health.volume.high", |p| p.volume.high = 1.0),
            ("health.volume.min_expected", |p| p.volume.min_expected = 0.0),
            ("health.volume.min_windows", |p| p.volume.min_windows = 2),
            ("health.volume.windows_to_accept", |p| p.volume.windows_to_accept = 1),
            ("health.volume.max_windows", |p| p.volume.max_windows = 7),
            ("health.silence.alpha", |p| p.silence.alpha = 0.2),
            ("health.silence.min_gap_minutes", |p| p.silence.min_gap_minutes = 0),
            ("health.silence.min_weeks", |p| p.silence.min_weeks = 0.5),
            ("health.silence.min_arrivals", |p| p.silence.min_arrivals = 0),
            ("health.silence.half_life_weeks", |p| p.silence.half_life_weeks = f64::INFINITY),
            ("health.shares.alpha", |p| p.shares.alpha = 0.0),
            ("health.shares.min_total", |p| p.shares.min_total = 0),
            ("health.shares.max_windows", |p| p.shares.max_windows = 2),
            ("health.shares.dead_letters", |p| p.shares.dead_letters = 0.0),
            ("health.shares.lag", |p| p.shares.lag = 1.5),
            ("health.shares.lag_seconds", |p| p.shares.lag_seconds = -1.0),
        ];
        assert_eq!(HealthParams::default().check(), Ok(()));
        for (setting, make_bad) in cases {
            let mut params = HealthParams::default();
            make_bad(&mut params);
            assert_eq!(params.check().unwrap_err().setting, setting);
        }
    }

    #[test]
    fn unknown_settings_are_refused_and_missing_ones_default() {
        let text = r#"{"volume": {"low": 0.6}, "shares": {"lag": 0.2}}"#;
        let params: HealthParams = serde_json::from_str(text).unwrap();
        assert_eq!((params.volume.low, params.volume.high, params.shares.lag), (0.6, 1.6, 0.2));
        let error = serde_json::from_str::<HealthParams>(r#"{"volume": {"hi": 2}}"#).unwrap_err();
        assert!(error.to_string().contains("hi"), "{error}");
    }
}
