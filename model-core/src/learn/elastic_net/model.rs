//! The fitted linear model, as one effect per original column.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::check::category_code;
use super::super::error::InvalidModel;
use super::super::trees::numbers;

const MAX_FEATURES: usize = 1 << 16;
const MAX_LEVELS: usize = 1 << 16;

/// What a column adds to the estimate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Effect {
    /// `(clamp(x, low, high) - center) * slope + present`, or `missing` for NaN.
    Numeric { low: f64, high: f64, center: f64, slope: f64, present: f64, missing: f64 },
    /// The effect of each code; `other` for codes beyond and for what is missing.
    Categorical { by_code: Vec<f64>, other: f64 },
}

impl Effect {
    fn of(&self, value: f64) -> f64 {
        match self {
            Self::Numeric { missing, .. } if value.is_nan() => *missing,
            Self::Numeric { low, high, center, slope, present, .. } => {
                (value.clamp(*low, *high) - center) * slope + present
            }
            Self::Categorical { by_code, other } => category_code(value)
                .and_then(|code| by_code.get(code as usize))
                .copied()
                .unwrap_or(*other),
        }
    }

    fn scaled(&self, factor: f64) -> Self {
        match self {
            Self::Numeric { low, high, center, slope, present, missing } => Self::Numeric {
                low: *low,
                high: *high,
                center: *center,
                slope: slope * factor,
                present: present * factor,
                missing: missing * factor,
            },
            Self::Categorical { by_code, other } => Self::Categorical {
                by_code: by_code.iter().map(|effect| effect * factor).collect(),
                other: other * factor,
            },
        }
    }

    fn check(&self, column: usize) -> Result<(), InvalidModel> {
        match self {
            Self::Numeric { low, high, center, slope, present, missing } => {
                let all = [*low, *high, *center, *slope, *present, *missing];
                let reach = (high - low).abs().max((low - center).abs()).max((high - center).abs());
                if numbers("effect", &all).is_err()
                    || low > high
                    || numbers("effect", &[reach * slope]).is_err()
                {
                    return Err(InvalidModel::Number { what: "effect", index: column });
                }
            }
            Self::Categorical { by_code, other } => {
                if by_code.len() > MAX_LEVELS {
                    let (found, expected) = (by_code.len(), MAX_LEVELS);
                    return Err(InvalidModel::Length { what: "levels", found, expected });
                }
                if numbers("effect", by_code).and(numbers("effect", &[*other])).is_err() {
                    return Err(InvalidModel::Number { what: "effect", index: column });
                }
            }
        }
        Ok(())
    }
}

/// What is stored of an [`ElasticNetModel`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LinearParts {
    pub(super) intercept: f64,
    pub(super) effects: Vec<Effect>,
    /// Per column: absolute coefficients times standard deviations.
    pub(super) weights: Vec<f64>,
}

/// A linear model of imputed, clamped, standardised and one-hot encoded features.
///
/// Numeric inputs are clamped to the (widened) range of the training rows, so no input can move
/// the estimate further than the training data did.
#[derive(Clone, Debug, PartialEq)]
pub struct ElasticNetModel {
    parts: LinearParts,
}

impl ElasticNetModel {
    pub(super) fn new(parts: LinearParts) -> Self {
        Self { parts }
    }

    /// Number of columns a row has.
    pub fn n_features(&self) -> usize {
        self.parts.effects.len()
    }

    /// See [`super::super::FittedModel::predict`].
    pub fn predict(&self, row: &[f64]) -> f64 {
        let values = row.iter().copied().chain(std::iter::repeat(f64::NAN));
        let effects = self.parts.effects.iter().zip(values).map(|(effect, value)| effect.of(value));
        self.parts.intercept + effects.sum::<f64>()
    }

    /// See [`super::super::FittedModel::contributions`].
    pub fn contributions(&self, row: &[f64], out: &mut [f64]) -> f64 {
        out.fill(0.0);
        self.add_contributions(row, out)
    }

    /// Adds the contributions to what `out` holds and returns the base.
    pub(in super::super) fn add_contributions(&self, row: &[f64], out: &mut [f64]) -> f64 {
        let values = row.iter().copied().chain(std::iter::repeat(f64::NAN));
        for ((out, effect), value) in out.iter_mut().zip(&self.parts.effects).zip(values) {
            *out += effect.of(value);
        }
        self.parts.intercept
    }

