//! XGBoost JSON models: read, predict, explain.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use model_core::interchange::xgboost;

fuzz_target!(|data: &[u8]| {
    let Ok(model) = xgboost::read(data) else { return };
    let Ok(trees) = model.trees() else { return };
    common::exercise_trees(&trees);
});
