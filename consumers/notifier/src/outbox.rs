//! What a sink has still to tell, and what it tells next.

use std::collections::BTreeSet;

use crate::state::{AlertEvent, Groups, Levels, Millis, Notification, Place, Sent, Suppression};

/// What a sink has still to tell.
#[derive(Debug)]
pub(crate) enum Outbox {
    /// The state of alerts, again and again.
    Levels(Levels),
    /// Changes, in groups.
    Groups(Groups),
}

/// What is told at once.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// States of alerts.
    States(Sent),
    /// What is new in a group.
    Notification(Notification),
}

impl Delivery {
    /// Whether nothing changed, and it only tells again.
    pub fn is_repeat(&self) -> bool {
        match self {
            Self::States(sent) => sent.repeat,
            Self::Notification(notification) => notification.is_repeat(),
        }
    }

    /// The changes that it tells.
    pub(crate) fn events(&self) -> Vec<&AlertEvent> {
        match self {
            Self::States(sent) if sent.repeat => Vec::new(),
            Self::States(sent) => sent.alerts.iter().map(|state| &*state.event).collect(),
            Self::Notification(notification) => {
                notification.changes.iter().map(|change| &*change.event).collect()
            }
        }
    }
}

impl Outbox {
    pub(crate) fn restore(&mut self, event: AlertEvent, now: Millis) {
        match self {
            Self::Levels(levels) => levels.restore(event, now),
            Self::Groups(groups) => groups.restore(event, now),
        }
    }

    pub(crate) fn observe(&mut self, event: AlertEvent, now: Millis) {
        match self {
            Self::Levels(levels) => levels.observe(event, now),
            Self::Groups(groups) => groups.observe(event, now),
        }
    }

    pub(crate) fn forget(&mut self, partitions: &BTreeSet<i32>) {
        match self {
            Self::Levels(levels) => levels.forget(partitions),
            Self::Groups(groups) => groups.forget(partitions),
        }
    }

    pub(crate) fn take(&mut self, now: Millis) -> Option<Delivery> {
        match self {
            Self::Levels(levels) => levels.take(now).map(Delivery::States),
            Self::Groups(groups) => groups.take(now).map(Delivery::Notification),
        }
    }

    pub(crate) fn delivered(&mut self, delivery: &Delivery, now: Millis) {
        match (self, delivery) {
            (Self::Levels(levels), Delivery::States(sent)) => levels.delivered(sent),
            (Self::Groups(groups), Delivery::Notification(notification)) => {
                groups.delivered(notification, now);
            }
            // An outbox is given what it has handed out.
            _ => {}
        }
    }

    pub(crate) fn due(&self, now: Millis) -> Option<Millis> {
        match self {
            Self::Levels(levels) => levels.due(now),
            Self::Groups(groups) => groups.due(now),
        }
    }

    /// Lets nothing wait for more of its kind any longer.
    pub(crate) fn hurry(&mut self, now: Millis) {
        if let Self::Groups(groups) = self {
            groups.hurry(now);
        }
    }

    pub(crate) fn take_done(&mut self) -> Vec<Place> {
        match self {
            Self::Levels(levels) => levels.take_done(),
            Self::Groups(groups) => groups.take_done(),
        }
    }

    pub(crate) fn take_suppressed(&mut self) -> Vec<Suppression> {
        match self {
            Self::Levels(_) => Vec::new(),
            Self::Groups(groups) => groups.take_suppressed(),
        }
    }

    pub(crate) fn firing(&self) -> usize {
        match self {
            Self::Levels(levels) => levels.firing(),
            Self::Groups(groups) => groups.firing(),
        }
    }
}
