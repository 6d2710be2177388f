//! Intervals of several levels around one estimate.

use super::answer::Recomputed;
use crate::calibration::ErrorRange;
use crate::estimate::Interval;

/// The intervals of the ranges, in their order: `estimate * exp(error * scale)` at either end.
/// Each holds the estimate. The main one, of `main_level`, has the ends that `numbers` has;
/// outward from it each contains the one before, inward each is contained: where rounding
/// would have them cross, they meet.
///
/// `ranges` ascend by level and the main one is among them.
pub(super) fn intervals(
    numbers: &Recomputed,
    main_level: f64,
    ranges: &[ErrorRange],
) -> Vec<Interval> {
    let Recomputed { estimate, lower, upper, scale } = *numbers;
    let mut intervals: Vec<Interval> = ranges
        .iter()
        .map(|range| {
            if range.level == main_level {
                return Interval { level: main_level, lower, upper };
            }
            let end = |error: f64| estimate * (error * scale).exp();
            Interval {
                level: range.level,
                lower: end(range.low).min(estimate),
                upper: end(range.high).max(estimate),
            }
        })
        .collect();
    let main = intervals.partition_point(|interval| interval.level < main_level);
    let (narrower, wider) = intervals.split_at_mut(main);
    let (mut low, mut high) = (lower, upper);
    for interval in narrower.iter_mut().rev() {
        low = low.max(interval.lower);
        high = high.min(interval.upper);
        (interval.lower, interval.upper) = (low, high);
    }
    let (mut low, mut high) = (lower, upper);
    for interval in wider {
        low = low.min(interval.lower);
        high = high.max(interval.upper);
        (interval.lower, interval.upper) = (low, high);
    }
    intervals
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(level: f64, low: f64, high: f64) -> ErrorRange {
        ErrorRange { level, low, high }
    }

    #[test]
    fn ends_are_reckoned_from_the_estimate_and_the_main_ones_are_kept() {
        let numbers = Recomputed { estimate: 100.0, lower: 80.0, upper: 130.0, scale: 0.1 };
        let ranges = [range(0.5, -1.0, 1.0), range(0.9, -2.0, 2.0), range(0.95, -3.0, 4.0)];
        let found = intervals(&numbers, 0.9, &ranges);
        let ends: Vec<_> =
            found.iter().map(|found| (found.level, found.lower, found.upper)).collect();
        let (e1, e3, e4) = (0.1_f64.exp(), (-0.1 * 3.0_f64).exp(), (0.1 * 4.0_f64).exp());
        let narrow = (0.5, 100.0 * (-0.1_f64).exp(), 100.0 * e1);
        assert_eq!(ends, [narrow, (0.9, 80.0, 130.0), (0.95, 100.0 * e3, 100.0 * e4)]);
    }

    #[test]
    fn one_sided_errors_leave_the_estimate_inside() {
        let numbers = Recomputed { estimate: 100.0, lower: 100.0, upper: 130.0, scale: 0.1 };
        let ranges = [range(0.5, 0.5, 1.0), range(0.9, 0.2, 2.6)];
        let found = intervals(&numbers, 0.9, &ranges);
        assert_eq!((found[0].lower, found[1].lower), (100.0, 100.0));
    }

    proptest! {
        /// However the ranges lie, intervals are nested, hold the estimate, and the main one is
        /// untouched.
        #[test]
        fn intervals_are_nested(
            ends in prop::collection::vec((-3.0..1.0_f64, -1.0..3.0_f64), 1..9),
            main in any::<prop::sample::Index>(),
            scale in 0.01..1.0_f64,
        ) {
            let ranges: Vec<ErrorRange> = (0_u32..)
                .zip(&ends)
                .map(|(i, (low, high))| range(0.5 + f64::from(i) / 20.0, *low, *high))
                .collect();
            let main = main.get(&ranges);
            let estimate = 100.0;
            let lower = (estimate * (main.low * scale).exp()).min(estimate);
            let upper = (estimate * (main.high * scale).exp()).max(estimate);
            let numbers = Recomputed { estimate, lower, upper, scale };
            let found = intervals(&numbers, main.level, &ranges);
            let kept = Interval { level: main.level, lower, upper };
            prop_assert!(found.contains(&kept));
            for interval in &found {
                prop_assert!(interval.lower <= estimate && estimate <= interval.upper);
            }
            for pair in found.windows(2) {
                prop_assert!(pair[1].lower <= pair[0].lower && pair[0].upper <= pair[1].upper);
            }
        }
    }
}
