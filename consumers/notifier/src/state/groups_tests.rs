//! Groups, by hand: when what is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::support::{event, labelling, matchers, of_version, offsets};
use super::*;

const WAIT: Millis = 30;
const INTERVAL: Millis = 300;
const REPEAT: Millis = 4_000;

fn grouping() -> Grouping {
    Grouping {
        by: GroupBy::Labels(vec![ALERT_NAME.into()]),
        wait_ms: WAIT,
        interval_ms: INTERVAL,
        repeat_ms: REPEAT,
        send_resolved: true,
    }
}

fn groups_with(grouping: Grouping, suppressor: Suppressor) -> Groups {
    Groups::new(grouping, labelling(), Arc::new(suppressor))
}

fn groups() -> Groups {
    groups_with(grouping(), Suppressor::default())
}

fn told(notification: &Notification) -> Vec<i64> {
    notification.changes.iter().map(|change| change.event.place.offset).collect()
}

/// Takes and delivers what is due; the offsets told.
fn deliver(groups: &mut Groups, now: Millis) -> Vec<i64> {
    let Some(notification) = groups.take(now) else { return Vec::new() };
    groups.delivered(&notification, now);
    told(&notification)
}

#[test]
fn a_group_waits_then_tells_at_intervals_then_repeats() {
    let mut groups = groups();
    groups.observe(event("drift", "wall", true, 0), 0);
    groups.observe(event("drift", "roof", true, 1), 10);
    groups.observe(event("accuracy", "mdape", true, 2), 20);
    assert_eq!(groups.due(20), Some(WAIT));
    assert!(groups.take(WAIT - 1).is_none());
    assert_eq!(deliver(&mut groups, WAIT), [0, 1], "one group, both of its alerts");
    assert!(groups.take(WAIT).is_none(), "the other rule is another group");
    assert_eq!(deliver(&mut groups, 50), [2]);
    // A change of a group that was told waits for the interval, however long ago it began.
    groups.observe(event("drift", "lot", true, 3), 60);
    assert_eq!(groups.due(60), Some(WAIT + INTERVAL));
    assert_eq!(deliver(&mut groups, WAIT + INTERVAL), [3]);
    // Nothing changes: the group that was told first is repeated first.
    let due = groups.due(400).unwrap();
    assert_eq!(due, 50 + REPEAT);
    let repeat = groups.take(due).unwrap();
    assert!(repeat.is_repeat() && repeat.firing.len() == 1);
    groups.delivered(&repeat, due);
    assert_eq!(groups.due(due), Some(WAIT + INTERVAL + REPEAT));
    assert_eq!(offsets(&groups.take_done()), [0, 1, 2, 3]);
}

#[test]
fn the_end_of_an_alert_is_told_and_a_group_that_is_over_starts_anew() {
    let mut groups = groups();
    groups.observe(event("drift", "wall", true, 0), 0);
    assert_eq!(deliver(&mut groups, 30), [0]);
    groups.observe(event("drift", "wall", false, 1), 40);
    assert_eq!(deliver(&mut groups, 30 + INTERVAL), [1]);
    assert_eq!((groups.due(10_000), groups.firing()), (None, 0));
    // The group is gone: it waits for others again, not for the interval.
    groups.observe(event("drift", "wall", true, 2), 400);
    assert_eq!(groups.due(400), Some(400 + WAIT));
}

#[test]
fn what_fires_and_ends_while_its_group_waits_is_told_in_order() {
    let mut groups = groups();
    for (offset, fires) in [(0, true), (1, false), (2, true), (3, false)] {
        groups.observe(event("drift", "wall", fires, offset), offset);
    }
    let notification = groups.take(WAIT).unwrap();
    assert_eq!(told(&notification), [0, 1, 2, 3]);
    assert!(notification.firing.is_empty());
    // Until it is delivered it is the same.
    assert_eq!(told(&groups.take(WAIT + 1).unwrap()), [0, 1, 2, 3]);
    assert!(groups.take_done().is_empty());
    groups.observe(event("drift", "wall", true, 4), WAIT + 2);
    groups.delivered(&notification, WAIT + 5);
    assert_eq!(offsets(&groups.take_done()), [0, 1, 2, 3]);
    assert_eq!(groups.due(WAIT + 5), Some(WAIT + 5 + INTERVAL), "what came meanwhile");
}

