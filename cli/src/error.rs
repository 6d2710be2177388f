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
            Self::Usage(error) | Self::Failed(error) => f.write_str(&one_line(&with_causes(error))),
        }
    }
}

/// An error and its causes, those left out that the message before already ends with:
/// libraries differ in whether an error repeats its cause.
fn with_causes(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !told.ends_with(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

/// A message of several lines in one, without the excerpt of the file that parsers draw
/// (`3 | [topics`): the line's number stands in the message.
fn one_line(message: &str) -> String {
    let drawn = |line: &str| {
        line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').starts_with('|')
    };
    let told: Vec<&str> = message
        .lines()
        .filter(|line| !drawn(line))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_however_its_cause_is_drawn() {
        let drawn = "TOML parse error at line 1, column 8\n  |\n1 | [topics\n  |        ^\nunclosed table\n";
        let error = CliError::usage(anyhow::anyhow!(drawn).context("configuration"));
        assert_eq!(
            error.to_string(),
            "configuration: TOML parse error at line 1, column 8; unclosed table"
        );
        assert_eq!(one_line("plain: a | b"), "plain: a | b");
    }

    #[test]
    fn a_cause_that_is_told_already_is_not_told_again() {
        let told = anyhow::anyhow!("no such file").context("open a.csv: no such file");
        assert_eq!(CliError::failed(told).to_string(), "open a.csv: no such file");
        let untold = anyhow::anyhow!("no such file").context("open a.csv");
        assert_eq!(CliError::failed(untold).to_string(), "open a.csv: no such file");
    }
}
