use super::*;

const HOUR_MS: i64 = 3_600_000;
const WEEK_MS: i64 = 168 * HOUR_MS;
/// A Thursday, 00:00 UTC, as all weeks begin here.
const START_MS: i64 = 2_600 * WEEK_MS;

/// Listings an hour in a market that sleeps: by day, at night, and a tenth on two days.
fn rate(hour: i64, busy: f64) -> f64 {
    let (day, hour) = (hour.rem_euclid(168) / 24, hour.rem_euclid(24));
    let share = if (8..20).contains(&hour) { 1.0 } else { 0.05 };
    busy * share * if day >= 5 { 0.1 } else { 1.0 }
}

/// Arrivals of so many weeks, in batches of so many, in order.
fn arrivals(chance: &mut Chance, weeks: i64, busy: f64, batch: u64) -> Vec<i64> {
    let mut times = Vec::new();
    for hour in 0..168 * weeks {
        for _ in 0..chance.poisson(rate(hour, busy) / batch as f64) {
            let at = START_MS + hour * HOUR_MS + (chance.uniform() * HOUR_MS as f64) as i64;
            times.extend((0..batch).map(|_| at));
        }
    }
    times.sort_unstable();
    times
}

fn learn(times: &[i64], params: &SilenceParams) -> Arrivals {
    let mut known = Arrivals::default();
    times.iter().for_each(|&time| known.observe(time, params));
    known
}

fn fires(known: &Arrivals, now_ms: i64, params: &SilenceParams) -> bool {
    let finding = known.silence("mls", now_ms, params);
    finding.is_some_and(|finding| finding.verdict == Verdict::Drift)
}

#[test]
fn two_hours_of_silence_by_day_are_found_and_a_night_is_not() {
    let params = SilenceParams::default();
    let times = arrivals(&mut Chance::new(1), 6, 40.0, 1);
    let noon = START_MS + 5 * WEEK_MS + 12 * HOUR_MS;
    let day: Vec<i64> = times.iter().copied().filter(|&time| time <= noon).collect();
    let known = learn(&day, &params);
    let last = *day.last().unwrap();
    assert!(!fires(&known, last + 119 * 60_000, &params), "shorter than anyone would look");
    assert!(fires(&known, last + 121 * 60_000, &params));
    let finding = known.silence("mls", last + 3 * HOUR_MS, &params).unwrap();
    assert_eq!((finding.rule, finding.value, finding.threshold), ("silence", 3.0, 2.0));
    assert!((0.02..0.03).contains(&finding.expected), "{finding:?}");
    let start = "mls: no listings for 3.0 h, in which 1";
    assert!(finding.detail.starts_with(start), "{}", finding.detail);
    assert!(finding.detail.ends_with("in less than 1 in 1,000,000 weeks"), "{}", finding.detail);
    // At night two an hour come: two hours without one are nothing.
    let night = START_MS + 5 * WEEK_MS + 22 * HOUR_MS;
    let evening: Vec<i64> = times.iter().copied().filter(|&time| time <= night).collect();
    let known = learn(&evening, &params);
    assert!(!fires(&known, evening.last().unwrap() + 121 * 60_000, &params));
}

#[test]
fn nothing_is_said_before_enough_was_seen() {
    let params = SilenceParams::default();
    let times = arrivals(&mut Chance::new(2), 2, 40.0, 1);
    let known = learn(&times, &params);
    assert_eq!(known.silence("mls", START_MS + 20 * WEEK_MS, &params), None);
    assert_eq!(Arrivals::default().silence("mls", START_MS, &params), None);
    let few: Vec<i64> = (0..99).map(|day| START_MS + day * 24 * HOUR_MS).collect();
    assert_eq!(learn(&few, &params).silence("mls", START_MS + 99 * WEEK_MS, &params), None);
    // A clock that runs back says nothing.
    let known = learn(&arrivals(&mut Chance::new(2), 5, 40.0, 1), &params);
    assert!(known.silence("mls", START_MS + 6 * WEEK_MS, &params).is_some());
    assert_eq!(known.silence("mls", START_MS + WEEK_MS, &params), None);
}

