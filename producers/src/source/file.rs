//! The source `file`: CSV, Parquet or JSON lines, plain, gzipped or in a zip archive.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::input::{Format, Input};
use super::{Source, SourceConfig, csv, json_lines, parquet};
use crate::error::{ReadError, SourceError};
use crate::row::Row;

/// Options of the source `file`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOptions {
    /// The file. Its name tells the format: `.csv`, `.tsv`, `.parquet`, `.jsonl` or `.ndjson`,
    /// each optionally with `.gz` after it, or `.zip`.
    pub path: PathBuf,
    /// The member to read from a `.zip` that holds several files.
    #[serde(default)]
    pub member: Option<String>,
}

/// A file of which the first row has been read ahead: a file without rows is refused at once.
struct File {
    rows: Box<dyn Source>,
    first: Option<Result<Row, ReadError>>,
}

/// Whether the file is Parquet, and not compressed as a whole: it can be read in place.
///
/// # Errors
/// The file is not there, or is not what its name says.
pub(crate) fn plain_parquet(path: &Path) -> Result<bool, SourceError> {
    let (input, format) = Input::open(path, None)?;
    Ok(matches!(format, Format::Parquet) && input.is_plain())
}

pub(super) fn open(config: &SourceConfig) -> Result<Box<dyn Source>, SourceError> {
    let options: FileOptions = config.parse()?;
    let (input, format) = Input::open(&options.path, options.member.as_deref())?;
    let path = options.path;
    let mut rows: Box<dyn Source> = match format {
        Format::Csv => Box::new(csv::Csv::open(input)?),
        Format::JsonLines => Box::new(json_lines::JsonLines::open(input)?),
        Format::Parquet => Box::new(parquet::Parquet::open(input)?),
    };
    match rows.next_row() {
        None => Err(SourceError::NoRows { path }),
        Some(Err(ReadError::Source(error))) => Err(error),
        first => Ok(Box::new(File { rows, first })),
    }
}

impl Source for File {
    fn name(&self) -> &str {
        self.rows.name()
    }

    fn columns(&self) -> &[String] {
        self.rows.columns()
    }

    fn next_row(&mut self) -> Option<Result<Row, ReadError>> {
        self.first.take().or_else(|| self.rows.next_row())
    }
}
