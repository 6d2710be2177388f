//! `attributes`: a map of a number or a text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use model_core::listing::Attribute;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The map of attributes, borrowed from a domain type while encoding.
#[derive(Default)]
pub(crate) struct Attributes<'a>(pub(crate) Cow<'a, BTreeMap<String, Attribute>>);

/// One value as a branch of the union `[double, string]`; the order is the schema's.
#[derive(Serialize)]
enum BranchRef<'a> {
    Number(f64),
    Text(&'a str),
}

#[derive(Deserialize)]
enum Branch {
    Number(f64),
    Text(String),
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| {
            let branch = match value {
                Attribute::Number(number) => BranchRef::Number(*number),
                Attribute::Text(text) => BranchRef::Text(text),
            };
            (name, branch)
        }))
    }
}

impl<'de> Deserialize<'de> for Attributes<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;

        impl<'de> Visitor<'de> for MapVisitor {
            type Value = BTreeMap<String, Attribute>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of numbers and texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut attributes = BTreeMap::new();
                while let Some((name, branch)) = map.next_entry::<String, Branch>()? {
                    let value = match branch {
                        Branch::Number(number) => Attribute::Number(number),
                        Branch::Text(text) => Attribute::Text(text),
                    };
                    attributes.insert(name, value);
                }
                Ok(attributes)
            }
        }

        deserializer.deserialize_map(MapVisitor).map(|map| Self(Cow::Owned(map)))
    }
}
