//! The tracker on errors that can be reckoned by hand.

use proptest::prelude::*;

use super::*;
use crate::synthetic::Random;

fn params() -> CalibrationParams {
    CalibrationParams { level_prior: 0.0, ..CalibrationParams::default() }
}

#[test]
fn the_level_is_the_median_of_earlier_errors() {
    let mut tracker = ErrorTracker::new(params(), &[]);
    for (day, error) in [(1, 0.1), (2, 0.3), (3, 0.2), (4, 9.0)] {
        tracker.record(EventDate(day), error, 1.0);
    }
    assert_eq!(tracker.as_of(EventDate(1)).level, 0.0);
    assert_eq!(tracker.as_of(EventDate(2)).level, 0.1);
    assert_eq!(tracker.as_of(EventDate(4)).level, 0.2);
}

#[test]
fn few_errors_are_believed_little() {
    let shrunken = CalibrationParams { level_prior: 3.0, ..params() };
    let mut tracker = ErrorTracker::new(shrunken, &[]);
    tracker.record(EventDate(1), 0.4, 1.0);
    assert!((tracker.as_of(EventDate(2)).level - 0.1).abs() < 1e-12);
}

#[test]
fn the_interval_holds_its_share_of_the_seed() {
    let seed: Vec<f64> = (0..=100).map(|i| f64::from(i) / 50.0 - 1.0).collect();
    let mut tracker = ErrorTracker::new(params(), &seed);
    let correction = tracker.as_of(EventDate(1));
    let inside =
        seed.iter().filter(|e| (correction.error_low..=correction.error_high).contains(*e)).count();
    assert!((90..=93).contains(&inside), "{inside}");
    assert_eq!(correction.n, 101);
    assert!((correction.error_68 - 0.68).abs() < 0.02);
}

#[test]
fn new_errors_displace_the_seed() {
    let few = CalibrationParams { interval_errors: 100, ..params() };
    let mut tracker = ErrorTracker::new(few, &[0.0; 100]);
    for day in 0..200 {
        let error = if day % 2 == 0 { 1.0 } else { -1.0 };
        tracker.record(EventDate(day), error, 1.0);
    }
    let correction = tracker.as_of(EventDate(200));
    assert!(correction.error_high > 0.9 && correction.error_low < -0.9);
}

#[test]
fn memory_is_bounded_by_what_queries_can_look_at() {
    let mut tracker = ErrorTracker::new(params(), &[]);
    for day in 0..4_000 {
        (0..3).for_each(|_| tracker.record(EventDate(day), 0.0, 1.0));
    }
    assert!(tracker.days.len() < 366 + 400, "{}", tracker.days.len());
}

#[test]
fn chances_and_confidence_are_counted_by_hand() {
    let errors = [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0];
    let correction = Correction::new(&params(), 0.0, errors.to_vec());
    assert_eq!(correction.chance_between(-1.0, 1.0), 0.5, "five of nine errors, ten gaps");
    assert_eq!(correction.chance_between(5.0, 6.0), 0.0);
    assert_eq!(correction.chance_between(f64::NEG_INFINITY, f64::INFINITY), 0.9);
    // Within 10 %: errors from -ln(1.1) / scale = -0.95 to -ln(0.9) / scale = 1.05.
    assert_eq!(correction.confidence(0.1), 40);
    assert_eq!(correction.confidence(0.01), 90);
    assert_eq!(correction.confidence(1.0), 10);
    assert_eq!(Correction::new(&params(), 0.0, Vec::new()).confidence(0.01), 0);
}

#[test]
fn without_errors_every_range_is_wide_and_none_is_missing() {
    let correction = Correction::new(&params(), 0.0, Vec::new());
    let ranges = [0.5, 0.8, 0.9, 0.95].map(|level| ErrorRange { level, low: -2.0, high: 2.0 });
    assert_eq!((correction.ranges(), correction.n), (&ranges[..], 0));
    assert_eq!(
        (correction.error_low, correction.error_68, correction.error_high),
        (-2.0, 1.0, 2.0)
    );
}

