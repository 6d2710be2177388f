//! Model artifacts in a local folder, each under the SHA-256 of its bytes.
//!
//! # Guarantee
//!
//! What [`ModelStore::get`] returns is exactly what [`ModelStore::put`] was given:
//! the digest is verified on every read, and a damaged artifact is an error, never
//! bytes. An artifact is written to a temporary file, synced and renamed, so
//! readers and a crash see all of it or nothing of it. Artifacts never change, so
//! the same bytes may be put any number of times, by any number of processes.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// Largest artifact. A forest of a thousand trees takes a few megabytes; this is
/// far above any model and far below what would exhaust a small container.
pub const MAX_ARTIFACT_BYTES: u64 = 256 * 1024 * 1024;

/// Length of a digest: 32 bytes in hexadecimal.
const DIGEST_CHARACTERS: usize = 64;

/// Why an artifact could not be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder or a file in it could not be used.
    #[error("{operation} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A digest is not 64 lower-case hexadecimal digits.
    #[error("`{digest}` is no artifact digest: 64 lower-case hexadecimal digits are expected")]
    MalformedDigest {
        /// What was given, shortened.
        digest: String,
    },
    /// No artifact of this digest is stored.
    #[error("artifact {digest} is not in the model store ({} does not exist)", path.display())]
    NotFound {
        /// The digest that was asked for.
        digest: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// The bytes under a digest are not those it was computed from.
    #[error("artifact {} is damaged: its digest is {actual}, not {expected}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The digest it is stored under.
        expected: String,
        /// The digest of its bytes.
        actual: String,
    },
    /// An artifact is larger than the store takes.
    #[error("artifact {what} has {bytes} bytes; at most {limit_bytes} are allowed")]
    TooLarge {
        /// The artifact's path, or `to store`.
        what: String,
        /// Its size.
        bytes: u64,
        /// The largest size.
        limit_bytes: u64,
    },
}

impl StoreError {
    /// A code from a closed set, for metrics and alerts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::MalformedDigest { .. } => "malformed_digest",
            Self::NotFound { .. } => "not_found",
            Self::Damaged { .. } => "damaged",
            Self::TooLarge { .. } => "too_large",
        }
    }

    fn io<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { operation, path: path.to_owned(), source }
    }
}

/// A folder of artifacts. Clones use the same folder.
#[derive(Clone, Debug)]
pub struct ModelStore {
    folder: PathBuf,
}

impl ModelStore {
    /// Opens a folder, creating it if need be, and makes sure it can be written to.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store = Self { folder: folder.into() };
        fs::create_dir_all(&store.folder)
            .map_err(StoreError::io("create model store", &store.folder))?;
        // A store that turns out read-only after an hour of training is no use.
        let probe = store.temporary();
        File::create(&probe)
            .and_then(|_| fs::remove_file(&probe))
            .map_err(StoreError::io("write to model store", &store.folder))?;
        Ok(store)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stores an artifact and returns its digest, by which it is read. On return
    /// it survives a power failure.
    pub fn put(&self, artifact: &[u8]) -> Result<String, StoreError> {
        check_size(artifact.len() as u64, || "to store".to_owned())?;
        let digest = digest_of(artifact);
        let path = self.path(&digest);
        if self.get(&digest).is_ok() {
            tracing::debug!(digest, "artifact already stored");
            return Ok(digest);
        }
        // Absent, or damaged and to be replaced.
        let temporary = self.temporary();
        let stored = write_synced(&temporary, artifact)
            .map_err(StoreError::io("write artifact", &temporary))
            .and_then(|()| {
                fs::rename(&temporary, &path).map_err(StoreError::io("store artifact", &path))
            });
        if stored.is_err() {
            // The error that matters is the one above.
            let _ = fs::remove_file(&temporary);
        }
        stored?;
        // The rename itself must survive a power failure, too.
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(StoreError::io("sync model store", &self.folder))?;
        tracing::debug!(digest, bytes = artifact.len(), "artifact stored");
        Ok(digest)
    }

    /// Reads an artifact and verifies it.
    pub fn get(&self, digest: &str) -> Result<Vec<u8>, StoreError> {
        check_digest(digest)?;
        let path = self.path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::NotFound { digest: digest.to_owned(), path });
            }
            Err(error) => return Err(StoreError::io("open artifact", &path)(error)),
        };
        let bytes = file.metadata().map_err(StoreError::io("read artifact", &path))?.len();
        check_size(bytes, || path.display().to_string())?;
        let mut artifact = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        // The file may grow while it is read.
        file.take(MAX_ARTIFACT_BYTES + 1)
            .read_to_end(&mut artifact)
            .map_err(StoreError::io("read artifact", &path))?;
        check_size(artifact.len() as u64, || path.display().to_string())?;
        let actual = digest_of(&artifact);
        if actual != digest {
            return Err(StoreError::Damaged { path, expected: digest.to_owned(), actual });
        }
        Ok(artifact)
    }

    /// Whether an artifact of this digest is stored. It may still be damaged.
    pub fn contains(&self, digest: &str) -> Result<bool, StoreError> {
        check_digest(digest)?;
        let path = self.path(digest);
        path.try_exists().map_err(StoreError::io("look for artifact", &path))
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(digest)
    }

    /// A name no artifact has and no other writer uses.
    fn temporary(&self) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!(".writing-{}-{count}", std::process::id()))
    }
}

/// The digest an artifact is stored under: its SHA-256 in lower-case hexadecimal.
pub fn digest_of(artifact: &[u8]) -> String {
    hex::encode(Sha256::digest(artifact))
}

/// A digest becomes a file name: nothing but digits may reach the file system.
fn check_digest(digest: &str) -> Result<(), StoreError> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digest.len() == DIGEST_CHARACTERS && digest.bytes().all(is_digit) {
        return Ok(());
    }
    let digest = digest.chars().take(DIGEST_CHARACTERS + 1).flat_map(char::escape_debug).collect();
    Err(StoreError::MalformedDigest { digest })
}

fn check_size(bytes: u64, what: impl FnOnce() -> String) -> Result<(), StoreError> {
    if bytes > MAX_ARTIFACT_BYTES {
        return Err(StoreError::TooLarge { what: what(), bytes, limit_bytes: MAX_ARTIFACT_BYTES });
    }
    Ok(())
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
