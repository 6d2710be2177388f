//! Sequential detectors: whether a stream of numbers, such as the residuals of a model, has
//! changed, decided anew with each number and long before a window closes.
//!
//! | detector | sees | memory | cost of an update |
//! |---|---|---|---|
//! | [`Adwin`] | a change of the mean, at any time scale | logarithmic in the window | tens of ns |
//! | [`PageHinkley`] | a lasting change of the mean, in units of the stream | constant | a few ns |
//! | [`Kswin`] | any change of the distribution, within a short window | the window | 2 to 3 µs |
//!
//! # Guarantees
//! - **River's answers.** Defaults and detection indices are those of River 0.26
//!   (<https://riverml.xyz>): `tests/detectors` holds 200 streams with River's own.
//! - **Nothing happens at random.** The same numbers bring the same detections; [`Kswin`] draws
//!   its samples from an explicit seed.
//! - **A detection ends what came before.** The detector starts again, as if new, with the next
//!   number. So does River's.
//! - **What is no number changes nothing.** NaN, infinity and magnitudes above
//!   [`MAX_MAGNITUDE`] are refused, and the state stays as it was.
//! - **State survives.** Each detector is serialised whole and goes on as if never stopped; a
//!   serialised state that no detector can have is refused.

use serde::{Deserialize, Serialize};
use thiserror::Error;

mod adwin;
mod kolmogorov_smirnov;
mod kswin;
mod mersenne_twister;
mod page_hinkley;

pub use adwin::{Adwin, AdwinParams};
pub use kswin::{Kswin, KswinParams};
pub use page_hinkley::{PageHinkley, PageHinkleyMode, PageHinkleyParams};

/// Largest magnitude that is taken in: squares of it, summed, stay finite.
pub const MAX_MAGNITUDE: f64 = 1e100;

/// Watches a stream of numbers for a change.
pub trait Detector {
    /// Takes in the next number; a detection if the stream has changed with it. After a
    /// detection the detector is as new.
    ///
    /// # Errors
    /// [`Unusable`] for NaN, infinity and magnitudes above [`MAX_MAGNITUDE`]; the state is
    /// unchanged.
    fn update(&mut self, value: f64) -> Result<Option<Detection>, Unusable>;

    /// Forgets the stream, not the settings.
    fn reset(&mut self);
}

/// A change that a detector saw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Numbers taken in since the detector was new or had its last detection, this one included.
    pub observed: u64,
    /// What was compared with the threshold, in the detector's own unit.
    pub statistic: f64,
    /// What the statistic passed.
    pub threshold: f64,
    /// Where the mean went.
    pub direction: Direction,
}

/// Where the mean of a stream went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Up.
    Up,
    /// Down, or nowhere: [`Kswin`] also sees changes that leave the mean as it was.
    Down,
}

impl Direction {
    fn of(change: f64) -> Self {
        if change > 0.0 { Self::Up } else { Self::Down }
    }
}

/// A number that no detector takes in.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("{0} is no number to detect changes in, expected magnitudes up to {MAX_MAGNITUDE:e}")]
pub struct Unusable(pub f64);

fn usable(value: f64) -> Result<f64, Unusable> {
    // false for NaN
    if value.abs() <= MAX_MAGNITUDE { Ok(value) } else { Err(Unusable(value)) }
}

#[cfg(test)]
mod tests;
