//! The report against figures worked out by hand, and what must hold for any sales.

use proptest::prelude::*;

use super::*;
use crate::evaluation::AccuracySummary;
use crate::random::SplitMix64;

/// Ratios 0.9, 1.1, 1.0, 1.1; see the tests of the measures.
const HOMES: [(f64, f64); 4] = [(90.0, 100.0), (220.0, 200.0), (300.0, 300.0), (440.0, 400.0)];

fn params(min_sales: usize) -> AssessmentParams {
    AssessmentParams { min_sales, resamples: 200, ..AssessmentParams::default() }
}

/// A sale of an estimate and a price.
fn sale((estimate, price): (f64, f64)) -> EvaluatedSale {
    EvaluatedSale { estimate: Some(estimate), price, ..EvaluatedSale::default() }
}

fn in_segment(sale: EvaluatedSale, dimension: &str, label: &str) -> EvaluatedSale {
    EvaluatedSale { segments: [(dimension.to_owned(), label.to_owned())].into(), ..sale }
}

/// Uniform in `[0, 1)`.
fn uniform(random: &mut SplitMix64) -> f64 {
    f64::from(random.below(u32::MAX)) / f64::from(u32::MAX)
}

/// Prices from 100,000 to a million, ratios uniform from 0.8 to 1.2: median ratio 1, COD 10,
/// MAPE 0.1, PPE10 0.5, and intervals of 80 % that hold 80 %.
fn market(seed: u64, n: usize) -> Vec<EvaluatedSale> {
    let mut random = SplitMix64::new(seed, 0);
    (0..n)
        .map(|_| {
            let price = 1e5 * 10_f64.powf(uniform(&mut random));
            let estimate = price * (0.8 + 0.4 * uniform(&mut random));
            let interval =
                PriceInterval { level: 0.8, lower: estimate / 1.16, upper: estimate / 0.84 };
            EvaluatedSale { intervals: vec![interval], ..sale((estimate, price)) }
        })
        .collect()
}

fn near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{actual} {expected}");
}

#[test]
fn measures_four_homes_as_worked_out_by_hand() {
    let sales: Vec<EvaluatedSale> = HOMES.into_iter().map(sale).collect();
    let report = assess(&sales, &params(4)).unwrap();
    let found = &report.overall.measures;
    near(found.median_ratio.value, 1.05);
    near(found.cod.value, 100.0 * 0.075 / 1.05);
    near(found.prd.value, 1.025 / 1.05);
    near(found.mdape.value, 0.10);
    near(found.mape.value, 0.075);
    near(found.mae.value, 17.5);
    near(found.rmse.value, (2_100.0_f64 / 4.0).sqrt());
    near(found.r2.unwrap().value, 1.0 - 2_100.0 / 50_000.0);
    assert_eq!([found.ppe5, found.ppe10, found.ppe20].map(|ppe| ppe.value), [0.25, 1.0, 1.0]);
    assert!(found.vertical_equity.is_none() && found.intervals.is_empty());
    assert_eq!((report.overall.listings, report.overall.hit_rate), (4, Some(1.0)));
}

#[test]
fn intervals_are_measured_level_by_level() {
    // The intervals of the tests of `coverage` and `interval_score`, and one of another level.
    let ends = [(90.0, 110.0), (210.0, 230.0), (250.0, 300.0), (300.0, 380.0)];
    let mut sales: Vec<EvaluatedSale> = HOMES.into_iter().map(sale).collect();
    for (sale, (lower, upper)) in sales.iter_mut().zip(ends) {
        sale.intervals.push(PriceInterval { level: 0.9, lower, upper });
    }
    sales[0].intervals.push(PriceInterval { level: 0.5, lower: 95.0, upper: 105.0 });
    let report = assess(&sales, &params(4)).unwrap();
    let [half, ninety] = &report.overall.measures.intervals[..] else { panic!("two levels") };
    assert_eq!((half.level, half.sales, half.coverage.value), (0.5, 1, 1.0));
    // One sale of four is missing from a third of the resamples: too often to judge.
    assert_eq!(half.coverage.interval, None);
    assert_eq!(half.coverage.verdict, Some(Verdict::Inconclusive));
    assert_eq!((ninety.level, ninety.sales, ninety.coverage.value), (0.9, 4, 0.5));
    near(ninety.interval_score.value, (170.0 + 600.0) / 4.0);
}

