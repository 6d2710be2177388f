//! A spec as a file that people and other programs read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{FeatureSpec, MAX_LEVELS};
use crate::market::{InvalidMarketParam, MarketParams};

/// Layout of the file.
const FORMAT: u32 = 1;

/// What encodes a home: the features, and how the market is looked at for them. As JSON it is
/// what a model that is trained elsewhere is trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecFile {
    format: u32,
    /// [`FeatureSpec::hash`] of `spec`.
    hash: String,
    /// How the market index is looked at.
    pub market: MarketParams,
    /// The features.
    pub spec: FeatureSpec,
}

/// Why a file is not a usable spec.
#[derive(Debug, Error)]
pub enum InvalidSpec {
    /// Not the JSON of a spec.
    #[error("not a feature spec: {0}; write one by `homestream features --spec-out`")]
    Json(#[from] serde_json::Error),
    /// Another layout.
    #[error("spec format {0} is not known, this program reads format {FORMAT}")]
    Format(u32),
    /// The spec is not the one that was written.
    #[error(
        "the spec's hash is {found}, the file says {told}: it was edited; write it again by \
         `homestream features --spec-out`"
    )]
    Hash {
        /// Hash of what the file holds.
        found: String,
        /// Hash that it tells.
        told: String,
    },
    /// A feature that cannot be encoded.
    #[error("feature {name}: {message}")]
    Feature {
        /// Its name.
        name: String,
        /// What is wrong.
        message: &'static str,
    },
    /// A market parameter is out of range.
    #[error(transparent)]
    Market(#[from] InvalidMarketParam),
}

impl SpecFile {
    /// A file of a spec.
    pub fn new(spec: FeatureSpec, market: MarketParams) -> Self {
        Self { format: FORMAT, hash: spec.hash(), market, spec }
    }

    /// The file's text.
    ///
    /// # Errors
    /// [`InvalidSpec::Json`] where a range of the domain is not finite.
    pub fn to_json(&self) -> Result<String, InvalidSpec> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads a file and checks its hash, names and levels.
    ///
    /// # Errors
    /// [`InvalidSpec`], with what is wrong.
    pub fn from_json(bytes: &[u8]) -> Result<Self, InvalidSpec> {
        let file: Self = serde_json::from_slice(bytes)?;
        if file.format != FORMAT {
            return Err(InvalidSpec::Format(file.format));
        }
        let found = file.spec.hash();
        if found != file.hash {
            return Err(InvalidSpec::Hash { found, told: file.hash });
        }
        let mut names = BTreeSet::new();
        for feature in &file.spec.features {
            let fail = |message| Err(InvalidSpec::Feature { name: feature.name.clone(), message });
            if !names.insert(feature.name.as_str()) {
                return fail("the name stands there twice");
            }
            if feature.levels.len() > MAX_LEVELS {
                return fail("has more than 250 levels");
            }
            if !feature.levels.is_sorted_by(|a, b| a < b) {
                return fail("its levels are not in increasing order");
            }
        }
        file.market.check()?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Domain, Feature, FeatureGroup, FeatureSource, Range};
    use super::*;

    fn file() -> SpecFile {
        let feature = |name: &str, levels: &[&str]| Feature {
            name: name.into(),
            group: FeatureGroup::Fact,
            source: FeatureSource::CategoryAttribute { name: name.into() },
            levels: levels.iter().map(|level| (*level).to_owned()).collect(),
        };
        let domain = Domain {
            living_area: Some(Range { low: 0.1 + 0.2, high: 1e4 }),
            currency: "USD".into(),
            ..Domain::default()
        };
        let features = vec![feature("wall", &["brick", "wood"]), feature("rooms", &[])];
        SpecFile::new(FeatureSpec { features, domain }, MarketParams::default())
    }

    #[test]
    fn reads_back_the_same() {
        let json = file().to_json().unwrap();
        assert_eq!(SpecFile::from_json(json.as_bytes()).unwrap(), file());
    }

    #[test]
    fn what_was_edited_or_cannot_be_encoded_is_refused() {
        let json = file().to_json().unwrap();
        let read = |text: String| SpecFile::from_json(text.as_bytes()).unwrap_err().to_string();
        assert!(read(json.replace("brick", "stone")).contains("it was edited"));
        assert!(read(json.replace("\"format\": 1", "\"format\": 7")).contains("format 7"));
        assert!(read("{}".into()).contains("not a feature spec"));
        let read = |change: &dyn Fn(&mut FeatureSpec)| {
            let mut spec = file().spec;
            change(&mut spec);
            read(SpecFile::new(spec, MarketParams::default()).to_json().unwrap())
        };
        assert!(read(&|spec| spec.features[0].levels.reverse()).contains("increasing"));
        assert!(read(&|spec| spec.features[1].name = "wall".into()).contains("twice"));
    }
}
