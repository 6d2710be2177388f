//! The model artifact: everything that one version needs to price a home, in one file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::calibration::{CalibrationParams, InvalidCalibrationParam};
use crate::date::EventDate;
use crate::drift::{InvalidProfile, ReferenceProfile};
use crate::features::FeatureSpec;
use crate::learn::{FittedModel, InvalidModel};
use crate::market::{InvalidMarketParam, MarketParams};

/// First bytes of every artifact.
const MAGIC: &[u8; 8] = b"HSMODEL\n";
/// Layout of what follows; raised when an older reader could not read it.
const FORMAT: u16 = 2;
/// Largest accepted artifact.
pub const MAX_ARTIFACT_BYTES: usize = 256 << 20;
/// Longest accepted seed of calibration errors.
const MAX_SEED: usize = 20_000;
/// Predicted scales are kept within these, as log errors: 1 % and a factor of e.
const SCALE_RANGE: (f64, f64) = (0.01, 1.0);

/// Predicts how far a home's log price may lie from its estimate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaleModel {
    /// Natural log of the scale where there are no trees.
    pub constant: f64,
    /// Predicts the log of the scale from the feature vector.
    pub trees: Option<FittedModel>,
}

impl ScaleModel {
    /// The scale of a home's log error, within 0.01 and 1.
    pub fn predict(&self, features: &[f64]) -> f64 {
        let log = self.trees.as_ref().map_or(self.constant, |trees| trees.predict(features));
        log.exp().clamp(SCALE_RANGE.0, SCALE_RANGE.1)
    }
}

/// One model version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PricingModel {
    /// Strategy that made the predictor.
    pub strategy: String,
    /// The features, in order.
    pub spec: FeatureSpec,
    /// How the market index is looked at.
    pub market: MarketParams,
    /// How errors are followed.
    pub calibration: CalibrationParams,
    /// Predicts the natural log of the price.
    pub predictor: FittedModel,
    /// Predicts the scale of its error.
    pub scale: ScaleModel,
    /// Scaled errors of sales that the evaluation held out, oldest first.
    pub calibration_seed: Vec<f64>,
    /// Distribution of the training data: drift's reference.
    pub profile: ReferenceProfile,
    /// First sale learned from.
    pub trained_from: EventDate,
    /// Last sale learned from.
    pub trained_through: EventDate,
    /// Sales learned from.
    pub training_rows: u64,
    /// Values measured on the held-out sales, by name.
    pub metrics: BTreeMap<String, f64>,
}

/// Why bytes are not a usable model.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// More bytes than any artifact has.
    #[error("artifact has {0} bytes, at most {MAX_ARTIFACT_BYTES} are accepted")]
    TooLarge(usize),
    /// Another kind of file.
    #[error("not a homestream model: the file does not begin with its marker")]
    Marker,
    /// A layout that this program does not know.
    #[error("model format {found} is not known, this program reads format {FORMAT}")]
    Format {
        /// The file's format.
        found: u16,
    },
    /// The layout does not decode.
    #[error("damaged model: {0}")]
    Damaged(#[from] postcard::Error),
    /// Bytes follow the model.
    #[error("damaged model: {0} bytes follow its end")]
    Trailing(usize),
    /// The predictor's structure is unusable.
    #[error("unusable predictor: {0}")]
    Predictor(#[from] InvalidModel),
    /// A market parameter is out of range.
    #[error(transparent)]
    Market(#[from] InvalidMarketParam),
    /// A calibration parameter is out of range.
    #[error(transparent)]
    Calibration(#[from] InvalidCalibrationParam),
    /// Drift cannot be measured against the reference.
    #[error("unusable reference: {0}")]
    Profile(#[from] InvalidProfile),
    /// Parts that belong together do not fit.
    #[error("inconsistent model: {0}")]
    Inconsistent(String),
}

impl PricingModel {
    /// The artifact's bytes: equal models give equal bytes.
    ///
    /// # Errors
    /// [`ArtifactError::Damaged`] if the model cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtifactError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        Ok(postcard::to_extend(self, bytes)?)
    }

    /// Reads an artifact and checks all that pricing relies on.
    ///
    /// # Errors
    /// [`ArtifactError`]; never panics, whatever the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        if bytes.len() > MAX_ARTIFACT_BYTES {
            return Err(ArtifactError::TooLarge(bytes.len()));
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(ArtifactError::Marker)?;
        let (format, body) = rest.split_first_chunk::<2>().ok_or(ArtifactError::Marker)?;
        let found = u16::from_le_bytes(*format);
        if found != FORMAT {
            return Err(ArtifactError::Format { found });
        }
        let (model, trailing) = postcard::take_from_bytes::<Self>(body)?;
        if !trailing.is_empty() {
            return Err(ArtifactError::Trailing(trailing.len()));
        }
        model.check()?;
        Ok(model)
    }

    fn check(&self) -> Result<(), ArtifactError> {
        let fail = |message: String| Err(ArtifactError::Inconsistent(message));
        self.market.check()?;
        self.calibration.check()?;
        self.predictor.validate()?;
        self.profile.check(self.spec.len())?;
        if let Some(trees) = &self.scale.trees {
            trees.validate()?;
            if trees.n_features() != self.spec.len() {
                return fail(format!(
                    "its scale has {} features, its spec {}",
                    trees.n_features(),
                    self.spec.len()
                ));
            }
        }
        if self.predictor.n_features() != self.spec.len() {
            return fail(format!(
                "its predictor has {} features, its spec {}",
                self.predictor.n_features(),
                self.spec.len()
            ));
        }
        if self.calibration_seed.len() > MAX_SEED {
            return fail(format!(
                "its calibration seed has {} errors",
                self.calibration_seed.len()
            ));
        }
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        if !finite(&self.calibration_seed) || !self.scale.constant.is_finite() {
            return fail("its calibration is not finite".into());
        }
        Ok(())
    }
}

/// SHA-256 of an artifact's bytes, lower-case hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
