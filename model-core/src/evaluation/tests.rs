//! Every measure against numbers worked out by hand.

use proptest::prelude::*;

use super::*;

/// Errors -10, +20, 0, +40; percentage errors 0.10, 0.10, 0, 0.10; ratios 0.9, 1.1, 1.0, 1.1.
const ESTIMATES: [f64; 4] = [90.0, 220.0, 300.0, 440.0];
const PRICES: [f64; 4] = [100.0, 200.0, 300.0, 400.0];

fn near(actual: Result<f64>, expected: f64) {
    let actual = actual.unwrap();
    assert!((actual - expected).abs() < 1e-9, "{actual} is not {expected}");
}

#[test]
fn errors_in_currency() {
    near(rmse(&ESTIMATES, &PRICES), (2_100.0_f64 / 4.0).sqrt());
    near(mae(&ESTIMATES, &PRICES), 17.5);
    // Squared deviations from the mean of 250 add up to 50,000.
    near(r2(&ESTIMATES, &PRICES), 1.0 - 2_100.0 / 50_000.0);
}

#[test]
fn errors_in_percent() {
    near(mape(&ESTIMATES, &PRICES), 0.075);
    near(mdape(&ESTIMATES, &PRICES), 0.10);
    near(mdape(&ESTIMATES[..3], &PRICES[..3]), 0.10);
    near(mdape(&[90.0, 300.0], &[100.0, 300.0]), 0.05);
    // ln(1 + 1) - ln(1 + 3) = -ln 2.
    near(rmsle(&[1.0, 7.0], &[3.0, 7.0]), (0.5_f64).sqrt() * 2.0_f64.ln());
}

#[test]
fn shares_within_a_percentage_count_the_bound() {
    near(ppe(&ESTIMATES, &PRICES, 0.05), 0.25);
    near(ppe(&ESTIMATES, &PRICES, 0.10), 1.0);
    near(ppe(&[81.0, 79.0], &[100.0, 100.0], 0.20), 0.5);
}

#[test]
fn ratio_study() {
    near(median_ratio(&ESTIMATES, &PRICES), 1.05);
    // Deviations from 1.05: 0.15, 0.05, 0.05, 0.05; mean 0.075.
    near(cod(&ESTIMATES, &PRICES), 100.0 * 0.075 / 1.05);
    // Mean ratio 1.025; weighted 1050 / 1000.
    near(prd(&ESTIMATES, &PRICES), 1.025 / 1.05);
}

#[test]
fn price_related_bias_is_the_slope_per_doubling() {
    // Median ratio 1, so the values are (e + p) / 2 = 100, 200, 400: log2 steps of 1.
    // Ratios 0.9, 1, 1.1 fall on a line that rises by 0.1 a doubling: e = 2 v r / (1 + r).
    let values = [100.0, 200.0, 400.0];
    let ratios = [0.9, 1.0, 1.1];
    let prices: Vec<f64> = values.iter().zip(ratios).map(|(v, r)| 2.0 * v / (1.0 + r)).collect();
    let estimates: Vec<f64> = prices.iter().zip(ratios).map(|(p, r)| p * r).collect();
    near(prb(&estimates, &prices), 0.1);
    near(prb(&PRICES, &PRICES), 0.0);
}

#[test]
fn price_related_bias_needs_three_homes_of_different_value() {
    let degenerate = Err(EvaluationError::Degenerate("prb"));
    assert_eq!(prb(&ESTIMATES[..2], &PRICES[..2]), degenerate);
    assert_eq!(prb(&[100.0; 5], &[100.0; 5]), degenerate);
}

#[test]
fn trimming_drops_ratios_beyond_three_interquartile_ranges() {
    // Quartiles 0.9 and 1.1 of (0.8, 0.9, 1.0, 1.1, 5.0): kept from 0.3 to 1.7.
    let (estimates, prices) =
        trimmed(&[80.0, 90.0, 100.0, 110.0, 500.0], &[100.0; 5], 3.0).unwrap();
    assert_eq!(estimates, [80.0, 90.0, 100.0, 110.0]);
    assert_eq!(prices, [100.0; 4]);
}

#[test]
fn intervals() {
    let (lower, upper) = ([90.0, 210.0, 250.0, 300.0], [110.0, 230.0, 300.0, 380.0]);
    // The second price lies 10 below, the fourth 20 above; a bound counts as inside.
    near(coverage(&lower, &upper, &PRICES), 0.5);
    // Widths 20, 20, 50, 80 and at level 0.9 penalties 20 x 10 and 20 x 20.
    near(interval_score(&lower, &upper, &PRICES, 0.9), (170.0 + 600.0) / 4.0);
}

#[test]
fn unusable_input_is_an_error_that_says_where() {
    assert_eq!(rmse(&[], &[]), Err(EvaluationError::Empty));
    assert_eq!(mdape(&[1.0], &[]), Err(EvaluationError::LengthMismatch(1, 0)));
    let bad = |what, index| EvaluationError::BadValue { what, index };
    assert_eq!(cod(&[1.0, 2.0], &[1.0, 0.0]), Err(bad("price", 1)));
    assert_eq!(mae(&[f64::NAN], &[1.0]), Err(bad("estimate", 0)));
    assert_eq!(coverage(&[2.0], &[1.0], &[1.0]), Err(bad("interval", 0)));
    assert_eq!(r2(&[1.0, 2.0], &[3.0, 3.0]), Err(EvaluationError::Degenerate("r2")));
    let level = Err(EvaluationError::Degenerate("interval_score"));
    assert_eq!(interval_score(&[1.0], &[2.0], &[1.0], 1.0), level);
}

#[test]
fn the_summary_leaves_out_what_is_not_defined() {
    let summary = AccuracySummary::of(&[110.0, 110.0], &[100.0, 100.0]).unwrap();
    assert_eq!((summary.n, summary.r2, summary.prb), (2, None, None));
    assert!((summary.median_ratio - 1.1).abs() < 1e-12);
    assert!(AccuracySummary::of(&ESTIMATES, &PRICES).unwrap().prb.is_some());
}

proptest! {
    #[test]
    fn scaling_every_estimate_moves_the_level_and_not_the_dispersion(
        homes in prop::collection::vec((1e4..1e6_f64, 0.5..2.0_f64), 3..40),
        factor in 0.5..2.0_f64,
    ) {
        let prices: Vec<f64> = homes.iter().map(|(price, _)| *price).collect();
        let estimates: Vec<f64> = homes.iter().map(|(price, ratio)| price * ratio).collect();
        let scaled: Vec<f64> = estimates.iter().map(|estimate| estimate * factor).collect();
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-6 * (1.0 + b.abs());
        let of = AccuracySummary::of(&estimates, &prices).unwrap();
        let moved = AccuracySummary::of(&scaled, &prices).unwrap();
        prop_assert!(close(moved.median_ratio, of.median_ratio * factor));
        prop_assert!(close(moved.cod, of.cod));
        prop_assert!(close(moved.prd, of.prd));
        if let (Some(a), Some(b)) = (moved.prb, of.prb) {
            prop_assert!(close(a, b), "{a} {b}");
        }
    }
}
