//! How errors are followed, and the levels that intervals are told at.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most levels besides the main one.
pub const MAX_EXTRA_LEVELS: usize = 8;

/// Nominal coverages of the intervals besides the main one: at most [`MAX_EXTRA_LEVELS`].
/// Written as a sequence of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct ExtraLevels {
    /// Values in use first, zeros after them.
    values: [f64; MAX_EXTRA_LEVELS],
    len: usize,
}

impl ExtraLevels {
    /// These levels, in this order. Ranges and order are checked with the other parameters:
    /// see [`CalibrationParams::check`].
    ///
    /// # Errors
    /// More than [`MAX_EXTRA_LEVELS`].
    pub fn new(levels: &[f64]) -> Result<Self, InvalidCalibrationParam> {
        let mut values = [0.0; MAX_EXTRA_LEVELS];
        let Some(used) = values.get_mut(..levels.len()) else {
            let (name, value) = ("extra_levels", levels.len() as f64);
            return Err(InvalidCalibrationParam { name, value, expected: "0 to 8 levels" });
        };
        used.copy_from_slice(levels);
        Ok(Self { values, len: levels.len() })
    }

    /// The levels.
    pub fn as_slice(&self) -> &[f64] {
        self.values.get(..self.len).unwrap_or_default()
    }
}

impl TryFrom<Vec<f64>> for ExtraLevels {
    type Error = InvalidCalibrationParam;

    fn try_from(levels: Vec<f64>) -> Result<Self, Self::Error> {
        Self::new(&levels)
    }
}

impl From<ExtraLevels> for Vec<f64> {
    fn from(levels: ExtraLevels) -> Self {
        levels.as_slice().to_vec()
    }
}

/// How errors are followed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrationParams {
    /// Latest errors whose median is the level; 20 to 5,000.
    pub level_errors: usize,
    /// Errors at which the level is half believed (shrinkage to none); 0 to 1,000.
    pub level_prior: f64,
    /// Latest errors whose quantiles make the intervals; 100 to 20,000.
    pub interval_errors: usize,
    /// Nominal coverage of the main interval; 0.5 to 0.99.
    pub interval_level: f64,
    /// Nominal coverages of further intervals; each 0.5 to 0.99, ascending, at most 8. One
    /// that equals `interval_level` is that interval, and told once.
    pub extra_levels: ExtraLevels,
}

impl Default for CalibrationParams {
    /// 300 errors give a median's standard error of about 1 % at the usual spread of 15 %;
    /// 1,000 put 50 errors beyond each end of a 90 % interval. Half, 80 % and 95 % are the
    /// levels that appraisers, lenders and insurers commonly ask for.
    fn default() -> Self {
        let mut values = [0.0; MAX_EXTRA_LEVELS];
        [values[0], values[1], values[2]] = [0.5, 0.8, 0.95];
        Self {
            level_errors: 300,
            level_prior: 30.0,
            interval_errors: 1_000,
            interval_level: 0.9,
            extra_levels: ExtraLevels { values, len: 3 },
        }
    }
}

/// A calibration parameter outside its range.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("training.calibration.{name} is {value}, expected {expected}")]
pub struct InvalidCalibrationParam {
    /// Name of the setting.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// The accepted range.
    pub expected: &'static str,
}

impl CalibrationParams {
    /// Checks every parameter against its range, and the order of the extra levels.
    ///
    /// # Errors
    /// The first parameter outside its range.
    pub fn check(&self) -> Result<(), InvalidCalibrationParam> {
        let checks = [
            ("level_errors", self.level_errors as f64, 20.0, 5_000.0, "20 to 5000"),
            ("level_prior", self.level_prior, 0.0, 1_000.0, "0 to 1000"),
            ("interval_errors", self.interval_errors as f64, 100.0, 20_000.0, "100 to 20000"),
            ("interval_level", self.interval_level, 0.5, 0.99, "0.5 to 0.99"),
        ];
        for (name, value, low, high, expected) in checks {
            if !(low..=high).contains(&value) {
                return Err(InvalidCalibrationParam { name, value, expected });
            }
        }
        let name = "extra_levels";
        let mut before = 0.0;
        for &value in self.extra_levels.as_slice() {
            if !(0.5..=0.99).contains(&value) {
                return Err(InvalidCalibrationParam { name, value, expected: "0.5 to 0.99 each" });
            }
            if value <= before {
                let expected = "each above the one before it";
                return Err(InvalidCalibrationParam { name, value, expected });
            }
            before = value;
        }
        Ok(())
    }

    /// Every level, the main one included, ascending.
    pub fn levels(&self) -> impl Iterator<Item = f64> + '_ {
        let main = self.interval_level;
        let extra = || self.extra_levels.as_slice().iter().copied();
        extra()
            .filter(move |level| *level < main)
            .chain(std::iter::once(main))
            .chain(extra().filter(move |level| *level > main))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(extra: &[f64]) -> CalibrationParams {
        let extra_levels = ExtraLevels::new(extra).unwrap();
        CalibrationParams { extra_levels, ..CalibrationParams::default() }
    }

    #[test]
    fn levels_are_told_in_order_and_once() {
        let levels = |params: CalibrationParams| params.levels().collect::<Vec<_>>();
        assert_eq!(levels(CalibrationParams::default()), [0.5, 0.8, 0.9, 0.95]);
        assert_eq!(levels(with(&[])), [0.9]);
        assert_eq!(levels(with(&[0.6, 0.9])), [0.6, 0.9]);
        let narrow = CalibrationParams { interval_level: 0.8, ..CalibrationParams::default() };
        assert_eq!((narrow.check(), levels(narrow)), (Ok(()), vec![0.5, 0.8, 0.95]));
    }

    #[test]
    fn levels_out_of_range_or_order_are_refused_in_words() {
        for (extra, message) in [
            (&[0.4, 0.8][..], "extra_levels is 0.4, expected 0.5 to 0.99 each"),
            (&[0.8, 0.995], "extra_levels is 0.995, expected 0.5 to 0.99 each"),
            (&[0.8, f64::NAN], "extra_levels is NaN, expected 0.5 to 0.99 each"),
            (&[0.8, 0.6], "extra_levels is 0.6, expected each above the one before it"),
            (&[0.8, 0.8], "extra_levels is 0.8, expected each above the one before it"),
        ] {
            let error = with(extra).check().unwrap_err().to_string();
            assert_eq!(error, format!("training.calibration.{message}"));
        }
        let error = ExtraLevels::new(&[0.6; 9]).unwrap_err().to_string();
        assert_eq!(error, "training.calibration.extra_levels is 9, expected 0 to 8 levels");
    }

    #[test]
    fn parameters_survive_text_and_bytes() {
        let params = with(&[0.6, 0.75]);
        let text = serde_json::to_string(&params).unwrap();
        assert!(text.contains(r#""extra_levels":[0.6,0.75]"#), "{text}");
        assert_eq!(serde_json::from_str::<CalibrationParams>(&text).unwrap(), params);
        let bytes = postcard::to_allocvec(&params).unwrap();
        assert_eq!(postcard::from_bytes::<CalibrationParams>(&bytes).unwrap(), params);
        let many = r#"{"extra_levels": [0.5, 0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.57, 0.58]}"#;
        assert!(serde_json::from_str::<CalibrationParams>(many).is_err());
        let none: CalibrationParams = serde_json::from_str("{}").unwrap();
        assert_eq!(none, CalibrationParams::default());
    }
}