#[test]
fn an_answer_brings_its_estimate_and_interval() {
    let answer = Price {
        estimate: 100.0,
        lower: 90.0,
        upper: 120.0,
        interval_level: 0.9,
        intervals: Vec::new(),
        fsd: 0.1,
        confidence: 60,
        base: 100.0,
        contributions: Vec::new(),
        comparables: Vec::new(),
        market_age_days: None,
        features: Vec::new(),
        market_level: 0.0,
        scale: 1.0,
        error_low: -0.1,
        error_high: 0.2,
        degraded: false,
    };
    let interval = PriceInterval { level: 0.9, lower: 90.0, upper: 120.0 };
    let expected = EvaluatedSale { intervals: vec![interval], ..sale((100.0, 110.0)) };
    assert_eq!(EvaluatedSale::new(110.0, Some(&answer)), expected);
    let unanswered = EvaluatedSale::new(110.0, None);
    assert_eq!((unanswered.estimate, unanswered.intervals.len()), (None, 0));
}

#[test]
fn hit_rate_counts_listings_without_an_estimate() {
    let mut sales = market(1, 60);
    sales.iter_mut().take(15).for_each(|sale| sale.estimate = None);
    let report = assess(&sales, &params(30)).unwrap();
    let all = &report.overall;
    assert_eq!((all.listings, all.estimates, all.hit_rate), (60, 45, Some(0.75)));
    // 15 of 45 in each third, where a hit rate would mean nothing.
    assert!(report.segments.is_empty());
    let thirds: Vec<u64> = report.too_few.iter().map(|segment| segment.listings).collect();
    assert_eq!(thirds, [15, 15, 15]);
}

#[test]
fn small_segments_are_listed_and_not_judged() {
    let sales: Vec<EvaluatedSale> = market(2, 100)
        .into_iter()
        .enumerate()
        .map(|(i, sale)| in_segment(sale, "area", if i < 29 { "north" } else { "south" }))
        .collect();
    let report = assess(&sales, &params(30)).unwrap();
    let names: Vec<(&str, &str, u64)> = report
        .segments
        .iter()
        .map(|group| (group.dimension.as_str(), group.label.as_str(), group.estimates))
        .collect();
    let thirds = [("1_low", 34), ("2_middle", 33), ("3_high", 33)];
    let expected = thirds.map(|(label, n)| (VALUE_TERCILE, label, n));
    assert_eq!(names[0], ("area", "south", 71));
    assert_eq!(names[1..], expected);
    assert_eq!(report.too_few.len(), 1);
    assert_eq!((report.too_few[0].label.as_str(), report.too_few[0].estimates), ("north", 29));
}

#[test]
fn terciles_by_value_show_no_bias_where_there_is_none() {
    // Estimates are right and prices scatter: sorted by price alone, the ratio falls.
    let mut random = SplitMix64::new(3, 0);
    let mut sales: Vec<EvaluatedSale> = (0..3_000)
        .map(|_| {
            let value = 1e5 * 2_f64.powf(uniform(&mut random));
            // Errors of both sides alike, or neither sorting is even-handed.
            let shock = |random: &mut SplitMix64| (0.3 * (uniform(random) - 0.5)).exp();
            sale((value * shock(&mut random), value * shock(&mut random)))
        })
        .collect();
    sales.sort_by(|a, b| a.price.total_cmp(&b.price));
    let by_price = |i: usize| ["cheap", "middling", "dear"][i / 1_000];
    let sales: Vec<EvaluatedSale> = sales
        .into_iter()
        .enumerate()
        .map(|(i, sale)| in_segment(sale, "price", by_price(i)))
        .collect();
    let report = assess(&sales, &params(30)).unwrap();
    let level = |dimension: &str, label: &str| {
        let mut groups = report.segments.iter();
        let group = groups.find(|g| (g.dimension.as_str(), g.label.as_str()) == (dimension, label));
        group.unwrap().measures.median_ratio.value
    };
    assert!(level("price", "cheap") - level("price", "dear") > 0.05);
    assert!((level(VALUE_TERCILE, "1_low") - level(VALUE_TERCILE, "3_high")).abs() < 0.02);
    let equity = report.overall.measures.vertical_equity.unwrap();
    assert_eq!(equity.verdict, Verdict::Met, "{:?}", equity.interval);
}

