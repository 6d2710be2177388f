//! What a source of facts is: batches of keys in, one answer a key out.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

/// Longest text that is kept; longer ones count as not known, as in listings.
pub(crate) const MAX_TEXT_BYTES: usize = 1_024;

/// What rows are found by: a listing's key, a postal code, a parcel number.
pub type FactKey = Arc<str>;

/// One fact as a source has it.
#[derive(Clone, Debug, PartialEq)]
pub enum FactValue {
    /// A finite number.
    Number(f64),
    /// A text; true and false are texts too.
    Text(String),
}

/// The facts under one key, in the order of the columns that the source was made with; `None`
/// is not known.
pub type FactRow = Box<[Option<FactValue>]>;

/// What a source says of one key.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The facts.
    Found(FactRow),
    /// There is nothing under this key.
    Absent,
    /// This key could not be asked for; others of the same load may have been.
    Failed(FactError),
}

/// Why a source did not answer.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum FactError {
    /// Too slow.
    #[error("no answer within {} ms (timeout_ms)", .0.as_millis())]
    Timeout(Duration),
    /// No connection, or one that broke.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It answered, and refused: credentials, permissions, a status.
    #[error("refused: {0}")]
    Refused(String),
    /// It answered something that cannot be used.
    #[error("unusable answer: {0}")]
    Malformed(String),
    /// A setting does not fit what is there.
    #[error("{setting}: {reason}")]
    Setting {
        /// The setting, below the source's own table.
        setting: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

/// The future of a load.
pub type Load<'a> = Pin<Box<dyn Future<Output = Result<Vec<Answer>, FactError>> + Send + 'a>>;

/// Something that has facts by key.
///
/// A load may be dropped before it ends (its time is up): what it began must not keep the
/// next one from answering.
pub trait FactSource: Send + Sync + 'static {
    /// Most keys of one load.
    fn max_keys(&self) -> usize;

    /// One answer for each key, in their order. An error is an answer for none of them.
    fn load<'a>(&'a self, keys: &'a [FactKey]) -> Load<'a>;
}

/// How databases write numbers that JSON cannot hold.
const NO_NUMBERS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// A JSON value as a fact. Lists, objects and texts too long for a listing are not facts.
pub(crate) fn fact_value(value: &Value) -> Option<FactValue> {
    match value {
        Value::Number(number) => {
            number.as_f64().filter(|number| number.is_finite()).map(FactValue::Number)
        }
        Value::String(text) if text.trim().is_empty() || text.len() > MAX_TEXT_BYTES => None,
        Value::String(text) if NO_NUMBERS.contains(&text.as_str()) => None,
        Value::String(text) => Some(FactValue::Text(text.trim().to_owned())),
        Value::Bool(value) => Some(FactValue::Text(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// About how many bytes a row takes in memory.
pub(crate) fn row_bytes(row: &FactRow) -> usize {
    let texts = row.iter().flatten().map(|value| match value {
        FactValue::Number(_) => 0,
        FactValue::Text(text) => text.len(),
    });
    size_of_val::<[Option<FactValue>]>(row) + texts.sum::<usize>()
}
