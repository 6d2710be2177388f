//! Changes in groups, as Alertmanager groups them: a group waits for more of its kind, tells
//! what changed at intervals, and tells again what goes on firing.
//!
//! Unlike Alertmanager's, a notification holds every change since the last one, in order, so
//! that a program that reads them misses none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::suppress::name_of;
use super::{AlertEvent, Labelling, Labels, Millis, Place, Suppression, Suppressor};

/// What alerts are grouped by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// Alerts with the same values of these labels share a group.
    Labels(Vec<String>),
    /// Each alert is a group.
    Each,
}

/// When a group is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// What alerts are grouped by.
    pub by: GroupBy,
    /// How long a new group waits for more, in milliseconds.
    pub wait_ms: Millis,
    /// Least time between what is told of a group.
    pub interval_ms: Millis,
    /// After how long a group that goes on firing is told again; 0: never.
    pub repeat_ms: Millis,
    /// Whether the end of an alert is told.
    pub send_resolved: bool,
}

/// A change on its way to a receiver.
#[derive(Clone, Debug)]
pub struct Change {
    /// Tells changes apart, in the order in which they came.
    seq: u64,
    /// The change.
    pub event: Arc<AlertEvent>,
    /// Whether the alert was not firing before.
    begins: bool,
    /// Whether its place on the topic is done with it; what was withheld is done before.
    counts: bool,
}

/// What is told at once.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The group, as labels in common.
    pub group: Labels,
    /// What changed, oldest first; empty in a repeat.
    pub changes: Vec<Change>,
    /// What fires in the group now, oldest first, those withheld left out.
    pub firing: Vec<Arc<AlertEvent>>,
    /// Alerts of the group that fire and are not told, and why not.
    pub withheld: Vec<(String, Suppression)>,
    /// When it was made: of a repeat, it makes it another one than that before.
    pub at: Millis,
}

impl Notification {
    /// Whether nothing changed, and it only tells again.
    pub fn is_repeat(&self) -> bool {
        self.changes.is_empty()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The receiver knows that it fires, or will with its group.
    Yes,
    /// It was suppressed when its group was told.
    Withheld,
    /// It may have been, before the start. Once too often is better than never.
    Unsure,
}

/// Where a change comes from.
#[derive(Clone, Copy)]
struct Origin {
    begins: bool,
    counts: bool,
}

#[derive(Debug)]
struct Tracked {
    /// Those with which it began: it must end under the same.
    labels: Labels,
    group: Labels,
    latest: Arc<AlertEvent>,
    told: Told,
}

#[derive(Debug, Default)]
struct Group {
    changes: Vec<Change>,
    flush_at: Option<Millis>,
    last_flush: Option<Millis>,
    /// Since when its firing alerts are known to the receiver.
    last_told: Option<Millis>,
}

/// The changes that wait, by alert: their order, and their groups.
#[derive(Default)]
struct Waiting<'a>(BTreeMap<&'a str, Vec<(u64, &'a Labels)>>);

impl<'a> Waiting<'a> {
    /// Another group that holds an older change of the same alert.
    fn before(&self, key: &Labels, change: &Change) -> Option<&'a Labels> {
        let of_alert = self.0.get(&*change.event.fingerprint)?;
        let older = |(seq, group): &&(u64, &Labels)| *seq < change.seq && *group != key;
        of_alert.iter().filter(older).min().map(|(_, group)| *group)
    }
}

/// The alerts of a receiver in groups.
#[derive(Debug)]
pub struct Groups {
    grouping: Grouping,
    labelling: Arc<Labelling>,
    suppressor: Arc<Suppressor>,
    alerts: BTreeMap<String, Tracked>,
    groups: BTreeMap<Labels, Group>,
    done: Vec<Place>,
    suppressed: Vec<Suppression>,
    next_seq: u64,
}

impl Groups {
    /// No alert yet.
    pub fn new(grouping: Grouping, labelling: Arc<Labelling>, suppressor: Arc<Suppressor>) -> Self {
        Self {
            grouping,
            labelling,
            suppressor,
            alerts: BTreeMap::new(),
            groups: BTreeMap::new(),
            done: Vec::new(),
            suppressed: Vec::new(),
            next_seq: 0,
        }
    }