#[test]
fn verdicts_follow_the_intervals() {
    let report = assess(&market(4, 10_000), &params(30)).unwrap();
    let found = &report.overall.measures;
    assert_eq!(found.median_ratio.verdict, Some(Verdict::Met));
    assert_eq!(found.cod.verdict, Some(Verdict::Met));
    assert_eq!(found.intervals[0].coverage.verdict, Some(Verdict::Met));
    assert_eq!(found.mape.verdict, None);
    // Dear homes at half the level of cheap ones.
    let tilted: Vec<EvaluatedSale> = market(4, 2_000)
        .into_iter()
        .map(|s| sale((s.estimate.unwrap() * (2e5 / s.price).powf(0.3), s.price)))
        .collect();
    let found = assess(&tilted, &params(30)).unwrap().overall.measures;
    assert_eq!(found.prd.verdict, Some(Verdict::NotMet));
    assert_eq!(found.prb.unwrap().verdict, Some(Verdict::NotMet));
    let equity = found.vertical_equity.unwrap();
    assert!(equity.indicator.value < -10.0);
    assert_eq!(equity.verdict, Verdict::NotMet);
}

#[test]
fn trimming_spares_the_errors() {
    let mut sales: Vec<EvaluatedSale> =
        [0.8, 0.9, 1.0, 1.1, 5.0].map(|ratio| sale((100.0 * ratio, 100.0))).into();
    sales[4].segments = [("area".into(), "a".into())].into();
    let trimmed = AssessmentParams { trim_iqr: Some(3.0), ..params(5) };
    let found = assess(&sales, &trimmed).unwrap().overall;
    assert_eq!(found.trimmed, 1);
    near(found.measures.median_ratio.value, 0.95);
    near(found.measures.mape.value, (0.2 + 0.1 + 0.1 + 4.0) / 5.0);
    near(assess(&sales, &params(5)).unwrap().overall.measures.median_ratio.value, 1.0);
}

#[test]
fn unusable_input_is_an_error_that_says_where() {
    let bad = |what, index| Err(EvaluationError::BadValue { what, index });
    let of = |sales: &[EvaluatedSale]| assess(sales, &params(3));
    assert_eq!(of(&[]), Err(EvaluationError::Empty));
    assert_eq!(of(&[sale((1.0, 0.0))]), bad("price", 0));
    assert_eq!(of(&[sale((1.0, 1.0)), sale((-1.0, 1.0))]), bad("estimate", 1));
    let exchanged = PriceInterval { level: 0.9, lower: 2.0, upper: 1.0 };
    let exchanged = EvaluatedSale { intervals: vec![exchanged], ..sale((1.0, 1.0)) };
    assert_eq!(of(&[exchanged]), bad("interval", 0));
    assert_eq!(of(&[sale((1.0, 1.0))]), Err(EvaluationError::TooFew { found: 1, needed: 3 }));
    let none = AssessmentParams { resamples: 0, ..params(3) };
    let error = assess(&[sale((1.0, 1.0))], &none).unwrap_err();
    let expected = "assessment parameter resamples is outside its range, 100 to 100000";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn homes_all_alike_leave_out_what_is_not_defined() {
    let report = assess(&vec![sale((110.0, 100.0)); 40], &params(30)).unwrap();
    let found = &report.overall.measures;
    assert!(found.r2.is_none() && found.prb.is_none());
    assert_eq!(found.median_ratio.interval, Some((1.1, 1.1)));
    assert!(report.to_string().contains("not defined"));
}

/// Of 400 samples of a known market, 95 % intervals hold the market's measures about 95 % of
/// the time; a binomial of 0.95 stays within 0.917 and 0.983 in 99.7 of 100 such tests.
#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    type Read = fn(&Measures) -> Measured;
    let truths: [(&str, f64, Read); 5] = [
        ("median ratio", 1.0, |m| m.median_ratio),
        ("COD", 10.0, |m| m.cod),
        ("MAPE", 0.1, |m| m.mape),
        ("PPE10", 0.5, |m| m.ppe10),
        ("coverage", 0.8, |m| m.intervals[0].coverage),
    ];
    let found: Vec<Measures> = (0..400)
        .map(|seed| {
            let settings = AssessmentParams { resamples: 400, seed, ..params(200) };
            assess(&market(1_000 + seed, 200), &settings).unwrap().overall.measures
        })
        .collect();
    for (name, truth, read) in truths {
        let held = found.iter().filter(|measures| {
            let (lower, upper) = read(measures).interval.unwrap();
            (lower..=upper).contains(&truth)
        });
        let share = held.count() as f64 / found.len() as f64;
        assert!((0.91..=0.985).contains(&share), "{name}: {share}");
    }
}

