//! False discovery rate: how far a p-value can be trusted that is one of many.
//!
//! Of 20 features without any change, one has a p-value below 0.05 in two windows of three.
//! Alerting on adjusted values instead keeps the expected share of false alarms among all
//! alerts below the level that they are compared with.

/// Benjamini-Hochberg adjusted p-values ("q-values"), in the order of the p-values.
///
/// Rejecting all `q <= level` keeps the expected share of false rejections at or below `level`
/// where the tests are independent or positively dependent (Benjamini and Hochberg 1995;
/// Benjamini and Yekutieli 2001). Equals `scipy.stats.false_discovery_control(ps)`.
///
/// With the `m` values in ascending order, `q(i) = min over j >= i of p(j) * m / j`, at most 1.
/// Equal p-values have equal q-values.
///
/// A NaN is a test that was not made: its own answer is NaN, and it does not count in `m`.
/// Values outside 0 to 1, as rounding makes them, are taken as the nearer end.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).filter(|&i| !p_values[i].is_nan()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let tests = order.len() as f64;
    let mut adjusted = vec![f64::NAN; p_values.len()];
    let mut least = 1.0_f64;
    for (index, &position) in order.iter().enumerate().rev() {
        let rank = (index + 1) as f64;
        least = least.min(p_values[position].clamp(0.0, 1.0) * (tests / rank));
        adjusted[position] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn assert_close(actual: &[f64], expected: &[f64]) {
        assert_eq!(actual.len(), expected.len());
        for (a, e) in actual.iter().zip(expected) {
            assert!((a - e).abs() <= 1e-15, "{actual:?} instead of {expected:?}");
        }
    }

    #[test]
    fn equals_scipy() {
        // scipy 1.17.1, stats.false_discovery_control(ps)
        assert_close(&benjamini_hochberg(&SMALL), &SMALL_ADJUSTED);
        assert_close(&benjamini_hochberg(&TIES), &TIES_ADJUSTED);
        assert_close(&benjamini_hochberg(&ENDS), &ENDS_ADJUSTED);
    }

    const SMALL: [f64; 15] = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
        0.5719, 0.6528, 0.7590, 1.0,
    ];
    const SMALL_ADJUSTED: [f64; 15] = [
        0.0015,
        0.003,
        0.0095,
        0.035625,
        0.0603,
        0.06385714285714286,
        0.06385714285714286,
        0.0645,
        0.07650000000000001,
        0.486,
        0.5811818181818181,
        0.7148749999999999,
        0.7532307692307693,
        0.8132142857142857,
        1.0,
    ];
    const TIES: [f64; 8] = [0.04, 0.01, 0.04, 0.01, 0.9, 0.04, 0.2, 0.01];
    const TIES_ADJUSTED: [f64; 8] = [
        0.05333333333333333,
        0.026666666666666665,
        0.05333333333333333,
        0.026666666666666665,
        0.9,
        0.05333333333333333,
        0.22857142857142856,
        0.026666666666666665,
    ];
    const ENDS: [f64; 4] = [1.0, 0.0, 1.0, 1e-300];
    const ENDS_ADJUSTED: [f64; 4] = [1.0, 0.0, 1.0, 2e-300];

    #[test]
    fn tests_that_were_not_made_do_not_count() {
        let adjusted = benjamini_hochberg(&[0.02, f64::NAN, 0.01]);
        assert_close(&[adjusted[0], adjusted[2]], &[0.02, 0.02]);
        assert!(adjusted[1].is_nan());
        assert!(benjamini_hochberg(&[f64::NAN])[0].is_nan());
        assert!(benjamini_hochberg(&[]).is_empty());
    }

    #[test]
    fn rounding_beyond_the_ends_is_taken_back() {
        assert_close(&benjamini_hochberg(&[-1e-17, 1.0 + 1e-15]), &[0.0, 1.0]);
    }

    proptest! {
        #[test]
        fn adjusting_keeps_order_and_only_raises(
            ps in prop::collection::vec(prop_oneof![0.0..=1.0, Just(0.5), Just(f64::NAN)], 0..60),
        ) {
            let qs = benjamini_hochberg(&ps);
            prop_assert_eq!(qs.len(), ps.len());
            for (p, q) in ps.iter().zip(&qs) {
                prop_assert_eq!(p.is_nan(), q.is_nan());
                prop_assert!(p.is_nan() || (p <= q && *q <= 1.0));
                for (other_p, other_q) in ps.iter().zip(&qs) {
                    prop_assert!(p > other_p || q <= other_q || (p + other_p).is_nan());
                }
            }
        }

        /// The step-up procedure as published: reject the k smallest, k the largest rank with
        /// p(k) <= level * k / m.
        #[test]
        fn rejects_what_the_step_up_procedure_rejects(
            ps in prop::collection::vec(0.0..=0.2_f64, 1..40),
            level in 0.01..0.3_f64,
        ) {
            let mut sorted = ps.clone();
            sorted.sort_by(f64::total_cmp);
            let m = sorted.len() as f64;
            let rejected = (1..=sorted.len())
                .rev()
                .find(|&k| sorted[k - 1] * (m / k as f64) <= level)
                .unwrap_or(0);
            let ours = benjamini_hochberg(&ps).iter().filter(|&&q| q <= level).count();
            prop_assert_eq!(ours, rejected);
        }
    }
}
