//! A numeric column, read once: its finite values, their moments and their distribution.

use super::ecdf::Ecdf;

/// Distinct values up to which every value of a long column is counted.
const MAX_COUNTED: usize = 1_024;
/// Slots of the table of distinct values: a power of two, half of it free.
const SLOTS: usize = 4 * MAX_COUNTED;
/// Values summed side by side.
const LANES: usize = 8;

/// Moments of finite values; NaN if there are none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation, the root of the mean squared distance from the mean.
    pub deviation: f64,
    /// Mean cubed distance from the mean in standard deviations; 0 for constants.
    pub skewness: f64,
}

impl Moments {
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        if values.is_empty() {
            let nan = f64::NAN;
            return Self { min: nan, max: nan, mean: nan, deviation: nan, skewness: nan };
        }
        let min = extreme(values, |a, b| if b < a { b } else { a });
        let max = extreme(values, |a, b| if b > a { b } else { a });
        let mean = sum(values, |value| value) / n;
        let second = sum(values, |value| (value - mean) * (value - mean)) / n;
        let deviation = second.sqrt();
        let skewness = if deviation > 0.0 {
            sum(values, |value| {
                let distance = (value - mean) / deviation;
                distance * distance * distance
            }) / n
        } else {
            0.0
        };
        Self { min, max, mean, deviation, skewness }
    }
}

/// The smallest or largest of at least one value, in several lanes.
fn extreme(values: &[f64], better: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [values[0]; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder().iter().fold(values[0], |best, value| better(best, *value));
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = better(*lane, *value);
        }
    }
    lanes.into_iter().fold(rest, better)
}

/// A sum in several lanes: faster, and closer, than one after the other.
fn sum(values: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    let mut total = 0.0;
    // Blocks keep the rounding error from growing with the length.
    for block in values.chunks(1_024) {
        let mut lanes = [0.0; LANES];
        let chunks = block.chunks_exact(LANES);
        let rest: f64 = chunks.remainder().iter().map(|value| term(*value)).sum();
        for chunk in chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += term(*value);
            }
        }
        total += lanes.iter().sum::<f64>() + rest;
    }
    total
}

/// A numeric column of a data set.
///
/// NaN is missing. Infinities are violations of the range: they are counted, and are no part
/// of the distribution.
#[derive(Clone, Debug)]
pub struct NumericColumn {
    rows: u64,
    missing: u64,
    infinite: u64,
    whole: bool,
    values: Vec<f64>,
    moments: Moments,
    exact: Option<Ecdf>,
}

impl NumericColumn {
    /// Of all rows' values, NaN where missing.
    ///
    /// Up to `max_exact` values, and of columns with at most 1,024 distinct values, every one
    /// counts in its distribution. `whole` says that the column's type is a whole number.
    pub fn new(mut values: Vec<f64>, whole: bool, max_exact: usize) -> Self {
        let rows = values.len() as u64;
        let missing = values.iter().map(|value| u64::from(value.is_nan())).sum();
        values.retain(|value| value.is_finite());
        let infinite = rows - missing - values.len() as u64;
        let moments = Moments::of(&values);
        let exact = if values.len() <= max_exact {
            Some(Ecdf::exact(&values))
        } else {
            count_distinct(&values).map(|counts| Ecdf::of_counts(&counts))
        };
        Self { rows, missing, infinite, whole, values, moments, exact }
    }

    /// Rows, missing ones included.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows without a value.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Infinite values.
    pub fn infinite(&self) -> u64 {
        self.infinite
    }

    /// Finite values.
    pub fn n(&self) -> u64 {
        self.values.len() as u64
    }

    /// Whether the column's type is a whole number, and no row lacks it.
    pub fn is_whole(&self) -> bool {
        self.whole && self.missing == 0
    }

    /// The finite values, in the order of the rows.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Their moments.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// Their distribution; `None` if there are too many values to count each.
    pub fn exact(&self) -> Option<&Ecdf> {
        self.exact.as_ref()
    }
}

/// The distinct values with their counts; `None` if there are more than [`MAX_COUNTED`].
fn count_distinct(values: &[f64]) -> Option<Vec<(f64, u64)>> {
    let mut slots: Vec<(u64, u64)> = vec![(0, 0); SLOTS];
    let mut distinct = 0;
    for value in values {
        let bits = (value + 0.0).to_bits();
        let hash = bits.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut slot = (hash >> (64 - SLOTS.trailing_zeros())) as usize;
        loop {
            let (key, count) = &mut slots[slot % SLOTS];
            if *count == 0 {
                distinct += 1;
                if distinct > MAX_COUNTED {
                    return None;
                }
                (*key, *count) = (bits, 1);
                break;
            }
            if *key == bits {
                *count += 1;
                break;
            }
            slot += 1;
        }
    }
    let used = slots.into_iter().filter(|(_, count)| *count > 0);
    Some(used.map(|(bits, count)| (f64::from_bits(bits), count)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_infinite_values_are_no_part_of_the_distribution() {
        let values = vec![1.0, f64::NAN, f64::INFINITY, 3.0, f64::NEG_INFINITY, 5.0];
        let column = NumericColumn::new(values, true, 100);
        assert_eq!((column.rows(), column.missing(), column.infinite()), (6, 1, 2));
        assert_eq!(
            (column.n(), column.is_whole(), column.exact().map(Ecdf::total)),
            (3, false, Some(3))
        );
        let moments = column.moments();
        assert_eq!((moments.min, moments.max, moments.mean), (1.0, 5.0, 3.0));
        assert!((moments.deviation - (8.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!(moments.skewness, 0.0);
        assert!(NumericColumn::new(vec![], true, 9).moments().mean.is_nan());
    }

    #[test]
    fn long_columns_of_few_values_stay_exact() {
        let few: Vec<f64> = (0..5_000).map(|i| f64::from(i % 1_000)).collect();
        let column = NumericColumn::new(few.clone(), true, 10);
        assert_eq!(column.exact(), Some(&Ecdf::exact(&few)));
        let many: Vec<f64> = (0..5_000).map(f64::from).collect();
        assert_eq!(NumericColumn::new(many, true, 10).exact(), None);
    }
}
