//! P-values of the two-sample Kolmogorov-Smirnov test, by the rules of `scipy.stats.ks_2samp`.

use super::kolmogorov_one::one_sample_tail;

/// Sizes up to which the p-value is exact.
pub const MAX_EXACT: u64 = 10_000;

/// The p-value of a two-sided two-sample test: how likely samples of `n` and `m` values from
/// one continuous distribution are at least `statistic` apart.
///
/// Exact while both sizes are at most [`MAX_EXACT`]; beyond, the distribution of a one-sample
/// test of the size `n m / (n + m)`. NaN if a sample is empty.
pub fn two_sample_p_value(n: u64, m: u64, statistic: f64) -> f64 {
    if n == 0 || m == 0 || statistic.is_nan() {
        return f64::NAN;
    }
    let p = if n.max(m) <= MAX_EXACT {
        exact(n, m, statistic)
    } else {
        let (n, m) = (n as f64, m as f64);
        one_sample_tail((n * m / (n + m)).round_ties_even() as u64, statistic)
    };
    p.clamp(0.0, 1.0)
}

fn exact(n: u64, m: u64, statistic: f64) -> f64 {
    let common = greatest_common_divisor(n, m);
    // The statistic is a multiple of 1 / lcm(n, m).
    let steps = (statistic * ((n / common) * m) as f64).round() as u64;
    if steps == 0 {
        1.0
    } else if n == m {
        equal_sizes(n, steps)
    } else {
        unequal_sizes(n.max(m), n.min(m), common, steps)
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The share of lattice paths from (0, 0) to (n, n) that touch a line `steps` off the diagonal
/// (reflection principle; Gnedenko & Korolyuk 1951), by a Horner scheme.
fn equal_sizes(n: u64, steps: u64) -> f64 {
    let mut p = 0.0;
    for k in (0..=n / steps).rev() {
        let mut ratio = 1.0;
        for j in 0..steps {
            // The last numerator is 0 when k * steps = n.
            ratio *= n.saturating_sub(k * steps + j) as f64 / (n + k * steps + j + 1) as f64;
        }
        p = ratio * (1.0 - p);
    }
    2.0 * p
}

/// The share of lattice paths from (0, 0) to (n, m) that leave the band
/// `|x / n - y / m| < steps / lcm(n, m)` (Hodges 1958, "The significance probability of the
/// Smirnov two-sample test", *Arkiv för Matematik* 3).
///
/// Column by column: the share of paths to a point that have left is a weighted mean of the
/// shares at its two predecessors, so nothing overflows and nothing cancels.
fn unequal_sizes(n: u64, m: u64, common: u64, steps: u64) -> f64 {
    let (n_step, m_step) = ((n / common) as i64, (m / common) as i64);
    let (last, steps) = (m as i64, steps as i64);
    let top = |column: i64| (m_step * column + steps + n_step - 1).div_euclid(n_step).min(last + 1);
    let bottom = |column: i64| ((m_step * column - steps).div_euclid(n_step) + 1).clamp(0, last);
    // Shares for the rows `low..high` of a column; below and above all paths have left.
    let (mut low, mut high) = (0, top(0));
    let mut shares = vec![0.0; m as usize + 1];
    for column in 1..=n as i64 {
        let (new_low, new_high) = (bottom(column), top(column));
        if new_high <= new_low {
            return 1.0;
        }
        let mut below = if new_low == 0 { 0.0 } else { 1.0 };
        for row in new_low..new_high {
            let left = if row >= low && row < high { shares[row as usize] } else { 1.0 };
            below = (left * column as f64 + below * row as f64) / (column + row) as f64;
            shares[row as usize] = below;
        }
        (low, high) = (new_low, new_high);
    }
    shares[m as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of all orders of the two samples in which they are as far apart.
    fn by_enumeration(n: u64, m: u64, statistic: f64) -> f64 {
        let (mut far, mut all) = (0_u64, 0_u64);
        for order in 0_u32..1 << (n + m) {
            if u64::from(order.count_ones()) != n {
                continue;
            }
            let (mut x, mut y, mut largest) = (0.0_f64, 0.0_f64, 0.0_f64);
            for bit in 0..n + m {
                if order >> bit & 1 == 1 {
                    x += 1.0
                } else {
                    y += 1.0
                }
                largest = largest.max((x / n as f64 - y / m as f64).abs());
            }
            all += 1;
            far += u64::from(largest >= statistic - 1e-9);
        }
        far as f64 / all as f64
    }

    #[test]
    fn small_samples_are_counted_out() {
        for (n, m) in [(1, 1), (1, 4), (3, 5), (4, 4), (6, 4), (7, 7), (5, 10), (9, 6)] {
            for statistic in [0.2, 0.25, 0.5, 0.6, 0.75, 1.0] {
                // Only distances that can occur.
                let steps = (statistic * (n * m) as f64).round() / (n * m) as f64;
                let found = two_sample_p_value(n, m, steps);
                let expected = by_enumeration(n, m, steps);
                // Between two possible distances the p-value is that of the nearest multiple.
                if (steps * (n * m) as f64 / greatest_common_divisor(n, m) as f64).fract() == 0.0 {
                    assert!(
                        (found - expected).abs() < 1e-12,
                        "{n} {m} {steps}: {found} {expected}"
                    );
                }
                assert!((0.0..=1.0).contains(&found));
            }
        }
    }

    #[test]
    fn nothing_to_tell_apart() {
        assert_eq!(two_sample_p_value(5, 9, 0.0), 1.0);
        assert_eq!(two_sample_p_value(1, 1, 1.0), 1.0);
        assert!(two_sample_p_value(0, 3, 0.5).is_nan());
    }
}
