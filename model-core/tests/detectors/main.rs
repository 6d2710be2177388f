//! Sequential detectors detect where River's do.
//!
//! `river.json` holds the indices of the detections by River 0.26.1 (KSWIN: seed 42), at its
//! defaults, in 200 streams; `benches/peers/detectors/parity.py --write` makes it.

use std::collections::BTreeMap;

use model_core::detectors::{Adwin, Detector, Kswin, PageHinkley};

use self::streams::{KINDS, STREAMS, stream};

mod streams;

type Detections = BTreeMap<String, BTreeMap<String, Vec<usize>>>;

fn river() -> Detections {
    serde_json::from_str(include_str!("river.json")).unwrap()
}

fn found(mut detector: impl Detector, stream: &[f64]) -> Vec<usize> {
    let changed = |value: &f64| detector.update(*value).unwrap().is_some();
    let changed: Vec<bool> = stream.iter().map(changed).collect();
    (0..stream.len()).filter(|&index| changed[index]).collect()
}

/// Compares all streams; `least` detections must be among them.
fn same_as_river<D: Detector>(name: &str, least: usize, detector: impl Fn() -> D) {
    let river = river();
    assert_eq!(river.len(), KINDS.len() * STREAMS);
    let mut detections = 0;
    for (kind, kind_name) in KINDS.iter().enumerate() {
        for number in 0..STREAMS {
            let key = format!("{kind_name}-{number}");
            let expected = &river[&key][name];
            assert_eq!(&found(detector(), &stream(kind, number)), expected, "{name} on {key}");
            detections += expected.len();
        }
    }
    assert!(detections >= least, "{name}: only {detections} detections to compare");
}

#[test]
fn adwin_detects_where_rivers_does() {
    same_as_river("adwin", 50, || Adwin::new(Default::default()).unwrap());
}

#[test]
fn page_hinkley_detects_where_rivers_does() {
    same_as_river("page_hinkley", 50, || PageHinkley::new(Default::default()).unwrap());
}

#[test]
fn kswin_detects_where_rivers_does() {
    same_as_river("kswin", 500, || Kswin::new(Default::default()).unwrap());
}
