//! Histograms of exact integer sums.
//!
//! Gradients are rounded to fixed point and packed with a row count into one `i64`: the upper 40
//! bits hold the gradients' sum, the lower 24 the number of rows. One integer addition counts a
//! row. Integer sums do not depend on the order of additions, so the larger child's histogram is
//! exactly its parent's minus its sibling's, and an empty bin is exactly 0.

use super::binning::BinnedColumns;

const COUNT_BITS: u32 = 24;
/// Rows that the count of a packed sum can hold.
pub(super) const MAX_ROWS: usize = (1 << COUNT_BITS) - 1;
/// Absolute sums of quantised gradients stay below this.
const MAX_SUM: f64 = (1_u64 << 38) as f64;

/// One column's sums by bin; as many as a byte can name, so indexing needs no bounds check.
pub(super) type Histogram = [i64; 256];

/// Number of rows in a packed sum.
#[inline(always)]
pub(super) fn count(packed: i64) -> i64 {
    packed & ((1 << COUNT_BITS) - 1)
}

/// Sum of quantised gradients in a packed sum.
#[inline(always)]
pub(super) fn gradient(packed: i64) -> f64 {
    (packed >> COUNT_BITS) as f64
}

/// Packs the gradients of `rows` into `packed` (indexed like `gradients`) and returns the
/// gradient that one quantum stands for.
pub(super) fn quantise(gradients: &[f64], rows: &[u32], packed: &mut [i64]) -> f64 {
    let largest = rows.iter().map(|&row| gradients[row as usize].abs()).fold(0.0, f64::max);
    if largest == 0.0 {
        rows.iter().for_each(|&row| packed[row as usize] = 1);
        return 1.0;
    }
    let quanta = (MAX_SUM / rows.len() as f64 - 1.0) / largest;
    for &row in rows {
        let scaled = gradients[row as usize] * quanta;
        let rounded = (scaled + 0.5_f64.copysign(scaled)) as i64;
        packed[row as usize] = (rounded << COUNT_BITS) + 1;
    }
    1.0 / quanta
}

/// Sums `packed` (one entry a row of `rows`) by bin, for each of `features` into `out`.
pub(super) fn build(
    binned: &BinnedColumns,
    features: &[u32],
    rows: &[u32],
    packed: &[i64],
    out: &mut [Histogram],
) {
    let mut pairs = features.chunks_exact(2);
    let mut outs = out.chunks_exact_mut(2);
    for (pair, out) in pairs.by_ref().zip(outs.by_ref()) {
        let [first, second] = out else { continue };
        first.fill(0);
        second.fill(0);
        let (a, b) = (binned.column(pair[0] as usize), binned.column(pair[1] as usize));
        for (&row, &value) in rows.iter().zip(packed) {
            let sum = &mut first[usize::from(a[row as usize])];
            *sum = sum.wrapping_add(value);
            let sum = &mut second[usize::from(b[row as usize])];
            *sum = sum.wrapping_add(value);
        }
    }
    for (&feature, out) in pairs.remainder().iter().zip(outs.into_remainder()) {
        out.fill(0);
        let bins = binned.column(feature as usize);
        for (&row, &value) in rows.iter().zip(packed) {
            let sum = &mut out[usize::from(bins[row as usize])];
            *sum = sum.wrapping_add(value);
        }
    }
}

/// Turns a parent's histograms into those of the child that is not `sibling`.
pub(super) fn subtract(parent: &mut [Histogram], sibling: &[Histogram]) {
    for (parent, sibling) in parent.iter_mut().zip(sibling) {
        for (sum, other) in parent.iter_mut().zip(sibling) {
            *sum = sum.wrapping_sub(*other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_sums_keep_count_and_gradient_apart() {
        let gradients = [-1.0, 0.25, 0.5, -0.125];
        let mut packed = [0; 4];
        let unit = quantise(&gradients, &[0, 1, 2, 3], &mut packed);
        let sum: i64 = packed.iter().sum();
        assert_eq!(count(sum), 4);
        assert!((gradient(sum) * unit - gradients.iter().sum::<f64>()).abs() < 1e-9);
        let rest = sum - packed[0];
        assert_eq!(count(rest), 3);
        assert!((gradient(rest) * unit - 0.625).abs() < 1e-9);
    }

    #[test]
    fn the_largest_possible_sum_fits() {
        let n = 100_000;
        let gradients = vec![-3.0; n];
        let rows: Vec<u32> = (0..n as u32).collect();
        let mut packed = vec![0; n];
        let unit = quantise(&gradients, &rows, &mut packed);
        let sum: i64 = packed.iter().sum();
        assert_eq!(count(sum), n as i64);
        assert!((gradient(sum) * unit + 3.0 * n as f64).abs() < 0.1);
    }
}