    /// Takes note of a change that was dealt with before the start.
    pub fn restore(&mut self, event: AlertEvent, now: Millis) {
        let known = self.alerts.get(&event.fingerprint);
        let labels = match known {
            Some(tracked) if tracked.latest.fires() => tracked.labels.clone(),
            _ => self.labelling.of(&event),
        };
        let unsure = event.fires() && self.suppressor.may_have_suppressed(&labels, now);
        let told = if unsure { Told::Unsure } else { Told::Yes };
        let group = self.group_of(&labels);
        if event.fires() && !unsure {
            self.groups.entry(group.clone()).or_default().last_told = Some(now);
        }
        let latest = Arc::new(event);
        self.alerts.insert(latest.fingerprint.clone(), Tracked { labels, group, latest, told });
    }

    /// Takes a change in.
    pub fn observe(&mut self, event: AlertEvent, now: Millis) {
        let known = self.alerts.get(&event.fingerprint);
        if known.is_some_and(|tracked| tracked.latest.id == event.id) {
            self.done.push(event.place);
            return;
        }
        let fired_before = known.filter(|tracked| tracked.latest.fires());
        let fired = fired_before.is_some();
        let (labels, told) = match fired_before {
            Some(tracked) => (tracked.labels.clone(), tracked.told),
            None => (self.labelling.of(&event), Told::Yes),
        };
        let group = self.group_of(&labels);
        let event = Arc::new(event);
        let is_told = match told {
            // What was never told needs no end; and it is told as it is when that is over.
            Told::Withheld => false,
            Told::Unsure => !event.fires() && self.grouping.send_resolved,
            Told::Yes => event.fires() || self.grouping.send_resolved,
        };
        if is_told {
            let begins = event.fires() && !fired;
            self.push(&group, event.clone(), now, Origin { begins, counts: true });
        } else {
            self.done.push(event.place);
        }
        let told = if event.fires() { told } else { Told::Yes };
        let tracked = Tracked { labels, group, latest: event.clone(), told };
        self.alerts.insert(event.fingerprint.clone(), tracked);
        if !event.fires() {
            // It may have inhibited others.
            self.release(now);
        }
    }

    /// Forgets the alerts of partitions that now belong to another reader.
    pub fn forget(&mut self, partitions: &BTreeSet<i32>) {
        let stays = |place: Place| !partitions.contains(&place.partition);
        self.alerts.retain(|_, tracked| stays(tracked.latest.place));
        for group in self.groups.values_mut() {
            group.changes.retain(|change| stays(change.event.place));
        }
        self.done.retain(|place| stays(*place));
        let alerts = &self.alerts;
        self.groups.retain(|key, group| {
            !group.changes.is_empty() || alerts.values().any(|tracked| tracked.group == *key)
        });
    }

    /// What is told now, if anything; the same again until [`Self::delivered`].
    pub fn take(&mut self, now: Millis) -> Option<Notification> {
        self.release(now);
        loop {
            let (_, _, due) = self.schedule().filter(|(at, ..)| *at <= now)?;
            let key = self.unblocked(due);
            self.suppress(&key, now);
            let notification = self.notification(&key, now);
            if !notification.changes.is_empty() || self.repeats(&notification, now) {
                return Some(notification);
            }
            self.flushed(&key, now);
        }
    }

    /// What was taken has reached the receiver, or never will.
    pub fn delivered(&mut self, notification: &Notification, now: Millis) {
        let told: BTreeSet<u64> = notification.changes.iter().map(|change| change.seq).collect();
        if let Some(group) = self.groups.get_mut(&notification.group) {
            group.changes.retain(|change| !told.contains(&change.seq));
            group.last_told = Some(now);
        }
        let counted = notification.changes.iter().filter(|change| change.counts);
        self.done.extend(counted.map(|change| change.event.place));
        self.flushed(&notification.group, now);
    }

