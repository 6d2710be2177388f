//! The dead letters of a topic, and which of them were sent again: a fold over the topic.

use std::collections::BTreeSet;

use platform_kafka::dead_letter::{DeadLetter, read_back};
use platform_kafka::{BrokerConfig, Follower, FollowerEvent, Header, KafkaError, Outgoing, Record};

use super::Filter;

/// Header of a marker: which dead letter of this topic was sent again, `partition@offset`.
/// The marker is committed with the record that was sent, so that it is sent once.
const SENT_AGAIN: &str = "homestream.dlq.sent_again";

/// A dead letter and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) letter: DeadLetter,
}

/// What a dead-letter topic holds.
#[derive(Debug, Default)]
pub(super) struct Letters {
    letters: Vec<Letter>,
    sent_again: BTreeSet<(i32, i64)>,
    /// Records that are neither letters nor markers.
    pub(super) unknown: u64,
}

impl Letters {
    /// Reads a topic to its end.
    ///
    /// # Errors
    /// [`KafkaError`] when the broker is lost or the topic does not exist.
    pub(super) async fn read(broker: &BrokerConfig, topic: &str) -> Result<Self, KafkaError> {
        let mut follower = Follower::start(broker, "dlq", &[topic])?;
        let mut letters = Self::default();
        while let Some(event) = follower.next().await {
            match event {
                FollowerEvent::Records(records) => {
                    records.iter().for_each(|record| letters.take(record));
                }
                FollowerEvent::CaughtUp => break,
                FollowerEvent::Failed(error) => return Err(error),
            }
        }
        Ok(letters)
    }

    fn take(&mut self, record: &Record) {
        if let Some(place) = record.header(SENT_AGAIN).and_then(place) {
            self.sent_again.insert(place);
            return;
        }
        match read_back(record) {
            Some(letter) => {
                let (partition, offset) = (record.partition, record.offset);
                self.letters.push(Letter { partition, offset, letter });
            }
            None => self.unknown += 1,
        }
    }

    /// The letters that a filter lets through, oldest first; those sent again only when they
    /// are asked for.
    pub(super) fn selected(&self, filter: &Filter, sent_again: bool) -> Vec<&Letter> {
        let mut selected: Vec<&Letter> = self
            .letters
            .iter()
            .filter(|letter| sent_again || !self.was_sent_again(letter))
            .filter(|letter| filter.lets_through(&letter.letter))
            .collect();
        selected.sort_by_key(|letter| {
            (letter.letter.original.timestamp_ms, letter.partition, letter.offset)
        });
        selected
    }

    pub(super) fn was_sent_again(&self, letter: &Letter) -> bool {
        self.sent_again.contains(&(letter.partition, letter.offset))
    }
}

impl Filter {
    fn lets_through(&self, letter: &DeadLetter) -> bool {
        let key = letter.original.key.as_deref();
        (self.reason.is_empty() || self.reason.contains(&letter.code))
            && self.key.as_ref().is_none_or(|wanted| key == Some(wanted.as_bytes()))
            && self.from_topic.as_ref().is_none_or(|wanted| *wanted == letter.topic)
    }
}

impl Letter {
    /// What sends this letter again: the record as it was received, and the marker.
    pub(super) fn sending(&self, dead_letters: &str) -> [Outgoing; 2] {
        let place = format!("{}@{}", self.partition, self.offset);
        let marker = Outgoing {
            topic: dead_letters.into(),
            key: self.letter.original.key.clone(),
            payload: None,
            headers: vec![Header::text(SENT_AGAIN, place)],
            timestamp_ms: None,
        };
        [self.letter.original.clone(), marker]
    }
}

fn place(value: &[u8]) -> Option<(i32, i64)> {
    let (partition, offset) = std::str::from_utf8(value).ok()?.split_once('@')?;
    Some((partition.parse().ok()?, offset.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use platform_kafka::dead_letter::{Fault, dead_letter};

    use super::*;

    fn stored(outgoing: Outgoing, partition: i32, offset: i64) -> Record {
        Record {
            topic: outgoing.topic,
            partition,
            offset,
            timestamp_ms: outgoing.timestamp_ms,
            key: outgoing.key,
            payload: outgoing.payload,
            headers: outgoing.headers,
        }
    }

    fn letter(key: &str, code: &'static str, offset: i64) -> Record {
        let received = Record {
            topic: "listings".into(),
            partition: 4,
            offset: 100 + offset,
            timestamp_ms: Some(1_000 - offset),
            key: Some(key.into()),
            payload: Some(b"junk".to_vec()),
            headers: Vec::new(),
        };
        let fault = Fault { stage: "s", class_name: "c", code, message: "m".into() };
        stored(dead_letter(&received, "dlq".into(), &fault), 1, offset)
    }

    fn letters() -> Letters {
        let mut letters = Letters::default();
        letters.take(&letter("a", "truncated", 0));
        letters.take(&letter("b", "out_of_range", 1));
        letters.take(&letter("a", "out_of_range", 2));
        letters
    }

    fn offsets(letters: &[&Letter]) -> Vec<i64> {
        letters.iter().map(|letter| letter.offset).collect()
    }

    #[test]
    fn filters_narrow_and_the_oldest_come_first() {
        let letters = letters();
        let all = Filter::default();
        assert_eq!(offsets(&letters.selected(&all, false)), [2, 1, 0]);
        let reason = Filter { reason: vec!["out_of_range".into()], ..all.clone() };
        assert_eq!(offsets(&letters.selected(&reason, false)), [2, 1]);
        let key = Filter { key: Some("a".into()), ..reason };
        assert_eq!(offsets(&letters.selected(&key, false)), [2]);
        let other = Filter { from_topic: Some("sales".into()), ..all };
        assert_eq!(offsets(&letters.selected(&other, false)), [0_i64; 0]);
    }

    #[test]
    fn a_letter_that_was_sent_again_is_not_sent_a_third_time() {
        let mut letters = letters();
        let all = Filter::default();
        let first = letters.selected(&all, false)[2].clone();
        let [again, marker] = first.sending("dlq");
        assert_eq!((&*again.topic, again.payload.as_deref()), ("listings", Some(&b"junk"[..])));
        assert_eq!(again.headers, []);
        letters.take(&stored(marker, 0, 77));
        assert_eq!(offsets(&letters.selected(&all, false)), [2, 1]);
        assert_eq!(offsets(&letters.selected(&all, true)), [2, 1, 0]);
        assert!(letters.was_sent_again(&first));
    }

    #[test]
    fn a_record_of_another_kind_is_counted_and_left_alone() {
        let mut letters = letters();
        let other = Outgoing::new("dlq".into(), "k", "v");
        letters.take(&stored(other, 0, 5));
        assert_eq!((letters.unknown, letters.letters.len()), (1, 3));
    }
}
