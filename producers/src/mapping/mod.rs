//! How a source's columns become listings and sales: one TOML file per source.
//!
//! ```toml
//! currency = "USD"                  # ISO 4217; required
//! key = "sale_id"                   # or ["id", "date"], or { generate = "row_number" }
//! date = "sale_date"                # when the sale closed: YYYY-MM-DD, or as below
//! # date = { column = "sold", format = "%m/%d/%Y" }
//! # date = { year = "Year_Sold", month = "Mo_Sold" }
//! price = "price"                   # the price it closed at
//! missing = ["NA"]                  # codes for "not known" in any column
//!
//! [fields]                          # RESO Data Dictionary names
//! LivingArea = { column = "TLA", unit = "square_feet" }
//! BedroomsTotal = "beds"
//!
//! [attributes]                      # facts that the dictionary lacks
//! wall = { kind = "category" }
//! depth_feet = { column = "depth", kind = "number", missing = [0] }
//!
//! [ignore]                          # never a feature, and why
//! avalue = "the county's appraisal: may have been made after the sale"
//! ```
//!
//! [`spec`] has every key with its meaning and default. An empty value is always missing;
//! nothing else is, unless `missing` says so. [`Mapping::bind`] fits a mapping to a source's
//! columns, and the [`BoundMapping`] converts rows.

mod bind;
mod convert;
mod error;
pub mod spec;

use std::fs;
use std::path::{Path, PathBuf};

pub use bind::{BoundMapping, Purpose};
pub use error::MappingError;

use spec::MappingSpec;

/// A mapping that has been read and checked.
#[derive(Clone, Debug)]
pub struct Mapping {
    path: PathBuf,
    spec: MappingSpec,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or says something a mapping cannot say.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, MappingError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|reason| MappingError::Read { path: path.to_owned(), reason })?;
        Self::parse(&text, path)
    }

    /// Parses the text of a mapping; `path` is for messages.
    ///
    /// # Errors
    /// The text is not TOML, or says something a mapping cannot say.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, MappingError> {
        let path = path.as_ref().to_owned();
        let spec: MappingSpec =
            toml::from_str(text).map_err(|error| MappingError::from_toml(&path, text, &error))?;
        match spec.check() {
            Ok(()) => Ok(Self { path, spec }),
            Err((key, reason)) => Err(MappingError::Invalid { path, key, reason }),
        }
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says.
    pub fn spec(&self) -> &MappingSpec {
        &self.spec
    }
}