#[test]
fn the_report_fits_a_page_and_names_every_segment() {
    let sales: Vec<EvaluatedSale> = market(5, 200)
        .into_iter()
        .enumerate()
        .map(|(i, sale)| {
            let label = if i < 10 { "an area with a very long name" } else { "r1c1" };
            in_segment(sale, "area", label)
        })
        .collect();
    let report = assess(&sales, &params(30)).unwrap();
    let text = report.to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    for expected in ["median ratio", "0.90", "coverage of 80.0 %", "r1c1", "Too few", "an area"] {
        assert!(text.contains(expected), "{expected} is missing from\n{text}");
    }
}

#[test]
fn json_names_are_stable_and_come_back_the_same() {
    let report = assess(&market(6, 200), &params(30)).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    for path in [
        "/overall/measures/median_ratio/interval/0",
        "/overall/measures/median_ratio/verdict",
        "/overall/measures/vertical_equity/value",
        "/overall/measures/vertical_equity/significance",
        "/overall/measures/vertical_equity/groups/0/median_proxy",
        "/overall/measures/intervals/0/coverage/value",
        "/overall/hit_rate",
        "/segments/0/dimension",
        "/params/standards/cod/high",
    ] {
        assert!(json.pointer(path).is_some(), "{path} is missing");
    }
    assert_eq!(json["overall"]["measures"]["median_ratio"]["verdict"], "met");
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Assessment>(&text).unwrap(), report);
}

fn homes(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((1e4..1e6_f64, 0.5..2.0_f64), count)
        .prop_map(|homes| homes.into_iter().map(|(price, r)| (price * r, price)).collect())
}

