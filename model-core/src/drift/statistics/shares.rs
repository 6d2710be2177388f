//! Distances between two sets of counts over the same bins or categories.

/// Base of the Jensen-Shannon distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogBase {
    /// Natural logarithms, as Evidently; at most `sqrt(ln 2)`.
    Natural,
    /// Logarithms to the base 2, as `NannyML`; at most 1.
    Two,
}

/// What a bin that is empty on one side counts as in Evidently's PSI: a tenth of a thousandth,
/// or a millionth of the smallest share where that is smaller still.
fn filled(shares: &[f64]) -> impl Fn(f64) -> f64 {
    let smallest = shares.iter().copied().filter(|share| *share > 0.0).fold(1.0, f64::min);
    let least = if smallest <= 1e-4 { smallest / 1e6 } else { 1e-4 };
    move |share| if share == 0.0 { least } else { share }
}

fn shares(counts: &[u64], n: u64) -> Vec<f64> {
    counts.iter().map(|count| *count as f64 / n as f64).collect()
}

/// Counts as shares of each side's whole; `None` if one side holds nothing or they differ in
/// length.
fn both_shares(reference: &[u64], current: &[u64]) -> Option<(Vec<f64>, Vec<f64>)> {
    let (n, m) = (reference.iter().sum(), current.iter().sum());
    let comparable = reference.len() == current.len() && n > 0 && m > 0;
    comparable.then(|| (shares(reference, n), shares(current, m)))
}

/// The PSI with Evidently's way of filling empty bins; `None` if one side holds nothing.
pub fn psi_evidently(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (p, q) = both_shares(reference, current)?;
    let (fill_p, fill_q) = (filled(&p), filled(&q));
    let pairs = p.iter().zip(&q).map(|(p, q)| (fill_p(*p), fill_q(*q)));
    Some(pairs.map(|(p, q)| (p - q) * (p / q).ln()).sum())
}

/// The Jensen-Shannon distance, the root of the divergence; `None` if one side holds nothing.
pub fn jensen_shannon(reference: &[u64], current: &[u64], base: LogBase) -> Option<f64> {
    let (p, q) = both_shares(reference, current)?;
    let entropy =
        |share: f64, mean: f64| if share > 0.0 { share * (share / mean).ln() } else { 0.0 };
    let divergence: f64 = p
        .iter()
        .zip(&q)
        .map(|(p, q)| {
            let mean = (p + q) / 2.0;
            entropy(*p, mean) + entropy(*q, mean)
        })
        .sum();
    let unit = match base {
        LogBase::Natural => 1.0,
        LogBase::Two => std::f64::consts::LN_2,
    };
    Some((divergence.max(0.0) / unit / 2.0).sqrt())
}

/// The Hellinger distance, `sqrt(sum (sqrt p - sqrt q)^2 / 2)`; `None` if one side holds
/// nothing.
pub fn hellinger(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (p, q) = both_shares(reference, current)?;
    let squares: f64 = p.iter().zip(&q).map(|(p, q)| (p.sqrt() - q.sqrt()).powi(2)).sum();
    Some((squares / 2.0).sqrt())
}

/// The largest difference of any share; `None` if one side holds nothing.
pub fn l_infinity(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (p, q) = both_shares(reference, current)?;
    Some(p.iter().zip(&q).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn distances_by_hand() {
        let (even, odd) = ([50, 50], [10, 0]);
        let entropy = 0.5 * (0.5_f64 / 0.75).ln() + 0.5 * 2.0_f64.ln() + (1.0_f64 / 0.75).ln();
        let natural = jensen_shannon(&even, &odd, LogBase::Natural).unwrap();
        assert!((natural - (entropy / 2.0).sqrt()).abs() < 1e-15);
        let two = jensen_shannon(&[1, 0], &[0, 1], LogBase::Two).unwrap();
        assert!((two - 1.0).abs() < 1e-15);
        assert!((hellinger(&even, &odd).unwrap() - (1.0 - 0.5_f64.sqrt()).sqrt()).abs() < 1e-15);
        assert_eq!(l_infinity(&even, &odd), Some(0.5));
        let psi = 0.5 * 2.0_f64.ln() + (0.5 - 1e-4) * (0.5_f64 / 1e-4).ln();
        assert!((psi_evidently(&even, &odd).unwrap() - psi).abs() < 1e-12);
    }

    #[test]
    fn nothing_has_no_distance() {
        assert_eq!(psi_evidently(&[0], &[1]), None);
        assert_eq!(hellinger(&[], &[]), None);
        assert_eq!(l_infinity(&[1], &[1, 2]), None);
    }

    proptest! {
        #[test]
        fn distances_are_symmetric_and_bounded(
            bins in prop::collection::vec((0..200_u64, 0..200_u64), 1..12)
        ) {
            let (p, q): (Vec<u64>, Vec<u64>) = bins.into_iter().unzip();
            type Distance = fn(&[u64], &[u64]) -> Option<f64>;
            let js: Distance = |p, q| jensen_shannon(p, q, LogBase::Two);
            for distance in [js, hellinger, l_infinity] {
                let (forth, back) = (distance(&p, &q), distance(&q, &p));
                prop_assert_eq!(forth.is_some(), back.is_some());
                if let (Some(forth), Some(back)) = (forth, back) {
                    prop_assert!((-1e-12..=1.0 + 1e-12).contains(&forth));
                    prop_assert!((forth - back).abs() < 1e-12);
                    // Rounding leaves the root of what cannot be told from 0.
                    prop_assert!(distance(&p, &p).unwrap() < 1e-7);
                }
            }
            if let Some(psi) = psi_evidently(&p, &q) {
                prop_assert!(psi >= -1e-12);
            }
        }
    }
}
