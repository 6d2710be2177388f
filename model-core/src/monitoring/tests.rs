//! The monitor against small markets worked out by hand.

use proptest::prelude::*;

use super::*;
use crate::alert::AlertState;
use crate::drift::{ColumnSpec, ColumnSpecKind, ReferenceProfile};
use crate::drift_report::Verdict;
use crate::estimate::{ModelRef, NoEstimateReason, Price, PriceOutcome};
use crate::listing::Facts;

const WOOD: f64 = 0.0;
const METLVNYL: f64 = 1.0;

fn day(text: &str) -> EventDate {
    EventDate::parse_iso(text).unwrap()
}

/// A reference of 100 homes: wall 80 % wood, 20 % metal or vinyl; estimates of 100,000.
fn profile() -> ReferenceProfile {
    let labels = vec!["wood".to_owned(), "metlvnyl".to_owned()];
    let kind = ColumnSpecKind::Categorical { labels };
    let columns = [ColumnSpec { index: 0, name: "wall".into(), kind }];
    let rows: Vec<[f64; 1]> = (0..100).map(|i| [if i < 80 { WOOD } else { METLVNYL }]).collect();
    let logs = vec![100_000_f64.ln(); 100];
    ReferenceProfile::build(&columns, rows.iter().map(|row| &row[..]), &logs, 10).unwrap()
}

fn reference(profile: ReferenceProfile, expected_mdape: Option<f64>) -> ChampionReference {
    ChampionReference {
        profile,
        expected_mdape,
        expected_level: None,
        is_log: Vec::new(),
        importance: vec![1.0],
    }
}

fn monitor(params: MonitorParams) -> Monitor {
    let mut monitor = Monitor::new(params).unwrap();
    monitor.champion("v1", reference(profile(), Some(0.05)), day("1995-01-01"));
    monitor
}

fn price(estimate: f64, features: &[f64]) -> Price {
    Price {
        estimate,
        lower: 0.9 * estimate,
        upper: 1.1 * estimate,
        interval_level: 0.9,
        intervals: Vec::new(),
        fsd: 0.1,
        confidence: 60,
        base: estimate,
        contributions: Vec::new(),
        comparables: Vec::new(),
        market_age_days: None,
        features: features.to_vec(),
        market_level: 0.0,
        scale: 0.1,
        error_low: -1.0,
        error_high: 1.0,
        degraded: false,
    }
}

fn estimate(key: &str, date: EventDate, outcome: PriceOutcome) -> PriceEstimate {
    PriceEstimate {
        listing_key: key.into(),
        event_date: date,
        currency: "USD".into(),
        model: Some(ModelRef { version: "v1".into(), digest: String::new() }),
        feature_spec_hash: "layout".into(),
        outcome,
        external_facts: Vec::new(),
    }
}

fn priced(key: &str, date: EventDate, wall: f64) -> PriceEstimate {
    estimate(key, date, PriceOutcome::Priced(Box::new(price(100_000.0, &[wall]))))
}

fn priced_at(key: &str, date: EventDate, amount: f64) -> PriceEstimate {
    estimate(key, date, PriceOutcome::Priced(Box::new(price(amount, &[WOOD]))))
}

fn by_version(mut estimate: PriceEstimate, version: &str, layout: &str) -> PriceEstimate {
    estimate.model = Some(ModelRef { version: version.into(), digest: String::new() });
    estimate.feature_spec_hash = layout.into();
    estimate
}

fn unpriced(key: &str, date: EventDate, reason: NoEstimateReason) -> PriceEstimate {
    estimate(key, date, PriceOutcome::NoEstimate { reason, detail: String::new() })
}

fn sale(key: &str, date: EventDate, price: f64) -> Sale {
    let (key, currency) = (key.into(), "USD".into());
    Sale { key, closed_on: date, price, currency, facts: Facts::default() }
}

/// 100 estimates in the month that begins on a day, `metlvnyl` of them not of wood.
fn month_of_walls(monitor: &mut Monitor, start: &str, metlvnyl: u32) {
    for i in 0..100_u32 {
        let wall = if i < metlvnyl { METLVNYL } else { WOOD };
        let date = day(start).plus_days((i % 28) as i32);
        monitor.observe_estimate(&priced(&format!("{start}-{i}"), date, wall));
    }
}

