//! What can be wrong with data, parameters and stored models.

use std::fmt;

/// Which part of the data an error speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The rows that are learned from.
    Training,
    /// The rows that choose among what was learned.
    Validation,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Training => "training",
            Self::Validation => "validation",
        })
    }
}

/// Why a fit was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// A part has no rows.
    #[error("the {part} part has no rows")]
    NoRows {
        /// The empty part.
        part: Part,
    },
    /// The features have no columns.
    #[error("the features have no columns")]
    NoColumns,
    /// A pushed row is not as wide as its matrix.
    #[error("row {row} has {found} values, the matrix has {expected} columns")]
    RowWidth {
        /// Index the row would have had.
        row: usize,
        /// Columns of the matrix.
        expected: usize,
        /// Values in the row.
        found: usize,
    },
    /// Targets and rows differ in number.
    #[error("the {part} part has {rows} rows and {targets} targets")]
    TargetLength {
        /// The part.
        part: Part,
        /// Rows of the features.
        rows: usize,
        /// Values of the target.
        targets: usize,
    },
    /// Kinds and columns differ in number.
    #[error("the {part} part has {columns} columns and {kinds} column kinds")]
    KindsLength {
        /// The part.
        part: Part,
        /// Columns of the features.
        columns: usize,
        /// Kinds given.
        kinds: usize,
    },
    /// The validation part has other columns than the training part.
    #[error("the validation part's columns differ from the training part's")]
    ValidationColumns,
    /// A target is NaN or infinite.
    #[error("the {part} target of row {row} is not finite: {value}")]
    TargetNotFinite {
        /// The part.
        part: Part,
        /// Row of the target.
        row: usize,
        /// The target's value.
        value: f64,
    },
    /// Too few rows to learn anything.
    #[error("{rows} training rows are too few, at least {minimum} are needed")]
    TooFewRows {
        /// Training rows.
        rows: usize,
        /// The least number that the strategy accepts with its parameters.
        minimum: usize,
    },
    /// More of something than the strategy can index.
    #[error("{found} {what} are too many, at most {maximum} are supported")]
    TooMany {
        /// What there is too much of, in the plural.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are supported.
        maximum: usize,
    },
    /// A training value of a categorical column is neither NaN nor a code `0..levels`.
    #[error("row {row}, column {column}: {value} is not a category code below {levels}")]
    CategoryOutOfRange {
        /// Row of the value.
        row: usize,
        /// Column of the value.
        column: usize,
        /// The value.
        value: f64,
        /// Codes the column has.
        levels: u32,
    },
    /// A parameter is outside its range.
    #[error("parameter {name} is {value}, accepted: {accepted}")]
    Parameter {
        /// Name of the parameter, as in configuration.
        name: &'static str,
        /// The refused value.
        value: f64,
        /// The accepted range, in mathematical notation.
        accepted: &'static str,
    },
    /// The numeric solver failed.
    #[error("the solver failed: {reason}")]
    Solver {
        /// The solver's own words.
        reason: String,
    },
}

/// Why a stored model cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidModel {
    /// Two parts of the model that belong together differ in length, or one exceeds its bound.
    #[error("{what} has length {found}, expected {expected}")]
    Length {
        /// The part.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length (or the greatest length) it may have.
        expected: usize,
    },
    /// A number is NaN, infinite or otherwise meaningless.
    #[error("{what} {index} is not a usable number")]
    Number {
        /// The part.
        what: &'static str,
        /// Index in the part.
        index: usize,
    },
    /// A node points outside its tree, backwards, or into another node's children.
    #[error("node {node} has child {child} outside {first}..{end}")]
    Child {
        /// Index of the node.
        node: usize,
        /// Its left child.
        child: usize,
        /// First index the child may have.
        first: usize,
        /// One past the last index that the right child may have.
        end: usize,
    },
    /// A node splits on a column that the model does not have.
    #[error("node {node} splits on column {feature} of {n_features}")]
    Feature {
        /// Index of the node.
        node: usize,
        /// The column.
        feature: usize,
        /// Columns of the model.
        n_features: usize,
    },
    /// A node has unknown flags.
    #[error("node {node} has unknown flags {flags:#06x}")]
    Flags {
        /// Index of the node.
        node: usize,
        /// Its flags.
        flags: u16,
    },
    /// A node or a category set points outside the stored sets.
    #[error("{what} {index} points outside the category sets")]
    CategorySet {
        /// `node` or `set`.
        what: &'static str,
        /// Its index.
        index: usize,
    },
    /// A node's training weight is not what its children's add up to.
    #[error("node {node} has another cover than its children together")]
    Cover {
        /// Index of the node.
        node: usize,
    },
    /// The first node of a tree is not where the tree before it ends.
    #[error("tree {tree} does not start behind the tree before it")]
    Root {
        /// Index of the tree.
        tree: usize,
    },
}
