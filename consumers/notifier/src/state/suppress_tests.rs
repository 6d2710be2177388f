//! Matchers, silences and inhibition, by hand.

use super::support::{event, labelling, matchers};
use super::{Inhibition, Labels, Matcher, Silence, Suppression, Suppressor};

fn labels(rule: &str, subject: &str) -> Labels {
    labelling().of(&event(rule, subject, true, 0))
}

#[test]
fn matchers_mean_what_alertmanagers_mean() {
    let drift = labels("feature_drift", "wall");
    for (text, expected) in [
        ("alertname=feature_drift", true),
        ("rule=\"feature_drift\"", true),
        ("rule != feature_drift", false),
        ("rule=~\".*_drift\"", true),
        ("rule=~\"drift\"", false),
        ("rule!~\"a|b\"", true),
        ("rule=~\"a|feature_drift\"", true),
        ("absent=\"\"", true),
        ("absent!=\"\"", false),
        ("severity=warning", true),
        ("source=\"/test\"", true),
    ] {
        assert_eq!(Matcher::parse(text).unwrap().matches(&drift), expected, "{text}");
    }
    for wrong in ["", "rule", "=x", "rule~x", "ru le=x", "rule=\"x", "rule=x\"y", "rule=~\"(\""] {
        let error = Matcher::parse(wrong).unwrap_err().to_string();
        assert!(error.contains(&format!("{wrong:?}")), "{error}");
    }
}

#[test]
fn a_silence_holds_from_its_beginning_to_its_end() {
    let suppressor = Suppressor {
        silences: vec![Silence {
            matchers: matchers(&["rule=feature_drift", "subject=~\"wall|roof\""]),
            from: 100,
            until: 200,
            who: "ann".into(),
            why: "recoding".into(),
        }],
        inhibitions: Vec::new(),
    };
    let verdict = |subject: &str, now| {
        suppressor.verdict(&labels("feature_drift", subject), std::iter::empty(), now)
    };
    assert_eq!(verdict("wall", 99), None);
    let silenced = Suppression::Silenced { who: "ann".into(), why: "recoding".into() };
    assert_eq!(silenced.to_string(), "silenced by ann: recoding");
    assert_eq!(verdict("wall", 100), Some(silenced.clone()));
    assert_eq!(verdict("roof", 199), Some(silenced));
    assert_eq!((verdict("wall", 200), verdict("lot", 150)), (None, None));
    assert_eq!((suppressor.next_end(199), suppressor.next_end(200)), (Some(200), None));
    assert!(suppressor.may_have_suppressed(&labels("feature_drift", "wall"), 500));
    assert!(!suppressor.may_have_suppressed(&labels("feature_drift", "wall"), 99));
}

#[test]
fn a_firing_source_inhibits_targets_with_equal_labels_but_never_its_like() {
    let suppressor = Suppressor {
        silences: Vec::new(),
        inhibitions: vec![Inhibition {
            source: matchers(&["rule=~\"silence|source_down|volume\""]),
            target: matchers(&["rule=~\".*_drift|volume\""]),
            equal: vec!["source".into(), "absent".into()],
        }],
    };
    let (drift, volume) = (labels("feature_drift", "wall"), labels("volume", "listings"));
    let silence = labels("silence", "listings");
    let verdict = |of: &Labels, firing: &[&Labels]| {
        suppressor.verdict(of, firing.iter().copied(), 0).map(|why| why.to_string())
    };
    assert_eq!(verdict(&drift, &[&drift]), None);
    assert_eq!(
        verdict(&drift, &[&drift, &silence]).as_deref(),
        Some("inhibited by silence:listings")
    );
    assert_eq!(verdict(&silence, &[&drift, &silence, &volume]), None);
    // Both a source and a target: inhibited by what is a source alone, not by itself.
    assert_eq!(verdict(&volume, &[&volume]), None);
    assert!(verdict(&volume, &[&volume, &silence]).is_some());
    let elsewhere = Labels::from_iter(
        silence.clone().into_iter().chain([("source".to_owned(), "/other".to_owned())]),
    );
    assert_eq!(verdict(&drift, &[&elsewhere]), None);
}
