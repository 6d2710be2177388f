//! Durbin's matrix for the Kolmogorov-Smirnov distribution (Marsaglia, Tsang & Wang 2003,
//! "Evaluating Kolmogorov's distribution", *Journal of Statistical Software* 8(18)): exact,
//! for small `n d^2` in few operations.

/// Powers of two by which numbers are kept in range.
const SCALE: i32 = 128;

/// Square matrix, row after row.
struct Matrix {
    size: usize,
    cells: Vec<f64>,
}

impl Matrix {
    fn identity(size: usize) -> Self {
        let mut cells = vec![0.0; size * size];
        cells.iter_mut().step_by(size + 1).for_each(|cell| *cell = 1.0);
        Self { size, cells }
    }

    fn times(&self, other: &Self) -> Self {
        let size = self.size;
        let mut cells = vec![0.0; size * size];
        for (row, out) in self.cells.chunks_exact(size).zip(cells.chunks_exact_mut(size)) {
            for (factor, theirs) in row.iter().zip(other.cells.chunks_exact(size)) {
                out.iter_mut().zip(theirs).for_each(|(cell, value)| *cell += factor * value);
            }
        }
        Self { size, cells }
    }

    fn middle(&self) -> f64 {
        self.cells[self.cells.len() / 2]
    }

    /// Divides by a power of two if numbers grow large; the power.
    fn scale_down(&mut self) -> i32 {
        if self.middle() <= 2_f64.powi(SCALE) {
            return 0;
        }
        self.cells.iter_mut().for_each(|cell| *cell *= 2_f64.powi(-SCALE));
        SCALE
    }
}

/// The probability that the statistic of `n` values is at most `d`; `1 / (2 n) < d < 1`.
pub(super) fn distribution(n: u64, d: f64) -> f64 {
    let size = n as f64;
    let k = (size * d).ceil();
    let mut base = transitions(k as usize, k - size * d);
    let mut base_exponent = 0;
    let mut power = Matrix::identity(base.size);
    let mut exponent = 0;
    let mut left = n;
    while left > 0 {
        if left % 2 == 1 {
            power = power.times(&base);
            exponent += base_exponent;
            exponent += power.scale_down();
        }
        left /= 2;
        if left > 0 {
            base = base.times(&base);
            base_exponent = 2 * base_exponent + base.scale_down();
        }
    }
    let mut p = power.middle();
    for i in 1..=n {
        p = p * i as f64 / size;
        if p.abs() < 2_f64.powi(-SCALE) {
            p *= 2_f64.powi(SCALE);
            exponent -= SCALE;
        }
    }
    // In two steps: the power alone may not be a number.
    (p * 2_f64.powi(exponent / 2) * 2_f64.powi(exponent - exponent / 2)).clamp(0.0, 1.0)
}

fn transitions(k: usize, h: f64) -> Matrix {
    let size = 2 * k - 1;
    let mut matrix = Matrix { size, cells: vec![0.0; size * size] };
    let mut inverse_factorials = vec![1.0; size + 1];
    for i in 1..=size {
        inverse_factorials[i] = inverse_factorials[i - 1] / i as f64;
    }
    for row in 0..size {
        for column in 1..size.min(row + 2) {
            matrix.cells[row * size + column] = inverse_factorials[row + 1 - column];
        }
    }
    for i in 0..size {
        let edge = (1.0 - h.powi(i as i32 + 1)) * inverse_factorials[i + 1];
        matrix.cells[i * size] = edge;
        matrix.cells[size * size - 1 - i] = edge;
    }
    let corner = 1.0 - 2.0 * h.powi(size as i32) + (2.0 * h - 1.0).max(0.0).powi(size as i32);
    matrix.cells[(size - 1) * size] = corner * inverse_factorials[size];
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marsaglias_example() {
        // K(10, 0.274) of the paper; its digits as SciPy 1.17.1 gives them.
        assert!((distribution(10, 0.274) - 0.6284796154565043).abs() < 1e-12);
    }

    #[test]
    fn one_value() {
        // One uniform value is within d of its distribution with probability 2 d - 1.
        assert!((distribution(1, 0.75) - 0.5).abs() < 1e-15);
    }
}
