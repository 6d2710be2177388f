//! Shares of what went wrong: repeats, listings without a price, dead letters and their like.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::params::SharesParams;
use super::tail::{binomial_at_least, hypergeometric_at_least};
use super::{HealthFinding, one_in, verdict};
use crate::drift_report::Verdict;

/// A share of this many times the baseline warns, if chance is no explanation.
const WARNING_FACTOR: f64 = 2.0;

/// What a share is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareRule {
    /// Listings received before.
    Duplicates,
    /// Listings without a price.
    NoEstimate,
    /// Prices made without all inputs.
    Degraded,
    /// Prices made with expired external facts.
    StaleFacts,
    /// Records that could not be read.
    DeadLetters,
    /// Prices that came late.
    Lag,
}

impl ShareRule {
    /// Every rule, in the order in which findings come.
    pub const ALL: [Self; 6] = [
        Self::Duplicates,
        Self::NoEstimate,
        Self::Degraded,
        Self::StaleFacts,
        Self::DeadLetters,
        Self::Lag,
    ];

    /// The rule's name on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Duplicates => "duplicates",
            Self::NoEstimate => "no_estimate",
            Self::Degraded => "degraded",
            Self::StaleFacts => "stale_facts",
            Self::DeadLetters => "dead_letters",
            Self::Lag => "lag",
        }
    }

    /// `N of M WHAT`, to be filled in.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Duplicates => ("listings", "had been received before"),
            Self::NoEstimate => ("listings", "got no estimate"),
            Self::Degraded => ("prices", "were made without all of their inputs"),
            Self::StaleFacts => ("prices", "were made with expired external facts"),
            Self::DeadLetters => ("records", "could not be read and became dead letters"),
            Self::Lag => ("prices", "came late"),
        }
    }
}

/// A count and what it is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// How many count.
    pub count: u64,
    /// Of how many. Less than `count` is taken as `count`.
    pub total: u64,
}

impl Counted {
    /// The share, 0 of nothing.
    pub fn share(self) -> f64 {
        if self.total == 0 { 0.0 } else { self.count as f64 / self.total as f64 }
    }
}

/// One share in earlier windows: those that did not fire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareHistory {
    windows: VecDeque<Counted>,
}

impl ShareHistory {
    /// Judges a closed window and, unless it fires, learns from it; nothing if it holds too
    /// little to tell.
    ///
    /// A share fires when it is at least the fixed one *and* chance does not explain how much
    /// larger it is than in earlier windows (Fisher's exact test, one-sided: the binomial test
    /// that does not take the baseline for certain); without earlier windows, than the fixed
    /// share (binomial test). A smaller one that chance does not explain either warns, if it
    /// has doubled. A window that fires is no example of how things should be: a share that
    /// stays large stays an alert, until the fixed share is raised.
    pub fn close(
        &mut self,
        rule: ShareRule,
        subject: &str,
        counted: Counted,
        params: &SharesParams,
    ) -> Option<HealthFinding> {
        let counted = Counted { total: counted.total.max(counted.count), ..counted };
        let judged = counted.total >= params.min_total;
        let finding = judged.then(|| self.judge(rule, subject, counted, params));
        let fires = finding.as_ref().is_some_and(|finding| finding.verdict == Verdict::Drift);
        if !fires && counted.total > 0 {
            self.windows.push_back(counted);
            while self.windows.len() > params.max_windows {
                self.windows.pop_front();
            }
        }
        finding
    }

    fn judge(
        &self,
        rule: ShareRule,
        subject: &str,
        counted: Counted,
        params: &SharesParams,
    ) -> HealthFinding {
        let Counted { count, total } = counted;
        let (share, threshold) = (counted.share(), params.threshold(rule));
        let baseline = (self.windows.len() >= params.min_windows).then(|| {
            self.windows.iter().fold(Counted::default(), |sum, past| Counted {
                count: sum.count.saturating_add(past.count),
                total: sum.total.saturating_add(past.total),
            })
        });
        let (expected, p_value) = match baseline {
            Some(before) => {
                let all_count = before.count.saturating_add(count);
                let all_total = before.total.saturating_add(total);
                (before.share(), hypergeometric_at_least(count, total, all_count, all_total))
            }
            None => (threshold, binomial_at_least(count, total, threshold)),
        };
        let unlikely = p_value <= params.alpha;
        let (things, happened) = rule.words();
        let usual = match baseline {
            Some(_) => format!("{} before", percent(expected)),
            None => "no earlier windows to compare with".into(),
        };
        HealthFinding {
            rule: rule.code(),
            subject: subject.to_owned(),
            value: share,
            expected,
            threshold,
            p_value,
            verdict: verdict(
                unlikely && share >= threshold,
                unlikely && share >= WARNING_FACTOR * expected,
            ),
            detail: format!(
                "{subject}: {count} of {total} {things} ({}) {happened}; {usual} (alert from {}); \
                 by chance {}",
                percent(share),
                percent(threshold),
                one_in(p_value),
            ),
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
