//! Records as they are read and as they are sent, with their coordinates.

use std::sync::Arc;

use rdkafka::message::{BorrowedMessage, Headers, Message};

/// One header of a record. Kafka allows a name to occur more than once and a
/// value to be null, which differs from empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name, UTF-8.
    pub name: String,
    /// The value; `None` is Kafka's null.
    pub value: Option<Vec<u8>>,
}

impl Header {
    /// A header with a UTF-8 value.
    pub fn text(name: impl Into<String>, value: impl AsRef<str>) -> Self {
        Self { name: name.into(), value: Some(value.as_ref().as_bytes().to_vec()) }
    }
}

/// A record as the broker handed it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The topic it was read from.
    pub topic: Arc<str>,
    /// The partition it was read from.
    pub partition: i32,
    /// Its position in the partition.
    pub offset: i64,
    /// The record's time in milliseconds since the epoch, if it has one.
    pub timestamp_ms: Option<i64>,
    /// The key; `None` is Kafka's null, which differs from empty.
    pub key: Option<Vec<u8>>,
    /// The payload; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// The headers in the order they were sent.
    pub headers: Vec<Header>,
}

impl Record {
    /// The value of the last header of this name, as Kafka's own clients read it.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().rev().find(|header| header.name == name)?.value.as_deref()
    }

    /// The partition this record came from.
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: Arc::clone(&self.topic), partition: self.partition }
    }

    /// Bytes of key, payload and headers: what a batch is measured by.
    pub fn size_bytes(&self) -> usize {
        size_bytes(self.key.as_deref(), self.payload.as_deref(), &self.headers)
    }

    pub(crate) fn from_message(message: &BorrowedMessage<'_>, topics: &mut TopicNames) -> Self {
        Self {
            topic: topics.intern(message.topic()),
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
            headers: headers_of(message),
        }
    }
}

/// The client library panics on a header name that is not UTF-8. One such record
/// must not end a service, so its headers are given up, loudly.
fn headers_of(message: &BorrowedMessage<'_>) -> Vec<Header> {
    let Some(headers) = message.headers() else { return Vec::new() };
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        headers
            .iter()
            .map(|header| Header {
                name: header.key.to_owned(),
                value: header.value.map(<[u8]>::to_vec),
            })
            .collect()
    }));
    read.unwrap_or_else(|_| {
        tracing::warn!(
            topic = message.topic(),
            partition = message.partition(),
            offset = message.offset(),
            "a header name is not utf-8: the record is read without its headers"
        );
        Vec::new()
    })
}

/// A record to send. The partition follows from the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The topic to send to.
    pub topic: Arc<str>,
    /// The key; records of one key stay in order.
    pub key: Option<Vec<u8>>,
    /// The payload; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// The headers in order.
    pub headers: Vec<Header>,
    /// The record's time in milliseconds since the epoch; `None` is now. Kafka
    /// has no times before the epoch and the client reads 0 as "now", so values
    /// below 1 are sent as 1.
    pub timestamp_ms: Option<i64>,
}

impl Outgoing {
    /// A record with a key and a payload, without headers, dated now.
    pub fn new(topic: Arc<str>, key: impl Into<Vec<u8>>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic,
            key: Some(key.into()),
            payload: Some(payload.into()),
            headers: Vec::new(),
            timestamp_ms: None,
        }
    }

    /// Bytes of key, payload and headers.
    pub fn size_bytes(&self) -> usize {
        size_bytes(self.key.as_deref(), self.payload.as_deref(), &self.headers)
    }
}

/// The topics and payloads of records, for those who care for nothing else.
pub fn payloads(records: &[Record]) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
    records.iter().map(|record| (&*record.topic, record.payload.as_deref()))
}

fn size_bytes(key: Option<&[u8]>, payload: Option<&[u8]>, headers: &[Header]) -> usize {
    // Each header costs up to five bytes of length for its name and for its value.
    let headers: usize = headers
        .iter()
        .map(|header| header.name.len() + header.value.as_ref().map_or(0, Vec::len) + 10)
        .sum();
    key.map_or(0, <[u8]>::len) + payload.map_or(0, <[u8]>::len) + headers
}

/// Where an acknowledged record was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition the key led to.
    pub partition: i32,
    /// The position in the partition.
    pub offset: i64,
}

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// The position to commit: the offset of the first record that is *not* done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NextOffset {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The first offset that is not done.
    pub offset: i64,
}

impl NextOffset {
    /// The position to commit once `record` is done.
    pub fn after(record: &Record) -> Self {
        Self {
            topic: Arc::clone(&record.topic),
            partition: record.partition,
            offset: record.offset + 1,
        }
    }

    /// The next offset of every partition in a batch that is done with as a whole.
    pub fn of_batch(records: &[Record]) -> Vec<Self> {
        let mut next: Vec<Self> = Vec::new();
        for record in records {
            let known = next
                .iter_mut()
                .find(|next| next.partition == record.partition && next.topic == record.topic);
            match known {
                Some(next) => next.offset = next.offset.max(record.offset + 1),
                None => next.push(Self::after(record)),
            }
        }
        next
    }
}

/// Topic names seen by one reader, so that a record costs no allocation for its
/// topic. A reader follows a handful of topics: a scan is the fastest lookup.
#[derive(Debug, Default)]
pub(crate) struct TopicNames(Vec<Arc<str>>);

impl TopicNames {
    pub(crate) fn intern(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| known.as_ref() == name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.0.push(Arc::clone(&name));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_header_of_a_name_counts() {
        let record = Record {
            topic: "t".into(),
            partition: 0,
            offset: 4,
            timestamp_ms: None,
            key: None,
            payload: None,
            headers: vec![
                Header::text("a", "1"),
                Header::text("a", "2"),
                Header { name: "n".into(), value: None },
            ],
        };
        assert_eq!(record.header("a"), Some(b"2".as_slice()));
        assert_eq!(record.header("n"), None);
        assert_eq!(record.header("absent"), None);
        assert_eq!(NextOffset::after(&record).offset, 5);
    }
}
