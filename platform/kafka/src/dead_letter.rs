//! Dead letters: the bytes of a record that could not be processed, as they were
//! received, with headers that say where it came from and what was wrong.
//!
//! The headers are those of Kafka Connect, so that its tools read ours. Nothing
//! here publishes: a dead letter is an [`Outgoing`] record like any other output,
//! and the offset of its source moves only after it was acknowledged.

use std::sync::Arc;

use crate::publisher::MAX_RECORD_BYTES;
use crate::record::{Header, Outgoing, Record};

/// What every dead-letter header name starts with.
pub const HEADER_PREFIX: &str = "__connect.errors.";
/// The topic the record was read from.
pub const TOPIC: &str = "__connect.errors.topic";
/// The partition it was read from.
pub const PARTITION: &str = "__connect.errors.partition";
/// Its offset.
pub const OFFSET: &str = "__connect.errors.offset";
/// The stage of processing that failed.
pub const STAGE: &str = "__connect.errors.stage";
/// The component that failed.
pub const CLASS_NAME: &str = "__connect.errors.class.name";
/// The reason code.
pub const EXCEPTION_CLASS_NAME: &str = "__connect.errors.exception.class.name";
/// The reason in words.
pub const EXCEPTION_MESSAGE: &str = "__connect.errors.exception.message";

/// Size of a payload that is left out, because no dead letter can hold it; it stands where
/// the other headers say. Ours, not Kafka Connect's.
pub const PAYLOAD_LEFT_OUT: &str = "__connect.errors.payload.left.out.bytes";

/// Room for this module's headers.
const HEADER_ROOM: usize = 8 * 1024;

/// Longest message kept, so that a record near the broker's size limit still fits
/// with its dead-letter headers.
const MAX_MESSAGE_BYTES: usize = 2_048;

/// What was wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The stage that failed, such as `decode`.
    pub stage: &'static str,
    /// The component that failed, such as `schemas::Listing`.
    pub class_name: &'static str,
    /// A code from a bounded set, such as `unknown_schema`.
    pub code: &'static str,
    /// The reason in words, for a person.
    pub message: String,
}

/// A dead letter as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The topic the record was read from.
    pub topic: String,
    /// The partition it was read from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// The stage that failed.
    pub stage: String,
    /// The component that failed.
    pub class_name: String,
    /// The reason code.
    pub code: String,
    /// The reason in words.
    pub message: String,
    /// The record as it was received, to be sent to `topic` again.
    pub original: Outgoing,
}

/// The dead letter of a record: key, payload, headers and timestamp as received,
/// plus what was wrong. Headers of an earlier failure are replaced. Of a record that
/// no dead letter can hold, only where it stands and what was wrong is told.
pub fn dead_letter(record: &Record, to: Arc<str>, fault: &Fault) -> Outgoing {
    let whole = record.size_bytes() + HEADER_ROOM <= MAX_RECORD_BYTES;
    let mut headers = if whole { original_headers(record) } else { Vec::new() };
    headers.extend([
        Header::text(TOPIC, &record.topic),
        Header::text(PARTITION, record.partition.to_string()),
        Header::text(OFFSET, record.offset.to_string()),
        Header::text(STAGE, fault.stage),
        Header::text(CLASS_NAME, fault.class_name),
        Header::text(EXCEPTION_CLASS_NAME, fault.code),
        Header::text(EXCEPTION_MESSAGE, shortened(&fault.message)),
    ]);
    if !whole {
        let bytes = record.payload.as_ref().map_or(0, Vec::len);
        headers.push(Header::text(PAYLOAD_LEFT_OUT, bytes.to_string()));
    }
    Outgoing {
        topic: to,
        key: record.key.clone().filter(|_| whole),
        payload: record.payload.clone().filter(|_| whole),
        headers,
        timestamp_ms: record.timestamp_ms,
    }
}

/// Reads a dead letter, ours or Kafka Connect's. `None` if the record does not say
/// where it came from.
pub fn read_back(record: &Record) -> Option<DeadLetter> {
    let text = |name| record.header(name).and_then(|value| std::str::from_utf8(value).ok());
    let topic = text(TOPIC)?;
    let optional = |name| text(name).unwrap_or_default().to_owned();
    Some(DeadLetter {
        topic: topic.to_owned(),
        partition: text(PARTITION)?.parse().ok()?,
        offset: text(OFFSET)?.parse().ok()?,
        stage: optional(STAGE),
        class_name: optional(CLASS_NAME),
        code: optional(EXCEPTION_CLASS_NAME),
        message: optional(EXCEPTION_MESSAGE),
        original: Outgoing {
            topic: topic.into(),
            key: record.key.clone(),
            payload: record.payload.clone(),
            headers: original_headers(record),
            timestamp_ms: record.timestamp_ms,
        },
    })
}