    /// When [`Self::take`] has something next.
    pub fn due(&self, now: Millis) -> Option<Millis> {
        let withheld = self.alerts.values().any(|tracked| tracked.told != Told::Yes);
        let silence = self.suppressor.next_end(now).filter(|_| withheld);
        self.schedule().map(|(at, ..)| at).into_iter().chain(silence).min()
    }

    /// Lets no group wait any longer.
    pub fn hurry(&mut self, now: Millis) {
        for group in self.groups.values_mut().filter(|group| !group.changes.is_empty()) {
            group.flush_at = Some(now);
        }
    }

    /// Places that are done with since the last call.
    pub fn take_done(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.done)
    }

    /// What was kept quiet since the last call.
    pub fn take_suppressed(&mut self) -> Vec<Suppression> {
        std::mem::take(&mut self.suppressed)
    }

    /// Alerts that fire, told or not.
    pub fn firing(&self) -> usize {
        self.alerts.values().filter(|tracked| tracked.latest.fires()).count()
    }

    fn group_of(&self, labels: &Labels) -> Labels {
        match &self.grouping.by {
            GroupBy::Each => labels.clone(),
            GroupBy::Labels(names) => names
                .iter()
                .filter_map(|name| Some((name.clone(), labels.get(name)?.clone())))
                .collect(),
        }
    }

    fn push(&mut self, key: &Labels, event: Arc<AlertEvent>, now: Millis, origin: Origin) {
        let Origin { begins, counts } = origin;
        let group = self.groups.entry(key.clone()).or_default();
        group.changes.push(Change { seq: self.next_seq, event, begins, counts });
        self.next_seq += 1;
        let at = match group.last_flush {
            None => now + self.grouping.wait_ms,
            Some(last) => now.max(last + self.grouping.interval_ms),
        };
        group.flush_at.get_or_insert(at);
    }

    /// The group that is told next, when, and its oldest change.
    fn schedule(&self) -> Option<(Millis, u64, Labels)> {
        let repeat = |group: &Group| {
            let last = group.last_told.filter(|_| self.grouping.repeat_ms > 0)?;
            let at = last + self.grouping.repeat_ms;
            Some(group.last_flush.map_or(at, |flush| at.max(flush + self.grouping.interval_ms)))
        };
        let of_group = |(key, group): (&Labels, &Group)| {
            let at = group.flush_at.into_iter().chain(repeat(group)).min()?;
            Some((at, group.changes.first().map_or(u64::MAX, |change| change.seq), key.clone()))
        };
        self.groups.iter().filter_map(of_group).min()
    }

    /// The group that must be told first, so that each alert's changes stay in order though
    /// its group may have changed with its labels.
    fn unblocked(&self, key: Labels) -> Labels {
        let first = |key: &Labels| self.groups.get(key).and_then(|group| group.changes.first());
        let waiting = self.waiting();
        let mut key = key;
        // Each step leads to an older change, so there is an end.
        while let Some(blocking) = first(&key).and_then(|change| waiting.before(&key, change)) {
            key = blocking.clone();
        }
        key
    }