proptest! {
    /// Counting sales gives what measuring them one by one gives.
    #[test]
    fn a_resample_measures_as_its_sales_do(
        homes in homes(5..60),
        counts in prop::collection::vec(0..4_u32, 60),
    ) {
        let list = homes.iter().map(|&(estimate, price)| Priced { estimate, price, intervals: &[] });
        // In the sample's own order: by percentage error.
        let mut list: Vec<Priced<'_>> = list.collect();
        list.sort_by(|a, b| ((a.ratio() - 1.0).abs()).total_cmp(&(b.ratio() - 1.0).abs()));
        let counts = &counts[..list.len()];
        let (mut estimates, mut prices) = (Vec::new(), Vec::new());
        for (home, &count) in list.iter().zip(counts) {
            (0..count).for_each(|_| { estimates.push(home.estimate); prices.push(home.price) });
        }
        prop_assume!(prices.len() >= 3 && counts.iter().filter(|&&count| count > 0).count() >= 3);
        let found = Sample::new(list, None).measure(counts);
        let direct = AccuracySummary::of(&estimates, &prices).unwrap();
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-7 * (1.0 + b.abs());
        let together = [
            (found.rmse, direct.rmse), (found.mae, direct.mae), (found.mape, direct.mape),
            (found.mdape, direct.mdape), (found.rmsle, direct.rmsle),
            (found.r2, direct.r2.unwrap()), (found.ppe[0], direct.ppe5),
            (found.ppe[1], direct.ppe10), (found.ppe[2], direct.ppe20),
            (found.ratios.median_ratio, direct.median_ratio), (found.ratios.cod, direct.cod),
            (found.ratios.prd, direct.prd), (found.ratios.prb, direct.prb.unwrap()),
        ];
        for (at, (counted, measured)) in together.into_iter().enumerate() {
            prop_assert!(close(counted, measured), "{}: {} {}", at, counted, measured);
        }
    }

    /// All sales once, and all twice, give the indicator of the list written out.
    #[test]
    fn counted_vertical_equity_is_the_indicator(homes in homes(20..150), times in 1..3_u32) {
        let (mut estimates, mut prices) = (Vec::new(), Vec::new());
        for &(estimate, price) in &homes {
            (0..times).for_each(|_| { estimates.push(estimate); prices.push(price) });
        }
        let list = homes.iter().map(|&(estimate, price)| Priced { estimate, price, intervals: &[] });
        let sample = Sample::new(list.collect(), None);
        let counted = sample.measure(&vec![times; homes.len()]).ratios.vertical_equity;
        let direct = vertical_equity(&estimates, &prices).unwrap().value;
        prop_assert!((counted - direct).abs() < 1e-9, "{counted} {direct}");
    }

    /// The same sales in another order, and with them another segment, change nothing.
    #[test]
    fn order_and_other_segments_change_nothing(homes in homes(30..60), turn in 1..29_usize) {
        let settings = AssessmentParams { resamples: 100, ..params(30) };
        let mut sales: Vec<EvaluatedSale> = homes.into_iter().map(sale).collect();
        let report = assess(&sales, &settings).unwrap();
        sales.rotate_left(turn);
        prop_assert_eq!(&assess(&sales, &settings).unwrap(), &report);
        let labelled = sales.into_iter().map(|sale| in_segment(sale, "area", "a"));
        let labelled = assess(&labelled.collect::<Vec<_>>(), &settings).unwrap();
        prop_assert_eq!(&labelled.overall, &report.overall);
    }

    /// A currency of another worth changes no measure that has no unit.
    #[test]
    fn the_currency_makes_no_difference(homes in homes(30..60)) {
        let settings = AssessmentParams { resamples: 100, ..params(30) };
        let of = |factor: f64| {
            let sales = homes.iter().map(|(e, p)| sale((e * factor, p * factor)));
            assess(&sales.collect::<Vec<_>>(), &settings).unwrap().overall.measures
        };
        // A power of two, so that ratios stay the same to the last bit.
        let (one, other) = (of(1.0), of(4.0));
        prop_assert_eq!(one.median_ratio, other.median_ratio);
        prop_assert_eq!(one.cod, other.cod);
        prop_assert_eq!(one.prd, other.prd);
        prop_assert_eq!(one.mape, other.mape);
        prop_assert_eq!(one.mae.value * 4.0, other.mae.value);
        let (one, other) = (one.prb.unwrap(), other.prb.unwrap());
        prop_assert!((one.value - other.value).abs() < 1e-9);
    }

    /// The same seed gives the same intervals, another seed others; they hold the estimate.
    #[test]
    fn intervals_are_repeatable_and_hold_the_estimate(homes in homes(100..150), seed in 0..99_u64) {
        let sales: Vec<EvaluatedSale> = homes.into_iter().map(sale).collect();
        let settings = AssessmentParams { seed, ..params(30) };
        let report = assess(&sales, &settings).unwrap();
        prop_assert_eq!(&assess(&sales, &settings).unwrap(), &report);
        let reseeded = AssessmentParams { seed: seed + 1, ..params(30) };
        prop_assert_ne!(&assess(&sales, &reseeded).unwrap().overall, &report.overall);
        let found = &report.overall.measures;
        for measured in [found.median_ratio, found.cod, found.prd, found.mape, found.mae] {
            let (lower, upper) = measured.interval.unwrap();
            prop_assert!((lower..=upper).contains(&measured.value), "{measured:?}");
        }
    }
}
