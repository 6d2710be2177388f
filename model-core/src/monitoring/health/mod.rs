//! Data health: whether what arrives is what used to arrive, judged before anyone looks at
//! what it says.
//!
//! | rule | judges | against | when |
//! |---|---|---|---|
//! | `volume` | listings of a window | earlier windows: season, trend, spread | a window closes |
//! | `silence` | time since the last listing | arrivals by hour of the week | any moment |
//! | `duplicates` | listings seen before | earlier windows, and a fixed share | a window closes |
//! | `no_estimate` | listings without a price | the same | a window closes |
//! | `degraded` | prices made without all inputs | the same | a window closes |
//! | `stale_facts` | prices made with expired external facts | the same | a window closes |
//! | `dead_letters` | records that could not be read | the same | a window closes |
//! | `lag` | prices that came late | the same | a window closes |
//!
//! [`SourceHealth`] is what is known of one source. Each rule answers a [`HealthFinding`] with
//! its chance under no change, or nothing while it has seen too little to tell. Nothing here
//! asks a clock, and nothing grows: histories are bounded by [`HealthParams`].

use serde::{Deserialize, Serialize};

use crate::drift_report::{Verdict, Window};

mod params;
mod shares;
mod silence;
mod tail;
mod volume;

pub use params::{HealthParams, SharesParams, SilenceParams, VolumeParams};
pub(super) use tail::binomial_at_least;

pub use shares::{Counted, ShareHistory, ShareRule};
pub use silence::Arrivals;
pub use volume::VolumeHistory;

/// Name of the rule about the number of listings.
pub const VOLUME: &str = "volume";
/// Name of the rule about time without listings.
pub const SILENCE: &str = "silence";

/// What one rule says of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthFinding {
    /// Name of the rule, such as `volume`.
    pub rule: &'static str,
    /// The source or topic that was judged.
    pub subject: String,
    /// What was seen: listings, hours, or a share from 0 to 1.
    pub value: f64,
    /// What was expected, in the same unit.
    pub expected: f64,
    /// From where on the rule fires, in the same unit; it fires only if chance is no
    /// explanation either.
    pub threshold: f64,
    /// Chance of such a value if nothing has changed. For `silence`: within a week.
    pub p_value: f64,
    /// The decision.
    pub verdict: Verdict,
    /// What happened, in one sentence with numbers.
    pub detail: String,
}

/// What was counted of one source in one closed window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowHealth {
    /// Listings, repeats left out.
    pub listings: u64,
    /// Repeats among all listings received.
    pub duplicates: Counted,
    /// Listings without a price among those answered.
    pub no_estimate: Counted,
    /// Degraded prices among all prices.
    pub degraded: Counted,
    /// Prices made with expired facts among those made with external facts.
    pub stale_facts: Counted,
    /// Dead letters among all records read.
    pub dead_letters: Counted,
    /// Prices later than `shares.lag_seconds` among all prices.
    pub lag: Counted,
}

impl WindowHealth {
    fn counted(&self, rule: ShareRule) -> Counted {
        match rule {
            ShareRule::Duplicates => self.duplicates,
            ShareRule::NoEstimate => self.no_estimate,
            ShareRule::Degraded => self.degraded,
            ShareRule::StaleFacts => self.stale_facts,
            ShareRule::DeadLetters => self.dead_letters,
            ShareRule::Lag => self.lag,
        }
    }
}

/// What is known of one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceHealth {
    /// Arrival times, for `silence`.
    pub arrivals: Arrivals,
    volume: VolumeHistory,
    /// In the order of [`ShareRule::ALL`].
    shares: [ShareHistory; ShareRule::ALL.len()],
}

impl SourceHealth {
    /// Judges a closed window and learns from it. Windows come in order, the empty ones too:
    /// a window that does not begin after the one before is not judged.
    pub fn close(
        &mut self,
        subject: &str,
        window: Window,
        counts: &WindowHealth,
        params: &HealthParams,
    ) -> Vec<HealthFinding> {
        let mut findings = Vec::new();
        findings.extend(self.volume.close(subject, window, counts.listings, &params.volume));
        for (rule, history) in ShareRule::ALL.into_iter().zip(&mut self.shares) {
            let counted = counts.counted(rule);
            findings.extend(history.close(rule, subject, counted, &params.shares));
        }
        findings
    }
}

/// The verdict of a rule that fires where both hold, and warns where chance alone speaks.
fn verdict(fires: bool, warns: bool) -> Verdict {
    match (fires, warns) {
        (true, _) => Verdict::Drift,
        (false, true) => Verdict::Warning,
        (false, false) => Verdict::Ok,
    }
}

/// A chance in words: `1 in 2,000`.
fn one_in(chance: f64) -> String {
    if chance <= 1e-6 {
        return "less than 1 in 1,000,000".into();
    }
    let times = (1.0 / chance).round() as u64;
    let text = times.to_string();
    let groups: Vec<&[u8]> = text.as_bytes().rchunks(3).rev().collect();
    format!("1 in {}", String::from_utf8_lossy(&groups.join(&b',')))
}

#[cfg(test)]
mod tests;
