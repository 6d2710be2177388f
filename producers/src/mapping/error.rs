//! What can be wrong with a mapping, or between a mapping and a source.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::suggest;

/// A mapping that cannot be used.
#[derive(Debug, Error)]
pub enum MappingError {
    /// The file cannot be read.
    #[error("cannot read the mapping {}: {reason}", path.display())]
    Read {
        /// The mapping file.
        path: PathBuf,
        /// What the system said.
        #[source]
        reason: io::Error,
    },
    /// The text is not TOML, or a value has the wrong type.
    #[error("mapping {}, line {line}: {reason}", path.display())]
    Syntax {
        /// The mapping file.
        path: PathBuf,
        /// Its line.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A key, or the name of a choice, that no mapping has.
    #[error("mapping {}, line {line}: unknown {what} `{name}`{hint} (known: {known})", path.display())]
    Unknown {
        /// The mapping file.
        path: PathBuf,
        /// Its line.
        line: usize,
        /// "key" or "value".
        what: &'static str,
        /// The unknown name.
        name: String,
        /// "; did you mean ...?" or empty.
        hint: String,
        /// The names that exist there.
        known: String,
    },
    /// A key whose value makes no sense.
    #[error("mapping {}, `{key}`: {reason}", path.display())]
    Invalid {
        /// The mapping file.
        path: PathBuf,
        /// The key at fault.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// The source lacks a column that the mapping names.
    #[error(
        "{source_name} has no column `{column}`, which `{key}` in the mapping {} names{hint}",
        path.display()
    )]
    MissingColumn {
        /// The mapping file.
        path: PathBuf,
        /// The key that names the column.
        key: String,
        /// The column.
        column: String,
        /// The source.
        source_name: String,
        /// "; did you mean ...?" or empty.
        hint: String,
    },
    /// The mapping does not say what is asked for.
    #[error("the mapping {} has no `{key}`, which {purpose} need", path.display())]
    NotMapped {
        /// The mapping file.
        path: PathBuf,
        /// The key that is absent.
        key: &'static str,
        /// "sales" or "listings".
        purpose: &'static str,
    },
}

impl MappingError {
    pub(super) fn from_toml(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
        let path = path.to_owned();
        let message = error.message();
        // serde words this "unknown field `x`, expected one of `a`, `b`".
        let what = match message {
            m if m.starts_with("unknown field") => "key",
            m if m.starts_with("unknown variant") => "value",
            _ => return Self::Syntax { path, line, reason: message.to_owned() },
        };
        let mut quoted = message.split('`').skip(1).step_by(2);
        let name = quoted.next().unwrap_or_default().to_owned();
        let known: Vec<&str> = quoted.collect();
        let hint = suggest::hint(&name, known.iter().copied());
        Self::Unknown { path, line, what, name, hint, known: known.join(", ") }
    }
}
