//! CPU and memory of answering a backlog, and how fast it is answered.

use std::time::Duration;

use anyhow::anyhow;
use serde::Serialize;

use super::child::{Sample, Service};
use super::{Bench, Variant};
use crate::error::CliError;

/// Between two looks. A look costs the service about a quarter of a millisecond.
const EVERY: Duration = Duration::from_millis(50);
/// How long a service may stand still, its start included.
const PATIENCE: Duration = Duration::from_secs(120);
/// Share of the listings from which on speed is measured: what was fetched ahead while the
/// service started is done by then.
const UP_TO_SPEED: f64 = 0.1;

/// One run of one service.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    /// User and system time of its process, from before the first listing to after the last
    /// answer.
    pub(crate) cpu_us_per_event: f64,
    pub(crate) events_per_second: f64,
    pub(crate) resident_bytes_at_20_percent: f64,
    pub(crate) resident_bytes_at_100_percent: f64,
    pub(crate) resident_max_bytes: f64,
}

/// Runs a service over all listings.
///
/// # Errors
/// When it ends before it is through, or stands still.
pub(crate) async fn measure(
    bench: &Bench<'_>,
    variant: Variant,
    repetition: u32,
    listings: u64,
) -> Result<Run, CliError> {
    let group = format!("{}-{}-{repetition}", bench.id, variant.delivery());
    let group = format!("{group}-{}", variant.name().replace([',', ' '], ""));
    let mut service = Service::start(bench, variant, &group)?;
    let through = |sample: &Sample| sample.answered >= listings;
    let samples = service.look_until(bench, EVERY, PATIENCE, through).await?;
    run_of(&samples, listings).ok_or_else(|| {
        CliError::failed(anyhow!(
            "{} answered {listings} listings between two looks: raise --listings",
            variant.name()
        ))
    })
}

/// What the looks at a run say.
fn run_of(samples: &[Sample], listings: u64) -> Option<Run> {
    let first_answer = samples.iter().position(|sample| sample.answered > 0)?;
    // The look before the last one without an answer: listings are fetched, and cost, a moment
    // before the first of them is answered.
    let before = samples.get(first_answer.checked_sub(2)?)?;
    let last = samples.last()?;
    let reached = |share: f64| {
        samples.iter().find(|sample| sample.answered as f64 >= share * listings as f64)
    };
    let fast = reached(UP_TO_SPEED)?;
    let seconds = last.at.duration_since(fast.at).as_secs_f64();
    if seconds <= 0.0 {
        return None;
    }
    Some(Run {
        cpu_us_per_event: (last.cpu_seconds - before.cpu_seconds) * 1e6 / last.answered as f64,
        events_per_second: (last.answered - fast.answered) as f64 / seconds,
        resident_bytes_at_20_percent: reached(0.2)?.resident_bytes,
        resident_bytes_at_100_percent: last.resident_bytes,
        resident_max_bytes: last.resident_max_bytes,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn starting_up_is_left_out_and_fetching_ahead_is_not() {
        let start = Instant::now();
        let sample = |ms: u64, answered: u64, cpu_seconds: f64| Sample {
            at: start + Duration::from_millis(ms),
            answered,
            cpu_seconds,
            resident_bytes: 1e6 + answered as f64,
            resident_max_bytes: 3e6,
        };
        let samples = [
            sample(0, 0, 5.0),
            sample(50, 0, 5.1),
            sample(100, 0, 5.2), // fetching
            sample(150, 50, 5.3),
            sample(200, 500, 5.6),
            sample(300, 1_000, 6.1),
        ];
        let run = run_of(&samples, 1_000).unwrap();
        assert!((run.cpu_us_per_event - 1_000.0).abs() < 1e-6, "{}", run.cpu_us_per_event);
        assert!((run.events_per_second - 5_000.0).abs() < 1e-6, "{}", run.events_per_second);
        assert_eq!(run.resident_bytes_at_20_percent, 1e6 + 500.0);
        assert_eq!(run.resident_bytes_at_100_percent, 1e6 + 1_000.0);
    }

    #[test]
    fn a_run_that_is_over_at_the_first_look_says_nothing() {
        let sample = Sample {
            at: Instant::now(),
            answered: 10,
            cpu_seconds: 1.0,
            resident_bytes: 1.0,
            resident_max_bytes: 1.0,
        };
        assert!(run_of(&[sample], 10).is_none());
    }
}
