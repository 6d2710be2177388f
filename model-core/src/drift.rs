//! Drift: how far the homes of a window, and what the model answers, have moved from what
//! the model learned from.
//!
//! A [`ReferenceProfile`] is made once, when a model is trained, and travels inside its
//! artifact: per feature the bins and how many training homes fell in each. A
//! [`WindowCounts`] accumulates the same bins for a window, one home at a time. [`psi()`]
//! compares the two.

mod check;
pub mod fdr;
pub mod profile;
pub mod psi;
pub mod statistics;
pub mod window_counts;

pub use check::InvalidProfile;
pub use fdr::benjamini_hochberg;
pub use profile::{
    Binning, ColumnProfile, ColumnSpec, ColumnSpecKind, ProfileError, ReferenceProfile,
};
pub use psi::{Psi, PsiParams, decide, feature_drift, psi};
pub use window_counts::{ColumnCounts, ProfileMismatch, WindowCounts};
