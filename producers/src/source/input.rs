//! The bytes of a file: what it holds, told by its name and checked by its first bytes, and a
//! reader of its content without the compression.

use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use zip::ZipArchive;

use crate::error::SourceError;
use crate::suggest;

/// How the rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    JsonLines,
    Parquet,
}

impl Format {
    fn by_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension {
            "csv" | "tsv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::JsonLines => "JSON lines",
            Self::Parquet => "Parquet",
        }
    }
}

enum Packing {
    Plain,
    Gzip,
    /// A member of a zip archive, unpacked.
    Member(Arc<[u8]>),
}

/// A file that can be read from its start, more than once.
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// The path, and the member if in an archive.
    pub(super) name: String,
    packing: Packing,
}

impl Input {
    /// Finds out what the file is.
    pub(super) fn open(path: &Path, member: Option<&str>) -> Result<(Self, Format), SourceError> {
        let unreadable = |reason| io_error(path, reason);
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(SourceError::IsDirectory { path: path.to_owned() });
        }
        if metadata.len() == 0 {
            return Err(SourceError::Empty { path: path.to_owned() });
        }
        let name = path.display().to_string();
        let lower = name.to_lowercase();
        let mut magic = Vec::new();
        File::open(path).and_then(|f| f.take(8).read_to_end(&mut magic)).map_err(unreadable)?;
        let mismatch = |expected| SourceError::ContentMismatch {
            path: path.to_owned(),
            expected,
            found: describe(&magic),
        };
        let (input, inner_name) = if lower.ends_with(".zip") {
            if !magic.starts_with(b"PK") {
                return Err(mismatch("a zip archive"));
            }
            let (inner, bytes) = read_member(path, member)?;
            let name = format!("{name} ({inner})");
            (Self { path: path.to_owned(), name, packing: Packing::Member(bytes) }, inner)
        } else if member.is_some() {
            return Err(SourceError::Options {
                kind: "file".to_owned(),
                reason: format!("`member` is given, but {name} is not a .zip"),
            });
        } else if let Some(inner) = lower.strip_suffix(".gz") {
            if !magic.starts_with(&[0x1f, 0x8b]) {
                return Err(mismatch("gzip"));
            }
            let inner = inner.to_owned();
            (Self { path: path.to_owned(), name, packing: Packing::Gzip }, inner)
        } else {
            (Self { path: path.to_owned(), name, packing: Packing::Plain }, lower)
        };
        let format = Format::by_name(&inner_name.to_lowercase())
            .ok_or_else(|| SourceError::UnknownFormat { path: PathBuf::from(&input.name) })?;
        input.check_content(format)?;
        Ok((input, format))
    }

    /// Whether the content is the file as it is.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.packing, Packing::Plain)
    }

    /// A reader of the content, from its start.
    pub(super) fn reader(&self) -> Result<Box<dyn Read + Send + Sync>, SourceError> {
        let file = || File::open(&self.path).map_err(|reason| io_error(&self.path, reason));
        Ok(match &self.packing {
            Packing::Plain => Box::new(file()?),
            Packing::Gzip => Box::new(MultiGzDecoder::new(BufReader::new(file()?))),
            Packing::Member(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
        })
    }

    /// All of the content.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, SourceError> {
        let mut bytes = Vec::new();
        self.reader()?.read_to_end(&mut bytes).map_err(|reason| self.failure(reason))?;
        Ok(bytes)
    }

    /// The error for a failed read of the content.
    pub(super) fn failure(&self, reason: io::Error) -> SourceError {
        match (&self.packing, reason.kind()) {
            (Packing::Gzip, io::ErrorKind::UnexpectedEof) => {
                SourceError::TruncatedGzip { path: self.path.clone() }
            }
            (Packing::Gzip, io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
                self.malformed(format!("damaged gzip data ({reason})"))
            }
            _ => io_error(&self.path, reason),
        }
    }

    /// The error for content that cannot be understood.
    pub(super) fn malformed(&self, reason: impl Into<String>) -> SourceError {
        SourceError::Malformed { path: PathBuf::from(&self.name), reason: reason.into() }
    }

    fn check_content(&self, format: Format) -> Result<(), SourceError> {
        let mut head = Vec::new();
        let reader = self.reader()?;
        reader.take(4_096).read_to_end(&mut head).map_err(|reason| self.failure(reason))?;
        if head.is_empty() {
            return Err(SourceError::Empty { path: PathBuf::from(&self.name) });
        }
        let found = describe(&head);
        let fits = match format {
            Format::Csv => found == TEXT,
            Format::JsonLines => found == JSON_OBJECT,
            Format::Parquet => found == PARQUET,
        };
        if fits {
            return Ok(());
        }
        Err(SourceError::ContentMismatch {
            path: PathBuf::from(&self.name),
            expected: format.in_words(),
            found,
        })
    }
}

const TEXT: &str = "other text";
const JSON_OBJECT: &str = "a JSON object";
const PARQUET: &str = "Parquet";

/// What the first bytes say.
fn describe(head: &[u8]) -> &'static str {
    match head {
        [0x1f, 0x8b, ..] => "gzip",
        [b'P', b'K', 3 | 5, ..] => "a zip archive",
        [b'P', b'A', b'R', b'1', ..] => PARQUET,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16 text (save it as UTF-8)",
        _ => {
            let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
            match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
                Some(b'{') => JSON_OBJECT,
                Some(b'[') => "a JSON array (write one object a line)",
                _ if text.contains(&0) => "binary data",
                _ => TEXT,
            }
        }
    }
}

fn read_member(path: &Path, wanted: Option<&str>) -> Result<(String, Arc<[u8]>), SourceError> {
    let malformed = |reason: String| SourceError::Malformed { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|reason| io_error(path, reason))?;
    let mut archive = ZipArchive::new(BufReader::new(file))
        .map_err(|error| malformed(format!("damaged zip archive ({error})")))?;
    let names: Vec<String> = archive
        .file_names()
        .filter(|name| !name.ends_with('/') && !name.starts_with("__MACOSX/"))
        .map(str::to_owned)
        .collect();
    let name = match (wanted, names.as_slice()) {
        (Some(wanted), names) if names.iter().any(|name| name == wanted) => wanted.to_owned(),
        (Some(wanted), names) => {
            let hint = suggest::hint(wanted, names.iter().map(String::as_str));
            return Err(malformed(format!("no member `{wanted}` in the archive{hint}")));
        }
        (None, [only]) => only.clone(),
        (None, []) => return Err(malformed("no files in the archive".to_owned())),
        (None, names) => {
            let listed = names.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
            let reason =
                format!("{} files in the archive; choose one with `member`: {listed}", names.len());
            return Err(malformed(reason));
        }
    };
    let damaged = |error: String| malformed(format!("cannot unpack `{name}` ({error})"));
    let mut bytes = Vec::new();
    let mut member = archive.by_name(&name).map_err(|error| damaged(error.to_string()))?;
    member.read_to_end(&mut bytes).map_err(|error| damaged(error.to_string()))?;
    drop(member);
    Ok((name, bytes.into()))
}

fn io_error(path: &Path, reason: io::Error) -> SourceError {
    let path = path.to_owned();
    if reason.kind() == io::ErrorKind::NotFound {
        return SourceError::NotFound { path };
    }
    SourceError::Io { path, reason }
}
