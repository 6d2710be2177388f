//! What the cache knows of one key, and whether that may still be used.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::source::{FactRow, row_bytes};

/// How long what was loaded may be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lifetimes {
    /// Facts are asked for again after this.
    pub ttl: Duration,
    /// That there are none is asked for again after this.
    pub negative_ttl: Duration,
    /// While the source does not answer, what is older than its time to live may still be
    /// used until this age; not less than the other two.
    pub stale_limit: Duration,
}

/// Whether something of an age may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As it is.
    Fresh,
    /// Only while the source does not answer.
    Stale,
    /// No more.
    Expired,
}

impl Lifetimes {
    /// Whether facts (`found`), or that there are none, may be used at this age.
    pub fn judge(&self, age: Duration, found: bool) -> Freshness {
        let ttl = if found { self.ttl } else { self.negative_ttl };
        if age < ttl {
            Freshness::Fresh
        } else if age <= self.stale_limit {
            Freshness::Stale
        } else {
            Freshness::Expired
        }
    }
}

/// What one key was answered, and when.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) loaded_at: Instant,
    pub(crate) row: Option<Arc<FactRow>>,
}

impl Entry {
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.loaded_at)
    }

    pub(crate) fn freshness(&self, lifetimes: &Lifetimes, now: Instant) -> Freshness {
        lifetimes.judge(self.age(now), self.row.is_some())
    }

    /// About how many bytes an entry takes, what the cache itself needs included.
    pub(crate) fn bytes(&self, key: &str) -> u32 {
        let row = self.row.as_deref().map_or(0, row_bytes);
        u32::try_from(key.len() + row + 160).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIFETIMES: Lifetimes = Lifetimes {
        ttl: Duration::from_secs(60),
        negative_ttl: Duration::from_secs(10),
        stale_limit: Duration::from_secs(300),
    };

    #[test]
    fn each_limit_is_where_it_should_be() {
        let judge = |seconds, found| LIFETIMES.judge(Duration::from_secs(seconds), found);
        assert_eq!(judge(59, true), Freshness::Fresh);
        assert_eq!(judge(60, true), Freshness::Stale);
        assert_eq!(judge(300, true), Freshness::Stale);
        assert_eq!(judge(301, true), Freshness::Expired);
        assert_eq!((judge(9, false), judge(10, false)), (Freshness::Fresh, Freshness::Stale));
        assert_eq!(judge(301, false), Freshness::Expired);
    }

    proptest! {
        /// What has expired never comes back, and what is stale never freshens by waiting.
        #[test]
        fn nothing_gets_better_with_age(
            limits in proptest::array::uniform3(0..1_000_u64),
            ages in proptest::array::uniform2(0..2_000_u64),
            found: bool,
        ) {
            let lifetimes = Lifetimes {
                ttl: Duration::from_secs(limits[0]),
                negative_ttl: Duration::from_secs(limits[1]),
                stale_limit: Duration::from_secs(limits.into_iter().max().unwrap()),
            };
            let rank = |age: u64| match lifetimes.judge(Duration::from_secs(age), found) {
                Freshness::Fresh => 0,
                Freshness::Stale => 1,
                Freshness::Expired => 2,
            };
            let [a, b] = ages;
            prop_assert!(rank(a.min(b)) <= rank(a.max(b)));
        }
    }
}
