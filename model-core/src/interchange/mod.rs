//! Models of other programs: LightGBM's text, XGBoost's JSON, in; LightGBM's text, out.
//!
//! Text and bytes in, values out; a file is read in two steps. [`read`] makes a [`SourceModel`]
//! of any supported file. [`SourceModel::bind`] then maps its columns and categories to a
//! [`crate::features::FeatureSpec`], which is what the home's numbers come from in service, and
//! gives a predictor of the natural log of the price.
//!
//! ```
//! use model_core::interchange::lightgbm;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nobjective=regression\n\
//!     feature_names=LivingArea\n\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\n\
//!     split_gain=1\nthreshold=7.5\ndecision_type=8\nleft_child=-1\nright_child=-2\n\
//!     leaf_value=11.0 12.0\nleaf_count=50 50\nis_linear=0\nshrinkage=1\n\nend of trees\n";
//! let trees = lightgbm::read(text)?.trees()?;
//! assert_eq!(trees.predict(&[7.5]), 11.0);
//! assert_eq!(trees.predict(&[7.6]), 12.0);
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! - No bytes make a reader panic, loop, or take memory out of proportion to them: sizes come
//!   from the data that is there, never from a declared count.
//! - What cannot be represented exactly is refused with the line or field and what to do;
//!   nothing is approximated in silence.
//! - Columns of categories hold level indices, as `FeatureSpec::encode` writes them: whole
//!   numbers from 0, or NaN. Both libraries truncate a fraction, and XGBoost sends a
//!   negative code left; the trees here take either for a missing one.

pub mod lightgbm;
pub mod xgboost;

mod error;
mod names;
mod source;

pub use error::{ExportError, ImportError};
pub use source::SourceModel;

pub use crate::learn::{Link, Target};

/// Kinds of files that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// LightGBM's text, `Booster.save_model("model.txt")`.
    LightGbm,
    /// XGBoost's JSON, `Booster.save_model("model.json")`.
    XgBoost,
}

/// Reads a model; `None` tells the format from the first bytes.
///
/// # Errors
/// [`ImportError`] that names the line or field, and what to do.
pub fn read(bytes: &[u8], format: Option<Format>) -> Result<SourceModel, ImportError> {
    let looks_like_json = bytes.trim_ascii_start().first() == Some(&b'{');
    match format {
        Some(Format::XgBoost) => xgboost::read(bytes),
        None if looks_like_json || bytes.starts_with(b"binf") => xgboost::read(bytes),
        Some(Format::LightGbm) | None => {
            let text = std::str::from_utf8(bytes)
                .map_err(|error| ImportError::NotText { at: error.valid_up_to() })?;
            lightgbm::read(text)
        }
    }
}
