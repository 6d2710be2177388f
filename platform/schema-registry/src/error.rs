//! What can go wrong, with the address, the setting and the way out.

use schemas::CodecError;
use thiserror::Error;

/// Why a schema registry could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A setting cannot be used.
    #[error("{setting}: {reason}")]
    Setting {
        /// The setting, with its section.
        setting: &'static str,
        /// Why; never the value of a secret.
        reason: String,
    },
    /// Nobody answers.
    #[error("no schema registry answers at {url}: {reason}; check schema_registry.url")]
    Unreachable {
        /// The address.
        url: String,
        /// What the attempt said.
        reason: String,
    },
    /// The registry answers that it cannot work just now.
    #[error("schema registry {url} is failing: HTTP {status}: {message}")]
    Failing {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// What answers is no schema registry.
    #[error(
        "{url} does not answer as a schema registry: {reason}; schema_registry.url is the address \
         of its Confluent API, path included (Apicurio's ends with /apis/ccompat/v7)"
    )]
    NotARegistry {
        /// The address.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// None of several addresses could be used.
    #[error("none of the addresses of schema_registry.url can be used: {failures}")]
    NoneUsable {
        /// What each said.
        failures: String,
    },
    /// Authentication or rights are wrong.
    #[error(
        "schema registry {url} refuses access (HTTP {status}: {message}): check \
         schema_registry.username and password, or bearer_token, and what they may do"
    )]
    AccessRefused {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// The registry does not know what was asked for.
    #[error("schema registry {url} does not know it: {message}")]
    NotFound {
        /// The address.
        url: String,
        /// What it says.
        message: String,
    },
    /// A schema cannot follow the subject's earlier ones.
    #[error(
        "schema registry {url} says that this version's schema is incompatible with the latest of \
         {subject}, so nothing is produced: {message}; use another topics.prefix, or the version \
         of homestream that registered it"
    )]
    Incompatible {
        /// The address, or addresses.
        url: String,
        /// The subject.
        subject: String,
        /// What it says.
        message: String,
    },
    /// Somebody else was to register the schema.
    #[error(
        "schema registry {url} does not have this version's {record} schema under {subject}: \
         register it there, or set schema_registry.auto_register = true"
    )]
    NotRegistered {
        /// The address, or addresses.
        url: String,
        /// The subject.
        subject: String,
        /// The record.
        record: &'static str,
    },
    /// The registry refuses a request for another reason.
    #[error("schema registry {url} refuses the request: HTTP {status}: {message}")]
    Refused {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// The schemas built in cannot be used.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The service was told to stop.
    #[error("interrupted while waiting for the schema registry")]
    Interrupted,
}

impl RegistryError {
    /// Whether the same request may succeed later.
    pub fn is_retriable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Failing { .. }
                | Self::NotARegistry { .. }
                | Self::NoneUsable { .. }
        )
    }

    /// Bounded result for metrics.
    pub(crate) fn result(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Unreachable { .. } => "unreachable",
            error if error.is_retriable() => "failing",
            _ => "refused",
        }
    }
}
