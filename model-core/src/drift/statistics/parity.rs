//! The statistics beside those of SciPy, Evidently and `NannyML`, on pairs of columns that
//! `benches/peers/drift/parity.py --fixture` wrote with their results.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::*;

#[derive(Deserialize)]
struct Pair {
    name: String,
    kind: ColumnKind,
    whole: bool,
    reference: Vec<Value>,
    current: Vec<Value>,
    expected: BTreeMap<String, Value>,
}

impl Pair {
    fn compared(&self) -> Value {
        let params = CompareParams::default();
        let comparison = match self.kind {
            ColumnKind::Numeric => {
                let column = |cells: &[Value]| {
                    let values = cells.iter().map(|cell| cell.as_f64().unwrap_or(f64::NAN));
                    NumericColumn::new(values.collect(), self.whole, 100_000)
                };
                let (reference, current) = (column(&self.reference), column(&self.current));
                compare_numeric(&self.name, &reference, &current, &params)
            }
            ColumnKind::Categorical => {
                let column = |cells: &[Value]| {
                    let mut counts = BTreeMap::new();
                    let labels = cells.iter().filter_map(Value::as_str);
                    labels.for_each(|label| *counts.entry(label.to_owned()).or_insert(0) += 1);
                    let known: u64 = counts.values().sum();
                    CategoricalColumn::new(counts, cells.len() as u64 - known)
                };
                let (reference, current) = (column(&self.reference), column(&self.current));
                compare_categorical(&self.name, &reference, &current, &params)
            }
        };
        serde_json::to_value(comparison).unwrap()
    }
}

/// Whether a figure is theirs to 1e-9 of it. Roots of differences of equal numbers agree to
/// the rounding under the root, and Evidently's Z p-value to the 16 decimals that it keeps.
fn agrees(key: &str, ours: &Value, theirs: &Value) -> bool {
    let (Some(ours), Some(theirs)) = (ours.as_f64(), theirs.as_f64()) else {
        // Without a degree of freedom SciPy's p-value is NaN; ours says that nothing moved.
        return ours == theirs || (theirs.is_null() && ours.as_f64() == Some(1.0));
    };
    let floor = if key == "z_p_value" { 2.5e-16 } else { 0.0 };
    let is_root = key.starts_with("js") || key.starts_with("hellinger");
    (ours - theirs).abs() <= 1e-9 * theirs.abs() + floor
        || (is_root && (ours * ours - theirs * theirs).abs() <= 1e-14)
        // Evidently's bins are rounded where numbers lie far from 0.
        || (key == "hellinger" && (ours - theirs).abs() <= 1e-7)
        || (!key.ends_with("p_value") && ours.abs().max(theirs.abs()) < 1e-12)
}

#[test]
fn every_statistic_is_that_of_the_peers() {
    let pairs: Vec<Pair> = serde_json::from_str(include_str!("parity.json")).unwrap();
    let mut figures = 0;
    for pair in &pairs {
        let ours = pair.compared();
        for (key, theirs) in &pair.expected {
            assert!(
                agrees(key, &ours[key], theirs),
                "{}: {key} is {} instead of {theirs}",
                pair.name,
                ours[key]
            );
            figures += 1;
        }
    }
    assert!(pairs.len() >= 25 && figures > 300, "{} pairs, {figures} figures", pairs.len());
}
