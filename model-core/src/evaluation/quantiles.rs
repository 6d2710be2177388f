//! Quantiles by linear interpolation, the one definition used throughout the crate.
//!
//! Type 7 of Hyndman & Fan (1996), "Sample quantiles in statistical packages", *The American
//! Statistician* 50(4): of `n` sorted values the `p` quantile lies at the zero-based position
//! `(n - 1) p`, interpolated between its neighbours. It is the default of R and of `NumPy`.

/// The `p` quantile (`0 <= p <= 1`) of values sorted ascending.
///
/// `None` for no values or `p` outside 0 to 1. The values must hold no NaN.
pub fn quantile_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&p) {
        return None;
    }
    let last = sorted.len().checked_sub(1)?;
    let position = last as f64 * p;
    let below = (position.floor() as usize).min(last);
    let low = *sorted.get(below)?;
    let high = *sorted.get((below + 1).min(last))?;
    let part = position - below as f64;
    // Without this, equal infinities would interpolate to NaN.
    Some(if part == 0.0 || low == high { low } else { low + part * (high - low) })
}

/// The `p` quantile (`0 <= p <= 1`) of values in any order.
///
/// `None` for no values, a NaN among them, or `p` outside 0 to 1.
pub fn quantile(values: &[f64], p: f64) -> Option<f64> {
    if values.iter().any(|value| value.is_nan()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile_sorted(&sorted, p)
}

/// The median: the 0.5 quantile, the mean of the two middle values of an even number.
///
/// `None` for no values or a NaN among them.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn interpolates_between_neighbours() {
        // Positions 0, 0.3, 0.75, 1.5 and 3 of (10, 20, 30, 50).
        let values = [30.0, 10.0, 50.0, 20.0];
        assert_eq!(quantile(&values, 0.0), Some(10.0));
        assert_eq!(quantile(&values, 0.1), Some(13.0));
        assert_eq!(quantile(&values, 0.25), Some(17.5));
        assert_eq!(median(&values), Some(25.0));
        assert_eq!(quantile(&values, 1.0), Some(50.0));
        assert_eq!(median(&[7.0]), Some(7.0));
    }

    #[test]
    fn no_values_nan_or_a_wrong_p_have_no_quantile() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, f64::NAN]), None);
        assert_eq!(quantile(&[1.0], 1.1), None);
        assert_eq!(quantile(&[1.0], f64::NAN), None);
    }

    proptest! {
        #[test]
        fn quantiles_rise_with_p_and_stay_in_range(
            values in prop::collection::vec(-1e6..1e6_f64, 1..40),
            p in 0.0..=1.0_f64,
            q in 0.0..=1.0_f64,
        ) {
            let (p, q) = if p <= q { (p, q) } else { (q, p) };
            let (low, high) = (quantile(&values, p).unwrap(), quantile(&values, q).unwrap());
            prop_assert!(low <= high + 1e-6);
            prop_assert!(values.iter().any(|v| *v <= low + 1e-6));
            prop_assert!(values.iter().any(|v| *v >= high - 1e-6));
        }
    }
}
