//! Sources of rows, made by a factory.
//!
//! Adding a source is one file that implements [`Source`] and one line in `SOURCES`.

mod csv;
mod file;
mod input;
mod json_lines;
mod parquet;

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{ReadError, SourceError};
use crate::row::Row;
use crate::suggest;

pub use file::FileOptions;
pub(crate) use file::plain_parquet;

/// Something that yields rows.
pub trait Source: Send {
    /// What it is, for messages: a path, a table.
    fn name(&self) -> &str;
    /// The columns, in the order of every row's cells.
    fn columns(&self) -> &[String];
    /// The next row; `None` at the end. After [`ReadError::Source`] there are no more rows.
    fn next_row(&mut self) -> Option<Result<Row, ReadError>>;
}

/// Makes a source from its options.
type Factory = fn(&SourceConfig) -> Result<Box<dyn Source>, SourceError>;

/// Every kind of source: its name and its factory.
const SOURCES: &[(&str, Factory)] = &[("file", file::open)];

/// Which source, and its options.
///
/// ```toml
/// source = "file"
/// path = "data/lucas_county/lucas_county.csv.gz"
/// ```
#[derive(Clone, Debug, Deserialize)]
pub struct SourceConfig {
    /// The kind of source: `file`.
    pub source: String,
    /// The options of that kind; [`FileOptions`] for `file`.
    #[serde(flatten)]
    pub options: toml::Table,
}

impl SourceConfig {
    /// The file at `path`, its format told by its name.
    pub fn file(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_string_lossy().into_owned();
        let options = toml::Table::from_iter([("path".to_owned(), toml::Value::String(path))]);
        Self { source: "file".to_owned(), options }
    }

    /// The options as the type of one kind of source.
    fn parse<T: DeserializeOwned>(&self) -> Result<T, SourceError> {
        self.options.clone().try_into().map_err(|error: toml::de::Error| SourceError::Options {
            kind: self.source.clone(),
            reason: error.message().to_owned(),
        })
    }
}

/// Opens a source.
///
/// # Errors
/// An unknown kind, options that do not fit, or whatever keeps the source from being read.
pub fn open(config: &SourceConfig) -> Result<Box<dyn Source>, SourceError> {
    let names = || SOURCES.iter().map(|(name, _)| *name);
    let Some((_, factory)) = SOURCES.iter().find(|(name, _)| *name == config.source) else {
        return Err(SourceError::UnknownSource {
            kind: config.source.clone(),
            hint: suggest::hint(&config.source, names()),
            known: names().collect::<Vec<_>>().join(", "),
        });
    };
    factory(config)
}
