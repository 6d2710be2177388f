//! Collecting records into batches that close on count, bytes or time.

use std::time::{Duration, Instant};

use crate::record::Record;

/// When a batch is handed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    pub(crate) max_records: usize,
    pub(crate) max_bytes: usize,
    pub(crate) max_wait: Duration,
}

/// Records collected and not yet handed over.
#[derive(Debug)]
pub(crate) struct Batch {
    limits: BatchLimits,
    records: Vec<Record>,
    bytes: usize,
    opened: Option<Instant>,
    /// Nothing more is waiting, so a batch with no waiting time closes.
    drained: bool,
}

impl Batch {
    pub(crate) fn new(limits: BatchLimits) -> Self {
        Self { limits, records: Vec::new(), bytes: 0, opened: None, drained: false }
    }

    pub(crate) fn push(&mut self, record: Record, now: Instant) {
        self.bytes += record.size_bytes();
        self.records.push(record);
        self.opened.get_or_insert(now);
        self.drained = false;
    }

    /// Notes that a poll found nothing.
    pub(crate) fn found_nothing(&mut self) {
        self.drained = true;
    }

    /// How long the next poll may wait for a record.
    pub(crate) fn patience(&self, idle: Duration, now: Instant) -> Duration {
        match self.opened {
            None => idle,
            Some(opened) => (opened + self.limits.max_wait).saturating_duration_since(now),
        }
    }

    /// Nothing more fits.
    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= self.limits.max_records || self.bytes >= self.limits.max_bytes
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let Some(opened) = self.opened else { return false };
        let waited = now.saturating_duration_since(opened) >= self.limits.max_wait;
        self.is_full() || (waited && (self.drained || !self.limits.max_wait.is_zero()))
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn take(&mut self) -> Vec<Record> {
        self.bytes = 0;
        self.opened = None;
        self.drained = false;
        // The next batch is likely to be as large.
        let next = Vec::with_capacity(self.records.len());
        std::mem::replace(&mut self.records, next)
    }

    /// Drops records that now belong to another member.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Record) -> bool) {
        self.records.retain(keep);
        self.bytes = self.records.iter().map(Record::size_bytes).sum();
        if self.records.is_empty() {
            self.opened = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bytes: usize) -> Record {
        Record {
            topic: "t".into(),
            partition: 0,
            offset: 0,
            timestamp_ms: None,
            key: None,
            payload: Some(vec![0; bytes]),
            headers: Vec::new(),
        }
    }

    fn limits(max_wait_ms: u64) -> BatchLimits {
        BatchLimits { max_records: 3, max_bytes: 100, max_wait: Duration::from_millis(max_wait_ms) }
    }

    #[test]
    fn closes_on_count_bytes_or_time() {
        let start = Instant::now();
        let mut batch = Batch::new(limits(5));
        assert!(!batch.is_due(start + Duration::from_secs(9)), "an empty batch is never due");
        for expected in [false, false, true] {
            batch.push(record(1), start);
            assert_eq!(batch.is_due(start), expected);
        }
        assert_eq!(batch.take().len(), 3);
        batch.push(record(100), start);
        assert!(batch.is_due(start));
        batch.take();
        batch.push(record(1), start);
        assert!(!batch.is_due(start + Duration::from_millis(4)));
        assert_eq!(
            batch.patience(Duration::from_secs(1), start + Duration::from_millis(4)),
            Duration::from_millis(1)
        );
        assert!(batch.is_due(start + Duration::from_millis(5)));
    }

    #[test]
    fn without_waiting_time_it_takes_what_is_there() {
        let start = Instant::now();
        let mut batch = Batch::new(limits(0));
        batch.push(record(1), start);
        assert!(!batch.is_due(start), "more may be waiting");
        assert_eq!(batch.patience(Duration::from_secs(1), start), Duration::ZERO);
        batch.found_nothing();
        assert!(batch.is_due(start));
    }

    #[test]
    fn records_of_revoked_partitions_are_dropped() {
        let start = Instant::now();
        let mut batch = Batch::new(limits(5));
        batch.push(record(1), start);
        batch.retain(|_| false);
        assert!(!batch.is_due(start + Duration::from_secs(1)));
        assert!(batch.take().is_empty());
    }
}
