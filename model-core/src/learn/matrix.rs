//! A dense row-major matrix of encoded features.

use std::ops::Range;

use super::error::FitError;

/// Row-major matrix of shape `(n_rows, n_cols)`.
///
/// NaN means missing; categorical columns hold codes `0..levels` as `f64`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureMatrix {
    values: Vec<f64>,
    n_cols: usize,
    n_rows: usize,
}

/// Iterator over the rows of a [`FeatureMatrix`], each a slice of length `n_cols`.
pub type Rows<'a> = std::slice::ChunksExact<'a, f64>;

impl FeatureMatrix {
    /// An empty matrix of `n_cols` columns.
    pub fn new(n_cols: usize) -> Self {
        Self { values: Vec::new(), n_cols, n_rows: 0 }
    }

    /// An empty matrix of `n_cols` columns with room for `n_rows` rows.
    pub fn with_capacity(n_cols: usize, n_rows: usize) -> Self {
        Self { values: Vec::with_capacity(n_cols * n_rows), n_cols, n_rows: 0 }
    }

    /// Appends a row of `n_cols` values.
    ///
    /// # Errors
    ///
    /// [`FitError::RowWidth`] when `row` is not `n_cols` long; nothing is appended then.
    pub fn push_row(&mut self, row: &[f64]) -> Result<(), FitError> {
        if row.len() != self.n_cols {
            return Err(FitError::RowWidth {
                row: self.n_rows,
                expected: self.n_cols,
                found: row.len(),
            });
        }
        self.values.extend_from_slice(row);
        self.n_rows += 1;
        Ok(())
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of columns.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Row `index`, shape `(n_cols,)`.
    ///
    /// # Panics
    ///
    /// When `index >= n_rows`, as slice indexing does.
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.n_cols..(index + 1) * self.n_cols]
    }

    /// All rows, in order.
    pub fn rows(&self) -> Rows<'_> {
        self.values.chunks_exact(self.n_cols.max(1))
    }

    /// Values of column `index`, top to bottom.
    ///
    /// # Panics
    ///
    /// When `index >= n_cols` and there are rows.
    pub fn column(&self, index: usize) -> impl ExactSizeIterator<Item = f64> + '_ {
        self.rows().map(move |row| row[index])
    }

    /// A copy of the rows at `indices`, in that order; an index may repeat.
    ///
    /// # Panics
    ///
    /// When an index is not below `n_rows`.
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut selected = Self::with_capacity(self.n_cols, indices.len());
        for &index in indices {
            selected.values.extend_from_slice(self.row(index));
        }
        selected.n_rows = indices.len();
        selected
    }

    /// A copy of the rows of `range`.
    ///
    /// # Panics
    ///
    /// When `range` does not lie within `0..n_rows`.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let n_rows = range.len();
        let values = self.values[range.start * self.n_cols..range.end * self.n_cols].to_vec();
        Self { values, n_cols: self.n_cols, n_rows }
    }
}
