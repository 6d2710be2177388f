//! How far a group member is behind, as the member itself sees it.
//!
//! The difference between a partition's end and the group's committed offset never reaches 0
//! on a topic that is written in transactions: a transaction ends with a marker, which takes
//! an offset and is never handed over, so the last committed offset stays below the end. Here
//! the end is the last stable offset, up to which records may be read, and the position moves
//! past markers: a partition that has been read to its end is 0 behind.
//!
//! Positions come from the client library's statistics and from what the service took; what
//! the member has read and the service has not taken is behind. The library learns a
//! partition's end when it fetches; a paused member does not fetch, and asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus::GaugeVec;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::statistics::{Partition as Seen, Statistics};
use rdkafka::{Offset, TopicPartitionList};

use crate::context::lock;
use crate::metrics::METRICS;
use crate::record::{Record, TopicPartition};

/// How often the library says where it is: a fraction of a Prometheus scrape's interval, and
/// too seldom to cost anything.
pub(crate) const STATISTICS_INTERVAL_MS: &str = "2000";

/// How often a paused member asks for the ends of its partitions.
const ASK_INTERVAL: Duration = Duration::from_secs(2);

/// How long that question may hold a paused member up: well below a session timeout.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// Where a member is in one of its partitions. Offsets are next offsets, and never go down
/// but by a rewind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    /// The last stable offset.
    end: Option<i64>,
    /// What the library has left behind: records handed to the member, and markers.
    passed: Option<i64>,
    /// Where the member began.
    start: Option<i64>,
    /// After the last record that the member has ready for the service.
    queued: Option<i64>,
    /// After the last record that the service took.
    taken: Option<i64>,
    /// The time of the last record that the service took.
    taken_ms: Option<i64>,
    /// When the member was last seen to have caught up.
    caught_up_ms: Option<i64>,
    /// Whether the member holds records that are neither queued nor taken.
    holds: bool,
}

impl Position {
    /// Takes over what the library says; `fetching` is false around a pause.
    fn observe(&mut self, seen: &Seen, fetching: bool) {
        if seen.fetch_state != "active" {
            return;
        }
        self.end = self.end.max(offset(seen.ls_offset));
        // A partition without anything to read hands nothing over: there the end that was
        // fetched counts, unless a pause has thrown away what was fetched before it.
        let nothing_to_read =
            fetching && seen.fetchq_cnt == 0 && seen.eof_offset == seen.next_offset;
        self.passed = match offset(seen.app_offset) {
            None if nothing_to_read => offset(seen.next_offset),
            passed => passed,
        };
    }

    /// Where the service is.
    fn reached(&self) -> Option<i64> {
        if self.holds || self.queued > self.taken {
            self.taken.or(self.start)
        } else {
            self.taken.max(self.passed)
        }
    }

    /// Records, markers among them, that the service has yet to take.
    fn behind(&self) -> Option<i64> {
        Some((self.end? - self.reached()?).max(0))
    }

    /// Milliseconds since what the service took last was written, or since nothing was left
    /// to take.
    fn delay_ms(&mut self, now_ms: i64) -> Option<i64> {
        if self.behind()? == 0 {
            self.caught_up_ms = Some(now_ms);
            return Some(0);
        }
        let since = self.taken_ms.max(self.caught_up_ms)?;
        Some((now_ms - since).max(0))
    }
}

/// The library's offsets are negative where it knows none.
fn offset(raw: i64) -> Option<i64> {
    (raw >= 0).then_some(raw)
}

/// What is known of all partitions of a member.
#[derive(Debug, Default)]
struct Board {
    positions: BTreeMap<TopicPartition, Position>,
    paused: bool,
    /// Since the end of a pause or a rewind: the first statistics may be those of before.
    resumed_lately: bool,
    asked: Option<Instant>,
}

/// How far one member is behind in the partitions it is assigned.
#[derive(Debug)]
pub(crate) struct Lag {
    group: String,
    board: Mutex<Board>,
    /// Whether there is anything to report; looked at once a record.
    news: AtomicBool,
}

impl Lag {
    pub(crate) fn new(group: &str) -> Self {
        Self { group: group.to_owned(), board: Mutex::default(), news: AtomicBool::new(false) }
    }

    pub(crate) fn assigned(&self, partitions: &TopicPartitionList) {
        let mut board = lock(&self.board);
        for partition in coordinates(partitions) {
            board.positions.insert(partition, Position::default());
        }
    }

    /// Partitions that are another member's from now on are that one's to report.
    pub(crate) fn revoked(&self, partitions: &TopicPartitionList) {
        let mut board = lock(&self.board);
        for partition in coordinates(partitions) {
            if board.positions.remove(&partition).is_some() {
                self.withdraw(&partition);
            }
        }
    }

    /// The member has these records ready for the service.
    pub(crate) fn queued(&self, records: &[Record]) {
        let mut board = lock(&self.board);
        for (first, last) in runs(records) {
            if let Some(position) = board.positions.get_mut(&last.topic_partition()) {
                position.start.get_or_insert(first.offset);
                position.queued = Some(last.offset + 1);
            }
        }
    }

    /// The service took these records.
    pub(crate) fn taken(&self, records: &[Record]) {
        let mut board = lock(&self.board);
        for (_, last) in runs(records) {
            if let Some(position) = board.positions.get_mut(&last.topic_partition()) {
                position.taken = Some(last.offset + 1);
                position.taken_ms = last.timestamp_ms;
            }
        }
    }

