//! Patience: how many windows in a row must agree before an alert changes its state.
//!
//! One noisy window neither raises an alert nor ends one, and a value that wavers around the
//! level does not flap: to resolve, it must fall below a second, lower level.

use serde::{Deserialize, Serialize};

use super::params::{InvalidSetting, check};
use crate::alert::AlertState;
use crate::drift_report::Verdict;

/// Windows in a row that change an alert's state.
///
/// | setting | default | range | why |
/// |---|---|---|---|
/// | `windows_to_fire` | 1 | at least 1 | verdicts are calibrated against chance already |
/// | `windows_to_resolve` | 2 | at least 1 | one quiet window is not the end of a drift |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HysteresisParams {
    /// Windows in a row at or above the firing level to fire.
    pub windows_to_fire: u32,
    /// Windows in a row below the resolving level to resolve.
    pub windows_to_resolve: u32,
}

impl Default for HysteresisParams {
    fn default() -> Self {
        Self { windows_to_fire: 1, windows_to_resolve: 2 }
    }
}

impl HysteresisParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first [`InvalidSetting`] found.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        check("windows_to_fire", self.windows_to_fire, self.windows_to_fire >= 1, "at least 1")?;
        let ok = self.windows_to_resolve >= 1;
        check("windows_to_resolve", self.windows_to_resolve, ok, "at least 1")
    }
}

/// Where one window's value lies between the two levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// At the firing level or beyond.
    Firing,
    /// Between the levels: neither fires nor resolves, and ends a row of either.
    Between,
    /// Short of the resolving level.
    Quiet,
    /// The window cannot tell: it neither changes the state nor ends a row.
    Unknown,
}

impl Reading {
    /// The reading of a statistic that grows with what is wrong: fires from `fire` on, is quiet
    /// below `resolve`. NaN cannot tell. A `resolve` above `fire` is taken as `fire`.
    pub fn of_high(value: f64, fire: f64, resolve: f64) -> Self {
        if value.is_nan() {
            Self::Unknown
        } else if value >= fire {
            Self::Firing
        } else if value < resolve {
            Self::Quiet
        } else {
            Self::Between
        }
    }

    /// The reading of a p-value or q-value, which falls with what is wrong: fires from `fire`
    /// down, is quiet above `resolve`. NaN cannot tell.
    pub fn of_low(value: f64, fire: f64, resolve: f64) -> Self {
        Self::of_high(-value, -fire, -resolve)
    }
}

impl From<Option<Verdict>> for Reading {
    /// Drift fires, a warning lies between, `None` cannot tell.
    fn from(verdict: Option<Verdict>) -> Self {
        match verdict {
            Some(Verdict::Drift) => Self::Firing,
            Some(Verdict::Warning) => Self::Between,
            Some(Verdict::Ok) => Self::Quiet,
            None => Self::Unknown,
        }
    }
}

/// Where one alert stands. A default one is quiet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hysteresis {
    firing: bool,
    /// Windows in a row that speak for the other state.
    streak: u32,
}

impl Hysteresis {
    /// Whether the alert fires.
    pub fn is_firing(self) -> bool {
        self.firing
    }

    /// Windows in a row that have spoken for the other state so far.
    pub fn streak(self) -> u32 {
        self.streak
    }

