//! Changes within a window: detectors that look at one sale, one estimate at a time.
//!
//! A window tells that the market has moved when it closes; a detector that looks at its sales in
//! order tells by which sale. Detectors warn, and fire no alert: what they see is also in the
//! window's level and accuracy, with a chance that is known.

use serde::{Deserialize, Serialize};

use super::closing::Outcome;
use crate::detectors::{
    Adwin, AdwinParams, Detection, Detector, Direction, Kswin, KswinParams, PageHinkley,
    PageHinkleyParams,
};
use crate::drift_report::Verdict;

/// Chance of a detection by KSWIN between two numbers: its default of 0.005 fires every few
/// hundred.
const KSWIN_ALPHA: f64 = 1e-4;

/// Which detector looks for changes of the mean error and of the mean estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeDetector {
    /// None.
    Off,
    /// Adaptive windows, with River's defaults.
    #[default]
    Adwin,
    /// Cumulative deviations from the mean, with River's defaults; of numbers in units of the
    /// forecast standard deviation.
    PageHinkley,
    /// Kolmogorov-Smirnov between the latest numbers and those before them.
    Kswin,
}

impl ChangeDetector {
    /// The name in texts.
    fn name(self) -> &'static str {
        match self {
            Self::Off => "",
            Self::Adwin => "ADWIN",
            Self::PageHinkley => "Page-Hinkley",
            Self::Kswin => "KSWIN",
        }
    }

    /// A detector that has seen nothing; `None` if none is asked for.
    fn start(self) -> Option<Watch> {
        // Defaults are within their own ranges: they are checked where they are tested.
        match self {
            Self::Off => None,
            Self::Adwin => Adwin::new(AdwinParams::default()).ok().map(Watch::Adwin),
            Self::PageHinkley => {
                PageHinkley::new(PageHinkleyParams::default()).ok().map(Watch::PageHinkley)
            }
            Self::Kswin => {
                let params = KswinParams { alpha: KSWIN_ALPHA, ..KswinParams::default() };
                Kswin::new(params).ok().map(Watch::Kswin)
            }
        }
    }
}

/// A detector at work.
#[derive(Debug)]
enum Watch {
    Adwin(Adwin),
    PageHinkley(PageHinkley),
    Kswin(Kswin),
}

impl Watch {
    fn update(&mut self, value: f64) -> Option<Detection> {
        let seen = match self {
            Self::Adwin(detector) => detector.update(value),
            Self::PageHinkley(detector) => detector.update(value),
            Self::Kswin(detector) => detector.update(value),
        };
        // What is no number tells nothing.
        seen.ok().flatten()
    }
}

/// A change that a window holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// `residual` or `estimate`.
    pub(super) subject: &'static str,
    /// The last detection in the window.
    pub(super) detection: Detection,
    /// What happened, in words.
    pub(super) detail: String,
}

/// The detectors over the windows of one model version.
#[derive(Debug, Default)]
pub(super) struct Changes {
    version: String,
    residual: Option<Watch>,
    estimate: Option<Watch>,
}

impl Changes {
    /// Takes a window's sales and estimates in, in order of date and key.
    ///
    /// Residuals are log errors without the running correction, in units of the forecast standard
    /// deviation; estimates are logarithms. Another version starts the detectors anew.
    pub(super) fn close(&mut self, outcome: &Outcome, detector: ChangeDetector) -> Vec<Change> {
        if self.version != outcome.report.model_version {
            self.version.clone_from(&outcome.report.model_version);
            (self.residual, self.estimate) = (detector.start(), detector.start());
        }
        let residuals = outcome.sales.iter().map(|sale| sale.level_error() / sale.fsd);
        let estimates = outcome.log_estimates.iter().copied();
        let residual = look(self.residual.as_mut(), "residual", residuals, detector);
        let estimate = look(self.estimate.as_mut(), "estimate", estimates, detector);
        [residual, estimate].into_iter().flatten().collect()
    }
}

fn look(
    watch: Option<&mut Watch>,
    subject: &'static str,
    numbers: impl ExactSizeIterator<Item = f64>,
    detector: ChangeDetector,
) -> Option<Change> {
    let watch = watch?;
    let all = numbers.len();
    let seen = numbers.enumerate().filter_map(|(i, number)| Some((i + 1, watch.update(number)?)));
    let (at, detection) = seen.last()?;
    let side = match detection.direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    let name = detector.name();
    let detail = format!(
        "{subject}: {name} saw the mean go {side} with number {at} of the window's {all}, {} after \
         it began to look",
        detection.observed
    );
    Some(Change { subject, detection, detail })
}

/// The verdict on a change: it is told, and fires no alert.
pub(super) const VERDICT: Verdict = Verdict::Warning;

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(shift: f64) -> impl ExactSizeIterator<Item = f64> {
        (0..400)
            .map(move |i: i32| f64::from(i * 37 % 100) / 100.0 + if i < 200 { 0.0 } else { shift })
    }

    #[test]
    fn every_detector_starts_and_sees_a_large_change_and_none_without_one() {
        for detector in [ChangeDetector::Adwin, ChangeDetector::PageHinkley, ChangeDetector::Kswin]
        {
            let mut watch = detector.start();
            let change = look(watch.as_mut(), "residual", numbers(3.0), detector).unwrap();
            assert_eq!(change.detection.direction, Direction::Up, "{detector:?}");
            assert!(change.detail.starts_with("residual: "), "{}", change.detail);
            assert!(change.detail.contains(detector.name()), "{}", change.detail);
            let mut watch = detector.start();
            let quiet = look(watch.as_mut(), "residual", numbers(0.0), detector);
            assert_eq!(quiet, None, "{detector:?}");
        }
        let off = ChangeDetector::Off;
        assert!(off.start().is_none());
        assert_eq!(look(None, "residual", numbers(3.0), off), None);
    }

    #[test]
    fn what_is_no_number_changes_nothing() {
        let mut watch = ChangeDetector::Adwin.start();
        let odd = [f64::NAN, f64::INFINITY, 1e300].into_iter();
        assert_eq!(look(watch.as_mut(), "estimate", odd, ChangeDetector::Adwin), None);
    }
}
