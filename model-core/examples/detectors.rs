//! Where sequential detectors, at their defaults, see a change.
//!
//! Reads streams from standard input, each a line with a JSON array of numbers. For each writes
//! a line with the indices, from 0, of the detections by `adwin`, `page_hinkley` and `kswin`.

#![allow(missing_docs, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::stdin;

use model_core::detectors::{Adwin, Detector, Kswin, PageHinkley, Unusable};

fn main() -> Result<(), Box<dyn Error>> {
    for line in stdin().lines() {
        let stream: Vec<f64> = serde_json::from_str(&line?)?;
        let found = BTreeMap::from([
            ("adwin", detections(&mut Adwin::new(Default::default())?, &stream)?),
            ("page_hinkley", detections(&mut PageHinkley::new(Default::default())?, &stream)?),
            ("kswin", detections(&mut Kswin::new(Default::default())?, &stream)?),
        ]);
        println!("{}", serde_json::to_string(&found)?);
    }
    Ok(())
}

fn detections(detector: &mut dyn Detector, stream: &[f64]) -> Result<Vec<usize>, Unusable> {
    let mut found = Vec::new();
    for (index, &value) in stream.iter().enumerate() {
        if detector.update(value)?.is_some() {
            found.push(index);
        }
    }
    Ok(found)
}