fn only(closed: Vec<ClosedWindow>) -> ClosedWindow {
    assert_eq!(closed.len(), 1, "{closed:?}");
    closed.into_iter().next().unwrap()
}

fn states(closed: &ClosedWindow) -> Vec<(String, AlertState)> {
    closed
        .alerts
        .iter()
        .map(|alert| (format!("{}:{}", alert.rule, alert.subject), alert.state))
        .collect()
}

/// Alerts end with the first window in which their rule does not hold.
fn quick_to_resolve() -> MonitorParams {
    MonitorParams { windows_to_resolve: 1, ..MonitorParams::default() }
}

#[test]
fn a_wall_break_fires_once_and_resolves() {
    let mut monitor = monitor(quick_to_resolve());
    month_of_walls(&mut monitor, "1996-01-01", 20);
    let quiet = only(monitor.advance(day("1996-02-01")));
    assert_eq!((quiet.report.verdict, quiet.alerts.len()), (Verdict::Ok, 0));
    assert_eq!((quiet.report.n_estimates, quiet.report.features[0].value), (100, 0.0));

    month_of_walls(&mut monitor, "1996-02-01", 50);
    let broken = only(monitor.advance(day("1996-03-01")));
    // Shares 0.8, 0.2 became 0.5, 0.5: 0.3 ln 4 = 0.4159; chance gives (2 - 1)(2 / 100).
    let wall = &broken.report.features[0];
    assert!((wall.value - (0.3 * 4.0_f64.ln() - 0.02)).abs() < 1e-12);
    assert_eq!(broken.report.fired, ["feature_drift:wall"]);
    assert_eq!(broken.report.verdict, Verdict::Drift);
    let alert = &broken.alerts[0];
    assert_eq!((alert.rule.as_str(), alert.subject.as_str()), ("feature_drift", "wall"));
    assert_eq!((alert.state, alert.threshold), (AlertState::Firing, 0.25));
    assert_eq!((alert.date, alert.model_version.as_str()), (day("1996-03-01"), "v1"));
    let told = "wall: share of metlvnyl 20.0 % → 50.0 %, wood 80.0 % → 50.0 %; \
                PSI 0.40 (drift from 0.25)";
    assert_eq!(alert.summary, told);

    month_of_walls(&mut monitor, "1996-03-01", 50);
    let still = only(monitor.advance(day("1996-04-01")));
    assert_eq!((still.report.fired.len(), still.alerts.len()), (1, 0));

    month_of_walls(&mut monitor, "1996-04-01", 20);
    let over = only(monitor.advance(day("1996-05-01")));
    assert_eq!(states(&over), [("feature_drift:wall".to_owned(), AlertState::Resolved)]);
    assert_eq!(over.alerts[0].fingerprint(), alert.fingerprint());
    assert_eq!(over.alerts[0].summary, "within limits again: wall: PSI 0.00 (drift from 0.25)");
}

#[test]
fn hysteresis_waits_for_windows_in_a_row() {
    let params =
        MonitorParams { windows_to_fire: 2, windows_to_resolve: 2, ..MonitorParams::default() };
    let mut monitor = monitor(params);
    let starts = ["01", "02", "03", "04", "05", "06", "07", "08"].map(|m| format!("1996-{m}-01"));
    let shares = [50, 20, 50, 50, 20, 50, 20, 20];
    let mut changes = Vec::new();
    for (start, metlvnyl) in starts.iter().zip(shares) {
        month_of_walls(&mut monitor, start, metlvnyl);
        let closed = only(monitor.advance(day(start).next_month_start()));
        assert_eq!(closed.report.fired.len(), usize::from(metlvnyl == 50));
        changes.extend(closed.alerts.iter().map(|a| (a.state, a.window.start.month())));
    }
    assert_eq!(changes, [(AlertState::Firing, 4), (AlertState::Resolved, 8)]);
}