#[test]
fn resolved_alerts_are_not_told_where_nobody_wants_them() {
    let mut groups =
        groups_with(Grouping { send_resolved: false, ..grouping() }, Suppressor::default());
    groups.observe(event("drift", "wall", true, 0), 0);
    groups.observe(event("drift", "wall", false, 1), 1);
    assert_eq!(offsets(&groups.take_done()), [1]);
    assert_eq!(deliver(&mut groups, WAIT), [0]);
    assert_eq!(groups.due(WAIT), None);
}

#[test]
fn a_record_that_comes_twice_is_told_once() {
    let mut groups = groups();
    let twice = event("drift", "wall", true, 0);
    groups.observe(twice.clone(), 0);
    groups.observe(AlertEvent { place: Place { partition: 0, offset: 1 }, ..twice }, 1);
    assert_eq!(offsets(&groups.take_done()), [1]);
    assert_eq!(deliver(&mut groups, WAIT), [0]);
}

fn silenced(subject: &str, until: Millis) -> Suppressor {
    Suppressor {
        silences: vec![Silence {
            matchers: matchers(&[&format!("subject={subject}")]),
            from: 0,
            until,
            who: "ann".into(),
            why: "known".into(),
        }],
        inhibitions: Vec::new(),
    }
}

#[test]
fn a_silenced_alert_is_told_when_the_silence_ends_and_it_still_fires() {
    let mut groups = groups_with(grouping(), silenced("wall", 1_000));
    groups.observe(event("drift", "wall", true, 0), 0);
    groups.observe(event("drift", "roof", true, 1), 1);
    groups.observe(event("drift", "gone", true, 2), 2);
    let notification = groups.take(WAIT).unwrap();
    assert_eq!(told(&notification), [1, 2]);
    let (alert, why) = &notification.withheld[0];
    assert_eq!((alert.as_str(), why.code()), ("drift:wall", "silenced"));
    groups.delivered(&notification, WAIT);
    assert_eq!(offsets(&groups.take_done()), [0, 1, 2], "what is withheld holds nothing up");
    assert_eq!(groups.take_suppressed().len(), 1);
    assert_eq!(groups.due(WAIT), Some(1_000), "the silence's end");
    assert!(groups.take(999).is_none());
    assert_eq!(deliver(&mut groups, 1_000), [0]);
    assert!(groups.take_done().is_empty(), "it was done with before");
    // An end after it is told.
    groups.observe(event("drift", "wall", false, 3), 1_001);
    assert_eq!(deliver(&mut groups, 1_000 + INTERVAL), [3]);
}

#[test]
fn an_alert_that_ends_within_its_silence_is_never_told() {
    let mut groups = groups_with(grouping(), silenced("wall", 1_000));
    groups.observe(event("drift", "wall", true, 0), 0);
    groups.observe(event("drift", "wall", false, 1), 1);
    assert!(groups.take(WAIT).is_none(), "both while its group waited");
    groups.observe(event("drift", "wall", true, 2), 100);
    assert!(groups.take(200).is_none());
    groups.observe(event("drift", "wall", false, 3), 201);
    assert!(groups.take(2_000).is_none());
    assert_eq!(offsets(&groups.take_done()), [0, 1, 2, 3]);
    assert_eq!(groups.due(2_000), None);
}

#[test]
fn a_silence_hides_no_end_of_what_was_told() {
    let mut later = silenced("wall", 1_000);
    later.silences[0].from = 50;
    let mut groups = groups_with(grouping(), later);
    groups.observe(event("drift", "wall", true, 0), 0);
    assert_eq!(deliver(&mut groups, WAIT), [0]);
    groups.observe(event("drift", "wall", false, 1), 60);
    assert_eq!(deliver(&mut groups, WAIT + INTERVAL), [1]);
}

#[test]
fn a_dead_source_hides_the_drift_that_it_causes_until_it_is_back() {
    let suppressor = Suppressor {
        silences: Vec::new(),
        inhibitions: vec![Inhibition {
            source: matchers(&["rule=silence"]),
            target: matchers(&["rule=drift"]),
            equal: vec!["source".into()],
        }],
    };
    let mut groups = groups_with(grouping(), suppressor);
    groups.observe(event("drift", "wall", true, 0), 0);
    // The cause comes last, while the group of its effects waits.
    groups.observe(event("silence", "listings", true, 1), 10);
    assert_eq!(deliver(&mut groups, 40), [1]);
    assert!(groups.take(500).is_none());
    groups.observe(event("silence", "listings", false, 2), 600);
    assert_eq!(deliver(&mut groups, 600), [2]);
    assert_eq!(groups.due(600), Some(600 + WAIT), "the drift is told, it goes on");
    assert_eq!(deliver(&mut groups, 600 + WAIT), [0]);
}

