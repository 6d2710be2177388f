//! Rows as a source delivers them, before a mapping gives them meaning.

use std::borrow::Cow;
use std::fmt;

use model_core::date::EventDate;

/// One value of one row. Text formats deliver [`Cell::Text`]; Parquet and JSON keep their types.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Null, NaN, an empty text or an absent JSON key.
    Missing,
    /// Text, as it stands in the source.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// A calendar date.
    Date(EventDate),
    /// A value that no field can hold; the text says what it is ("a list or an object").
    Unsupported(&'static str),
}

impl Cell {
    /// The value as trimmed text: what a category, a key or a missing-value code is compared
    /// with. `None` when missing or unsupported.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Missing | Self::Unsupported(_) => None,
            Self::Text(text) => Some(Cow::Borrowed(text.trim())),
            Self::Integer(value) => Some(Cow::Owned(value.to_string())),
            Self::Number(value) => Some(Cow::Owned(value.to_string())),
            Self::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Self::Date(date) => Some(Cow::Owned(date.to_string())),
        }
    }

    /// The value as a number, when it is one or its text reads as one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Number(value) => Some(*value),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Text(text) => text.trim().parse().ok().filter(|value: &f64| value.is_finite()),
            Self::Missing | Self::Date(_) | Self::Unsupported(_) => None,
        }
    }

    /// True when there is nothing: [`Cell::Missing`] or blank text.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Missing => true,
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 80;
        match (self, self.text()) {
            (Self::Unsupported(what), _) => f.write_str(what),
            (_, Some(text)) if text.chars().count() > LONGEST => {
                write!(f, "`{}...`", text.chars().take(LONGEST).collect::<String>())
            }
            (_, Some(text)) if !text.is_empty() => write!(f, "`{text}`"),
            _ => f.write_str("nothing"),
        }
    }
}

/// Where in a source something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of a text file, counted from 1 with the header.
    Line(u64),
    /// A row of a table, counted from 1.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// One row: as many cells as its source has columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where it stands, for messages.
    pub place: Place,
    /// Its number among the data rows, from 1, bad rows counted: a key where there is none.
    pub number: u64,
    /// The values, in the order of the source's columns.
    pub cells: Vec<Cell>,
}
