//! Event time as a replay tells it.
//!
//! In a replay one place knows how far event time has come: it publishes everything before a
//! day, then says so. Services answer with [`Progress::acknowledge_watermark`] once they have
//! done what the day asks of them. Elsewhere nobody can know, and services take event time
//! from their records.
//!
//! [`Progress::acknowledge_watermark`]: crate::Progress::acknowledge_watermark

use tokio::sync::watch;

/// The replay's side: says how far event time has come.
#[derive(Debug)]
pub struct ReplayClock {
    sender: watch::Sender<i64>,
}

/// A service's side. Clones are told alike.
#[derive(Clone, Debug, Default)]
pub struct EventClock {
    ticks: Option<watch::Receiver<i64>>,
}

impl ReplayClock {
    /// A clock that has not started, and the side that services read.
    pub fn new() -> (Self, EventClock) {
        let (sender, ticks) = watch::channel(i64::MIN);
        (Self { sender }, EventClock { ticks: Some(ticks) })
    }

    /// Says that everything before `event_time` is published. False when no service is left.
    pub fn advance(&self, event_time: i64) -> bool {
        self.sender.send(event_time).is_ok()
    }
}

impl EventClock {
    /// No clock: event time follows from the records.
    pub fn from_records() -> Self {
        Self::default()
    }

    /// Whether a replay tells the time.
    pub fn is_replay(&self) -> bool {
        self.ticks.is_some()
    }

    /// The next time that the replay tells; never, without one. Cancel safe.
    pub async fn tick(&mut self) -> i64 {
        if let Some(ticks) = &mut self.ticks
            && ticks.changed().await.is_ok()
        {
            return *ticks.borrow_and_update();
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_service_hears_the_time_once() {
        let (clock, mut one) = ReplayClock::new();
        let mut two = one.clone();
        assert!(one.is_replay() && !EventClock::from_records().is_replay());
        assert!(clock.advance(7));
        assert_eq!((one.tick().await, two.tick().await), (7, 7));
        assert!(clock.advance(8));
        assert_eq!(one.tick().await, 8);
        drop((one, two));
        assert!(!clock.advance(9));
    }
}