    /// Takes in the next window; the state that begins with it, if it changes.
    pub fn step(&mut self, reading: Reading, params: HysteresisParams) -> Option<AlertState> {
        let (other, needed) = if self.firing {
            (Reading::Quiet, params.windows_to_resolve)
        } else {
            (Reading::Firing, params.windows_to_fire)
        };
        if reading == Reading::Unknown {
            return None;
        }
        if reading != other {
            self.streak = 0;
            return None;
        }
        self.streak = self.streak.saturating_add(1);
        if self.streak < needed {
            return None;
        }
        *self = Self { firing: !self.firing, streak: 0 };
        Some(if self.firing { AlertState::Firing } else { AlertState::Resolved })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENT: HysteresisParams =
        HysteresisParams { windows_to_fire: 2, windows_to_resolve: 3 };

    /// Windows as letters: `F`iring, `b`etween, `q`uiet, `?`; answers as `F`, `R` and `.`.
    fn run(windows: &str, params: HysteresisParams) -> String {
        let mut alert = Hysteresis::default();
        let step = |letter| {
            let reading = match letter {
                'F' => Reading::Firing,
                'b' => Reading::Between,
                'q' => Reading::Quiet,
                _ => Reading::Unknown,
            };
            match alert.step(reading, params) {
                Some(AlertState::Firing) => 'F',
                Some(AlertState::Resolved) => 'R',
                None => '.',
            }
        };
        windows.chars().map(step).collect()
    }

    #[test]
    fn by_hand() {
        assert_eq!(run("FqFFFqqFqqqq", PATIENT), "...F......R.");
        // between ends a row of either kind
        assert_eq!(run("FbFFqqbqqq", PATIENT), "...F.....R");
        // what cannot tell ends none
        assert_eq!(run("F?Fq??qq", PATIENT), "..F....R");
        assert_eq!(run("FFqFqqF", HysteresisParams::default()), "F....RF");
    }

    #[test]
    fn readings_at_the_levels() {
        let high = |value| Reading::of_high(value, 0.2, 0.1);
        assert_eq!(
            [0.2, 0.19, 0.1, 0.09, f64::NAN, f64::INFINITY].map(high),
            [
                Reading::Firing,
                Reading::Between,
                Reading::Between,
                Reading::Quiet,
                Reading::Unknown,
                Reading::Firing,
            ],
        );
        let low = |value| Reading::of_low(value, 0.01, 0.05);
        assert_eq!(
            [0.01, 0.02, 0.05, 0.06, f64::NAN].map(low),
            [Reading::Firing, Reading::Between, Reading::Between, Reading::Quiet, Reading::Unknown,],
        );
        assert_eq!(Reading::of_high(0.15, 0.1, 0.2), Reading::Firing);
        assert_eq!(Reading::from(Some(Verdict::Drift)), Reading::Firing);
        assert_eq!(Reading::from(Some(Verdict::Warning)), Reading::Between);
        assert_eq!(Reading::from(Some(Verdict::Ok)), Reading::Quiet);
        assert_eq!(Reading::from(None), Reading::Unknown);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        assert_eq!(HysteresisParams::default().check(), Ok(()));
        let never = HysteresisParams { windows_to_fire: 0, ..PATIENT };
        assert_eq!(never.check().unwrap_err().setting, "windows_to_fire");
        let never = HysteresisParams { windows_to_resolve: 0, ..PATIENT };
        assert_eq!(never.check().unwrap_err().setting, "windows_to_resolve");
    }

    fn readings() -> impl Strategy<Value = Vec<Reading>> {
        let one = prop::sample::select(vec![
            Reading::Firing,
            Reading::Between,
            Reading::Quiet,
            Reading::Unknown,
        ]);
        prop::collection::vec(one, 0..200)
    }

    proptest! {
        /// The definition: the state changes where the last windows that can tell, since the
        /// change before, all speak for the other one.
        #[test]
        fn changes_exactly_when_enough_windows_in_a_row_agree(
            readings in readings(),
            windows_to_fire in 1..5_u32,
            windows_to_resolve in 1..5_u32,
        ) {
            let params = HysteresisParams { windows_to_fire, windows_to_resolve };
            let mut alert = Hysteresis::default();
            let mut since: Vec<Reading> = Vec::new();
            for reading in readings {
                let was = alert.is_firing();
                if reading != Reading::Unknown {
                    since.push(reading);
                }
                let (other, needed) = match was {
                    true => (Reading::Quiet, windows_to_resolve as usize),
                    false => (Reading::Firing, windows_to_fire as usize),
                };
                let agree = since.iter().rev().take_while(|&&reading| reading == other).count();
                let change = alert.step(reading, params);
                prop_assert_eq!(change.is_some(), agree >= needed);
                prop_assert_eq!(alert.is_firing(), was != change.is_some());
                prop_assert_eq!(change == Some(AlertState::Firing), !was && alert.is_firing());
                if change.is_some() {
                    since.clear();
                }
            }
        }

        #[test]
        fn goes_on_after_a_restart_as_if_there_had_been_none(
            readings in readings(),
            restart in 0..200_usize,
        ) {
            let mut one = Hysteresis::default();
            let mut other = one;
            for (index, reading) in readings.into_iter().enumerate() {
                if index == restart {
                    let text = serde_json::to_string(&other).unwrap();
                    other = serde_json::from_str(&text).unwrap();
                }
                prop_assert_eq!(one.step(reading, PATIENT), other.step(reading, PATIENT));
            }
        }
    }
}
