//! LightGBM text models: read, predict, explain, write, read again.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use model_core::interchange::lightgbm;
use model_core::learn::{ColumnKind, FittedModel};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(model) = lightgbm::read(text) else { return };
    let Ok(trees) = model.trees() else { return };
    common::exercise_trees(&trees);
    let names: Vec<String> = (0..trees.n_features()).map(|i| format!("c{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let kinds = vec![ColumnKind::Numeric; trees.n_features()];
    let n_features = trees.n_features();
    let ours = FittedModel::BoostedTrees(trees);
    let written = lightgbm::write(&ours, &names, &kinds).expect("trees can be written");
    let again = lightgbm::read(&written).and_then(|model| model.trees()).expect("reads back");
    for mut row in common::rows(n_features) {
        // infinity is written as the largest number
        row.iter_mut().filter(|x| x.is_infinite()).for_each(|x| *x = 1e300_f64.copysign(*x));
        assert_eq!(ours.predict(&row).to_bits(), again.predict(&row).to_bits());
    }
});