#[test]
fn a_window_that_cannot_tell_changes_nothing() {
    let mut monitor = monitor(MonitorParams::default());
    month_of_walls(&mut monitor, "1996-01-01", 50);
    assert_eq!(only(monitor.advance(day("1996-02-01"))).alerts.len(), 1);
    // February is empty, March holds one home.
    monitor.observe_estimate(&priced("lonely", day("1996-03-05"), WOOD));
    let closed = monitor.advance(day("1996-04-01"));
    assert_eq!(closed.len(), 2);
    assert!(closed.iter().all(|c| c.alerts.is_empty() && c.report.verdict == Verdict::Ok));
    assert_eq!((closed[0].report.n_estimates, closed[1].report.n_estimates), (0, 1));
}

#[test]
fn the_same_estimate_twice_counts_once() {
    let mut monitor = monitor(MonitorParams::default());
    let date = day("1996-01-10");
    for _ in 0..3 {
        monitor.observe_estimate(&priced("a", date, WOOD));
        monitor.observe_estimate(&unpriced("b", date, NoEstimateReason::MissingFacts));
        monitor.observe_sale(&sale("a", date, 100_000.0));
    }
    assert_eq!(monitor.duplicate_total(), 6);
    let report = only(monitor.advance(day("1996-02-01"))).report;
    assert_eq!((report.n_estimates, report.n_no_estimate, report.n_sales), (1, 1, 1));
    assert_eq!(report.features[0].n_current, 1);
    // Delivered once more after the window closed: still the same estimate.
    monitor.observe_estimate(&priced("a", date, WOOD));
    assert_eq!((monitor.duplicate_total(), monitor.late_total()), (7, 0));
}

#[test]
fn a_sale_meets_the_latest_estimate_before_it() {
    let mut monitor = monitor(MonitorParams::default());
    // The sale arrives before its estimates, and one of those is of a later day.
    monitor.observe_sale(&sale("a", day("1996-01-20"), 110_000.0));
    monitor.observe_estimate(&priced_at("a", day("1996-01-21"), 500_000.0));
    monitor.observe_estimate(&priced_at("a", day("1996-01-20"), 100_000.0));
    monitor.observe_estimate(&priced_at("a", day("1996-01-05"), 300_000.0));
    // Never priced, priced only later, priced in another currency.
    monitor.observe_sale(&sale("b", day("1996-01-20"), 110_000.0));
    monitor.observe_sale(&sale("c", day("1996-01-20"), 110_000.0));
    monitor.observe_estimate(&priced_at("c", day("1996-01-25"), 500_000.0));
    monitor.observe_estimate(&priced_at("d", day("1996-01-01"), 500_000.0));
    let euros = Sale { currency: "EUR".into(), ..sale("d", day("1996-01-20"), 110_000.0) };
    monitor.observe_sale(&euros);
    let report = only(monitor.advance(day("1996-02-01"))).report;
    let accuracy = report.accuracy.unwrap();
    assert_eq!((report.n_sales, accuracy.n), (4, 1));
    assert!((accuracy.mdape - 1.0 / 11.0).abs() < 1e-12);
    assert!((accuracy.level_error - 1.1_f64.ln()).abs() < 1e-12);
    assert_eq!((accuracy.coverage90, accuracy.ppe10), (1.0, 1.0));
    assert_eq!(accuracy.expected_mdape, Some(0.05));
}

#[test]
fn level_error_leaves_the_running_correction_out() {
    let mut monitor = monitor(MonitorParams::default());
    let date = day("1996-01-10");
    for i in 0..30 {
        // Right on the price, but only thanks to a correction of 0.06.
        let corrected = Price { market_level: 0.06, ..price(100_000.0, &[WOOD]) };
        let key = format!("k{i}");
        monitor.observe_estimate(&estimate(&key, date, PriceOutcome::Priced(Box::new(corrected))));
        monitor.observe_sale(&sale(&key, date, 100_000.0));
    }
    let closed = only(monitor.advance(day("1996-02-01")));
    let accuracy = closed.report.accuracy.as_ref().unwrap();
    assert!((accuracy.level_error - 0.06).abs() < 1e-12);
    assert_eq!(accuracy.mdape, 0.0);
    assert_eq!(closed.report.fired, ["level_drift:level_error"]);
    assert_eq!(
        closed.alerts[0].summary,
        "level_error: 30 homes sold for 6.2 % above the level that the model was made for (drift \
         from 5.1 %)"
    );
}

