//! Tail probabilities, accurate in relative terms down to the smallest numbers.

use libm::{erfc, lgamma};

/// Terms this much smaller than the sum so far no longer change it.
const NEGLIGIBLE: f64 = 1e-18;

/// The probability that a standard normal variable is at least `z` away from 0.
pub fn normal_two_sided(z: f64) -> f64 {
    erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// The probability that a chi-square variable with `freedom` degrees of freedom exceeds
/// `statistic`: the regularised upper incomplete gamma function `Q(freedom / 2, statistic / 2)`.
///
/// For whole and half arguments it is a finite sum of positive terms (Abramowitz & Stegun
/// 1964, 26.4.4 and 26.4.5), summed here from its largest term outwards: nothing cancels.
/// With no degrees of freedom every value but 0 is impossible.
pub fn chi_square_tail(statistic: f64, freedom: u64) -> f64 {
    if statistic.is_nan() {
        return f64::NAN;
    }
    if statistic <= 0.0 {
        return 1.0;
    }
    if freedom == 0 || statistic == f64::INFINITY {
        return 0.0;
    }
    let x = statistic / 2.0;
    // Terms exp(-x) x^j / gamma(j + 1) for j = offset, offset + 1, ..., freedom / 2 - 1.
    let odd = freedom % 2 == 1;
    let offset = if odd { 0.5 } else { 0.0 };
    let terms = freedom / 2;
    let tail = if odd { erfc(x.sqrt()) } else { 0.0 };
    if terms == 0 {
        return tail;
    }
    let last = terms - 1;
    let largest = ((x - offset).max(0.0).floor() as u64).min(last);
    let j = largest as f64 + offset;
    let peak = (j * x.ln() - x - lgamma(j + 1.0)).exp();
    let (mut sum, mut term) = (1.0, 1.0);
    for i in largest + 1..=last {
        term *= x / (i as f64 + offset);
        sum += term;
        if term < sum * NEGLIGIBLE {
            break;
        }
    }
    term = 1.0;
    for i in (0..largest).rev() {
        term *= (i as f64 + 1.0 + offset) / x;
        sum += term;
        if term < sum * NEGLIGIBLE {
            break;
        }
    }
    (tail + peak * sum).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        let error = (found - expected).abs() / expected;
        assert!(error < 1e-10, "{found} {expected}: {error:e}");
    }

    #[test]
    fn normal_tails_are_those_of_scipy() {
        // 2 * scipy.stats.norm.sf(z)
        close(normal_two_sided(-1.959_963_984_540_054), 0.05);
        close(normal_two_sided(10.0), 1.523_970_604_832_094_2e-23);
        assert_eq!(normal_two_sided(0.0), 1.0);
    }

    #[test]
    fn chi_square_tails_by_hand() {
        close(chi_square_tail(2.0, 2), (-1.0_f64).exp());
        close(chi_square_tail(6.0, 4), 4.0 * (-3.0_f64).exp());
        close(chi_square_tail(4.0, 1), normal_two_sided(2.0));
        assert_eq!((chi_square_tail(0.0, 3), chi_square_tail(f64::INFINITY, 3)), (1.0, 0.0));
        assert_eq!((chi_square_tail(0.0, 0), chi_square_tail(1e-9, 0)), (1.0, 0.0));
    }
}
