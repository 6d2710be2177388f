//! Tails of the distributions that decisions are calibrated by.

/// Largest deviate whose tail is summed as a series; beyond it the continued fraction converges
/// faster.
const SERIES_LIMIT: f64 = 3.0;
/// Enough terms for 1e-15 on either side of the limit.
const TERMS: u32 = 80;

/// The chance that a standard normal variable exceeds `z`. Relative error below 1e-12.
///
/// The series and the continued fraction of Abramowitz and Stegun (1964), *Handbook of
/// Mathematical Functions*, 26.2.11 and 26.2.14.
pub(crate) fn normal_tail(z: f64) -> f64 {
    if z.is_nan() {
        return f64::NAN;
    }
    if z < 0.0 {
        return 1.0 - normal_tail(-z);
    }
    let density = normal_density(z);
    if z < SERIES_LIMIT {
        let (mut term, mut sum) = (z, z);
        for k in 1..TERMS {
            term *= z * z / f64::from(2 * k + 1);
            sum += term;
        }
        return 0.5 - density * sum;
    }
    if density == 0.0 {
        return 0.0;
    }
    let fraction = (1..TERMS).rev().fold(z, |below, k| z + f64::from(k) / below);
    density / fraction
}

/// The chance that a chi-square variable with whole degrees of freedom exceeds `value`; 1
/// without degrees of freedom. Relative error below 1e-11.
///
/// The finite sums of Abramowitz and Stegun (1964), 26.4.4 and 26.4.5.
pub(crate) fn chi_square_tail(value: f64, freedom: u32) -> f64 {
    if freedom == 0 || value <= 0.0 {
        return 1.0;
    }
    if value.is_infinite() {
        return 0.0;
    }
    let tail = if freedom.is_multiple_of(2) {
        let half = value / 2.0;
        let (mut term, mut sum) = (1.0, 1.0);
        for k in 1..freedom / 2 {
            term *= half / f64::from(k);
            sum += term;
        }
        (-half).exp() * sum
    } else {
        let root = value.sqrt();
        let (mut term, mut sum) = (root, 0.0);
        for k in 1..=(freedom - 1) / 2 {
            sum += term;
            term *= value / f64::from(2 * k + 1);
        }
        2.0 * (normal_tail(root) + normal_density(root) * sum)
    };
    tail.min(1.0)
}

/// The chance that of `n` independent trials with probability `p` at least `k` succeed.
/// Relative error below 1e-9 for up to a million trials.
pub(crate) fn binomial_tail(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > n || p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    // The sum of the smaller side, from its largest term outwards.
    let (n_real, odds) = (n as f64, p / (1.0 - p));
    if k as f64 > n_real * p {
        let (mut term, mut sum) = (1.0, 1.0);
        for i in k..n {
            term *= (n - i) as f64 / (i + 1) as f64 * odds;
            sum += term;
            if term < sum * f64::EPSILON {
                break;
            }
        }
        (ln_binomial(k, n, p) + f64::ln(sum)).exp().min(1.0)
    } else {
        let (mut term, mut sum) = (1.0, 1.0);
        for i in (0..k - 1).rev() {
            term *= (i + 1) as f64 / ((n - i) as f64 * odds);
            sum += term;
            if term < sum * f64::EPSILON {
                break;
            }
        }
        (1.0 - (ln_binomial(k - 1, n, p) + f64::ln(sum)).exp()).max(0.0)
    }
}

/// Logarithm of the chance of exactly `k` successes.
fn ln_binomial(k: u64, n: u64, p: f64) -> f64 {
    let fewer = k.min(n - k);
    let ways: f64 = (1..=fewer).map(|i| ((n - fewer + i) as f64 / i as f64).ln()).sum();
    ways + k as f64 * p.ln() + (n - k) as f64 * (-p).ln_1p()
}

fn normal_density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_near(actual: f64, expected: f64) {
        assert!((actual - expected).abs() <= 1e-11 * expected, "{actual} instead of {expected}");
    }

    #[test]
    fn normal_tails_are_those_of_scipy() {
        // scipy 1.17.1, stats.norm.sf(z)
        let cases = [
            (-3.5, 0.9997673709209645),
            (-0.2, 0.579259709439103),
            (0.1, 0.460172162722971),
            (1.0, 0.15865525393145707),
            (1.6448536269514722, 0.050000000000000044),
            (2.9999, 0.001350341282954925),
            (3.0, 0.0013498980316300933),
            (3.5, 0.00023262907903552502),
            (6.0, 9.865876450376946e-10),
            (12.0, 1.776482112077653e-33),
            (37.0, 5.7255712225239266e-300),
        ];
        for (z, expected) in cases {
            assert_near(normal_tail(z), expected);
        }
        assert_eq!((normal_tail(0.0), normal_tail(40.0)), (0.5, 0.0));
        assert!(normal_tail(f64::NAN).is_nan());
    }

    #[test]
    fn binomial_tails_are_those_of_scipy() {
        // scipy 1.17.1, stats.binom.sf(k - 1, n, p)
        let cases = [
            (1, 20, 0.025, 0.39731231978089954),
            (4, 20, 0.025, 0.0013727574460937933),
            (20, 20, 0.9, 0.12157665459056931),
            (43, 43, 0.9, 0.010775263664305826),
            (42, 43, 0.9, 0.06225707894932256),
            (10, 43, 0.1, 0.00868719420841766),
            (3, 100, 0.5, 1.0),
            (60, 100, 0.5, 0.028443966820490444),
            (500, 1000, 0.5, 0.5126125090891802),
            (5200, 10000, 0.5, 3.2967577993361714e-05),
            (1300, 50000, 0.025, 0.07876288207265611),
            (1200, 50000, 0.025, 0.9266988856669413),
            (7, 30, 0.999, 1.0),
        ];
        for (k, n, p, expected) in cases {
            let actual = binomial_tail(k, n, p);
            assert!((actual - expected).abs() <= 1e-9 * expected, "{actual} instead of {expected}");
        }
        assert_eq!((binomial_tail(0, 5, 0.1), binomial_tail(6, 5, 0.9)), (1.0, 0.0));
        assert_eq!((binomial_tail(1, 5, 0.0), binomial_tail(5, 5, 1.0)), (0.0, 1.0));
    }

    #[test]
    fn chi_square_tails_are_those_of_scipy() {
        // scipy 1.17.1, stats.chi2.sf(value, freedom)
        let cases = [
            (0.001, 1, 0.9747728793699604),
            (3.84, 1, 0.05004352124870519),
            (10.828, 1, 0.0009997657195830916),
            (200.0, 1, 2.0884875837625688e-45),
            (0.5, 2, 0.7788007830714049),
            (13.8, 2, 0.0010077854290485102),
            (16.919, 9, 0.049999640848349826),
            (27.877, 9, 0.001000063357757273),
            (2.0, 9, 0.9914676066288135),
            (900.0, 9, 6.186801032394592e-188),
            (45.0, 30, 0.03860175826631727),
            (80.0, 31, 3.3125285528482517e-06),
            (12.0, 31, 0.9991494921837906),
            (700.0, 32, 1.149259070099611e-126),
        ];
        for (value, freedom, expected) in cases {
            assert_near(chi_square_tail(value, freedom), expected);
        }
        assert_eq!((chi_square_tail(3.0, 0), chi_square_tail(0.0, 4)), (1.0, 1.0));
        assert_eq!(chi_square_tail(f64::INFINITY, 4), 0.0);
    }
}