#[test]
fn each_level_holds_its_share() {
    let seed: Vec<f64> = (0..=1_000).map(|i| f64::from(i) / 500.0 - 1.0).collect();
    let correction = Correction::new(&params(), 0.0, seed);
    for range in correction.ranges() {
        let held = correction.chance_between(range.low, range.high);
        assert!((held - range.level).abs() < 0.003, "{range:?} holds {held}");
    }
}

/// Errors with heavier tails than the normal's (logistic), standard deviation 1.
fn heavy_tailed(random: &mut Random) -> f64 {
    let chance = random.between(1e-9, 1.0);
    (chance / (1.0 - chance)).ln() * 3.0_f64.sqrt() / std::f64::consts::PI
}

/// A market's level that rises 6 % a year, with seasons of 2 % either way.
fn drift(day: i32) -> f64 {
    let years = f64::from(day) / 365.0;
    0.06 * years + 0.02 * (std::f64::consts::TAU * years).sin()
}

#[test]
fn of_homes_with_score_s_about_s_in_100_are_within_10_percent() {
    let mut random = Random(11);
    let mut tracker = ErrorTracker::new(params(), &[]);
    // By ten points of score: homes, sum of their scores, homes within 10 % of the price.
    let mut bins = [(0_u32, 0_u32, 0_u32); 11];
    for day in 0..4_000 {
        for _ in 0..6 {
            let scale = random.between(-3.4, -1.2).exp();
            let error = drift(day) + scale * heavy_tailed(&mut random);
            let correction = tracker.as_of(EventDate(day));
            let score = correction.confidence(scale);
            if day >= 200 {
                let ratio = (correction.level - error).exp();
                let bin = &mut bins[usize::from(score / 10)];
                bin.0 += 1;
                bin.1 += u32::from(score);
                bin.2 += u32::from((ratio - 1.0).abs() <= 0.1);
            }
            tracker.record(EventDate(day), error, scale);
        }
    }
    let full: Vec<_> = bins.iter().filter(|(homes, _, _)| *homes > 1_000).collect();
    assert!(full.len() >= 6, "scores tell homes apart: {bins:?}");
    for (homes, scores, within) in full {
        let [told, found] = [scores, within].map(|sum| f64::from(*sum) / f64::from(*homes));
        assert!((told - 100.0 * found).abs() < 2.5, "{told} told, {found} found of {homes}");
    }
}

/// Sales whose records arrive late, followed as the engine follows them: whatever is known
/// from the day of the earliest newcomer on is recorded again.
struct Follower {
    tracker: ErrorTracker,
    known: BTreeMap<EventDate, Vec<(f64, f64)>>,
}

impl Follower {
    fn new() -> Self {
        Self { tracker: ErrorTracker::new(params(), &[]), known: BTreeMap::new() }
    }

    fn arrive(&mut self, sales: &[(EventDate, f64, f64)]) {
        let Some(first) = sales.iter().map(|(closed_on, _, _)| *closed_on).min() else { return };
        for (closed_on, error, scale) in sales {
            self.known.entry(*closed_on).or_default().push((*error, *scale));
        }
        self.tracker.forget_from(first);
        for (closed_on, sales) in self.known.range(first..) {
            sales.iter().for_each(|(error, scale)| self.tracker.record(*closed_on, *error, *scale));
        }
    }
}

