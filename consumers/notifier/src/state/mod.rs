//! What is told to whom, and when: pure. Time is an argument, in milliseconds since 1970.
//!
//! Alerts are folded from their topic by fingerprint. Two kinds of receivers need two things of
//! that fold: an Alertmanager the state, again and again ([`Levels`]); people and their programs
//! the changes of it, grouped, filtered and repeated ([`Groups`]).

mod event;
mod groups;
mod labels;
mod levels;
mod matcher;
mod suppress;

pub use event::{AlertEvent, Place};
pub use groups::{Change, GroupBy, Grouping, Groups, Notification};
pub use labels::{ALERT_NAME, Labelling, Labels, OWN, SEVERITY};
pub use levels::{Levels, RESOLVED_KEPT_MS, Sent, StateOfAlert};
pub use matcher::{InvalidMatcher, Matcher};
pub use suppress::{Inhibition, Silence, Suppression, Suppressor};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

#[cfg(test)]
mod groups_tests;
#[cfg(test)]
mod levels_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod support;
#[cfg(test)]
mod suppress_tests;
