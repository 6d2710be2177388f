//! Suspicion that a numeric column changed its unit.

use super::ecdf::{Ecdf, kolmogorov_smirnov};

/// Factors between units, larger than 1: how many of the first unit make one of the second.
const FACTORS: [(f64, &str, &str); 12] = [
    (10.763_910_416_709_722, "square feet", "square metres"),
    (3.280_839_895_013_123, "feet", "metres"),
    (43_560.0, "square feet", "acres"),
    (4_046.856_422_4, "square metres", "acres"),
    (2.471_053_814_671_653, "acres", "hectares"),
    (107_639.104_167_097_22, "square feet", "hectares"),
    (10_000.0, "square metres", "hectares"),
    (1.609_344, "kilometres", "miles"),
    (12.0, "months (or inches)", "years (or feet)"),
    (100.0, "hundredths", "ones"),
    (1_000.0, "ones", "thousands"),
    (1_000_000.0, "ones", "millions"),
];
/// Factors from here on are no movement of a market.
const LARGE: f64 = 10.0;
/// By how much rescaling must bring the distributions together.
const GAIN: f64 = 0.5;

/// A change of unit.
pub(crate) struct UnitChange {
    /// How many of the smaller unit make one of the larger.
    factor: f64,
    /// Whether the values have grown.
    larger: bool,
    /// The unit of the values now.
    pub(crate) now: &'static str,
    /// Their unit before.
    pub(crate) before: &'static str,
}

/// The change of unit that multiplies values by about `ratio`, if there is one.
pub(crate) fn unit_change(ratio: f64) -> Option<UnitChange> {
    let (larger, size) = (ratio > 1.0, ratio.max(1.0 / ratio));
    let distance = |factor: f64| (size / factor).ln().abs();
    let near = FACTORS
        .into_iter()
        .filter(|(factor, ..)| (size / factor - 1.0).abs() <= tolerance(*factor));
    let (factor, small, big) = near.min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)))?;
    let (before, now) = if larger { (big, small) } else { (small, big) };
    Some(UnitChange { factor, larger, now, before })
}

/// A text that names the unit that the current window seems to be in; `None` where nothing
/// suggests one.
///
/// The medians' ratio must be within a tenth of a known factor, within 4 % of one below 10, and
/// undoing the factor must at least halve the Kolmogorov-Smirnov distance: a market that has
/// moved does not come back when it is rescaled.
pub fn unit_hint(reference: &Ecdf, current: &Ecdf) -> Option<String> {
    let ratio = current.quantile(0.5)? / reference.quantile(0.5)?;
    if !(ratio.is_finite() && ratio > 0.0) {
        return None;
    }
    let distance = kolmogorov_smirnov(reference, current)?;
    let UnitChange { factor, larger, now, before } = unit_change(ratio)?;
    let undo = if larger { 1.0 / factor } else { factor };
    let left = kolmogorov_smirnov(reference, &current.scaled(undo))?;
    if left > distance * GAIN {
        return None;
    }
    Some(format!(
        "the median is {ratio:.4} times the reference's, close to {sign}{factor:.6}: \
         {now} instead of {before}?",
        sign = if larger { "" } else { "1 / " },
    ))
}

/// How far the ratio of the medians may be from a factor: few homes give rough medians.
fn tolerance(factor: f64) -> f64 {
    if factor < LARGE { 0.04 } else { 0.1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn areas(factor: f64, shift: f64) -> Ecdf {
        let values: Vec<f64> =
            (0..500).map(|i| (900.0 + f64::from(i * 37 % 500) * 4.0 + shift) * factor).collect();
        Ecdf::exact(&values)
    }

    #[test]
    fn square_metres_are_named() {
        let hint = unit_hint(&areas(1.0, 0.0), &areas(0.092_903_04, 15.0)).unwrap();
        assert!(
            hint.ends_with("close to 1 / 10.763910: square metres instead of square feet?"),
            "{hint}"
        );
        let back = unit_hint(&areas(0.092_903_04, 0.0), &areas(1.0, 0.0)).unwrap();
        assert!(back.contains("square feet instead of square metres?"), "{back}");
    }

    #[test]
    fn a_market_that_moved_is_no_unit() {
        assert_eq!(unit_hint(&areas(1.0, 0.0), &areas(1.0, 300.0)), None);
        // The median is ten times as high, but the shape is another.
        let tight: Vec<f64> = (0..500).map(|i| 20_500.0 + f64::from(i) / 100.0).collect();
        assert_eq!(unit_hint(&areas(1.0, 0.0), &Ecdf::exact(&tight)), None);
        // Two thirds of the reference is no change from kilometres to miles.
        assert_eq!(unit_hint(&areas(1.0, 0.0), &areas(0.666, 0.0)), None);
        assert!(unit_hint(&areas(1.0, 0.0), &areas(1.0 / 1.609_344, 0.0)).is_some());
        assert_eq!(unit_hint(&areas(0.0, 0.0), &areas(1.0, 0.0)), None);
    }
}
