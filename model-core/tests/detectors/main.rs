//! Sequential detectors detect where River's do.
//!
//! `river.json` holds the indices of the detections by River 0.26.1 (KSWIN: seed 42), at its
//! defaults, in 200 streams; `benches/peers/detectors/parity.py --write` makes it.

use std::collections::BTreeMap;
use std::error::Error;

use model_core::detectors::{Adwin, Detector, Kswin, PageHinkley};

use self::streams::{KINDS, STREAMS, stream};

mod streams;

type Detections = BTreeMap<String, BTreeMap<String, Vec<usize>>>;

/// Where the detector sees a change; it takes in every number.
fn found(mut detector: impl Detector, stream: &[f64]) -> Vec<usize> {
    let mut found = Vec::new();
    for (index, &value) in stream.iter().enumerate() {
        match detector.update(value) {
            Ok(None) => {}
            Ok(Some(_)) => found.push(index),
            Err(error) => unreachable!("{error}"),
        }
    }
    found
}

fn new<D, E: Error>(detector: Result<D, E>) -> D {
    detector.unwrap_or_else(|error| unreachable!("{error}"))
}

/// Compares all streams; `least` detections must be among them.
fn same_as_river<D: Detector>(
    name: &str,
    least: usize,
    detector: impl Fn() -> D,
) -> Result<(), Box<dyn Error>> {
    let river: Detections = serde_json::from_str(include_str!("river.json"))?;
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
    Ok(())
}

#[test]
fn adwin_detects_where_rivers_does() -> Result<(), Box<dyn Error>> {
    same_as_river("adwin", 50, || new(Adwin::new(Default::default())))
}

#[test]
fn page_hinkley_detects_where_rivers_does() -> Result<(), Box<dyn Error>> {
    same_as_river("page_hinkley", 50, || new(PageHinkley::new(Default::default())))
}

#[test]
fn kswin_detects_where_rivers_does() -> Result<(), Box<dyn Error>> {
    same_as_river("kswin", 500, || new(Kswin::new(Default::default())))
}
