//! Tests of counts: chi-square and two proportions.

use super::special::{chi_square_tail, normal_two_sided};

/// A test's statistic and p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestResult {
    /// The statistic; infinite where the current window holds what the reference never had.
    pub statistic: f64,
    /// How likely a statistic at least as extreme is without any change.
    pub p_value: f64,
}

/// Whether current counts fit the reference's shares: `sum (c - e)^2 / e` with `e` the
/// reference's count scaled to the current size, as Evidently and `scipy.stats.chisquare`.
///
/// A category that the reference lacks is impossible by its shares: infinite, p-value 0. The
/// reference's own chance is not accounted for, which makes the test strict where it is small.
/// `None` if one side holds nothing.
pub fn chi_square(reference: &[u64], current: &[u64]) -> Option<TestResult> {
    let (n, m) = (reference.iter().sum::<u64>(), current.iter().sum::<u64>());
    if n == 0 || m == 0 || reference.len() != current.len() {
        return None;
    }
    let scale = m as f64 / n as f64;
    let seen = reference.iter().zip(current).filter(|(r, c)| **r > 0 || **c > 0);
    let (mut statistic, mut categories) = (0.0, 0_u64);
    for (r, c) in seen {
        let expected = *r as f64 * scale;
        statistic += (*c as f64 - expected).powi(2) / expected;
        categories += 1;
    }
    let p_value = chi_square_tail(statistic, categories - 1);
    Some(TestResult { statistic, p_value })
}

/// Whether the share of the first of two categories is the same on both sides: the pooled
/// two-proportion Z test, two-sided. One category alone has not moved: p-value 1.
///
/// `None` for more than two categories, or if one side holds nothing.
pub fn two_proportions(reference: &[u64], current: &[u64]) -> Option<TestResult> {
    let (n, m) = (reference.iter().sum::<u64>() as f64, current.iter().sum::<u64>() as f64);
    if n == 0.0 || m == 0.0 || reference.len() != current.len() || reference.len() > 2 {
        return None;
    }
    // As Evidently counts: all that is not the first category.
    let second = |counts: &[u64]| counts.get(1).copied().unwrap_or(0) as f64;
    let (p, q) = (second(reference) / n, second(current) / m);
    let pooled = (second(reference) + second(current)) / (n + m);
    if pooled == 0.0 || pooled == 1.0 {
        return Some(TestResult { statistic: 0.0, p_value: 1.0 });
    }
    let statistic = (p - q) / (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    Some(TestResult { statistic, p_value: normal_two_sided(statistic) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chi_square_by_hand() {
        // Expected 50 and 50, found 60 and 40: 100 / 50 twice.
        let test = chi_square(&[500, 500], &[60, 40]).unwrap();
        assert!((test.statistic - 4.0).abs() < 1e-12);
        assert!((test.p_value - 0.045_500_263_896_358_42).abs() < 1e-12);
        let new = chi_square(&[5, 0], &[4, 1]).unwrap();
        assert_eq!((new.statistic, new.p_value), (f64::INFINITY, 0.0));
        assert_eq!(chi_square(&[5], &[7]).unwrap().p_value, 1.0);
        assert_eq!(chi_square(&[0], &[7]), None);
    }

    #[test]
    fn two_proportions_by_hand() {
        // Shares 0.5 and 0.7 of 100 each, pooled 0.6: 0.2 / sqrt(0.24 * 0.02).
        let test = two_proportions(&[50, 50], &[30, 70]).unwrap();
        assert!((test.statistic + 0.2 / 0.0048_f64.sqrt()).abs() < 1e-12);
        assert_eq!(two_proportions(&[9], &[4]).unwrap().p_value, 1.0);
        assert_eq!(two_proportions(&[1, 1, 1], &[1, 1, 1]), None);
        assert_eq!(two_proportions(&[1, 1], &[0, 0]), None);
    }
}
