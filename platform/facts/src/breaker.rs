//! The circuit breaker: a source that keeps failing is left alone for a while.
//!
//! Pure: time is an argument. After so many failed loads in a row the breaker opens, and no
//! load is made until its time is up. Then one load may try (half open): if it succeeds the
//! breaker closes, if it fails it opens again.

use std::time::Duration;

use tokio::time::Instant;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Failed loads in a row that open it; 1 or more.
    pub failures: u32,
    /// How long it stays open before one load may try.
    pub open_for: Duration,
}

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Every load.
    Closed,
    /// The one load that tries.
    HalfOpen,
    /// None.
    Open,
}

impl BreakerState {
    /// The value of the metric: 0 closed, 1 half open, 2 open.
    pub(crate) fn gauge(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    HalfOpen,
    Open { until: Instant },
}

/// Leave to make one load. What became of it must be told with
/// [`Breaker::succeeded`] or [`Breaker::failed`].
#[derive(Clone, Copy, Debug)]
pub struct Permit {
    epoch: u64,
}

/// The breaker of one source.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
    /// Counts the changes of state. A load that began before the last change says nothing
    /// about the source as it is now.
    epoch: u64,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: State::Closed { failures: 0 }, epoch: 0 }
    }

    /// What it lets through.
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::HalfOpen => BreakerState::HalfOpen,
            State::Open { .. } => BreakerState::Open,
        }
    }

    /// Whether [`Self::admit`] would let a load through.
    pub fn admits(&self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::HalfOpen => false,
            State::Open { until } => now >= until,
        }
    }

    /// Leave to make a load, if there is.
    pub fn admit(&mut self, now: Instant) -> Option<Permit> {
        if !self.admits(now) {
            return None;
        }
        if matches!(self.state, State::Open { .. }) {
            self.change(State::HalfOpen);
        }
        Some(Permit { epoch: self.epoch })
    }

    /// A load was answered.
    pub fn succeeded(&mut self, permit: Permit) {
        if permit.epoch != self.epoch {
            return;
        }
        match &mut self.state {
            State::Closed { failures } => *failures = 0,
            State::HalfOpen => self.change(State::Closed { failures: 0 }),
            State::Open { .. } => {}
        }
    }

    /// A load was not answered.
    pub fn failed(&mut self, permit: Permit, now: Instant) {
        if permit.epoch != self.epoch {
            return;
        }
        let open = State::Open { until: now + self.settings.open_for };
        match &mut self.state {
            State::Closed { failures } => {
                *failures += 1;
                if *failures >= self.settings.failures {
                    self.change(open);
                }
            }
            State::HalfOpen => self.change(open),
            State::Open { .. } => {}
        }
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(10);

    fn breaker(failures: u32) -> Breaker {
        Breaker::new(BreakerSettings { failures, open_for: OPEN_FOR })
    }

    fn fail(breaker: &mut Breaker, now: Instant) {
        let permit = breaker.admit(now).unwrap();
        breaker.failed(permit, now);
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row_and_not_before() {
        let (mut breaker, now) = (breaker(3), Instant::now());
        fail(&mut breaker, now);
        fail(&mut breaker, now);
        let permit = breaker.admit(now).unwrap();
        breaker.succeeded(permit);
        fail(&mut breaker, now);
        fail(&mut breaker, now);
        assert_eq!(breaker.state(), BreakerState::Closed, "the row was interrupted");
        fail(&mut breaker, now);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(breaker.admit(now).is_none());
    }

    #[test]
    fn one_load_tries_when_the_time_is_up() {
        let (mut breaker, now) = (breaker(1), Instant::now());
        fail(&mut breaker, now);
        let just_before = now + OPEN_FOR - Duration::from_nanos(1);
        assert!(breaker.admit(just_before).is_none());
        let later = now + OPEN_FOR;
        let permit = breaker.admit(later).unwrap();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.admit(later).is_none(), "one at a time");
        breaker.failed(permit, later);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(breaker.admit(later + OPEN_FOR / 2).is_none(), "the time begins again");
        let permit = breaker.admit(later + OPEN_FOR).unwrap();
        breaker.succeeded(permit);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn what_began_before_a_change_says_nothing_after_it() {
        let (mut breaker, now) = (breaker(1), Instant::now());
        let early = breaker.admit(now).unwrap();
        fail(&mut breaker, now);
        breaker.succeeded(early);
        assert_eq!(breaker.state(), BreakerState::Open, "a late success closes nothing");
        let permit = breaker.admit(now + OPEN_FOR).unwrap();
        breaker.failed(early, now + OPEN_FOR);
        assert_eq!(breaker.state(), BreakerState::HalfOpen, "nor does a late failure open");
        breaker.succeeded(permit);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    proptest! {
        /// Whatever happens: while open no load begins, at most one is on its way while half
        /// open, and a source that answers is asked again after `open_for` at the latest.
        #[test]
        fn it_lets_through_what_it_should(
            failures in 1..5_u32,
            steps in proptest::collection::vec((0..3_u8, 0..8_u64), 1..200),
        ) {
            let mut breaker = breaker(failures);
            let mut now = Instant::now();
            let mut open_until = now;
            let mut under_way: Vec<Permit> = Vec::new();
            for (step, seconds) in steps {
                now += Duration::from_secs(seconds);
                let before = breaker.state();
                match step {
                    0 => {
                        let admits = breaker.admits(now);
                        let permit = breaker.admit(now);
                        prop_assert_eq!(permit.is_some(), admits);
                        match before {
                            BreakerState::Closed => prop_assert!(permit.is_some()),
                            BreakerState::HalfOpen => prop_assert!(permit.is_none()),
                            BreakerState::Open => {
                                prop_assert_eq!(permit.is_some(), now >= open_until);
                            }
                        }
                        under_way.extend(permit);
                    }
                    1 => if let Some(permit) = under_way.pop() { breaker.succeeded(permit) },
                    _ => if let Some(permit) = under_way.pop() { breaker.failed(permit, now) },
                }
                if before != BreakerState::Open && breaker.state() == BreakerState::Open {
                    open_until = now + OPEN_FOR;
                }
            }
            let later = now + OPEN_FOR;
            if breaker.state() == BreakerState::HalfOpen {
                let probe = under_way.iter().find(|permit| permit.epoch == breaker.epoch);
                breaker.failed(*probe.unwrap(), now);
            }
            let permit = breaker.admit(later).unwrap();
            breaker.succeeded(permit);
            prop_assert_eq!(breaker.state(), BreakerState::Closed);
        }
    }
}
