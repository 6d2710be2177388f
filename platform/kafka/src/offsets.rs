//! Which next offset may be committed: pure arithmetic over records in flight.

use std::collections::{BTreeMap, VecDeque};

use crate::record::{NextOffset, Record, TopicPartition};

/// A record was tracked in a way that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrackerError {
    /// Offsets of a partition must grow.
    #[error("{partition}: offset {offset} begins after offset {last}")]
    OutOfOrder {
        /// The partition.
        partition: TopicPartition,
        /// The offset that was begun.
        offset: i64,
        /// The greatest offset begun before.
        last: i64,
    },
    /// A record was completed that is not in flight. After a revocation that is
    /// expected; otherwise it is a bug of the caller.
    #[error("{partition}: offset {offset} is not in flight")]
    NotInFlight {
        /// The partition.
        partition: TopicPartition,
        /// The offset that was completed.
        offset: i64,
    },
}

/// Records in flight, first in, first out, per partition. Only completed records
/// with nothing unfinished before them advance the offset to commit, so that a
/// record is never skipped by a restart, however late it finishes.
#[derive(Clone, Debug, Default)]
pub struct OffsetTracker {
    partitions: BTreeMap<TopicPartition, Window>,
}

#[derive(Clone, Debug)]
struct Window {
    /// Offsets in flight and whether they are done; the head is never done.
    in_flight: VecDeque<(i64, bool)>,
    last: i64,
    next: Option<i64>,
    /// `next` moved since it was last taken.
    moved: bool,
}

impl OffsetTracker {
    /// A tracker without partitions.
    pub fn new() -> Self {
        Self::default()
    }

    /// A record was read.
    pub fn begin(&mut self, record: &Record) -> Result<(), TrackerError> {
        let partition = record.topic_partition();
        let offset = record.offset;
        match self.partitions.get_mut(&partition) {
            None => {
                let window = Window {
                    in_flight: VecDeque::from([(offset, false)]),
                    last: offset,
                    next: None,
                    moved: false,
                };
                self.partitions.insert(partition, window);
            }
            Some(window) if offset <= window.last => {
                return Err(TrackerError::OutOfOrder { partition, offset, last: window.last });
            }
            Some(window) => {
                window.in_flight.push_back((offset, false));
                window.last = offset;
            }
        }
        Ok(())
    }

    /// A record's outputs were acknowledged.
    pub fn complete(
        &mut self,
        partition: &TopicPartition,
        offset: i64,
    ) -> Result<(), TrackerError> {
        let not_in_flight = || TrackerError::NotInFlight { partition: partition.clone(), offset };
        let window = self.partitions.get_mut(partition).ok_or_else(not_in_flight)?;
        let index = window
            .in_flight
            .binary_search_by_key(&offset, |&(offset, _)| offset)
            .map_err(|_| not_in_flight())?;
        match window.in_flight.get_mut(index) {
            Some((_, done)) if !*done => *done = true,
            _ => return Err(not_in_flight()),
        }
        while let Some(&(offset, true)) = window.in_flight.front() {
            window.in_flight.pop_front();
            window.next = Some(offset + 1);
            window.moved = true;
        }
        Ok(())
    }

    /// The next offsets that moved since they were last taken, to be committed.
    pub fn take_committable(&mut self) -> Vec<NextOffset> {
        self.partitions
            .iter_mut()
            .filter_map(|(partition, window)| {
                let moved = std::mem::take(&mut window.moved);
                window.next.filter(|_| moved).map(|offset| NextOffset {
                    topic: partition.topic.clone(),
                    partition: partition.partition,
                    offset,
                })
            })
            .collect()
    }

    /// Records read and not completed, or completed behind one that is not.
    pub fn in_flight(&self) -> usize {
        self.partitions.values().map(|window| window.in_flight.len()).sum()
    }

