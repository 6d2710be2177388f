//! The state of every alert, for a receiver that is told it again and again: Alertmanager.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{AlertEvent, Labelling, Labels, Millis, Place};

/// How long an alert that is over is told again, as Prometheus does: an Alertmanager that was
/// restarted meanwhile must hear of it.
pub const RESOLVED_KEPT_MS: Millis = 15 * 60 * 1_000;

/// Most alerts told at once, as many as Prometheus sends.
const MAX_SENT: usize = 64;

/// An alert as its receiver is to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct StateOfAlert {
    /// Those with which it began: under others it would be another alert, and never end.
    pub labels: Labels,
    /// The latest change.
    pub event: Arc<AlertEvent>,
    /// When it was first read that it fires. Not the event's date, which may be of long ago.
    pub starts_at: Millis,
    /// When it was read that it is over; `None`: it fires.
    pub ends_at: Option<Millis>,
}

/// What is told at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// Each alert once.
    pub alerts: Vec<StateOfAlert>,
    /// Whether nothing changed, and it only tells again.
    pub repeat: bool,
}

/// The state of every alert.
#[derive(Debug)]
pub struct Levels {
    resend_ms: Millis,
    send_resolved: bool,
    labelling: Arc<Labelling>,
    alerts: BTreeMap<String, StateOfAlert>,
    changed: VecDeque<StateOfAlert>,
    /// What is still to be told again, by fingerprint.
    again: VecDeque<String>,
    resend_at: Option<Millis>,
    done: Vec<Place>,
}

impl Levels {
    /// No alert yet; the state is told again every `resend_ms`.
    pub fn new(resend_ms: Millis, send_resolved: bool, labelling: Arc<Labelling>) -> Self {
        Self {
            resend_ms,
            send_resolved,
            labelling,
            alerts: BTreeMap::new(),
            changed: VecDeque::new(),
            again: VecDeque::new(),
            resend_at: None,
            done: Vec::new(),
        }
    }

    /// Takes note of a change that was told before the start. It is told again at once: who
    /// received it may have been restarted.
    pub fn restore(&mut self, event: AlertEvent, now: Millis) {
        self.fold(Arc::new(event), now);
        self.resend_at = Some(now);
    }

    /// Takes a change in.
    pub fn observe(&mut self, event: AlertEvent, now: Millis) {
        let known = self.alerts.get(&event.fingerprint);
        if known.is_some_and(|state| state.event.id == event.id) {
            self.done.push(event.place);
            return;
        }
        let (fires, place) = (event.fires(), event.place);
        let state = self.fold(Arc::new(event), now);
        if fires || self.send_resolved {
            self.changed.push_back(state);
        } else {
            self.done.push(place);
        }
        self.resend_at.get_or_insert(now + self.resend_ms);
    }

    /// Forgets the alerts of partitions that now belong to another reader.
    pub fn forget(&mut self, partitions: &BTreeSet<i32>) {
        let stays = |place: Place| !partitions.contains(&place.partition);
        self.alerts.retain(|_, state| stays(state.event.place));
        self.changed.retain(|state| stays(state.event.place));
        self.done.retain(|place| stays(*place));
    }

    /// What is told now, if anything; the same again until [`Self::delivered`].
    pub fn take(&mut self, now: Millis) -> Option<Sent> {
        if !self.changed.is_empty() {
            let mut told = BTreeSet::new();
            let of_each_one = self
                .changed
                .iter()
                .take(MAX_SENT)
                .take_while(|state| told.insert(state.event.fingerprint.clone()));
            return Some(Sent { alerts: of_each_one.cloned().collect(), repeat: false });
        }
        if self.again.is_empty() && self.resend_at.is_some_and(|at| at <= now) {
            self.expire(now);
            self.again = self.alerts.keys().cloned().collect();
            self.resend_at = (!self.again.is_empty()).then_some(now + self.resend_ms);
        }
        let again = self.again.iter().filter_map(|fingerprint| self.alerts.get(fingerprint));
        let alerts: Vec<StateOfAlert> = again.take(MAX_SENT).cloned().collect();
        (!alerts.is_empty()).then_some(Sent { alerts, repeat: true })
    }

    /// What was taken has reached the receiver, or never will.
    pub fn delivered(&mut self, sent: &Sent) {
        let told: BTreeSet<&str> =
            sent.alerts.iter().map(|state| &*state.event.fingerprint).collect();
        if sent.repeat {
            self.again.retain(|fingerprint| {
                !told.contains(&**fingerprint) && self.alerts.contains_key(fingerprint)
            });
            return;
        }
        for state in &sent.alerts {
            // A partition that was taken away meanwhile took its changes along.
            let at =
                self.changed.iter().position(|changed| changed.event.place == state.event.place);
            if let Some(at) = at {
                self.changed.remove(at);
                self.done.push(state.event.place);
            }
        }
    }

    /// When [`Self::take`] has something next.
    pub fn due(&self, now: Millis) -> Option<Millis> {
        if self.changed.is_empty() && self.again.is_empty() { self.resend_at } else { Some(now) }
    }

    /// Places that are done with since the last call.
    pub fn take_done(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.done)
    }

    /// Alerts that fire.
    pub fn firing(&self) -> usize {
        self.alerts.values().filter(|state| state.ends_at.is_none()).count()
    }

    fn fold(&mut self, event: Arc<AlertEvent>, now: Millis) -> StateOfAlert {
        let known = self.alerts.get(&event.fingerprint).filter(|state| state.ends_at.is_none());
        let (labels, starts_at) = match known {
            Some(state) => (state.labels.clone(), state.starts_at),
            None => (self.labelling.of(&event), now),
        };
        let ends_at = (!event.fires()).then_some(now);
        let state = StateOfAlert { labels, event, starts_at, ends_at };
        self.alerts.insert(state.event.fingerprint.clone(), state.clone());
        state
    }

    fn expire(&mut self, now: Millis) {
        let (kept, told) = (now - RESOLVED_KEPT_MS, self.send_resolved);
        self.alerts.retain(|_, state| state.ends_at.is_none_or(|ended| told && ended > kept));
    }
}
