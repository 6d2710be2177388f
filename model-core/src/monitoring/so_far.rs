//! Accuracy over every closed window, in bounded memory.

use std::collections::BTreeMap;

use super::closing::PricedSale;
use crate::drift_report::WindowAccuracy;

/// Width of a histogram bin, a log difference: medians are exact to half of it, 0.005 %.
const RESOLUTION: f64 = 1e-4;
/// Larger log differences count as this one (a factor of 148).
const LARGEST: f64 = 5.0;

/// A histogram of log differences, of at most 100,001 bins.
#[derive(Debug, Default)]
struct Histogram(BTreeMap<i32, u64>);

impl Histogram {
    fn add(&mut self, value: f64) {
        let bin = (value.clamp(-LARGEST, LARGEST) / RESOLUTION).round() as i32;
        *self.0.entry(bin).or_default() += 1;
    }

    /// The median of `f` over all values.
    fn median_of(&self, f: impl Fn(f64) -> f64) -> Option<f64> {
        let value = |bin: i32| f(f64::from(bin) * RESOLUTION);
        let mut values: Vec<(f64, u64)> = self.0.iter().map(|(bin, n)| (value(*bin), *n)).collect();
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let n: u64 = values.iter().map(|(_, n)| n).sum();
        let at = |rank: u64| {
            let mut seen = 0;
            values.iter().find_map(|(value, n)| {
                seen += n;
                (rank < seen).then_some(*value)
            })
        };
        Some((at(n.checked_sub(1)? / 2)? + at(n / 2)?) / 2.0)
    }
}

#[derive(Debug, Default)]
pub(super) struct SoFar {
    n: u64,
    within10: u64,
    covered: u64,
    log_ratio: Histogram,
    level_error: Histogram,
}

impl SoFar {
    pub(super) fn add(&mut self, sale: &PricedSale) {
        self.n += 1;
        self.within10 += u64::from((sale.estimate - sale.price).abs() <= 0.10 * sale.price);
        self.covered += u64::from(sale.lower <= sale.price && sale.price <= sale.upper);
        self.log_ratio.add(sale.estimate.ln() - sale.price.ln());
        self.level_error.add(sale.level_error());
    }

    pub(super) fn accuracy(&self, expected_mdape: Option<f64>) -> Option<WindowAccuracy> {
        Some(WindowAccuracy {
            n: self.n,
            mdape: self.log_ratio.median_of(|log| log.exp_m1().abs())?,
            ppe10: self.within10 as f64 / self.n as f64,
            median_ratio: self.log_ratio.median_of(f64::exp)?,
            coverage90: self.covered as f64 / self.n as f64,
            level_error: self.level_error.median_of(|log| log)?,
            expected_mdape,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_exact_to_half_a_bin() {
        let mut so_far = SoFar::default();
        assert_eq!(so_far.accuracy(None), None);
        for (estimate, price) in [(90.0, 100.0), (230.0, 200.0), (300.0, 300.0), (404.0, 400.0)] {
            let (lower, upper) = (0.95 * estimate, 1.05 * estimate);
            so_far.add(&PricedSale { estimate, lower, upper, market_level: 0.02, price });
        }
        let accuracy = so_far.accuracy(Some(0.08)).unwrap();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-4, "{a} {b}");
        assert_eq!((accuracy.n, accuracy.expected_mdape), (4, Some(0.08)));
        // Percentage errors 0.10, 0.15, 0, 0.01.
        near(accuracy.mdape, 0.055);
        near(accuracy.median_ratio, 1.005);
        assert_eq!((accuracy.ppe10, accuracy.coverage90), (0.75, 0.5));
        // Middle log errors 0 and ln(400 / 404), both plus the level.
        near(accuracy.level_error, 0.02 + (400.0_f64 / 404.0).ln() / 2.0);
    }
}
