//! What an answer means, and how long until the next try.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use reqwest::StatusCode;

/// First pause before a request is repeated; each later one is twice as long, and up to as much
/// again by chance, so that those that failed together do not come again together.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause that a receiver can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// How one request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It was accepted.
    Delivered,
    /// It may be accepted later.
    Failed {
        /// A bounded reason, for metrics.
        code: &'static str,
        /// The reason in words.
        message: String,
        /// What the receiver asked for.
        retry_after: Option<Duration>,
    },
    /// It never will be.
    Refused {
        /// The reason in words.
        message: String,
    },
}

impl Attempt {
    /// What an answer means; `body` is the beginning of it.
    pub(crate) fn of_answer(status: StatusCode, retry_after: Option<Duration>, body: &str) -> Self {
        let message = format!("HTTP {status}: {body}");
        let failed = |code| Self::Failed { code, message: message.clone(), retry_after };
        match status {
            _ if status.is_success() => Self::Delivered,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => failed("timeout"),
            StatusCode::TOO_MANY_REQUESTS => failed("too_many_requests"),
            _ if status.is_server_error() => failed("server_error"),
            _ => Self::Refused { message },
        }
    }
}

/// The value of `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(value: &str, now_ms: i64) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    Some(Duration::from_millis((at.timestamp_millis() - now_ms).max(0).unsigned_abs()))
}

/// The pauses of one request.
pub(crate) struct Pauses {
    pauses: ExponentialBackoff,
    longest: Duration,
}

impl Pauses {
    pub(crate) fn new(longest: Duration) -> Self {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE.min(longest))
            .with_max_delay(longest)
            .with_jitter()
            .without_max_times()
            .build();
        Self { pauses, longest }
    }

    /// The next pause: not shorter than the receiver asked for.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let own = self.pauses.next().unwrap_or(self.longest);
        own.max(asked.unwrap_or_default().min(LONGEST_ASKED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_change_is_tried_again() {
        let meant = |status| {
            let status = StatusCode::from_u16(status).unwrap();
            Attempt::of_answer(status, None, "text")
        };
        for status in [200, 202, 204] {
            assert_eq!(meant(status), Attempt::Delivered);
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(meant(status), Attempt::Failed { .. }), "{status}");
        }
        for status in [301, 302, 400, 401, 403, 404, 410, 413, 422] {
            let Attempt::Refused { message } = meant(status) else { panic!("{status}") };
            assert!(message.contains(&status.to_string()) && message.ends_with("text"));
        }
    }

    #[test]
    fn pauses_grow_to_the_longest_and_are_never_shorter_than_asked_for() {
        let mut pauses = Pauses::new(Duration::from_secs(8));
        for least_ms in [250, 500, 1_000, 2_000, 4_000] {
            let pause = pauses.next(None).as_millis();
            assert!((least_ms..=2 * least_ms).contains(&pause), "{pause} of {least_ms}");
        }
        for _ in 0..20 {
            let pause = pauses.next(None);
            assert!(pause >= Duration::from_secs(8) && pause <= Duration::from_secs(16));
        }
        let asked = Duration::from_secs(90);
        assert_eq!(pauses.next(Some(asked)), asked);
        assert_eq!(pauses.next(Some(Duration::from_secs(1_000_000))), LONGEST_ASKED);
        let mut short = Pauses::new(Duration::from_millis(10));
        assert!(short.next(None) <= Duration::from_millis(20));
    }

    #[test]
    fn receivers_ask_for_pauses_in_seconds_or_by_date() {
        assert_eq!(retry_after("120", 0), Some(Duration::from_secs(120)));
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        let now = 1_445_412_480_000 - 30_000;
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after(date, now + 60_000), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", 0), None);
        assert_eq!(retry_after("-1", 0), None);
    }
}
