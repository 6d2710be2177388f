//! Checks of shapes and values that every strategy makes before it looks at the data.

use super::error::{FitError, Part};
use super::{ColumnKind, TrainingData};

/// The integer code that `value` stands for; `None` when it is missing, negative or fractional.
pub(super) fn category_code(value: f64) -> Option<u32> {
    let code = value as u32; // saturates; NaN becomes 0
    (f64::from(code) == value).then_some(code)
}

/// Checks both parts: shapes agree, targets are finite, training codes are in range.
pub(super) fn check_data(
    train: &TrainingData<'_>,
    validation: Option<&TrainingData<'_>>,
) -> Result<(), FitError> {
    check_part(train, Part::Training)?;
    for (column, &kind) in train.kinds.iter().enumerate() {
        if let ColumnKind::Categorical { levels } = kind {
            check_codes(train, column, levels)?;
        }
    }
    let Some(validation) = validation else { return Ok(()) };
    check_part(validation, Part::Validation)?;
    if validation.kinds != train.kinds {
        return Err(FitError::ValidationColumns);
    }
    Ok(())
}

/// Refuses fewer training rows than `minimum`.
pub(super) fn check_rows(train: &TrainingData<'_>, minimum: usize) -> Result<(), FitError> {
    let rows = train.features.n_rows();
    if rows < minimum {
        return Err(FitError::TooFewRows { rows, minimum });
    }
    Ok(())
}

fn check_part(data: &TrainingData<'_>, part: Part) -> Result<(), FitError> {
    let (rows, columns) = (data.features.n_rows(), data.features.n_cols());
    if columns == 0 {
        return Err(FitError::NoColumns);
    }
    if rows == 0 {
        return Err(FitError::NoRows { part });
    }
    if data.target.len() != rows {
        return Err(FitError::TargetLength { part, rows, targets: data.target.len() });
    }
    if data.kinds.len() != columns {
        return Err(FitError::KindsLength { part, columns, kinds: data.kinds.len() });
    }
    match data.target.iter().position(|value| !value.is_finite()) {
        Some(row) => Err(FitError::TargetNotFinite { part, row, value: data.target[row] }),
        None => Ok(()),
    }
}

fn check_codes(train: &TrainingData<'_>, column: usize, levels: u32) -> Result<(), FitError> {
    for (row, value) in train.features.column(column).enumerate() {
        let known = category_code(value).is_some_and(|code| code < levels);
        if !value.is_nan() && !known {
            return Err(FitError::CategoryOutOfRange { row, column, value, levels });
        }
    }
    Ok(())
}

/// `Ok` when `inside`; else the error that names the parameter.
pub(super) fn require(
    inside: bool,
    name: &'static str,
    value: f64,
    accepted: &'static str,
) -> Result<(), FitError> {
    if inside { Ok(()) } else { Err(FitError::Parameter { name, value, accepted }) }
}
