//! Whatever comes, and however deliveries fail: each change is told or was suppressed, in order,
//! and is done with once.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::support::{labelling, matchers, of_version};
use super::*;

/// What happens: a change of alert 0 to 4 under version 1 or 2; time passes; a delivery
/// succeeds or fails.
#[derive(Clone, Debug)]
enum Step {
    Change { alert: usize, fires: bool, version: u8 },
    Pass(Millis),
    Deliver { succeeds: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..5usize, any::<bool>(), 1..3u8)
            .prop_map(|(alert, fires, version)| Step::Change { alert, fires, version }),
        2 => (0..120 as Millis).prop_map(Step::Pass),
        3 => any::<bool>().prop_map(|succeeds| Step::Deliver { succeeds }),
    ];
    prop::collection::vec(step, 1..120)
}

const RULES: [&str; 5] = ["drift", "drift", "silence", "volume", "accuracy"];
const SUBJECTS: [&str; 5] = ["wall", "roof", "listings", "listings", "mdape"];

fn suppressor() -> Suppressor {
    Suppressor {
        silences: vec![Silence {
            matchers: matchers(&["subject=roof"]),
            from: 300,
            until: 900,
            who: "ann".into(),
            why: "known".into(),
        }],
        inhibitions: vec![Inhibition {
            source: matchers(&["rule=silence"]),
            target: matchers(&["rule=~\"drift|volume\""]),
            equal: vec!["source".into()],
        }],
    }
}

fn groupings() -> impl Strategy<Value = Grouping> {
    let by = prop_oneof![
        Just(GroupBy::Each),
        Just(GroupBy::Labels(vec![])),
        Just(GroupBy::Labels(vec![ALERT_NAME.into(), "model_version".into()])),
    ];
    (by, 0..50 as Millis, 0..100 as Millis, prop_oneof![Just(0), 50..500 as Millis]).prop_map(
        |(by, wait_ms, interval_ms, repeat_ms)| Grouping {
            by,
            wait_ms,
            interval_ms,
            repeat_ms,
            send_resolved: true,
        },
    )
}

/// What came, and what was told of it, by alert.
#[derive(Default)]
struct Ledger {
    came: BTreeMap<String, Vec<i64>>,
    told: BTreeMap<String, Vec<i64>>,
    done: Vec<i64>,
}

impl Ledger {
    fn note(&mut self, notification: &Notification) {
        for change in &notification.changes {
            let of_alert = self.told.entry(change.event.fingerprint.clone()).or_default();
            of_alert.push(change.event.place.offset);
        }
    }
}

/// Runs the steps, then lets everything be delivered.
fn run(groups: &mut Groups, steps: &[Step]) -> Ledger {
    let (mut now, mut offset) = (0, 0);
    let mut ledger = Ledger::default();
    for step in steps {
        match *step {
            Step::Change { alert, fires, version } => {
                let version = format!("v{version}");
                let event = of_version(RULES[alert], SUBJECTS[alert], fires, offset, &version);
                ledger.came.entry(event.fingerprint.clone()).or_default().push(offset);
                groups.observe(event, now);
                offset += 1;
            }
            Step::Pass(millis) => now += millis,
            Step::Deliver { succeeds } => {
                if let Some(notification) = groups.take(now).filter(|_| succeeds) {
                    ledger.note(&notification);
                    groups.delivered(&notification, now);
                }
            }
        }
    }
    // Repeats never end, so a bounded number of further deliveries.
    for _ in 0..400 {
        let Some(due) = groups.due(now) else { break };
        now = now.max(due);
        if let Some(notification) = groups.take(now) {
            ledger.note(&notification);
            groups.delivered(&notification, now);
        }
    }
    ledger.done = groups.take_done().iter().map(|place| place.offset).collect();
    ledger
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn without_suppression_every_change_is_told_once_and_in_order(
        grouping in groupings(), steps in steps(),
    ) {
        let mut groups = Groups::new(grouping, labelling(), Arc::new(Suppressor::default()));
        let mut ledger = run(&mut groups, &steps);
        prop_assert_eq!(&ledger.told, &ledger.came);
        ledger.done.sort_unstable();
        let all = ledger.came.values().map(Vec::len).sum::<usize>() as i64;
        prop_assert_eq!(ledger.done, (0..all).collect::<Vec<_>>());
    }

    #[test]
    fn with_suppression_what_is_told_stays_in_order_and_all_is_done_with(
        grouping in groupings(), steps in steps(),
    ) {
        let mut groups = Groups::new(grouping, labelling(), Arc::new(suppressor()));
        let mut ledger = run(&mut groups, &steps);
        for told in ledger.told.values() {
            prop_assert!(told.is_sorted(), "{told:?}");
        }
        ledger.done.sort_unstable();
        let all = ledger.came.values().map(Vec::len).sum::<usize>() as i64;
        prop_assert_eq!(ledger.done, (0..all).collect::<Vec<_>>());
    }

    /// In the end the receiver knows what fires: of each alert that nothing suppresses, the
    /// last change was told.
    #[test]
    fn in_the_end_the_last_state_is_known(grouping in groupings(), steps in steps()) {
        let mut groups = Groups::new(grouping, labelling(), Arc::new(suppressor()));
        let ledger = run(&mut groups, &steps);
        let accuracy = of_version(RULES[4], SUBJECTS[4], true, 0, "v1").fingerprint;
        let silence = of_version(RULES[2], SUBJECTS[2], true, 0, "v1").fingerprint;
        for never_suppressed in [accuracy, silence] {
            let came = ledger.came.get(&never_suppressed);
            prop_assert_eq!(ledger.told.get(&never_suppressed), came);
        }
    }

    #[test]
    fn levels_tell_every_change_in_order(steps in steps()) {
        let mut levels = Levels::new(1_000, true, labelling());
        let (mut now, mut offset) = (0, 0);
        let mut came: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        let mut told: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        let mut deliver = |levels: &mut Levels, now| {
            let Some(sent) = levels.take(now) else { return false };
            if !sent.repeat {
                for state in &sent.alerts {
                    let of_alert = told.entry(state.event.fingerprint.clone()).or_default();
                    of_alert.push(state.event.place.offset);
                }
            }
            levels.delivered(&sent);
            !sent.repeat
        };
        for step in steps {
            match step {
                Step::Change { alert, fires, version } => {
                    let version = format!("v{version}");
                    let event = of_version(RULES[alert], SUBJECTS[alert], fires, offset, &version);
                    came.entry(event.fingerprint.clone()).or_default().push(offset);
                    levels.observe(event, now);
                    offset += 1;
                }
                Step::Pass(millis) => now += millis,
                Step::Deliver { succeeds: true } => {
                    deliver(&mut levels, now);
                }
                Step::Deliver { succeeds: false } => {
                    levels.take(now);
                }
            }
        }
        while deliver(&mut levels, now) {}
        prop_assert_eq!(told, came);
    }
}