    /// Takes the library's statistics over.
    pub(crate) fn observe(&self, statistics: &Statistics) {
        let mut board = lock(&self.board);
        let fetching = !board.paused && !board.resumed_lately;
        if !board.paused {
            board.resumed_lately = false;
        }
        for (partition, position) in &mut board.positions {
            let seen = statistics
                .topics
                .get(partition.topic.as_ref())
                .and_then(|topic| topic.partitions.get(&partition.partition));
            if let Some(seen) = seen {
                position.observe(seen, fetching);
            }
        }
        self.news.store(true, Ordering::Release);
    }

    /// Reports what is new, by a member that holds these records.
    pub(crate) fn report(&self, held: &[Record]) {
        if !self.news.load(Ordering::Relaxed) || !self.news.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut board = lock(&self.board);
        for position in board.positions.values_mut() {
            position.holds = false;
        }
        for (first, last) in runs(held) {
            if let Some(position) = board.positions.get_mut(&last.topic_partition()) {
                position.start.get_or_insert(first.offset);
                position.holds = true;
            }
        }
        self.export(&mut board);
    }

    /// The member is paused and so learns nothing of its partitions' ends: asks for them now
    /// and then.
    pub(crate) fn while_paused<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>) {
        let now = Instant::now();
        {
            let mut board = lock(&self.board);
            board.paused = true;
            let waited = |asked| now.saturating_duration_since(asked) >= ASK_INTERVAL;
            if !board.asked.is_none_or(waited) {
                return;
            }
            board.asked = Some(now);
        }
        match self.ends(consumer) {
            Ok(ends) => {
                let mut board = lock(&self.board);
                for (partition, position) in &mut board.positions {
                    position.end = position.end.max(ends.get(partition).copied());
                }
                self.news.store(true, Ordering::Release);
            }
            Err(error) => {
                tracing::debug!(group = self.group, %error, "the ends of partitions are unknown");
            }
        }
    }

    /// The member goes back to what was committed last.
    pub(crate) fn rewinding(&self) {
        let mut board = lock(&self.board);
        for position in board.positions.values_mut() {
            position.start = None;
            position.queued = None;
        }
        board.resumed_lately = true;
    }

    /// The service knows that records are read again.
    pub(crate) fn rewound(&self) {
        for position in lock(&self.board).positions.values_mut() {
            position.taken = None;
        }
    }

    pub(crate) fn resumed(&self) {
        let mut board = lock(&self.board);
        board.paused = false;
        board.resumed_lately = true;
    }

    fn ends<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
    ) -> rdkafka::error::KafkaResult<HashMap<TopicPartition, i64>> {
        let mut asked = TopicPartitionList::new();
        for partition in lock(&self.board).positions.keys() {
            asked.add_partition_offset(&partition.topic, partition.partition, Offset::End)?;
        }
        if asked.count() == 0 {
            return Ok(HashMap::new());
        }
        let answered = consumer.offsets_for_times(asked, ASK_TIMEOUT)?;
        let elements = answered.elements();
        Ok(elements
            .iter()
            .filter_map(|element| match (element.error(), element.offset()) {
                (Ok(()), Offset::Offset(end)) => {
                    Some((TopicPartition::new(element.topic(), element.partition()), end))
                }
                _ => None,
            })
            .collect())
    }

    fn export(&self, board: &mut Board) {
        let now_ms = now_ms();
        for (partition, position) in &mut board.positions {
            let Some(behind) = position.behind() else { continue };
            self.set(&METRICS.lag, partition, behind as f64);
            if let Some(delay_ms) = position.delay_ms(now_ms) {
                self.set(&METRICS.delay, partition, delay_ms as f64 / 1_000.0);
            }
        }
    }

    fn set(&self, gauges: &Option<GaugeVec>, partition: &TopicPartition, value: f64) {
        let number = partition.partition.to_string();
        let labels = [self.group.as_str(), partition.topic.as_ref(), &number];
        let gauge =
            gauges.as_ref().and_then(|gauges| gauges.get_metric_with_label_values(&labels).ok());
        if let Some(gauge) = gauge {
            gauge.set(value);
        }
    }

    fn withdraw(&self, partition: &TopicPartition) {
        let number = partition.partition.to_string();
        let labels = [self.group.as_str(), partition.topic.as_ref(), &number];
        for gauges in [&METRICS.lag, &METRICS.delay].into_iter().flatten() {
            // It has no series before its first statistics.
            let _ = gauges.remove_label_values(&labels);
        }
    }
}

/// A member that ends, in whatever way, reports nothing any more.
impl Drop for Lag {
    fn drop(&mut self) {
        for partition in lock(&self.board).positions.keys() {
            self.withdraw(partition);
        }
    }
}

/// The first and the last record of each run of records of one partition.
fn runs(records: &[Record]) -> impl Iterator<Item = (&Record, &Record)> {
    records
        .chunk_by(|one, next| one.partition == next.partition && one.topic == next.topic)
        .filter_map(|run| Some((run.first()?, run.last()?)))
}

fn coordinates(partitions: &TopicPartitionList) -> Vec<TopicPartition> {
    let elements = partitions.elements();
    elements
        .iter()
        .map(|element| TopicPartition::new(element.topic(), element.partition()))
        .collect()
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "lag_tests.rs"]
mod tests;