fn original_headers(record: &Record) -> Vec<Header> {
    record
        .headers
        .iter()
        .filter(|header| !header.name.starts_with(HEADER_PREFIX))
        .cloned()
        .collect()
}

fn shortened(message: &str) -> &str {
    let mut end = message.len().min(MAX_MESSAGE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            topic: "homes.listings.v1".into(),
            partition: 2,
            offset: 41,
            timestamp_ms: Some(757_382_400_000),
            key: Some(b"L-1".to_vec()),
            payload: Some(b"\xffnot avro".to_vec()),
            headers: vec![
                Header::text("traceparent", "00-1-2-01"),
                Header { name: "empty".into(), value: None },
            ],
        }
    }

    fn fault(message: &str) -> Fault {
        Fault {
            stage: "decode",
            class_name: "schemas::Listing",
            code: "bad_magic",
            message: message.to_owned(),
        }
    }

    /// As the broker would hand the dead letter over.
    fn stored(letter: Outgoing, offset: i64) -> Record {
        Record {
            topic: letter.topic,
            partition: 0,
            offset,
            timestamp_ms: letter.timestamp_ms,
            key: letter.key,
            payload: letter.payload,
            headers: letter.headers,
        }
    }

    #[test]
    fn headers_are_those_of_kafka_connect() {
        let letter = dead_letter(&record(), "homes.listings.v1.dlq".into(), &fault("byte 0"));
        let shown: Vec<(String, String)> = letter
            .headers
            .iter()
            .skip(2)
            .map(|header| {
                let value = header.value.clone().unwrap();
                (header.name.clone(), String::from_utf8(value).unwrap())
            })
            .collect();
        let expected = [
            ("__connect.errors.topic", "homes.listings.v1"),
            ("__connect.errors.partition", "2"),
            ("__connect.errors.offset", "41"),
            ("__connect.errors.stage", "decode"),
            ("__connect.errors.class.name", "schemas::Listing"),
            ("__connect.errors.exception.class.name", "bad_magic"),
            ("__connect.errors.exception.message", "byte 0"),
        ];
        assert_eq!(shown, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(letter.topic.as_ref(), "homes.listings.v1.dlq");
    }

    #[test]
    fn reading_back_gives_the_record_as_received() {
        let record = record();
        let letter = dead_letter(&record, "dlq".into(), &fault("byte 0"));
        let read = read_back(&stored(letter, 0)).unwrap();
        assert_eq!(
            (read.topic.as_str(), read.partition, read.offset),
            ("homes.listings.v1", 2, 41)
        );
        assert_eq!((read.stage.as_str(), read.code.as_str()), ("decode", "bad_magic"));
        assert_eq!(read.original.topic.as_ref(), "homes.listings.v1");
        assert_eq!(read.original.key, record.key);
        assert_eq!(read.original.payload, record.payload);
        assert_eq!(read.original.headers, record.headers);
        assert_eq!(read.original.timestamp_ms, record.timestamp_ms);
    }

    #[test]
    fn a_second_failure_replaces_the_headers_of_the_first() {
        let once = stored(dead_letter(&record(), "dlq".into(), &fault("first")), 7);
        let twice = dead_letter(&once, "dlq".into(), &fault("second"));
        assert_eq!(twice.headers.len(), 2 + 7);
        let read = read_back(&stored(twice, 8)).unwrap();
        assert_eq!((read.topic.as_str(), read.offset, read.message.as_str()), ("dlq", 7, "second"));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let letter = dead_letter(&record(), "dlq".into(), &fault(&"é€".repeat(1_000)));
        let message = letter.headers.last().unwrap().value.clone().unwrap();
        assert!(message.len() <= MAX_MESSAGE_BYTES && message.len() > MAX_MESSAGE_BYTES - 4);
        assert!(String::from_utf8(message).is_ok());
    }

    #[test]
    fn a_record_that_no_dead_letter_can_hold_leaves_its_coordinates() {
        let limit = MAX_RECORD_BYTES - HEADER_ROOM;
        let of_size = |bytes| Record {
            key: None,
            headers: Vec::new(),
            payload: Some(vec![b'x'; bytes]),
            ..record()
        };
        let fits = dead_letter(&of_size(limit), "dlq".into(), &fault("byte 0"));
        assert!(fits.payload.is_some() && fits.size_bytes() <= MAX_RECORD_BYTES);
        let letter = dead_letter(&of_size(limit + 1), "dlq".into(), &fault("byte 0"));
        assert_eq!(letter.payload, None);
        let stored = stored(letter, 0);
        let bytes = (limit + 1).to_string();
        assert_eq!(stored.header(PAYLOAD_LEFT_OUT), Some(bytes.as_bytes()));
        let read = read_back(&stored).unwrap();
        assert_eq!(
            (read.topic.as_str(), read.partition, read.offset),
            ("homes.listings.v1", 2, 41)
        );
    }

    #[test]
    fn other_records_are_not_dead_letters() {
        assert_eq!(read_back(&record()), None);
    }
}
