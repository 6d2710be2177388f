//! The distribution of the two-sided one-sample Kolmogorov-Smirnov statistic: each range of
//! its arguments by the method that is accurate there (Simard & L'Ecuyer 2011, "Computing the
//! two-sided Kolmogorov-Smirnov distribution", *Journal of Statistical Software* 39(11)), as
//! `scipy.stats.kstwo` does.

use std::f64::consts::PI;

use libm::lgamma;

use super::durbin;

/// Sizes up to which everything is exact.
const SMALL: u64 = 140;
/// From here on the sum of [`one_sided_tail`] is smooth enough to take every `n / SMOOTH`-th
/// term: its spread is never below 1/80 of `n`.
const SMOOTH: u64 = 8_192;

/// The probability that the empirical distribution of `n` values is somewhere further than
/// `d` from the distribution that they are drawn from.
pub(super) fn one_sample_tail(n: u64, d: f64) -> f64 {
    let size = n as f64;
    let t = size * d;
    if n == 0 || d.is_nan() {
        return f64::NAN;
    }
    if d >= 1.0 {
        return 0.0;
    }
    if t <= 0.5 {
        return 1.0;
    }
    if t <= 1.0 {
        // n! (2 d - 1 / n)^n
        return 1.0 - (lgamma(size + 1.0) + size * ((2.0 * t - 1.0) / size).ln()).exp();
    }
    if t >= size - 1.0 {
        return 2.0 * (size * (-d).ln_1p()).exp();
    }
    let both_sides = || (2.0 * one_sided_tail(n, d)).min(1.0);
    if d >= 0.5 {
        return both_sides();
    }
    let squared = t * d;
    if n <= SMALL {
        // Beyond 4 both sides at once are less likely than any digit shows.
        return if squared <= 4.0 { 1.0 - durbin::distribution(n, d) } else { both_sides() };
    }
    if squared >= 370.0 {
        0.0
    } else if squared >= 2.2 {
        both_sides()
    } else if n <= 100_000 && size * d.powf(1.5) <= 1.4 {
        1.0 - durbin::distribution(n, d)
    } else {
        (1.0 - pelz_good(size, d)).clamp(0.0, 1.0)
    }
}

/// Smirnov's one-sided tail, `d sum_v C(n, v) (d + v / n)^(v - 1) (1 - d - v / n)^(n - v)`.
///
/// Each term is a binomial probability in its saddle-point form (Loader 2000, "Fast and
/// accurate computation of binomial probabilities"), accurate where logarithms of factorials
/// would cancel.
fn one_sided_tail(n: u64, d: f64) -> f64 {
    let size = n as f64;
    let shift = size * d;
    let correction = stirling_error(size);
    let term = |v: f64| {
        let rest = size - v;
        if rest - shift <= 0.0 {
            return 0.0;
        }
        let exponent = v * (shift / v).ln_1p() + rest * (-shift / rest).ln_1p() + correction
            - stirling_error(v)
            - stirling_error(rest);
        (size / (2.0 * PI * v * rest)).sqrt() * exponent.exp() * shift / (shift + v)
    };
    let last = (size - shift).floor() as u64;
    let stride = (n / SMOOTH).max(1);
    let first = (size * (-d).ln_1p()).exp();
    let mut sum = 0.0;
    let mut v = stride;
    while v <= last.min(n - 1) {
        sum += term(v as f64);
        v += stride;
    }
    first + stride as f64 * sum
}

/// `ln n!` less Stirling's `(n + 1/2) ln n - n + ln(2 pi) / 2`.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        return lgamma(n + 1.0) - (n + 0.5) * n.ln() + n - 0.5 * (2.0 * PI).ln();
    }
    let square = n * n;
    let series = [-1.0 / 1_680.0, 1.0 / 1_260.0, -1.0 / 360.0, 1.0 / 12.0];
    let fifth = 1.0 / 1_188.0;
    series.iter().fold(fifth, |sum, next| sum / square + next) / n
}

/// The approximation of Pelz & Good (1976), "Approximating the lower tail-areas of the
/// Kolmogorov-Smirnov one-sample statistic", *JRSS B* 38(2): four terms in powers of
/// `1 / sqrt(n)`, each transformed so that its series converges at once for small `d`.
fn pelz_good(n: f64, d: f64) -> f64 {
    let z = n.sqrt() * d;
    let (z2, z4, z6) = (z.powi(2), z.powi(4), z.powi(6));
    let (pi2, pi4, pi6) = (PI.powi(2), PI.powi(4), PI.powi(6));
    let exponent = -pi2 / 8.0 / z2;
    if exponent < -708.0 {
        return 0.0;
    }
    let last = (16.0 * z / PI).ceil() as i32;
    let mut k = [0.0; 4];
    for i in (1..=last).rev() {
        let m2 = f64::from(2 * i - 1).powi(2);
        let (m4, m6) = (m2 * m2, m2 * m2 * m2);
        let weights = [
            1.0,
            -z2 + pi2 / 4.0 * m2,
            6.0 * z6
                + 2.0 * z4
                + (2.0 * z4 - 5.0 * z2) * pi2 / 4.0 * m2
                + pi4 * (1.0 - 2.0 * z2) / 16.0 * m4,
            -30.0 * z6 - 90.0 * z.powi(8)
                + pi2 * (135.0 * z4 - 96.0 * z6) / 4.0 * m2
                + pi4 * (-60.0 * z2 + 212.0 * z4) / 16.0 * m4
                + pi6 * (5.0 - 30.0 * z2) / 64.0 * m6,
        ];
        let power = (exponent * m2).exp();
        k.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight * power);
    }
    let root = (2.0 * PI).sqrt();
    let scale = [z, 6.0 * z4, 72.0 * z.powi(7), 6_480.0 * z.powi(10)];
    k.iter_mut().zip(scale).for_each(|(sum, scale)| *sum *= root / scale);
    for i in (1..=last).rev() {
        let i2 = f64::from(i).powi(2);
        let power = (-pi2 / 2.0 / z2 * i2).exp();
        k[2] -= pi2 * root / (36.0 * z.powi(3)) * i2 * power;
        k[3] += pi2 * root / (216.0 * z6) * (3.0 * z2 - pi2 * i2) * i2 * power;
    }
    k[0] + k[1] / n.sqrt() + k[2] / n + k[3] / n.powf(1.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.kstwo.sf(d, n)` of SciPy 1.17.1.
    const SCIPY: &[(u64, f64, f64)] = include!("kstwo_cases.in");

    #[test]
    fn tails_are_those_of_scipy() {
        for &(n, d, expected) in SCIPY {
            let error = (one_sample_tail(n, d) - expected).abs();
            assert!(
                error <= 1e-9 * expected || error < 1e-14,
                "{n} {d}: {} {expected}",
                one_sample_tail(n, d)
            );
        }
    }

    #[test]
    fn methods_meet_where_they_change() {
        for (n, d) in [(10, 0.1), (10, 0.5), (140, 0.169), (1_000, 0.046_9), (1_000, 0.012_5)] {
            let (below, above) = (one_sample_tail(n, d - 1e-9), one_sample_tail(n, d + 1e-9));
            assert!((below - above).abs() < 1e-5, "{n} {d}: {below} {above}");
        }
        assert_eq!((one_sample_tail(7, 0.01), one_sample_tail(7, 1.0)), (1.0, 0.0));
    }
}
