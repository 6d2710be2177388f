//! Facts from a file that somebody else can read (CSV, Parquet): held in memory whole, read
//! again when the file has changed.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::source::{Answer, FactError, FactKey, FactRow, FactSource, Load, row_bytes};

/// Looking into memory: the more the better.
const MAX_KEYS: usize = 10_000;

/// The rows of a file by key.
pub type FactTable = HashMap<FactKey, FactRow>;

/// Reads a file; says in words why it cannot.
pub type ReadTable = Box<dyn Fn(&Path) -> Result<FactTable, String> + Send + Sync>;

/// A file's rows.
pub struct TableSource {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    read: ReadTable,
    max_bytes: usize,
    loaded: Mutex<Option<Loaded>>,
}

struct Loaded {
    stamp: Stamp,
    table: FactTable,
}

/// By what a changed file is known.
#[derive(Clone, Debug, PartialEq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl TableSource {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// When the file cannot be read, or holds more than `max_bytes` of facts.
    pub fn open(path: PathBuf, read: ReadTable, max_bytes: usize) -> Result<Self, FactError> {
        let inner = Inner { path, read, max_bytes, loaded: Mutex::new(None) };
        inner.answer(&[])?;
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl FactSource for TableSource {
    fn max_keys(&self) -> usize {
        MAX_KEYS
    }

    /// Where the file has changed it is read by a thread of its own, which goes on when the
    /// load's time is up: a later load finds the rows.
    fn load<'a>(&'a self, keys: &'a [FactKey]) -> Load<'a> {
        let (inner, keys) = (self.inner.clone(), keys.to_vec());
        Box::pin(async move {
            let answers = tokio::task::spawn_blocking(move || inner.answer(&keys)).await;
            answers.map_err(|error| FactError::Malformed(error.to_string()))?
        })
    }
}

impl Inner {
    fn answer(&self, keys: &[FactKey]) -> Result<Vec<Answer>, FactError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.stamp()?;
        let table = match loaded.take() {
            Some(current) if current.stamp == stamp => loaded.insert(current),
            // The old rows go first: both need not fit side by side.
            _ => loaded.insert(Loaded { table: self.read()?, stamp }),
        };
        let answer = |key| match table.table.get(key) {
            Some(row) => Answer::Found(row.clone()),
            None => Answer::Absent,
        };
        Ok(keys.iter().map(answer).collect())
    }

    fn stamp(&self) -> Result<Stamp, FactError> {
        let metadata: Metadata = std::fs::metadata(&self.path)
            .map_err(|error| FactError::Unreachable(format!("{}: {error}", self.path.display())))?;
        Ok(Stamp { modified: metadata.modified().ok(), bytes: metadata.len() })
    }

    fn read(&self) -> Result<FactTable, FactError> {
        let table = (self.read)(&self.path).map_err(FactError::Malformed)?;
        let bytes: usize = table.iter().map(|(key, row)| key.len() + row_bytes(row) + 64).sum();
        if bytes > self.max_bytes {
            let reason = format!(
                "{} holds {bytes} bytes of facts, expected at most {}",
                self.path.display(),
                self.max_bytes
            );
            return Err(FactError::Setting { setting: "max_table_bytes", reason });
        }
        tracing::info!(path = %self.path.display(), rows = table.len(), "file of facts read");
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FactValue;

    /// Lines of `key=number`.
    fn reader() -> ReadTable {
        Box::new(|path| {
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
            let row = |line: &str| {
                let (key, number) = line.split_once('=').ok_or(format!("bad line {line}"))?;
                let number = number.parse().map_err(|_| format!("bad number {number}"))?;
                let row: FactRow = Box::new([Some(FactValue::Number(number))]);
                Ok((FactKey::from(key), row))
            };
            text.lines().map(row).collect()
        })
    }

    async fn numbers(source: &TableSource, keys: &[&str]) -> Result<Vec<Option<f64>>, FactError> {
        let keys: Vec<FactKey> = keys.iter().map(|key| FactKey::from(*key)).collect();
        let number = |answer| match answer {
            Answer::Found(row) => match row[0] {
                Some(FactValue::Number(number)) => Some(number),
                _ => panic!("{row:?}"),
            },
            Answer::Absent => None,
            Answer::Failed(error) => panic!("{error}"),
        };
        Ok(source.load(&keys).await?.into_iter().map(number).collect())
    }

    #[tokio::test]
    async fn a_changed_file_is_read_again_and_a_broken_one_is_an_error_until_it_is_mended() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a=1\nb=2\n").unwrap();
        let source = TableSource::open(file.path().into(), reader(), 10_000).unwrap();
        assert_eq!(numbers(&source, &["b", "c", "a"]).await.unwrap(), [Some(2.0), None, Some(1.0)]);
        std::fs::write(file.path(), "a=1\nb=2\nc=3\n").unwrap();
        assert_eq!(numbers(&source, &["c"]).await.unwrap(), [Some(3.0)]);
        std::fs::write(file.path(), "torn").unwrap();
        let told = numbers(&source, &["c"]).await.unwrap_err().to_string();
        assert!(told.contains("bad line torn"), "{told}");
        std::fs::write(file.path(), "c=4\n").unwrap();
        assert_eq!(numbers(&source, &["c", "a"]).await.unwrap(), [Some(4.0), None]);
    }

    #[test]
    fn a_file_that_is_not_there_or_too_large_is_told_at_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a=1\nb=2\n").unwrap();
        let told = TableSource::open(file.path().into(), reader(), 10).err().unwrap().to_string();
        assert!(told.starts_with("max_table_bytes:") && told.contains("at most 10"), "{told}");
        let told = TableSource::open("/no/such.csv".into(), reader(), 10).err().unwrap();
        assert!(told.to_string().contains("/no/such.csv"), "{told}");
    }
}
