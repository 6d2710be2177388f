//! A penalised linear model: the baseline that is easy to explain and hard to break.
//!
//! Features are prepared here (`design`), the coefficients found by linfa's coordinate descent,
//! the result stored as one effect per column (`model`). The objective, over standardised
//! columns `X` and target `y` of `n` rows (Zou and Hastie 2005, in linfa's scaling):
//!
//! `sum((y - b - Xw)^2) / 2n + penalty (l1_ratio sum(abs(w)) + (1 - l1_ratio) / 2 sum(w^2))`

mod design;
mod model;
mod params;

pub use model::ElasticNetModel;
pub use params::ElasticNetParams;

use linfa::Dataset;
use linfa::traits::Fit;
use ndarray::{Array1, Array2};

use super::check::{check_data, check_rows};
use super::error::FitError;
use super::model::FittedModel;
use super::{Strategy, TrainingData};
use design::Design;

/// Fewer training rows than this make no linear model.
const MIN_ROWS: usize = 10;
/// Most cells of the design matrix: 2 GiB.
const MAX_CELLS: usize = 1 << 28;

/// The strategy `elastic_net`: checked [`ElasticNetParams`].
#[derive(Clone, Debug, PartialEq)]
pub struct ElasticNet {
    params: ElasticNetParams,
}

impl ElasticNet {
    /// The checked parameters.
    pub fn params(&self) -> &ElasticNetParams {
        &self.params
    }

    fn solve(
        &self,
        dataset: &Dataset<f64, f64, ndarray::Ix1>,
        penalty: f64,
    ) -> Result<(f64, Vec<f64>), FitError> {
        let solved = linfa_elasticnet::ElasticNet::params()
            .penalty(penalty)
            .l1_ratio(self.params.l1_ratio)
            .max_iterations(self.params.max_iterations)
            .tolerance(self.params.tolerance)
            .fit(dataset)
            .map_err(|error| FitError::Solver { reason: error.to_string() })?;
        let coefficients = solved.hyperplane().to_vec();
        let intercept = solved.intercept();
        if !intercept.is_finite() || coefficients.iter().any(|value| !value.is_finite()) {
            let reason = format!("coefficients are not finite at penalty {penalty}");
            return Err(FitError::Solver { reason });
        }
        Ok((intercept, coefficients))
    }

    /// [`Strategy::fit`], telling the penalty that validation chose as well.
    ///
    /// # Errors
    ///
    /// As [`Strategy::fit`].
    pub(crate) fn fit_choosing(
        &self,
        train: &TrainingData<'_>,
        validation: Option<&TrainingData<'_>>,
    ) -> Result<(ElasticNetModel, f64), FitError> {
        check_data(train, validation)?;
        check_rows(train, MIN_ROWS)?;
        let design = Design::plan(train, &self.params);
        let n_rows = train.features.n_rows();
        let n_cells = n_rows * design.n_terms();
        if n_cells > MAX_CELLS {
            let what = "cells of the design matrix";
            return Err(FitError::TooMany { what, found: n_cells, maximum: MAX_CELLS });
        }
        let (design, cells) = design.without_collinear_terms(train.features);
        if design.n_terms() == 0 {
            let mean = train.target.iter().sum::<f64>() / n_rows as f64;
            return Ok((sound(design.model(mean, &[]))?, self.params.penalty));
        }
        let records = Array2::from_shape_vec((design.n_terms(), n_rows), cells)
            .map_err(|error| FitError::Solver { reason: error.to_string() })?
            .reversed_axes();
        let dataset = Dataset::new(records, Array1::from_vec(train.target.to_vec()));

        let candidates: &[f64] = match validation {
            Some(_) if !self.params.candidates.is_empty() => &self.params.candidates,
            _ => std::slice::from_ref(&self.params.penalty),
        };
        let mut best: Option<(f64, ElasticNetModel, f64)> = None;
        for &penalty in candidates {
            let (intercept, coefficients) = self.solve(&dataset, penalty)?;
            let model = design.model(intercept, &coefficients);
            let loss = validation.map_or(0.0, |part| mean_squared_error(&model, part));
            if best.as_ref().is_none_or(|(least, ..)| loss < *least) {
                best = Some((loss, model, penalty));
            }
        }
        let reason = || "no penalty to try".to_owned();
        let (_, model, penalty) = best.ok_or_else(|| FitError::Solver { reason: reason() })?;
        Ok((sound(model)?, penalty))
    }
}

impl Strategy for ElasticNet {
    fn name(&self) -> &'static str {
        "elastic_net"
    }

    fn fit(
        &self,
        train: &TrainingData<'_>,
        validation: Option<&TrainingData<'_>>,
    ) -> Result<FittedModel, FitError> {
        let (model, _) = self.fit_choosing(train, validation)?;
        Ok(FittedModel::ElasticNet(model))
    }
}

/// Refuses a model that could not be read back: only targets or features near the limits of
/// `f64` make one.
fn sound(model: ElasticNetModel) -> Result<ElasticNetModel, FitError> {
    model.validate().map_err(|error| FitError::Solver { reason: error.to_string() })?;
    Ok(model)
}

fn mean_squared_error(model: &ElasticNetModel, part: &TrainingData<'_>) -> f64 {
    let errors = part.features.rows().zip(part.target).map(|(row, y)| model.predict(row) - y);
    errors.map(|error| error * error).sum::<f64>() / part.target.len() as f64
}
