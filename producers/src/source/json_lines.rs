//! JSON lines: one object a line. The columns are all keys of all lines, so the file is read
//! twice; a key that a line lacks is missing there.

use std::collections::HashSet;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::Source;
use super::input::Input;
use crate::error::{ReadError, RowError, SourceError};
use crate::row::{Cell, Place, Row};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

type Content = BufReader<Box<dyn Read + Send + Sync>>;

pub(super) struct JsonLines {
    input: Input,
    columns: Vec<String>,
    content: Content,
    buffer: Vec<u8>,
    line: u64,
    number: u64,
    broken: bool,
}

impl JsonLines {
    pub(super) fn open(input: Input) -> Result<Self, SourceError> {
        let columns = collect_columns(&input)?;
        let content = BufReader::new(input.reader()?);
        Ok(Self { input, columns, content, buffer: Vec::new(), line: 0, number: 0, broken: false })
    }

    fn row(&self) -> Result<Row, RowError> {
        let place = Place::Line(self.line);
        let malformed = |reason| RowError::Malformed { place, reason };
        let text = std::str::from_utf8(trim(&self.buffer))
            .map_err(|_| malformed("not UTF-8".to_owned()))?;
        let mut object: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| malformed(format!("not a JSON object on one line ({error})")))?;
        let mut cells = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            cells.push(object.remove(column).map_or(Cell::Missing, cell));
        }
        Ok(Row { place, number: self.number, cells })
    }
}

impl Source for JsonLines {
    fn name(&self) -> &str {
        &self.input.name
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next_row(&mut self) -> Option<Result<Row, ReadError>> {
        if self.broken {
            return None;
        }
        loop {
            match read_line(&mut self.content, &mut self.buffer) {
                Ok(false) => return None,
                Ok(true) => self.line += 1,
                Err(reason) => {
                    self.broken = true;
                    return Some(Err(self.input.failure(reason).into()));
                }
            }
            if !trim(&self.buffer).is_empty() {
                self.number += 1;
                return Some(self.row().map_err(ReadError::from));
            }
        }
    }
}

fn cell(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Missing,
        Value::Bool(value) => Cell::Bool(value),
        Value::String(text) => Cell::Text(text),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Cell::Integer(value),
            (None, Some(value)) => Cell::Number(value),
            (None, None) => Cell::Unsupported("a number out of range"),
        },
        Value::Array(_) | Value::Object(_) => Cell::Unsupported("a list or an object"),
    }
}

/// The keys of all lines in the order in which they appear; lines that cannot be read are
/// left for the reading of rows to report.
fn collect_columns(input: &Input) -> Result<Vec<String>, SourceError> {
    let mut content = BufReader::new(input.reader()?);
    let (mut buffer, mut seen, mut columns) = (Vec::new(), HashSet::new(), Vec::new());
    while read_line(&mut content, &mut buffer).map_err(|reason| input.failure(reason))? {
        let Ok(Keys(keys)) = serde_json::from_slice(trim(&buffer)) else { continue };
        for key in keys {
            if !seen.contains(&key) {
                seen.insert(key.clone());
                columns.push(key);
            }
        }
    }
    if columns.is_empty() {
        return Err(input.malformed("no line is a JSON object with keys"));
    }
    Ok(columns)
}

fn read_line(content: &mut Content, buffer: &mut Vec<u8>) -> std::io::Result<bool> {
    buffer.clear();
    Ok(content.read_until(b'\n', buffer)? > 0)
}

fn trim(line: &[u8]) -> &[u8] {
    line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line).trim_ascii()
}

/// The keys of an object, its values skipped.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor;
        impl<'de> Visitor<'de> for KeysVisitor {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(KeysVisitor)
    }
}
