//! Chances of counts at least, or at most, as large as those seen.

/// `P(X >= count)` of a binomial count of `total` trials with this chance each.
pub(in crate::monitoring) fn binomial_at_least(count: u64, total: u64, chance: f64) -> f64 {
    if count == 0 || chance >= 1.0 {
        1.0
    } else if count > total || chance <= 0.0 {
        0.0
    } else {
        beta_below(count as f64, (total - count + 1) as f64, chance)
    }
}

/// `P(X >= count)` in a sample of `total` from all of `all_total`, of which `all_count` count:
/// Fisher's exact test, one-sided. `count` and `total` are part of `all_count` and `all_total`.
pub(super) fn hypergeometric_at_least(
    count: u64,
    total: u64,
    all_count: u64,
    all_total: u64,
) -> f64 {
    let most = total.min(all_count);
    let least = (total + all_count).saturating_sub(all_total);
    if count <= least {
        return 1.0;
    }
    let (n, k, all) = (total as f64, all_count as f64, all_total as f64);
    let at = |x: f64| (ln_choose(k, x) + ln_choose(all - k, n - x) - ln_choose(all, n)).exp();
    // Summed from the count outwards, away from the mode or across it.
    let mut term = at(count as f64);
    let mut sum = 0.0;
    for x in count..=most {
        sum += term;
        if term < 1e-17 * sum {
            break;
        }
        let x = x as f64;
        term *= (k - x) * (n - x) / ((x + 1.0) * (all - k - n + x + 1.0));
    }
    sum.min(1.0)
}

/// `P(X <= count)` of a count with this mean, whose rate varies with the coefficient of
/// variation `spread`: a negative binomial, variance `mean + (spread mean)^2`.
pub(super) fn negative_binomial_at_most(count: u64, mean: f64, spread: f64) -> f64 {
    let size = 1.0 / (spread * spread);
    beta_below(size, count as f64 + 1.0, size / (size + mean))
}

/// `P(X >= count)` of the same.
pub(super) fn negative_binomial_at_least(count: u64, mean: f64, spread: f64) -> f64 {
    if count == 0 {
        return 1.0;
    }
    let size = 1.0 / (spread * spread);
    beta_below(count as f64, size, mean / (size + mean))
}

fn ln_choose(n: f64, k: f64) -> f64 {
    ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
}

/// Logarithm of the gamma function of a positive number (Lanczos, g = 7; error below 1e-14).
fn ln_gamma(x: f64) -> f64 {
    const PARTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let start = 0.999_999_999_999_809_9;
    let series =
        PARTS.iter().zip(1..).fold(start, |sum, (part, i)| sum + part / (x + f64::from(i)));
    let t = x + 7.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + series.ln()
}

/// The regularised incomplete beta function `I_x(a, b)`: the chance that a beta variable with
/// these parameters is below `x`. Continued fraction of Lentz (Numerical Recipes, 6.4).
fn beta_below(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    let below = if x < (a + 1.0) / (a + b + 2.0) {
        front.exp() * beta_fraction(a, b, x) / a
    } else {
        1.0 - front.exp() * beta_fraction(b, a, 1.0 - x) / b
    };
    below.clamp(0.0, 1.0)
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    const STEPS: u32 = 20_000;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..=STEPS {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for part in [even, odd] {
            d = 1.0 / away(1.0 + part * d);
            c = away(1.0 + part / c);
            change = d * c;
            fraction *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(actual: f64, expected: f64) {
        let error = (actual - expected).abs() / expected;
        assert!(error < 1e-9, "{actual:e} instead of {expected:e}");
    }

    #[test]
    fn chances_are_scipys() {
        // scipy 1.17.1: binom.sf(k - 1, n, p), hypergeom.sf(k - 1, N, K, n), nbinom.cdf and .sf
        // with n = 1 / spread^2 and p = n / (n + mean)
        close(binomial_at_least(6, 20, 0.05), 0.0003292943245282763);
        close(binomial_at_least(1, 1, 0.3), 0.3);
        close(binomial_at_least(300, 1000, 0.28), 0.08549509295132153);
        close(binomial_at_least(5000, 100000, 0.049), 0.07281484587217985);
        close(binomial_at_least(3, 1000000, 1e-06), 0.08030130510144962);
        close(hypergeometric_at_least(6, 20, 8, 200), 1.1588290428128043e-05);
        close(hypergeometric_at_least(30, 100, 45, 1300), 6.287504678318873e-25);
        close(hypergeometric_at_least(600, 10000, 5000, 100000), 1.3392226968195867e-06);
        close(hypergeometric_at_least(1, 20, 1, 400), 0.05);
        close(hypergeometric_at_least(99, 100, 120, 150), 2.1056303046305606e-16);
        close(negative_binomial_at_most(225, 450.0, 0.12), 1.4677505068187062e-06);
        close(negative_binomial_at_least(450, 450.0, 0.12), 0.48743513674591676);
        close(negative_binomial_at_most(0, 3.0, 0.5), 0.10662224073302787);
        close(negative_binomial_at_most(450, 450.0, 0.05), 0.5134348549227177);
        close(negative_binomial_at_least(900, 450.0, 0.05), 2.804200333217608e-33);
        close(negative_binomial_at_most(90000, 100000.0, 0.05), 0.020199233941461503);
        close(negative_binomial_at_least(180000, 100000.0, 0.05), 4.4958833808084444e-39);
        close(negative_binomial_at_most(10, 20.0, 0.2), 0.04081542296494817);
        close(negative_binomial_at_least(20, 20.0, 0.2), 0.5044470763726334);
    }

    #[test]
    fn ends() {
        assert_eq!(binomial_at_least(0, 10, 0.1), 1.0);
        assert_eq!(binomial_at_least(11, 10, 0.1), 0.0);
        assert_eq!(binomial_at_least(1, 10, 0.0), 0.0);
        assert_eq!(binomial_at_least(1, 10, 1.0), 1.0);
        assert_eq!(hypergeometric_at_least(0, 10, 5, 100), 1.0);
        assert_eq!(hypergeometric_at_least(10, 10, 100, 100), 1.0);
        assert_eq!(negative_binomial_at_least(0, 5.0, 0.1), 1.0);
    }
}
