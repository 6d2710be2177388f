//! Hand-made events: one JSON object with RESO names, read strictly.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use chrono::DateTime;
use model_core::date::EventDate;
use model_core::listing::Attribute;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::{DecodeError, MESSAGE_CHARS, shorten, shorten_to};
use crate::kind::RecordKind;
use crate::wire::{Attributes, invalid};

/// Objects inside the record's object; deeper ones are read past.
const DEPTH: u8 = 2;
/// Similarity from which a valid name is suggested for an unknown one.
const SIMILAR: f64 = 0.7;

/// A JSON value, as far as records need it.
enum Json {
    Null,
    Bool,
    Integer(i64),
    Float(f64),
    Text(String),
    Array,
    Object(Vec<(String, Json)>),
}

/// The fields of a record's object that have not been taken yet.
pub(crate) struct Fields {
    values: BTreeMap<String, Json>,
}

impl Fields {
    /// Reads an object whose fields must all be among `names`.
    pub(crate) fn parse(
        kind: RecordKind,
        names: &[&str],
        json: &[u8],
    ) -> Result<Self, DecodeError> {
        let broken = |error: serde_json::Error| DecodeError::InvalidJson {
            detail: shorten_to(MESSAGE_CHARS, &error.to_string()),
        };
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let value = Seed { depth: DEPTH }.deserialize(&mut deserializer).map_err(broken)?;
        deserializer.end().map_err(broken)?;
        let Json::Object(entries) = value else {
            return Err(wrong(kind.name(), &value, "an object"));
        };
        if let Some((name, _)) = entries.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            let field = shorten(name);
            let nearest = nearest(&field, names);
            return Err(DecodeError::UnknownField { field, expected: kind, nearest });
        }
        Ok(Self { values: unique(entries, "")? })
    }

    pub(crate) fn text<'a>(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, DecodeError> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(Cow::Owned(text))),
            Some(other) => Err(wrong(name, &other, "a text")),
        }
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>, DecodeError> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Float(number)) => Ok(Some(number)),
            Some(Json::Integer(number)) => Ok(Some(number as f64)),
            Some(other) => Err(wrong(name, &other, "a number")),
        }
    }

    /// Whole numbers may be written with a fraction of zero, as many tools do.
    pub(crate) fn integer(&mut self, name: &str) -> Result<Option<i32>, DecodeError> {
        const EXPECTED: &str = "a whole number of at most 32 bits";
        let (whole, written) = match self.take(name) {
            None => return Ok(None),
            Some(Json::Integer(number)) => (i32::try_from(number).ok(), number.to_string()),
            Some(Json::Float(number)) => (exact_integer(number), number.to_string()),
            Some(other) => return Err(wrong(name, &other, EXPECTED)),
        };
        whole.map(Some).ok_or_else(|| invalid(name, &written, EXPECTED))
    }

    pub(crate) fn date(&mut self, name: &str) -> Result<Option<i32>, DecodeError> {
        const EXPECTED: &str = "a date such as \"1996-07-01\" or whole days since 1970-01-01";
        match self.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => match EventDate::parse_iso(&text) {
                Some(date) => Ok(Some(date.0)),
                None => Err(invalid(name, &text, EXPECTED)),
            },
            Some(Json::Integer(days)) => match i32::try_from(days) {
                Ok(days) => Ok(Some(days)),
                Err(_) => Err(invalid(name, &days.to_string(), EXPECTED)),
            },
            Some(other) => Err(wrong(name, &other, EXPECTED)),
        }
    }

    pub(crate) fn timestamp(&mut self, name: &str) -> Result<Option<i64>, DecodeError> {
        const EXPECTED: &str =
            "a time such as \"1996-07-01T12:00:00Z\" or whole milliseconds since 1970-01-01";
        match self.take(name) {
            None => Ok(None),
            Some(Json::Integer(milliseconds)) => Ok(Some(milliseconds)),
            Some(Json::Text(text)) => match DateTime::parse_from_rfc3339(&text) {
                Ok(time) => Ok(Some(time.timestamp_millis())),
                Err(_) => Err(invalid(name, &text, EXPECTED)),
            },
            Some(other) => Err(wrong(name, &other, EXPECTED)),
        }
    }

    /// A null attribute is one that is not known.
    pub(crate) fn attributes<'a>(&mut self, name: &str) -> Result<Attributes<'a>, DecodeError> {
        let entries = match self.take(name) {
            None => Vec::new(),
            Some(Json::Object(entries)) => entries,
            Some(other) => return Err(wrong(name, &other, "an object")),
        };
        let mut attributes = BTreeMap::new();
        for (key, value) in unique(entries, "attributes.")? {
            let attribute = match value {
                Json::Null => continue,
                Json::Integer(number) => Attribute::Number(number as f64),
                Json::Float(number) => Attribute::Number(number),
                Json::Text(text) => Attribute::Text(text),
                other => {
                    let field = format!("attributes.{}", shorten(&key));
                    return Err(wrong(&field, &other, "a number or a text"));
                }
            };
            attributes.insert(key, attribute);
        }
        Ok(Attributes(Cow::Owned(attributes)))
    }

    pub(crate) fn required_text<'a>(&mut self, name: &str) -> Result<Cow<'a, str>, DecodeError> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    pub(crate) fn required_number(&mut self, name: &str) -> Result<f64, DecodeError> {
        self.number(name)?.ok_or_else(|| missing(name))
    }

    pub(crate) fn required_date(&mut self, name: &str) -> Result<i32, DecodeError> {
        self.date(name)?.ok_or_else(|| missing(name))
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        self.values.remove(name).filter(|value| !matches!(value, Json::Null))
    }
}

