//! What every target does with trees that could be read.

use model_core::learn::{FittedModel, FlatTrees};

/// Rows at the edges; longer ones repeat these values.
const VALUES: [f64; 12] = [
    f64::NAN,
    0.0,
    -1.0,
    1e-36,
    3.0,
    64.0,
    7.5,
    1e30,
    f64::INFINITY,
    f64::NEG_INFINITY,
    4_294_967_296.0,
    0.5,
];

/// Rows for a model of `n` columns.
pub fn rows(n: usize) -> impl Iterator<Item = Vec<f64>> {
    (0..4).map(move |shift| {
        (0..n).map(|i| VALUES[(i * (shift + 1) + 3 * shift) % VALUES.len()]).collect()
    })
}

/// Predicts and explains: finite, and parts add up.
pub fn exercise(model: &FittedModel) {
    let n = model.n_features();
    let mut parts = vec![0.0; n];
    for row in rows(n).chain([Vec::new()]) {
        let predicted = model.predict(&row);
        assert!(predicted.is_finite(), "predicts {predicted}");
        let base = model.contributions(&row, &mut parts);
        assert!(base.is_finite());
        let base = model.shap(&row, &mut parts);
        assert!(base.is_finite() && parts.iter().all(|part| part.is_finite()), "explains");
    }
}

/// As [`exercise`]; an importer's averages are right, so that Shapley values add up.
#[allow(dead_code)]
pub fn exercise_trees(trees: &FlatTrees) {
    let mut parts = vec![0.0; trees.n_features()];
    // what the largest leaves round away
    let tallest = trees.n_trees() as f64 * trees.largest_leaf().max(1.0);
    for row in rows(trees.n_features()) {
        let base = trees.shap(&row, &mut parts);
        let sum = base + parts.iter().sum::<f64>();
        let error = (sum - trees.predict(&row)).abs();
        assert!(error <= 1e-9 * tallest, "{sum} for {}", trees.predict(&row));
    }
    exercise(&FittedModel::BoostedTrees(trees.clone()));
}
