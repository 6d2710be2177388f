//! When the service stops because it is not the records that are wrong, but what reads them.

use std::collections::VecDeque;

/// Records that the share of dead letters is taken over.
pub const SHARE_RECORDS: usize = 1_000;

/// Dead letters that stop the service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeadLetterLimit {
    /// So many in a row.
    pub in_a_row: usize,
    /// This share, above 0 and up to 1, of the last [`SHARE_RECORDS`] records.
    pub share: f64,
}

/// Which limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitMet {
    /// [`DeadLetterLimit::in_a_row`].
    InARow,
    /// [`DeadLetterLimit::share`].
    Share,
}

/// Counts dead letters against a limit.
#[derive(Debug)]
pub(crate) struct DeadLetterCount {
    limit: DeadLetterLimit,
    in_a_row: usize,
    recent: VecDeque<bool>,
    recent_dead: usize,
}

impl DeadLetterCount {
    pub(crate) fn new(limit: DeadLetterLimit) -> Self {
        let recent = VecDeque::with_capacity(SHARE_RECORDS);
        Self { limit, in_a_row: 0, recent, recent_dead: 0 }
    }

    /// Counts a record.
    pub(crate) fn record(&mut self, dead: bool) {
        self.in_a_row = if dead { self.in_a_row + 1 } else { 0 };
        if self.recent.len() == SHARE_RECORDS && self.recent.pop_front() == Some(true) {
            self.recent_dead -= 1;
        }
        self.recent.push_back(dead);
        self.recent_dead += usize::from(dead);
    }

    /// The limit that was met, and the dead letters that met it.
    pub(crate) fn met(&self) -> Option<(LimitMet, usize)> {
        let allowed = self.limit.share * SHARE_RECORDS as f64;
        if self.in_a_row >= self.limit.in_a_row {
            Some((LimitMet::InARow, self.in_a_row))
        } else if self.recent.len() == SHARE_RECORDS && self.recent_dead as f64 >= allowed {
            Some((LimitMet::Share, self.recent_dead))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(in_a_row: usize, share: f64) -> DeadLetterCount {
        DeadLetterCount::new(DeadLetterLimit { in_a_row, share })
    }

    #[test]
    fn a_good_record_ends_a_row() {
        let mut count = count(3, 1.0);
        for dead in [true, true, false, true, true] {
            count.record(dead);
            assert_eq!(count.met(), None);
        }
        count.record(true);
        assert_eq!(count.met(), Some((LimitMet::InARow, 3)));
    }

    #[test]
    fn a_share_needs_its_records() {
        let mut count = count(usize::MAX, 0.5);
        for record in 0..SHARE_RECORDS - 1 {
            count.record(record % 2 == 0);
            assert_eq!(count.met(), None, "after {record}");
        }
        count.record(false);
        assert_eq!(count.met(), Some((LimitMet::Share, SHARE_RECORDS / 2)));
    }

    #[test]
    fn old_records_are_forgotten() {
        let mut count = count(usize::MAX, 0.1);
        (0..99).for_each(|_| count.record(true));
        (0..SHARE_RECORDS).for_each(|_| count.record(false));
        (0..99).for_each(|_| count.record(true));
        assert_eq!(count.met(), None);
        count.record(true);
        assert_eq!(count.met(), Some((LimitMet::Share, 100)));
    }
}