#[test]
fn accuracy_and_coverage_alert_from_thirty_sales_on() {
    for (n, fired) in [(29, false), (30, true)] {
        let mut monitor = monitor(MonitorParams::default());
        for i in 0..n {
            let key = format!("k{i}");
            monitor.observe_estimate(&priced(&key, day("1996-01-10"), WOOD));
            // Half the homes sell for more, half for less: no level error on the median.
            let price = if i % 2 == 0 { 115_000.0 } else { 100_000.0 / 1.15 };
            monitor.observe_sale(&sale(&key, day("1996-01-20"), price));
        }
        let closed = only(monitor.advance(day("1996-02-01")));
        let expected = ["accuracy:mdape", "coverage:coverage90"];
        assert_eq!(closed.report.fired, if fired { &expected[..] } else { &[] });
        if fired {
            let told = "mdape: median error 5.0 % → 14.0 % over 30 sales (alert above 6.2 %)";
            assert_eq!(closed.alerts[0].summary, told);
            assert_eq!((closed.alerts[1].value, closed.alerts[1].threshold), (0.0, 0.80));
        }
    }
}

#[test]
fn listings_without_an_estimate_alert_once_there_is_a_champion() {
    let mut monitor = Monitor::new(MonitorParams::default()).unwrap();
    let fill = |monitor: &mut Monitor, start: &str| {
        for i in 0..20 {
            let key = format!("{start}-{i}");
            monitor.observe_estimate(&unpriced(&key, day(start), NoEstimateReason::NoChampion));
        }
    };
    fill(&mut monitor, "1996-01-01");
    let before = only(monitor.advance(day("1996-02-01")));
    assert_eq!((before.report.n_no_estimate, before.alerts.len()), (20, 0));
    assert_eq!(before.report.model_version, "");
    monitor.champion("v1", reference(profile(), None), day("1996-02-01"));
    fill(&mut monitor, "1996-02-01");
    let after = only(monitor.advance(day("1996-03-01")));
    assert_eq!(after.report.fired, ["no_estimate:no_estimate_share"]);
    assert_eq!(after.report.model_version, "v1");
    assert_eq!(
        after.alerts[0].summary,
        "no_estimate_share: 100.0 % of 20 listings got no estimate: no champion (20) (alert from 5.0 %)"
    );
}

#[test]
fn late_events_are_counted_and_still_join() {
    let mut monitor = monitor(MonitorParams::default());
    monitor.observe_estimate(&priced("a", day("1996-01-10"), WOOD));
    assert_eq!(monitor.advance(day("1996-01-31")).len(), 0);
    assert_eq!(monitor.advance(day("1996-02-01")).len(), 1);
    assert_eq!(monitor.advance(day("1996-01-01")).len(), 0);
    monitor.observe_estimate(&priced("late", day("1996-01-11"), WOOD));
    monitor.observe_sale(&sale("a", day("1996-01-31"), 100_000.0));
    assert_eq!(monitor.late_total(), 2);
    monitor.observe_sale(&sale("late", day("1996-02-02"), 100_000.0));
    let report = only(monitor.advance(day("1996-03-01"))).report;
    assert_eq!((report.n_estimates, report.n_sales, report.accuracy.unwrap().n), (0, 1, 1));
}

#[test]
fn estimates_wait_no_longer_than_join_days() {
    let params = MonitorParams { join_days: 30, ..MonitorParams::default() };
    let mut monitor = monitor(params);
    monitor.observe_estimate(&priced("in_time", day("1996-01-10"), WOOD));
    monitor.observe_estimate(&priced("too_old", day("1996-01-10"), WOOD));
    monitor.observe_sale(&sale("in_time", day("1996-02-09"), 100_000.0));
    monitor.observe_sale(&sale("too_old", day("1996-02-10"), 100_000.0));
    let closed = monitor.advance(day("1996-03-01"));
    assert_eq!(closed[1].report.accuracy.as_ref().unwrap().n, 1);
    assert_eq!(monitor.waiting_estimates(), 0);
}

