//! What can go wrong with a source and with one of its rows.

use std::io;
use std::path::PathBuf;

use model_core::listing::InvalidRecord;
use thiserror::Error;

use crate::row::Place;

/// One bad row. The rows after it can still be read; whether to go on is the caller's choice.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RowError {
    /// A value is not what its field needs.
    #[error("{place}, column `{column}`: {value} where {expected} is expected")]
    Value {
        /// Where the row stands.
        place: Place,
        /// The column, by the source's name.
        column: String,
        /// The value as found.
        value: String,
        /// What is accepted, in words.
        expected: String,
    },
    /// The row itself cannot be read: too few fields, broken JSON, not UTF-8.
    #[error("{place}: {reason}")]
    Malformed {
        /// Where the row stands.
        place: Place,
        /// What is wrong.
        reason: String,
    },
    /// Every value can be read, but no home can have them.
    #[error("{place}: {reason}")]
    Invalid {
        /// Where the row stands.
        place: Place,
        /// The first field at fault.
        reason: InvalidRecord,
    },
    /// An earlier row has the same key.
    #[error(
        "{place}: key `{key}` was used at {first} already; a key names one sale (add a column, such as the date, to the mapping's `key`)"
    )]
    DuplicateKey {
        /// Where the row stands.
        place: Place,
        /// The key.
        key: String,
        /// Where the key was first used.
        first: Place,
    },
}

impl RowError {
    /// Where the row stands.
    pub fn place(&self) -> Place {
        match self {
            Self::Value { place, .. }
            | Self::Malformed { place, .. }
            | Self::Invalid { place, .. }
            | Self::DuplicateKey { place, .. } => *place,
        }
    }

    /// Bounded reason code, for counting.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Value { .. } => "bad_value",
            Self::Malformed { .. } => "malformed_row",
            Self::Invalid { reason, .. } => reason.code(),
            Self::DuplicateKey { .. } => "duplicate_key",
        }
    }
}

/// A source that cannot be opened, or cannot be read any further.
#[derive(Debug, Error)]
pub enum SourceError {
    /// No such kind of source.
    #[error("unknown source `{kind}`{hint}; known: {known}")]
    UnknownSource {
        /// The name asked for.
        kind: String,
        /// ", did you mean ...?" or empty.
        hint: String,
        /// The names that exist.
        known: String,
    },
    /// The options of a source do not fit it.
    #[error("options of source `{kind}`: {reason}")]
    Options {
        /// The kind of source.
        kind: String,
        /// What is wrong, naming the option.
        reason: String,
    },
    /// There is no such file.
    #[error("no such file: {}", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// The path is a directory.
    #[error("{} is a directory; name a file", path.display())]
    IsDirectory {
        /// The path as given.
        path: PathBuf,
    },
    /// The operating system refuses to open or read.
    #[error("cannot read {}: {reason}", path.display())]
    Io {
        /// The path as given.
        path: PathBuf,
        /// What the system said.
        #[source]
        reason: io::Error,
    },
    /// Nothing in it at all.
    #[error("{} is empty", path.display())]
    Empty {
        /// The path as given.
        path: PathBuf,
    },
    /// Column names, but not one row.
    #[error("{} has a header but no rows", path.display())]
    NoRows {
        /// The path as given.
        path: PathBuf,
    },
    /// The name does not say what the file is.
    #[error(
        "cannot tell the format of {}: the name must end in .csv, .tsv, .parquet, .jsonl or .ndjson, optionally with .gz after it, or in .zip",
        path.display()
    )]
    UnknownFormat {
        /// The path, or the member of the archive.
        path: PathBuf,
    },
    /// The content is something else than the name says.
    #[error("{} should be {expected} by its name, but holds {found}", path.display())]
    ContentMismatch {
        /// The path as given.
        path: PathBuf,
        /// What the name says.
        expected: &'static str,
        /// What the first bytes say.
        found: &'static str,
    },
    /// A compressed file ends too early.
    #[error("{} is cut off: its gzip data end too early (an incomplete download?)", path.display())]
    TruncatedGzip {
        /// The path as given.
        path: PathBuf,
    },
    /// The file is damaged, or its structure is not one we read.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The path as given.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What reading the next row can give instead of a row.
#[derive(Debug, Error)]
pub enum ReadError {
    /// This row is bad; the next may be good.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The source is broken; there is no next row.
    #[error(transparent)]
    Source(#[from] SourceError),
}