    fn waiting(&self) -> Waiting<'_> {
        let mut waiting = Waiting::default();
        for (key, group) in &self.groups {
            for change in &group.changes {
                let of_alert = waiting.0.entry(&*change.event.fingerprint).or_default();
                of_alert.push((change.seq, key));
            }
        }
        waiting
    }

    fn verdict(&self, labels: &Labels, now: Millis) -> Option<Suppression> {
        let firing = self.alerts.values().filter(|tracked| tracked.latest.fires());
        self.suppressor.verdict(labels, firing.map(|tracked| &tracked.labels), now)
    }

    /// Withholds what is suppressed of a group's changes, an end after its beginning too.
    fn suppress(&mut self, key: &Labels, now: Millis) {
        let Some(group) = self.groups.get(key) else { return };
        let mut hidden: BTreeMap<String, Suppression> = BTreeMap::new();
        let mut dropped: BTreeSet<u64> = BTreeSet::new();
        for change in &group.changes {
            let fingerprint = &change.event.fingerprint;
            if !change.event.fires() {
                if hidden.remove(fingerprint).is_some() {
                    dropped.insert(change.seq);
                }
                continue;
            }
            if hidden.contains_key(fingerprint) {
                dropped.insert(change.seq);
                continue;
            }
            let labels = self.alerts.get(fingerprint).map(|tracked| &tracked.labels);
            if let Some(why) = labels.and_then(|labels| self.verdict(labels, now)) {
                self.suppressed.push(why.clone());
                dropped.insert(change.seq);
                if change.begins {
                    hidden.insert(fingerprint.clone(), why);
                }
            }
        }
        for (fingerprint, why) in hidden {
            if let Some(tracked) = self.alerts.get_mut(&fingerprint) {
                tracked.told = Told::Withheld;
                tracing::info!(alert = name_of(&tracked.labels), %why, "alert withheld");
            }
        }
        let Some(group) = self.groups.get_mut(key) else { return };
        let done = group.changes.iter().filter(|change| dropped.contains(&change.seq));
        self.done.extend(done.filter(|change| change.counts).map(|change| change.event.place));
        group.changes.retain(|change| !dropped.contains(&change.seq));
    }

    /// Tells what was withheld and is not suppressed any more.
    fn release(&mut self, now: Millis) {
        let withheld = self.alerts.values().filter(|tracked| tracked.told != Told::Yes);
        let free: Vec<Arc<AlertEvent>> = withheld
            .filter(|tracked| self.verdict(&tracked.labels, now).is_none())
            .map(|tracked| tracked.latest.clone())
            .collect();
        for event in free {
            let Some(tracked) = self.alerts.get_mut(&event.fingerprint) else { continue };
            tracked.told = Told::Yes;
            let group = tracked.group.clone();
            self.push(&group, event, now, Origin { begins: true, counts: false });
        }
    }

    fn notification(&self, key: &Labels, now: Millis) -> Notification {
        let waiting = self.waiting();
        let changes = self.groups.get(key).map_or(&[][..], |group| &group.changes);
        let in_order = |change: &&Change| waiting.before(key, change).is_none();
        let changes = changes.iter().take_while(in_order).cloned().collect();
        let mut firing: Vec<Arc<AlertEvent>> = Vec::new();
        let mut withheld = Vec::new();
        let of_group = self.alerts.values().filter(|t| t.group == *key && t.latest.fires());
        for tracked in of_group {
            match self.verdict(&tracked.labels, now) {
                Some(why) => withheld.push((name_of(&tracked.labels), why)),
                None => firing.push(tracked.latest.clone()),
            }
        }
        firing.sort_by_key(|event| (event.read_at, event.place));
        Notification { group: key.clone(), changes, firing, withheld, at: now }
    }

    fn repeats(&self, notification: &Notification, now: Millis) -> bool {
        let last = self.groups.get(&notification.group).and_then(|group| group.last_told);
        self.grouping.repeat_ms > 0
            && !notification.firing.is_empty()
            && last.is_some_and(|last| last + self.grouping.repeat_ms <= now)
    }

    /// A group was told, or there was nothing to tell of it.
    fn flushed(&mut self, key: &Labels, now: Millis) {
        let mut of_group = self.alerts.values().filter(|tracked| tracked.group == *key);
        let fires = of_group.any(|t| t.latest.fires() && t.told == Told::Yes);
        let Some(group) = self.groups.get_mut(key) else { return };
        group.last_flush = Some(now);
        if !group.changes.is_empty() {
            group.flush_at = Some(now + self.grouping.interval_ms);
        } else if fires {
            group.flush_at = None;
            // A repeat that had nothing to tell waits for the next one.
            group.last_told = group
                .last_told
                .map(|last| if last + self.grouping.repeat_ms <= now { now } else { last });
        } else {
            self.groups.remove(key);
        }
    }
}
