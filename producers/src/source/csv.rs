//! CSV: every value is text, exactly as it stands in the file.
//!
//! Read record by record with the `csv` crate and not through a data frame, because errors
//! must name lines and nothing may be guessed: `98001` stays text until the mapping says what
//! it is. The delimiter is the one of comma, semicolon, tab and `|` that the header uses most.
//!
//! Lines end in `\n` or `\r\n`. The reader is told of `\n` only and the `\r` is taken off here:
//! told of both, it counts the `\n` of a `\r\n` to the line after, and errors would name the
//! wrong line.

use std::collections::HashSet;
use std::io::{Cursor, Read};

use ::csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, Terminator};

use super::Source;
use super::input::Input;
use crate::error::{ReadError, RowError, SourceError};
use crate::row::{Cell, Place, Row};

/// Enough for the widest header; a longer one is still read, its delimiter guessed from this.
const SNIFFED_BYTES: u64 = 65_536;

pub(super) struct Csv {
    input: Input,
    columns: Vec<String>,
    reader: Reader<Box<dyn Read + Send + Sync>>,
    record: ByteRecord,
    number: u64,
    broken: bool,
}

impl Csv {
    pub(super) fn open(input: Input) -> Result<Self, SourceError> {
        let mut content = input.reader()?;
        let mut head = Vec::new();
        let failure = |reason| input.failure(reason);
        content.by_ref().take(SNIFFED_BYTES).read_to_end(&mut head).map_err(failure)?;
        let delimiter = sniff_delimiter(&head);
        // A last line without its end gets one, so that every record ends in a new line.
        let content = Cursor::new(head).chain(content).chain(Cursor::new(b"\n"));
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .terminator(Terminator::Any(b'\n'))
            .flexible(true)
            .from_reader(Box::new(content) as Box<dyn Read + Send + Sync>);
        let header = reader.byte_headers().map_err(|error| fatal(&input, error))?;
        let mut columns = Vec::with_capacity(header.len());
        let mut seen = HashSet::new();
        for name in header {
            let name = std::str::from_utf8(name)
                .map_err(|_| input.malformed("the header is not UTF-8 (line 1)"))?;
            let name = name.trim().to_owned();
            if !seen.insert(name.clone()) {
                return Err(input.malformed(format!("column `{name}` stands twice in the header")));
            }
            columns.push(name);
        }
        Ok(Self { input, columns, reader, record: ByteRecord::new(), number: 0, broken: false })
    }

    fn row(&self) -> Result<Row, RowError> {
        // The reader stands after the record's end; lines within quotes belong to the record.
        let within = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let place = Place::Line(self.reader.position().line().saturating_sub(1 + within));
        let malformed = |reason| RowError::Malformed { place, reason };
        let (found, expected) = (self.record.len(), self.columns.len());
        if found != expected {
            let reason = format!("{found} values where the header has {expected}");
            return Err(malformed(reason));
        }
        let mut cells = Vec::with_capacity(expected);
        for (index, (field, column)) in self.record.iter().zip(&self.columns).enumerate() {
            let field = if index + 1 == found { without_return(field) } else { field };
            let text = std::str::from_utf8(field)
                .map_err(|_| malformed(format!("column `{column}` is not UTF-8")))?;
            cells.push(if text.is_empty() { Cell::Missing } else { Cell::Text(text.to_owned()) });
        }
        Ok(Row { place, number: self.number, cells })
    }
}

/// The last field of a line that ended in `\r\n`.
fn without_return(field: &[u8]) -> &[u8] {
    field.strip_suffix(b"\r").unwrap_or(field)
}

impl Source for Csv {
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
            match self.reader.read_byte_record(&mut self.record) {
                Ok(false) => return None,
                // A blank line that ends in `\r\n`; the reader skips those that end in `\n`.
                Ok(true) if self.record.as_slice() == b"\r" => {}
                Ok(true) => {
                    self.number += 1;
                    return Some(self.row().map_err(ReadError::from));
                }
                Err(error) => {
                    self.broken = true;
                    return Some(Err(fatal(&self.input, error).into()));
                }
            }
        }
    }
}

fn fatal(input: &Input, error: ::csv::Error) -> SourceError {
    let text = error.to_string();
    match error.into_kind() {
        ErrorKind::Io(reason) => input.failure(reason),
        _ => input.malformed(text),
    }
}

fn sniff_delimiter(head: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0), (b'|', 0)];
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if quoted => {}
            _ => {
                for (delimiter, count) in &mut counts {
                    *count += usize::from(byte == delimiter);
                }
            }
        }
    }
    // The first of equals: a comma when there is no delimiter at all.
    let mut best = counts[0];
    for candidate in counts {
        if candidate.1 > best.1 {
            best = candidate;
        }
    }
    best.0
}
