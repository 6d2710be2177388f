//! Damaged files are an error or a sound model, never a panic.

use model_core::interchange;
use proptest::prelude::*;

use crate::library::fixture;

/// Reads, and predicts with what reads.
fn survive(bytes: &[u8]) {
    let Ok(model) = interchange::read(bytes, None) else { return };
    let Ok(trees) = model.trees() else { return };
    let mut out = vec![0.0; trees.n_features()];
    for row in [&[][..], &[f64::NAN; 4], &[1e9, -5.0, 3.0, 0.0], &[f64::INFINITY, 0.5, 70.0, 1e-36]]
    {
        assert!(trees.predict(row).is_finite());
        assert!(trees.shap(row, &mut out).is_finite());
    }
}

fn damage(name: &str, edits: &[(usize, u8)], cut: usize) {
    let mut bytes = std::fs::read(fixture(name)).unwrap();
    for (at, byte) in edits {
        let at = at % bytes.len();
        bytes[at] = *byte;
    }
    if cut.is_multiple_of(3) {
        bytes.truncate(cut % bytes.len());
    }
    survive(&bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn damaged_files(
        edits in proptest::collection::vec(
            (any::<usize>(), prop_oneof![3 => b'0'..=b'9', 1 => Just(b' '), 1 => Just(b'-'), 1 => any::<u8>()]),
            1..6,
        ),
        cut in any::<usize>(),
        file in 0_usize..4,
    ) {
        damage(["lgb_regression.txt", "lgb_zero.txt", "xgb_squared.json", "xgb_dart.json"][file], &edits, cut);
    }
}