    /// The model times a factor.
    pub(in super::super) fn scaled(&self, factor: f64) -> Self {
        let effects = self.parts.effects.iter().map(|effect| effect.scaled(factor)).collect();
        let weights = self.parts.weights.iter().map(|weight| weight * factor.abs()).collect();
        Self::new(LinearParts { intercept: self.parts.intercept * factor, effects, weights })
    }

    /// See [`super::super::FittedModel::validate`].
    ///
    /// # Errors
    ///
    /// The first [`InvalidModel`] found.
    pub fn validate(&self) -> Result<(), InvalidModel> {
        check(&self.parts)
    }

    pub(in super::super) fn weights(&self) -> Vec<f64> {
        self.parts.weights.clone()
    }
}

pub(super) fn check(parts: &LinearParts) -> Result<(), InvalidModel> {
    let n = parts.effects.len();
    if n == 0 || n > MAX_FEATURES {
        return Err(InvalidModel::Length { what: "columns", found: n, expected: MAX_FEATURES });
    }
    if parts.weights.len() != n {
        let found = parts.weights.len();
        return Err(InvalidModel::Length { what: "weights", found, expected: n });
    }
    numbers("intercept", &[parts.intercept])?;
    numbers("weight", &parts.weights)?;
    parts.effects.iter().enumerate().try_for_each(|(column, effect)| effect.check(column))
}

impl Serialize for ElasticNetModel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ElasticNetModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parts = LinearParts::deserialize(deserializer)?;
        check(&parts).map_err(serde::de::Error::custom)?;
        Ok(Self { parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> LinearParts {
        let low_high = (0.0, 10.0);
        LinearParts {
            intercept: 1.0,
            effects: vec![
                Effect::Numeric {
                    low: low_high.0,
                    high: low_high.1,
                    center: 5.0,
                    slope: 2.0,
                    present: 0.5,
                    missing: -3.0,
                },
                Effect::Categorical { by_code: vec![0.25, -0.25], other: 0.125 },
            ],
            weights: vec![1.0, 3.0],
        }
    }

    #[test]
    fn effects_add_up_and_absurd_inputs_are_clamped() {
        let model = ElasticNetModel::new(parts());
        assert_eq!(model.predict(&[6.0, 1.0]), 1.0 + 2.5 - 0.25);
        assert_eq!(model.predict(&[1e300, 0.0]), 1.0 + 10.5 + 0.25);
        assert_eq!(model.predict(&[f64::NEG_INFINITY, 9.0]), 1.0 - 9.5 + 0.125);
        assert_eq!(model.predict(&[f64::NAN, f64::NAN]), 1.0 - 3.0 + 0.125);
        assert_eq!(model.predict(&[6.0]), 1.0 + 2.5 + 0.125);
        let mut out = [9.0; 3];
        assert_eq!(model.contributions(&[6.0, 1.0], &mut out), 1.0);
        assert_eq!(out, [2.5, -0.25, 0.0]);
    }

    #[test]
    fn damaged_models_are_refused() {
        assert_eq!(check(&parts()), Ok(()));
        let mut bad = parts();
        bad.weights.pop();
        assert_eq!(
            check(&bad),
            Err(InvalidModel::Length { what: "weights", found: 1, expected: 2 })
        );
        let mut bad = parts();
        bad.intercept = f64::INFINITY;
        assert_eq!(check(&bad), Err(InvalidModel::Number { what: "intercept", index: 0 }));
        let mut bad = parts();
        bad.effects[0] = Effect::Numeric {
            low: 2.0,
            high: 1.0,
            center: 0.0,
            slope: 1.0,
            present: 0.0,
            missing: 0.0,
        };
        assert_eq!(check(&bad), Err(InvalidModel::Number { what: "effect", index: 0 }));
        let bytes = postcard::to_allocvec(&ElasticNetModel { parts: bad }).unwrap();
        assert!(postcard::from_bytes::<ElasticNetModel>(&bytes).is_err());
        let mut bad = parts();
        bad.effects[1] = Effect::Categorical { by_code: vec![f64::NAN], other: 0.0 };
        assert_eq!(check(&bad), Err(InvalidModel::Number { what: "effect", index: 1 }));
        bad.effects.clear();
        assert!(matches!(check(&bad), Err(InvalidModel::Length { what: "columns", .. })));
    }
}
