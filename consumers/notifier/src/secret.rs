//! Secrets: read where they are used, from a file or the environment, and never shown.

use std::path::PathBuf;

/// Where a secret is. It is read anew for each use, so that it can be changed while running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The content of a file, without the white space around it.
    File(PathBuf),
    /// The value of an environment variable.
    Environment(String),
}

impl Secret {
    /// Reads it.
    ///
    /// # Errors
    /// When there is none, naming the file or variable.
    pub fn read(&self) -> Result<String, String> {
        let (value, place) = match self {
            Self::File(path) => {
                let place = format!("the secret in {}", path.display());
                (std::fs::read_to_string(path).map_err(|error| error.to_string()), place)
            }
            Self::Environment(name) => {
                let place = format!("the secret in the variable {name}");
                (std::env::var(name).map_err(|error| error.to_string()), place)
            }
        };
        match value.map(|text| text.trim().to_owned()) {
            Ok(value) if value.is_empty() => Err(format!("{place} is empty")),
            Ok(value) => Ok(value),
            Err(reason) => Err(format!("{place}: {reason}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_what_the_file_or_the_variable_holds_now() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let secret = Secret::File(file.path().to_owned());
        assert!(secret.read().unwrap_err().contains("is empty"));
        std::fs::write(file.path(), "hunter2\n").unwrap();
        assert_eq!(secret.read().unwrap(), "hunter2");
        std::fs::write(file.path(), "other\r\n").unwrap();
        assert_eq!(secret.read().unwrap(), "other");
        let set = Secret::Environment("CARGO_MANIFEST_DIR".into());
        assert_eq!(set.read().unwrap(), env!("CARGO_MANIFEST_DIR"));
        let unset = Secret::Environment("HOMESTREAM_NO_SUCH_SECRET".into());
        assert!(unset.read().unwrap_err().contains("HOMESTREAM_NO_SUCH_SECRET"));
    }
}