    /// Forgets partitions that now belong to another member.
    pub fn revoke(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn record(partition: i32, offset: i64) -> Record {
        Record {
            topic: Arc::from("t"),
            partition,
            offset,
            timestamp_ms: None,
            key: None,
            payload: None,
            headers: Vec::new(),
        }
    }

    fn next(partition: i32, offset: i64) -> NextOffset {
        NextOffset { topic: Arc::from("t"), partition, offset }
    }

    #[test]
    fn only_the_head_advances_the_offset() {
        let mut tracker = OffsetTracker::new();
        let zero = TopicPartition::new("t", 0);
        for offset in [10, 11, 14] {
            tracker.begin(&record(0, offset)).unwrap();
        }
        tracker.complete(&zero, 11).unwrap();
        assert_eq!(tracker.take_committable(), []);
        assert_eq!(tracker.in_flight(), 3);
        tracker.complete(&zero, 10).unwrap();
        assert_eq!(tracker.take_committable(), [next(0, 12)]);
        assert_eq!(tracker.take_committable(), [], "taken once");
        tracker.complete(&zero, 14).unwrap();
        assert_eq!(tracker.take_committable(), [next(0, 15)], "gaps are normal in Kafka");
        assert_eq!(tracker.in_flight(), 0);
    }

    #[test]
    fn misuse_is_an_error_with_coordinates() {
        let mut tracker = OffsetTracker::new();
        let zero = TopicPartition::new("t", 0);
        assert!(tracker.complete(&zero, 1).is_err());
        tracker.begin(&record(0, 5)).unwrap();
        assert_eq!(
            tracker.begin(&record(0, 5)).unwrap_err().to_string(),
            "t[0]: offset 5 begins after offset 5"
        );
        tracker.complete(&zero, 5).unwrap();
        assert_eq!(
            tracker.complete(&zero, 5).unwrap_err().to_string(),
            "t[0]: offset 5 is not in flight"
        );
    }

    #[test]
    fn a_revoked_partition_may_come_back_at_an_earlier_offset() {
        let mut tracker = OffsetTracker::new();
        let zero = TopicPartition::new("t", 0);
        tracker.begin(&record(0, 5)).unwrap();
        tracker.begin(&record(1, 5)).unwrap();
        tracker.revoke(std::slice::from_ref(&zero));
        assert_eq!(tracker.in_flight(), 1);
        tracker.begin(&record(0, 3)).unwrap();
        tracker.complete(&zero, 3).unwrap();
        assert_eq!(tracker.take_committable(), [next(0, 4)]);
    }

    proptest! {
        /// Whatever the order of completion, the committed offset never passes a
        /// record that is not done, and reaches the end once all are.
        #[test]
        fn never_skips_a_record(
            gaps in prop::collection::vec(1_i64..4, 1..40),
            partitions in 1_i32..4,
            order in any::<prop::sample::Index>(),
            seed in any::<u64>(),
        ) {
            let mut tracker = OffsetTracker::new();
            let mut open: Vec<(i32, i64)> = Vec::new();
            let mut offset = 0;
            for (index, gap) in gaps.iter().enumerate() {
                offset += gap;
                let partition = i32::try_from(index).unwrap() % partitions;
                tracker.begin(&record(partition, offset)).unwrap();
                open.push((partition, offset));
            }
            let all = open.clone();
            let mut undone: BTreeSet<(i32, i64)> = open.iter().copied().collect();
            let mut committed = std::collections::BTreeMap::new();
            let mut step = order.index(open.len()) as u64 ^ seed;
            while !open.is_empty() {
                step = step.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let chosen = usize::try_from(step >> 33).unwrap() % open.len();
                let (partition, offset) = open.swap_remove(chosen);
                tracker.complete(&TopicPartition::new("t", partition), offset).unwrap();
                undone.remove(&(partition, offset));
                for moved in tracker.take_committable() {
                    let before = committed.insert(moved.partition, moved.offset).unwrap_or(0);
                    prop_assert!(moved.offset > before);
                    prop_assert!(
                        !undone.iter().any(|&(p, o)| p == moved.partition && o < moved.offset)
                    );
                }
            }
            prop_assert_eq!(tracker.in_flight(), 0);
            for (partition, offset) in all {
                prop_assert!(committed[&partition] > offset);
            }
        }
    }
}
