//! The state for Alertmanager, by hand.

use std::collections::BTreeSet;

use super::support::{event, labelling, of_version, offsets};
use super::*;

const RESEND: Millis = 60_000;

fn levels() -> Levels {
    Levels::new(RESEND, true, labelling())
}

fn told(sent: &Sent) -> Vec<(i64, bool)> {
    sent.alerts.iter().map(|s| (s.event.place.offset, s.ends_at.is_none())).collect()
}

fn deliver(levels: &mut Levels, now: Millis) -> Vec<(i64, bool)> {
    let Some(sent) = levels.take(now) else { return Vec::new() };
    levels.delivered(&sent);
    told(&sent)
}

#[test]
fn changes_are_told_at_once_each_alert_once_a_time() {
    let mut levels = levels();
    for (offset, subject, fires) in
        [(0, "wall", true), (1, "roof", true), (2, "wall", false), (3, "lot", true)]
    {
        levels.observe(event("drift", subject, fires, offset), 10 * offset);
    }
    let first = levels.take(100).unwrap();
    assert_eq!(told(&first), [(0, true), (1, true)], "up to where an alert comes again");
    assert_eq!(levels.take(101).unwrap(), first, "until it is delivered");
    assert!(levels.take_done().is_empty());
    levels.delivered(&first);
    assert_eq!(offsets(&levels.take_done()), [0, 1]);
    assert_eq!(deliver(&mut levels, 102), [(2, false), (3, true)]);
    assert_eq!(levels.take(103), None);
    assert_eq!((levels.firing(), levels.due(103)), (2, Some(RESEND)));
}

#[test]
fn the_state_is_told_again_and_what_is_over_for_a_quarter_of_an_hour() {
    let mut levels = levels();
    levels.observe(event("drift", "wall", true, 0), 0);
    levels.observe(event("drift", "roof", true, 1), 0);
    deliver(&mut levels, 0);
    levels.observe(event("drift", "wall", false, 2), 5);
    assert_eq!(deliver(&mut levels, 5), [(2, false)]);
    let mut now = RESEND;
    while now < 5 + RESOLVED_KEPT_MS {
        assert_eq!(levels.due(now - 1), Some(now));
        let sent = levels.take(now).unwrap();
        assert!(sent.repeat);
        assert_eq!(BTreeSet::from_iter(told(&sent)), BTreeSet::from([(1, true), (2, false)]));
        levels.delivered(&sent);
        now += RESEND;
    }
    assert_eq!(deliver(&mut levels, now), [(1, true)]);
}

#[test]
fn an_alert_ends_under_the_labels_and_time_with_which_it_began() {
    let mut levels = levels();
    levels.observe(of_version("drift", "wall", true, 0, "v1"), 7);
    levels.observe(of_version("drift", "wall", false, 1, "v2"), 9);
    deliver(&mut levels, 9);
    let sent = levels.take(9).unwrap();
    let ended = &sent.alerts[0];
    assert_eq!(ended.labels["model_version"], "v1");
    assert_eq!((ended.starts_at, ended.ends_at), (7, Some(9)));
    levels.delivered(&sent);
    // The next time it is another alert, of another model.
    levels.observe(of_version("drift", "wall", true, 2, "v2"), 20);
    let sent = levels.take(20).unwrap();
    assert_eq!((sent.alerts[0].starts_at, &*sent.alerts[0].labels["model_version"]), (20, "v2"));
}

#[test]
fn after_a_start_the_last_state_of_all_is_told_again() {
    let mut levels = levels();
    levels.restore(event("drift", "wall", true, 0), 50);
    levels.restore(event("drift", "wall", false, 1), 50);
    levels.restore(event("drift", "roof", true, 2), 50);
    let sent = levels.take(50).unwrap();
    assert!(sent.repeat);
    assert_eq!(BTreeSet::from_iter(told(&sent)), BTreeSet::from([(1, false), (2, true)]));
    levels.delivered(&sent);
    assert!(levels.take_done().is_empty());
    assert_eq!(levels.due(50), Some(50 + RESEND));
}

#[test]
fn many_alerts_are_told_again_in_parts() {
    let mut levels = levels();
    for number in 0..150 {
        levels.restore(event("drift", &format!("f{number:03}"), true, number), 0);
    }
    let mut told_again = BTreeSet::new();
    for expected in [64, 64, 22] {
        let part = deliver(&mut levels, 0);
        assert_eq!(part.len(), expected);
        told_again.extend(part);
    }
    assert_eq!(told_again.len(), 150);
    assert_eq!(levels.take(1), None);
}