#[test]
fn unusable_observations_are_counted() {
    let mut monitor = monitor(MonitorParams::default());
    monitor.observe_estimate(&priced("a", EventDate(i32::MAX), WOOD));
    monitor.observe_estimate(&priced_at("a", day("1996-01-10"), f64::NAN));
    monitor.observe_estimate(&priced_at("a", day("1996-01-10"), -1.0));
    monitor.observe_sale(&sale("a", EventDate(i32::MIN), 1.0));
    monitor.observe_sale(&sale("a", day("1996-01-10"), 0.0));
    assert_eq!((monitor.invalid_total(), monitor.open_windows()), (5, 0));
}

#[test]
fn silence_is_reported_but_not_for_ever() {
    let mut monitor = monitor(MonitorParams::default());
    assert_eq!(monitor.advance(day("1995-06-01")).len(), 0);
    monitor.observe_estimate(&priced("a", day("1996-01-10"), WOOD));
    monitor.observe_estimate(&priced("b", day("2010-01-10"), WOOD));
    let closed = monitor.advance(day("2010-01-31"));
    assert_eq!(closed.len(), 1 + MAX_EMPTY_WINDOWS as usize);
    assert_eq!(closed[1].report.window.id(), "1996-02-01/1996-03-01");
    let last = only(monitor.finish());
    assert_eq!(last.report.window.id(), "2010-01-01/2010-02-01");
    assert_eq!(monitor.advance(EventDate(i32::MAX)).len(), MAX_EMPTY_WINDOWS as usize);
    assert_eq!(monitor.finish(), []);
}

#[test]
fn a_window_is_compared_with_the_reference_of_most_of_its_estimates() {
    let mut monitor = monitor(MonitorParams::default());
    let other = ReferenceProfile::build(
        &[ColumnSpec { index: 1, name: "area".into(), kind: ColumnSpecKind::Numeric }],
        [&[0.0, 5.0][..]],
        &[],
        10,
    );
    monitor.champion("v2", reference(other.unwrap(), None), day("1996-01-20"));
    for i in 0..60 {
        let estimate = priced(&format!("old{i}"), day("1996-01-10"), METLVNYL);
        monitor.observe_estimate(&estimate);
    }
    for i in 0..30 {
        let estimate = priced(&format!("new{i}"), day("1996-01-25"), WOOD);
        monitor.observe_estimate(&by_version(estimate, "v2", "other layout"));
        let estimate = priced(&format!("same{i}"), day("1996-01-25"), WOOD);
        monitor.observe_estimate(&by_version(estimate, "v1b", "layout"));
    }
    let report = only(monitor.advance(day("1996-02-01"))).report;
    assert_eq!((report.model_version.as_str(), report.n_estimates), ("v1", 120));
    // The features of its layout, of whatever version; the output of the version itself.
    assert_eq!((report.features[0].feature.as_str(), report.features[0].n_current), ("wall", 90));
    assert_eq!(report.estimate.unwrap().n_current, 60);
}

#[test]
fn an_alert_on_a_feature_that_is_gone_resolves() {
    let mut monitor = monitor(quick_to_resolve());
    month_of_walls(&mut monitor, "1996-01-01", 50);
    assert_eq!(only(monitor.advance(day("1996-02-01"))).alerts.len(), 1);
    let mut renamed = profile();
    renamed.columns[0].name = "cladding".into();
    monitor.champion("v2", reference(renamed, None), day("1996-02-01"));
    for i in 0..60 {
        let date = day("1996-02-10");
        let wall = if i < 48 { WOOD } else { METLVNYL };
        monitor.observe_estimate(&by_version(priced(&format!("k{i}"), date, wall), "v2", "new"));
    }
    let closed = only(monitor.advance(day("1996-03-01")));
    assert_eq!(states(&closed), [("feature_drift:wall".to_owned(), AlertState::Resolved)]);
    assert_eq!(closed.alerts[0].summary, "within limits again: wall: not a feature of v2");
}

#[test]
fn a_large_window_is_sampled_evenly_and_counted_in_full() {
    let params = MonitorParams { max_window_rows: 400, ..MonitorParams::default() };
    let mut monitor = monitor(params);
    for i in 0..4_000_u32 {
        let wall = if i % 5 == 0 { METLVNYL } else { WOOD };
        monitor.observe_estimate(&priced(&format!("k{i}"), day("1996-01-10"), wall));
    }
    let report = only(monitor.advance(day("1996-02-01"))).report;
    assert_eq!((report.n_estimates, report.features[0].n_current), (4_000, 400));
    // Four standard deviations of a share of 0.2 among 400 are 0.08.
    let share = report.features[0].bins.iter().find(|bin| bin.label == "metlvnyl");
    assert!(share.is_none_or(|bin| (bin.current - 0.2).abs() < 0.08), "{share:?}");
}

