//! Statistics of two columns, values against values: what `homestream drift` computes of two
//! files, and a window of any size can compute of its values.
//!
//! Numbers are compared exactly up to a bound and through mergeable sketches beyond, with the
//! error stated. Each statistic follows a published definition, and where other programs
//! compute the same one, their bins and rules too: `docs/drift.md` has the formulas and lists
//! every difference.

pub mod bars;
pub mod bins;
pub mod categorical;
pub mod compare;
pub mod comparison;
pub mod count_tests;
mod durbin;
pub mod ecdf;
pub mod histogram;
pub mod kll;
pub mod kolmogorov;
mod kolmogorov_one;
pub mod numeric;
#[cfg(test)]
mod parity;
pub mod rule;
pub mod shares;
pub mod special;
pub mod units;

pub use bars::Bar;
pub use categorical::CategoricalColumn;
pub use compare::{compare_categorical, compare_numeric};
pub use comparison::{ColumnComparison, CompareParams, Decision};
pub use ecdf::Ecdf;
pub use histogram::FixedHistogram;
pub use kll::KllSketch;
pub use numeric::NumericColumn;
pub use rule::{ColumnKind, DriftTest, UnknownTest};
