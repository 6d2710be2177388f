//! Knowing when everything that was published has also been processed.
//!
//! Services of one process share a board. A [`Publisher`](crate::Publisher)
//! writes the next offset of every acknowledged record on it *before* `publish`
//! returns; a service writes the next offset of every input *after* its outputs
//! were acknowledged. So if at one instant every registered reader has processed
//! all that was produced, nothing is under way anywhere: a record being processed
//! would still count as lag of its reader, and its outputs were on the board
//! before that lag could vanish. The board is read under one lock, which makes it
//! one instant.
//!
//! The guarantee covers records published through this process and readers that
//! registered before the first of them was published.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::context::lock;

/// Bytes of a topic that may wait for its readers before publishing to the
/// *embedded* broker waits for them. That broker silently drops the oldest
/// records of a partition beyond 5 MiB; even if all went to one partition, this
/// and the overhead of each record stay below.
const UNPROCESSED_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// What a record costs besides its bytes. Also keeps the count of waiting records
/// below half of the 100,000 the embedded broker holds a partition.
const RECORD_OVERHEAD_BYTES: u64 = 100;

/// Why waiting for progress ended without it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgressError {
    /// A service reported that it cannot go on.
    #[error("{service} failed: {message}")]
    Failed {
        /// The service.
        service: &'static str,
        /// What it reported.
        message: String,
    },
    /// Waiting for a reader nobody registered would never end.
    #[error("service `{service}` is not registered as a reader of topic `{topic}`")]
    UnknownReader {
        /// The service.
        service: String,
        /// The topic.
        topic: String,
    },
}

/// The shared board. Clones share it.
#[derive(Clone, Debug)]
pub struct Progress {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    board: Mutex<Board>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Board {
    topics: BTreeMap<String, Topic>,
    watermarks: BTreeMap<&'static str, i64>,
    failure: Option<ProgressError>,
}

#[derive(Debug, Default)]
struct Topic {
    produced: Vec<i64>,
    readers: BTreeMap<&'static str, Vec<i64>>,
    /// Embedded broker only: acknowledged records not yet processed by all readers,
    /// as next offset and bytes, by partition.
    waiting: Vec<VecDeque<(i64, u64)>>,
    /// Embedded broker only: bytes handed to the broker and not yet processed.
    waiting_bytes: u64,
}

impl Topic {
    fn lag(&self, service: &str) -> u64 {
        let Some(processed) = self.readers.get(service) else { return 0 };
        self.produced
            .iter()
            .enumerate()
            .map(|(partition, &produced)| {
                let processed = processed.get(partition).copied().unwrap_or(0);
                u64::try_from(produced - processed).unwrap_or(0)
            })
            .sum()
    }