#[test]
fn nothing_is_repeated_of_what_is_silenced() {
    let mut later = silenced("wall", 3 * REPEAT);
    later.silences[0].from = 50;
    let mut groups = groups_with(grouping(), later);
    groups.observe(event("drift", "wall", true, 0), 0);
    assert_eq!(deliver(&mut groups, WAIT), [0]);
    let due = groups.due(60).unwrap();
    assert!(groups.take(due).is_none());
    assert_eq!(groups.due(due), Some(due + REPEAT));
}

#[test]
fn an_alert_ends_under_the_labels_with_which_it_began() {
    let by = GroupBy::Labels(vec!["model_version".into()]);
    let mut groups = groups_with(Grouping { by, ..grouping() }, Suppressor::default());
    groups.observe(of_version("drift", "wall", true, 0, "v1"), 0);
    groups.observe(of_version("drift", "wall", false, 1, "v2"), 1);
    let notification = groups.take(WAIT).unwrap();
    assert_eq!(told(&notification), [0, 1]);
    assert_eq!(notification.group["model_version"], "v1");
}

/// When it begins anew under other labels, its group is another, which must not overtake.
#[test]
fn changes_of_an_alert_stay_in_order_over_groups() {
    let by = GroupBy::Labels(vec!["model_version".into()]);
    let mut groups = groups_with(Grouping { by, ..grouping() }, Suppressor::default());
    groups.observe(of_version("drift", "wall", true, 0, "v1"), 0);
    assert_eq!(deliver(&mut groups, WAIT), [0]);
    // v1's group waits for its interval, v2's only for its wait.
    groups.observe(of_version("drift", "wall", false, 1, "v1"), 40);
    groups.observe(of_version("drift", "other", true, 2, "v2"), 41);
    groups.observe(of_version("drift", "wall", true, 3, "v2"), 42);
    assert_eq!(deliver(&mut groups, 41 + WAIT), [2], "what is not blocked");
    let mut order = Vec::new();
    while let Some(due) = groups.due(0).filter(|due| *due < 2_000) {
        order.extend(deliver(&mut groups, due));
    }
    assert_eq!(order, [1, 3]);
}

#[test]
fn what_was_told_before_a_start_is_not_told_again_but_repeated() {
    let mut groups = groups();
    groups.restore(event("drift", "wall", true, 0), 0);
    groups.restore(event("drift", "roof", true, 1), 0);
    groups.restore(event("drift", "roof", false, 2), 0);
    assert!(groups.take(WAIT).is_none());
    assert_eq!((groups.firing(), groups.due(1)), (1, Some(REPEAT)));
    groups.observe(event("drift", "wall", false, 3), 10);
    assert_eq!(deliver(&mut groups, 10 + WAIT), [3]);
}

#[test]
fn what_may_have_been_withheld_before_a_start_is_told_rather_than_lost() {
    let mut groups = groups_with(grouping(), silenced("wall", 100));
    groups.restore(event("drift", "wall", true, 0), 200);
    groups.restore(event("drift", "roof", true, 1), 200);
    groups.take(200);
    assert_eq!(deliver(&mut groups, 200 + WAIT), [0]);
    // And its end, although it is silenced now and may never have been told.
    let mut still = groups_with(grouping(), silenced("wall", 1_000));
    still.restore(event("drift", "wall", true, 0), 200);
    assert!(still.take(300).is_none());
    still.observe(event("drift", "wall", false, 1), 300);
    assert_eq!(deliver(&mut still, 300 + WAIT), [1]);
}

#[test]
fn a_partition_that_goes_takes_its_alerts_along() {
    let mut groups = groups();
    groups.observe(event("drift", "wall", true, 0), 0);
    let elsewhere = Place { partition: 1, offset: 7 };
    groups.observe(AlertEvent { place: elsewhere, ..event("drift", "roof", true, 1) }, 1);
    let notification = groups.take(WAIT).unwrap();
    groups.forget(&BTreeSet::from([1]));
    groups.delivered(&notification, WAIT);
    assert_eq!(groups.firing(), 1);
    assert!(groups.take_done().contains(&Place { partition: 0, offset: 0 }));
    groups.forget(&BTreeSet::from([0]));
    assert_eq!((groups.firing(), groups.due(0)), (0, None));
}
