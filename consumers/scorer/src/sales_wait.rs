//! Waiting for the sales that a listing is to be priced with.
//!
//! Listings and sales come on different topics, so a scorer that reads a replay may meet a
//! listing before sales that are older than it. A sales partition is in order of time: once
//! it has brought a sale as young as the listing, it has brought those before.

use std::collections::BTreeMap;
use std::time::Duration;

use platform_kafka::Record;
use tokio::time::Instant;

/// Whether, and how long, listings wait for sales.
pub(crate) struct SalesWait {
    longest: Duration,
    /// Timestamp of the youngest sale by partition, milliseconds.
    seen: BTreeMap<i32, i64>,
    /// The timestamp that sales are awaited up to.
    awaited: i64,
    /// Nothing is awaited up to here: it was, and did not come.
    given_up: i64,
}

impl SalesWait {
    pub(crate) fn new(longest: Duration) -> Self {
        Self { longest, seen: BTreeMap::new(), awaited: i64::MIN, given_up: i64::MIN }
    }

    /// Notes a sale.
    pub(crate) fn saw(&mut self, sale: &Record) {
        let at = sale.timestamp_ms.unwrap_or(i64::MIN);
        let youngest = self.seen.entry(sale.partition).or_insert(at);
        *youngest = at.max(*youngest);
    }

    /// Begins to wait for the sales before these listings; until when at most. `None` when
    /// listings do not wait.
    pub(crate) fn begin(&mut self, listings: &[Record]) -> Option<Instant> {
        if self.longest.is_zero() {
            return None;
        }
        self.awaited = listings.iter().filter_map(|listing| listing.timestamp_ms).max()?;
        Some(Instant::now() + self.longest)
    }

    /// Whether sales are still missing. A partition without any is not waited for.
    pub(crate) fn goes_on(&self) -> bool {
        self.awaited > self.given_up && self.seen.values().any(|youngest| *youngest < self.awaited)
    }

    /// They did not come in time: the listings are priced without, and those that are no
    /// younger do not wait for the same sales again.
    pub(crate) fn give_up(&mut self) {
        self.given_up = self.awaited;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(partition: i32, timestamp_ms: i64) -> Record {
        Record {
            topic: "sales".into(),
            partition,
            offset: 0,
            timestamp_ms: Some(timestamp_ms),
            key: None,
            payload: None,
            headers: Vec::new(),
        }
    }

    #[tokio::test]
    async fn listings_wait_until_every_partition_has_come_as_far() {
        let mut wait = SalesWait::new(Duration::from_secs(1));
        wait.saw(&record(0, 50));
        wait.saw(&record(1, 40));
        wait.saw(&record(1, 30));
        assert!(wait.begin(&[record(0, 40), record(0, 35)]).is_some());
        assert!(!wait.goes_on());
        assert!(wait.begin(&[record(0, 45)]).is_some());
        assert!(wait.goes_on());
        wait.saw(&record(1, 45));
        assert!(!wait.goes_on());
    }

    #[tokio::test]
    async fn sales_that_did_not_come_are_not_awaited_again() {
        let mut wait = SalesWait::new(Duration::from_secs(1));
        wait.saw(&record(0, 10));
        assert!(wait.begin(&[record(0, 20)]).is_some());
        assert!(wait.goes_on());
        wait.give_up();
        assert!(wait.begin(&[record(0, 20)]).is_some());
        assert!(!wait.goes_on());
        assert!(wait.begin(&[record(0, 21)]).is_some());
        assert!(wait.goes_on());
    }

    #[tokio::test]
    async fn live_listings_do_not_wait() {
        let mut wait = SalesWait::new(Duration::ZERO);
        wait.saw(&record(0, 10));
        assert_eq!(wait.begin(&[record(0, 20)]), None);
    }
}