    /// Forgets records that every reader has processed.
    fn release(&mut self, partition: usize) {
        let done = self
            .readers
            .values()
            .map(|processed| processed.get(partition).copied().unwrap_or(0))
            .min()
            .unwrap_or(i64::MAX);
        let Some(waiting) = self.waiting.get_mut(partition) else { return };
        while let Some(&(next_offset, bytes)) = waiting.front() {
            if next_offset > done {
                break;
            }
            waiting.pop_front();
            self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        }
    }
}

/// Raises the value at `index`, growing the vector with zeros.
fn raise(values: &mut Vec<i64>, index: usize, value: i64) {
    if values.len() <= index {
        values.resize(index + 1, 0);
    }
    if let Some(slot) = values.get_mut(index) {
        *slot = value.max(*slot);
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// An empty board.
    pub fn new() -> Self {
        let (changes, _) = watch::channel(());
        Self { inner: Arc::new(Inner { board: Mutex::default(), changes }) }
    }

    /// Registers that a service reads a topic and will report what it processed.
    /// Call it before anything is published to the topic.
    ///
    /// On the embedded broker publishing waits for registered readers that are
    /// more than 4 MiB behind, so a registered reader must either report or call
    /// [`stops_reading`](Self::stops_reading).
    pub fn reads(&self, service: &'static str, topic: &str, partitions: i32) {
        self.change(|board| {
            let topic = board.topics.entry(topic.to_owned()).or_default();
            let partitions = usize::try_from(partitions).unwrap_or(0);
            let processed = topic.readers.entry(service).or_default();
            if processed.len() < partitions {
                processed.resize(partitions, 0);
            }
        });
    }

    /// A service no longer reads anything: nobody waits for it any more.
    pub fn stops_reading(&self, service: &str) {
        self.change(|board| {
            for topic in board.topics.values_mut() {
                if topic.readers.remove(service).is_some() {
                    for partition in 0..topic.waiting.len() {
                        topic.release(partition);
                    }
                }
            }
        });
    }

    /// Records up to `next_offset` were acknowledged by the broker.
    pub fn produced(&self, topic: &str, partition: i32, next_offset: i64) {
        let Ok(partition) = usize::try_from(partition) else { return };
        self.change(|board| {
            raise(&mut entry(board, topic).produced, partition, next_offset);
        });
    }

    /// A service has processed the records up to `next_offset`, and their outputs
    /// were acknowledged.
    pub fn processed(&self, service: &str, topic: &str, partition: i32, next_offset: i64) {
        let Ok(partition) = usize::try_from(partition) else { return };
        self.change(|board| {
            let topic = entry(board, topic);
            if let Some(processed) = topic.readers.get_mut(service) {
                raise(processed, partition, next_offset);
                topic.release(partition);
            }
        });
    }

    /// Records a service still has to process, over all its topics.
    pub fn lag(&self, service: &str) -> u64 {
        lock(&self.inner.board).topics.values().map(|topic| topic.lag(service)).sum()
    }

    /// A service cannot go on: everyone who waits gets this error, now and later.
    /// The first failure stands.
    pub fn fail(&self, service: &'static str, message: impl Into<String>) {
        let failure = ProgressError::Failed { service, message: message.into() };
        self.change(|board| {
            board.failure.get_or_insert(failure);
        });
    }

    /// Waits until every registered reader has processed all that was produced.
    pub async fn settled(&self) -> Result<(), ProgressError> {
        self.wait_for(|board| {
            Ok(board
                .topics
                .values()
                .all(|topic| topic.readers.keys().all(|service| topic.lag(service) == 0)))
        })
        .await
    }

    /// Waits until these readers, given as (service, topic), have processed all
    /// that was produced for them.
    pub async fn settled_for(&self, readers: &[(&str, &str)]) -> Result<(), ProgressError> {
        self.wait_for(|board| {
            for &(service, name) in readers {
                let topic = board
                    .topics
                    .get(name)
                    .filter(|topic| topic.readers.contains_key(service))
                    .ok_or_else(|| ProgressError::UnknownReader {
                        service: service.to_owned(),
                        topic: name.to_owned(),
                    })?;
                if topic.lag(service) > 0 {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// A service has finished all work up to this event time.
    pub fn acknowledge_watermark(&self, service: &'static str, event_time: i64) {
        self.change(|board| {
            let reached = board.watermarks.entry(service).or_insert(event_time);
            *reached = event_time.max(*reached);
        });
    }

    /// Waits until each of these services has finished all work up to this event
    /// time. A service that never reported has not.
    pub async fn watermark_reached(
        &self,
        services: &[&str],
        event_time: i64,
    ) -> Result<(), ProgressError> {
        self.wait_for(|board| {
            Ok(services.iter().all(|service| {
                board.watermarks.get(service).is_some_and(|&reached| reached >= event_time)
            }))
        })
        .await
    }

    /// Embedded broker: waits until a record of this size would not push records
    /// its readers still need out of the broker, then counts it as under way.
    pub(crate) async fn admit(&self, topic: &str, bytes: usize) {
        let bytes = cost(bytes);
        let mut changes = self.inner.changes.subscribe();
        loop {
            changes.mark_unchanged();
            {
                let mut board = lock(&self.inner.board);
                let failed = board.failure.is_some();
                let topic = entry(&mut board, topic);
                let fits = topic.waiting_bytes == 0
                    || topic.waiting_bytes + bytes <= UNPROCESSED_LIMIT_BYTES;
                // After a failure nobody may be reading; waiting would hide it.
                if fits || failed || topic.readers.is_empty() {
                    topic.waiting_bytes += bytes;
                    return;
                }
            }
            // The sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }

    /// Embedded broker: an admitted record was acknowledged.
    pub(crate) fn delivered(&self, topic: &str, partition: i32, next_offset: i64, bytes: usize) {
        let Ok(partition) = usize::try_from(partition) else { return };
        self.change(|board| {
            let topic = entry(board, topic);
            raise(&mut topic.produced, partition, next_offset);
            if topic.waiting.len() <= partition {
                topic.waiting.resize(partition + 1, VecDeque::new());
            }
            if let Some(waiting) = topic.waiting.get_mut(partition) {
                waiting.push_back((next_offset, cost(bytes)));
            }
            topic.release(partition);
        });
    }

    /// Embedded broker: an admitted record was not stored after all.
    pub(crate) fn dismissed(&self, topic: &str, bytes: usize) {
        self.change(|board| {
            let topic = entry(board, topic);
            topic.waiting_bytes = topic.waiting_bytes.saturating_sub(cost(bytes));
        });
    }

    fn change(&self, change: impl FnOnce(&mut Board)) {
        change(&mut lock(&self.inner.board));
        self.inner.changes.send_replace(());
    }

    async fn wait_for(
        &self,
        mut reached: impl FnMut(&Board) -> Result<bool, ProgressError>,
    ) -> Result<(), ProgressError> {
        let mut changes = self.inner.changes.subscribe();
        loop {
            changes.mark_unchanged();
            {
                let board = lock(&self.inner.board);
                if let Some(failure) = &board.failure {
                    return Err(failure.clone());
                }
                if reached(&board)? {
                    return Ok(());
                }
            }
            // The sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }
}

fn entry<'a>(board: &'a mut Board, topic: &str) -> &'a mut Topic {
    if !board.topics.contains_key(topic) {
        board.topics.insert(topic.to_owned(), Topic::default());
    }
    board.topics.entry(topic.to_owned()).or_default()
}

fn cost(bytes: usize) -> u64 {
    bytes as u64 + RECORD_OVERHEAD_BYTES
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