/// Asks before each arrival whether its gap was a silence, from the fourth week on.
fn false_alarms(times: &[i64], params: &SilenceParams) -> usize {
    let mut known = Arrivals::default();
    let (mut alarms, mut last) = (0, START_MS);
    for &time in times {
        // Shorter gaps never fire, and most are.
        let long = time - last >= i64::from(params.min_gap_minutes) * 60_000;
        alarms += usize::from(long && fires(&known, time, params));
        known.observe(time, params);
        last = time;
    }
    alarms
}

#[test]
fn chance_fires_at_most_as_often_as_it_may() {
    // One in 20 weeks is allowed here, so that there is something to count.
    let params = SilenceParams { alpha: 0.05, min_gap_minutes: 1, ..SilenceParams::default() };
    for (busy, batch) in [(1.0, 1), (10.0, 1), (30.0, 1), (20.0, 10), (100.0, 50)] {
        let (seeds, weeks) = (10, 24);
        let alarms: usize = (0..seeds)
            .map(|seed| {
                false_alarms(&arrivals(&mut Chance::new(seed), weeks, busy, batch), &params)
            })
            .sum();
        let judged = seeds as i64 * (weeks - 3);
        // 210 weeks: 10.5 may be; two standard deviations more.
        assert!(alarms <= 17, "{busy} in batches of {batch}: {alarms} in {judged} weeks");
    }
}

#[test]
fn a_dead_source_of_batches_is_found_within_days() {
    let params = SilenceParams::default();
    let mut chance = Chance::new(8);
    for (busy, batch, hours) in [(100.0, 1, 2), (10.0, 1, 3), (20.0, 10, 12), (100.0, 50, 12)] {
        let times = arrivals(&mut chance, 8, busy, batch);
        let end = START_MS + 7 * WEEK_MS + 9 * HOUR_MS;
        let times: Vec<i64> = times.into_iter().filter(|&time| time <= end).collect();
        let known = learn(&times, &params);
        let last = *times.last().unwrap();
        let found = (1..200).find(|hour| fires(&known, last + hour * HOUR_MS + 60_000, &params));
        assert!(found.is_some_and(|found| found <= hours), "{busy}, {batch}: {found:?} h");
    }
}

#[test]
fn a_source_that_changes_for_good_is_learned() {
    let params = SilenceParams::default();
    let mut times = arrivals(&mut Chance::new(9), 8, 40.0, 1);
    // From now on one batch a day.
    let daily = (0..120).map(|day| START_MS + 8 * WEEK_MS + (24 * day + 6) * HOUR_MS);
    times.extend(daily.flat_map(|time| std::iter::repeat_n(time, 300)));
    let (early, late) = times.split_at(times.len() - 30 * 300);
    let mut known = learn(early, &params);
    let mut later = 0;
    for &time in late {
        later += usize::from(fires(&known, time, &params));
        known.observe(time, &params);
    }
    assert!(false_alarms(&times, &params) > 0, "the first days are silent");
    assert_eq!(later, 0, "three months later they are usual");
}

#[test]
fn hostile_times_do_no_harm() {
    let params = SilenceParams::default();
    let mut known = learn(&arrivals(&mut Chance::new(3), 4, 10.0, 1), &params);
    for time in [i64::MIN, -1, 0, START_MS, i64::MAX, START_MS] {
        known.observe(time, &params);
        known.silence("mls", time, &params);
        known.silence("mls", i64::MAX, &params);
        known.silence("mls", i64::MIN, &params);
    }
    let text = serde_json::to_string(&known).unwrap();
    assert_eq!(serde_json::from_str::<Arrivals>(&text).unwrap(), known);
}
