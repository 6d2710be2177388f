//! Why a model cannot be brought in or out.

use thiserror::Error;

use crate::learn::InvalidModel;

/// Why a file is not a model that can be served.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ImportError {
    /// Neither of the formats.
    #[error(
        "byte {at} is not text: save the model as text (LightGBM: save_model(\"model.txt\"), \
         XGBoost: save_model(\"model.json\"))"
    )]
    NotText {
        /// Offset of the first byte that is not UTF-8.
        at: usize,
    },
    /// A line of a LightGBM model.
    #[error("line {line}: {message}")]
    Line {
        /// Number of the line, from 1; behind the last one where something is missing.
        line: usize,
        /// What is wrong and what to do.
        message: String,
    },
    /// A field of an XGBoost model.
    #[error("{path}: {message}")]
    Field {
        /// Where the field stands.
        path: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// The columns are not the spec's.
    #[error("the model's columns are not the spec's: {0}")]
    Columns(String),
    /// The trees are not sound, or have more of something than a model may have.
    #[error("the model's trees cannot be used: {0}")]
    Trees(#[from] InvalidModel),
}

/// Why a model cannot be written for another program.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ExportError {
    /// The model is not made of trees.
    #[error(
        "the model is a {0}, only trees can be written as a LightGBM model: train with \
         training.strategies = [\"boosted_trees\"]"
    )]
    NotTrees(&'static str),
    /// Names and columns differ in number.
    #[error("{names} column names for {columns} columns")]
    Names {
        /// Names given.
        names: usize,
        /// Columns of the model.
        columns: usize,
    },
}