#[derive(Clone, Debug)]
enum Observation {
    Estimate(PriceEstimate),
    Sale(Sale),
}

/// Few keys, days and versions, so that repeats, conflicts and joins are frequent.
fn observation() -> impl Strategy<Value = Observation> {
    let date = (9_490..9_580_i32).prop_map(EventDate);
    let key = (0..40_u8).prop_map(|key| format!("k{key}"));
    let outcome = prop_oneof![
        8 => (0..3_u8, 0..4_u8).prop_map(|(wall, level)| {
            let amount = 90_000.0 + 5_000.0 * f64::from(level);
            let wall = if wall == 2 { f64::NAN } else { f64::from(wall) };
            PriceOutcome::Priced(Box::new(price(amount, &[wall])))
        }),
        1 => Just(NoEstimateReason::OutOfDomain)
            .prop_map(|reason| PriceOutcome::NoEstimate { reason, detail: String::new() }),
    ];
    let version = prop_oneof![Just(("v1", "layout")), Just(("v2", "layout")), Just(("v3", "new"))];
    let estimates = (key.clone(), date.clone(), outcome, version)
        .prop_map(|(k, d, o, (v, l))| Observation::Estimate(by_version(estimate(&k, d, o), v, l)));
    let sales = (key, date, 80_000..120_000_u32)
        .prop_map(|(key, date, price)| Observation::Sale(sale(&key, date, f64::from(price))));
    prop_oneof![2 => estimates, 1 => sales]
}

fn reports(observations: &[Observation]) -> Vec<ClosedWindow> {
    let params = MonitorParams {
        window: WindowKind::Week,
        psi: crate::drift::PsiParams { min_count: 3, ..Default::default() },
        min_sales: 2,
        min_listings: 2,
        max_window_rows: 100,
        ..MonitorParams::default()
    };
    let mut monitor = monitor(params);
    monitor.params.max_window_rows = 10;
    monitor.champion("v2", reference(profile(), None), day("1996-01-15"));
    for observation in observations {
        match observation {
            Observation::Estimate(estimate) => monitor.observe_estimate(estimate),
            Observation::Sale(sale) => monitor.observe_sale(sale),
        }
    }
    monitor.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_arrival_makes_no_difference(
        (first, second) in prop::collection::vec(observation(), 1..200)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        // NaN is not equal to itself; the text of a report is.
        prop_assert_eq!(format!("{:?}", reports(&first)), format!("{:?}", reports(&second)));
    }

    #[test]
    fn delivering_everything_twice_makes_no_difference(
        all in prop::collection::vec(observation(), 1..100)
    ) {
        let twice: Vec<Observation> = all.iter().chain(&all).cloned().collect();
        prop_assert_eq!(format!("{:?}", reports(&all)), format!("{:?}", reports(&twice)));
    }

    #[test]
    fn windows_close_in_order_without_gaps(
        all in prop::collection::vec(observation(), 1..50),
        watermarks in prop::collection::vec(9_480..9_600_i32, 1..10),
    ) {
        let mut monitor = monitor(MonitorParams::default());
        let mut windows: Vec<Window> = Vec::new();
        let rounds = all.chunks(all.len().div_ceil(watermarks.len()));
        for (observations, watermark) in rounds.zip(&watermarks) {
            for observation in observations {
                match observation {
                    Observation::Estimate(estimate) => monitor.observe_estimate(estimate),
                    Observation::Sale(sale) => monitor.observe_sale(sale),
                }
            }
            let closed = monitor.advance(EventDate(*watermark));
            windows.extend(closed.iter().map(|closed| closed.report.window));
            prop_assert!(windows.iter().all(|window| window.end.0 <= *watermarks.iter().max().unwrap()));
        }
        prop_assert!(windows.windows(2).all(|pair| pair[0].end == pair[1].start));
    }
}
