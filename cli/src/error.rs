//! How a command ends badly.

use std::fmt;

/// The exit code for wrong usage or configuration.
pub(crate) const EXIT_USAGE: u8 = 2;
/// The exit code for everything else that failed.
pub(crate) const EXIT_FAILED: u8 = 1;

/// Why a command ended, and with which exit code.
#[derive(Debug)]
pub(crate) enum CliError {
    /// Wrong usage or configuration: exit code 2.
    Usage(anyhow::Error),
    /// Everything else: exit code 1.
    Failed(anyhow::Error),
}

impl CliError {
    /// Wrong usage or configuration.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(error.into())
    }

    /// Everything else.
    pub(crate) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::Failed(error.into())
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => EXIT_USAGE,
            Self::Failed(_) => EXIT_FAILED,
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line: the causes after the error itself.
        match self {
            Self::Usage(error) | Self::Failed(error) => write!(f, "{error:#}"),
        }
    }
}