/// Every sale's record arrives three to six weeks after its day, in no order. Returns the
/// share of homes whose price lay in each level's interval as it was told on the day, and
/// compares what is said once all have arrived with a replay in order.
fn coverage_with_late_labels(days: i32, drift: impl Fn(i32) -> f64) -> Vec<(f64, f64)> {
    let mut random = Random(5);
    let mut late = Follower::new();
    let mut in_order = ErrorTracker::new(params(), &[]);
    let mut arriving: BTreeMap<i32, Vec<(EventDate, f64, f64)>> = BTreeMap::new();
    let mut covered: Vec<(f64, f64)> = params().levels().map(|level| (level, 0.0)).collect();
    let mut told = 0.0;
    for day in 0..days + 43 {
        late.arrive(&arriving.remove(&day).unwrap_or_default());
        let on = EventDate(day);
        let correction = late.tracker.as_of(on);
        for _ in 0..if day < days { 6 } else { 0 } {
            let scale = random.between(0.05, 0.25);
            let error = drift(day) + scale * heavy_tailed(&mut random);
            if day >= 250 {
                let scaled = (error - correction.level) / scale;
                told += 1.0;
                for (range, (_, held)) in correction.ranges().iter().zip(&mut covered) {
                    *held += f64::from(range.low <= scaled && scaled <= range.high);
                }
            }
            in_order.record(on, error, scale);
            arriving
                .entry(day + 21 + random.below(22) as i32)
                .or_default()
                .push((on, error, scale));
        }
    }
    assert!(arriving.is_empty(), "all have arrived");
    for day in (days - 300..=days + 43).step_by(7) {
        let [one, other] = [&mut late.tracker, &mut in_order].map(|t| t.as_of(EventDate(day)));
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "bit for bit, on day {day}");
    }
    covered.into_iter().map(|(level, held)| (level, held / told)).collect()
}

#[test]
fn intervals_hold_their_share_although_labels_are_weeks_late() {
    for (level, held) in coverage_with_late_labels(1_800, drift) {
        assert!((held - level).abs() < 0.015, "{level} held {held}");
    }
}

proptest! {
    /// Errors on or after a date do not change its correction.
    #[test]
    fn the_future_changes_nothing(
        past in prop::collection::vec((0..100_i32, -1.0..1.0_f64), 0..50),
        future in prop::collection::vec((100..200_i32, -1.0..1.0_f64), 0..50),
    ) {
        let mut events = past.clone();
        events.sort_by_key(|(day, _)| *day);
        let mut known = ErrorTracker::new(params(), &[0.5, -0.5]);
        events.iter().for_each(|(day, e)| known.record(EventDate(*day), *e, 1.0));
        let before = known.as_of(EventDate(100));
        let mut later = future;
        later.sort_by_key(|(day, _)| *day);
        later.iter().for_each(|(day, e)| known.record(EventDate(*day), *e, 1.0));
        prop_assert_eq!(known.as_of(EventDate(100)), before);
    }

    /// Whatever the errors and the levels, a wider level's range contains a narrower one's but
    /// for rounding; neither the order of the errors nor the other levels change the main
    /// range and the spread.
    #[test]
    fn ranges_are_nested_and_the_main_one_stands_alone(
        errors in prop::collection::vec(-3.0..3.0_f64, 0..300),
        levels in prop::collection::btree_set(500..=990_u32, 0..=8),
        main in 0.5..0.99_f64,
    ) {
        let levels: Vec<f64> = levels.iter().map(|level| f64::from(*level) / 1_000.0).collect();
        let extra_levels = ExtraLevels::new(&levels).unwrap();
        let several = CalibrationParams { interval_level: main, extra_levels, ..params() };
        prop_assert_eq!(several.check(), Ok(()));
        let correction = Correction::new(&several, 0.1, errors.clone());
        for pair in correction.ranges().windows(2) {
            prop_assert!(pair[0].level < pair[1].level);
            let (below, above) = (pair[0].low - pair[1].low, pair[1].high - pair[0].high);
            prop_assert!(below >= -1e-12 && above >= -1e-12, "{:?}", pair);
        }
        let alone = CalibrationParams { extra_levels: ExtraLevels::default(), ..several };
        let reversed = Correction::new(&alone, 0.1, errors.iter().rev().copied().collect());
        let read = |c: &Correction| [c.error_low, c.error_high, c.error_68].map(f64::to_bits);
        prop_assert_eq!(read(&reversed), read(&correction));
        let mut absolute: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
        absolute.sort_by(f64::total_cmp);
        prop_assert_eq!(correction.error_68, quantile(&absolute, 0.68).unwrap_or(1.0));
    }
}