fn unique(
    entries: Vec<(String, Json)>,
    prefix: &str,
) -> Result<BTreeMap<String, Json>, DecodeError> {
    let mut values = BTreeMap::new();
    for (name, value) in entries {
        if values.contains_key(&name) {
            return Err(DecodeError::DuplicateField {
                field: format!("{prefix}{}", shorten(&name)),
            });
        }
        values.insert(name, value);
    }
    Ok(values)
}

fn exact_integer(number: f64) -> Option<i32> {
    let whole = number as i32;
    (f64::from(whole) == number).then_some(whole)
}

fn missing(name: &str) -> DecodeError {
    DecodeError::MissingField { field: name.to_owned() }
}

fn wrong(name: &str, value: &Json, expected: &'static str) -> DecodeError {
    let found = match value {
        Json::Null => "null".to_owned(),
        Json::Bool => "true or false".to_owned(),
        Json::Integer(number) => format!("the number {number}"),
        Json::Float(number) => format!("the number {number}"),
        Json::Text(text) => format!("the text '{}'", shorten(text)),
        Json::Array => "an array".to_owned(),
        Json::Object(_) => "an object".to_owned(),
    };
    DecodeError::WrongType { field: name.to_owned(), found, expected }
}

/// The valid name most like an unknown one, whatever its case and underscores.
fn nearest(unknown: &str, names: &[&str]) -> Option<String> {
    let plain = |name: &str| name.replace(['_', '-', ' '], "").to_lowercase();
    let unknown = plain(unknown);
    names
        .iter()
        .map(|name| (strsim::jaro_winkler(&unknown, &plain(name)), *name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned())
}

/// Reads a value; objects below `depth` and the items of arrays are read past.
#[derive(Clone, Copy)]
struct Seed {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(i64::try_from(number).map_or(Json::Float(number as f64), Json::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        let Some(depth) = self.depth.checked_sub(1) else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Json::Object(entries));
        };
        while let Some(name) = map.next_key::<String>()? {
            entries.push((name, map.next_value_seed(Self { depth })?));
        }
        Ok(Json::Object(entries))
    }
}
