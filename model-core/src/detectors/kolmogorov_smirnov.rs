//! The two-sample Kolmogorov-Smirnov test of samples of the same size.

/// Largest difference between the distribution functions of two samples of `n` numbers each, in
/// units of `1 / n`. Both are in ascending order.
pub(super) fn largest_difference(one: &[f64], other: &[f64]) -> usize {
    let (mut i, mut j, mut largest) = (0, 0, 0);
    while i < one.len() && j < other.len() {
        // Both functions are compared after all numbers that are equal.
        let at = one[i].min(other[j]);
        while i < one.len() && one[i] <= at {
            i += 1;
        }
        while j < other.len() && other[j] <= at {
            j += 1;
        }
        largest = largest.max(i.abs_diff(j));
    }
    largest
}

/// Chance of a difference of at least `h / n` between two samples of `n` numbers from one
/// continuous distribution, exactly: the share of lattice paths that leave a band.
///
/// `P = 2 (b(n-h) - b(n-2h) + b(n-3h) - ...) / b(n)` with `b(k) = binomial(2n, k)`, in nested
/// form (Hodges, "The significance probability of the Smirnov two-sample test", 1958). The same
/// operations in the same order as `scipy.stats.ks_2samp(method="auto")` at up to 10,000
/// numbers, so that the last bit is the same too.
pub(super) fn p_value(n: usize, h: usize) -> f64 {
    if h == 0 {
        return 1.0;
    }
    let mut outside = 0.0;
    for k in (0..=n / h).rev() {
        let term = (0..h).fold(1.0, |term, j| {
            let above = n as f64 - (k * h + j) as f64;
            above * term / (n + k * h + j + 1) as f64
        });
        outside = term * (1.0 - outside);
    }
    (2.0 * outside).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_by_hand() {
        assert_eq!(largest_difference(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), 0);
        assert_eq!(largest_difference(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), 3);
        assert_eq!(largest_difference(&[4.0, 5.0, 6.0], &[1.0, 2.0, 3.0]), 3);
        assert_eq!(largest_difference(&[1.0, 1.0, 2.0], &[1.0, 2.0, 2.0]), 1);
        assert_eq!(largest_difference(&[-0.0, 0.0], &[0.0, 0.0]), 0);
    }

    #[test]
    fn chances_are_scipys() {
        // scipy 1.17.1, ks_2samp(...).pvalue of samples that differ by h / n
        assert_eq!(p_value(30, 1), 1.0);
        assert_eq!(p_value(30, 10), 0.07088798787114439);
        assert_eq!(p_value(30, 13), 0.006548396368058784);
        assert_eq!(p_value(30, 14), 0.0025300622362698397);
        assert_eq!(p_value(30, 30), 1.6911233892144742e-17);
        assert_eq!(p_value(5, 3), 0.35714285714285715);
        assert_eq!(p_value(1, 1), 1.0);
        assert_eq!(p_value(1000, 80), 0.003311056963176061);
        assert_eq!(p_value(30, 0), 1.0);
    }
}
