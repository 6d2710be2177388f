//! What the libraries predict and explain, and what homestream does.

use std::path::{Path, PathBuf};

use model_core::interchange::{self, SourceModel};
use model_core::learn::FlatTrees;
use serde::Deserialize;

/// Rows and what the library says of them.
#[derive(Deserialize)]
pub(crate) struct Answers {
    rows: Vec<Vec<Option<f64>>>,
    pub(crate) raw: Vec<f64>,
    shap: Vec<Vec<f64>>,
}

impl Answers {
    pub(crate) fn rows(&self) -> impl Iterator<Item = Vec<f64>> {
        self.rows.iter().map(|row| row.iter().map(|v| v.unwrap_or(f64::NAN)).collect())
    }
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interchange/fixtures").join(name)
}

pub(crate) fn load(file: &str) -> (SourceModel, Answers) {
    let model = interchange::read(&std::fs::read(fixture(file)).unwrap(), None).unwrap();
    let stem = file.split('.').next().unwrap();
    let answers = std::fs::read(fixture(&format!("{stem}.rows.json"))).unwrap();
    (model, serde_json::from_slice(&answers).unwrap())
}

/// Largest difference from the library's predictions and explanations, as a share.
pub(crate) fn differences(trees: &FlatTrees, answers: &Answers) -> (f64, f64) {
    let (mut of_predictions, mut of_shap) = (0.0_f64, 0.0_f64);
    let mut out = vec![0.0; trees.n_features()];
    for ((row, raw), shap) in answers.rows().zip(&answers.raw).zip(&answers.shap) {
        let found = trees.predict(&row);
        of_predictions = of_predictions.max((found - raw).abs() / raw.abs());
        let base = trees.shap(&row, &mut out);
        for (found, expected) in out.iter().chain([&base]).zip(shap) {
            of_shap = of_shap.max((found - expected).abs() / raw.abs());
        }
    }
    (of_predictions, of_shap)
}

#[test]
fn lightgbm_models_predict_and_explain_as_there() {
    for name in ["regression", "l1", "gamma", "forest", "zero", "none"] {
        let (model, answers) = load(&format!("lgb_{name}.txt"));
        let (predictions, shap) = differences(&model.trees().unwrap(), &answers);
        assert!(predictions < 1e-14, "{name}: {predictions:e}");
        assert!(shap < 1e-12, "{name}: {shap:e}");
    }
}

#[test]
fn xgboost_models_predict_and_explain_as_there() {
    for name in ["squared", "one_hot", "gamma", "tweedie", "poisson", "absolute", "dart"] {
        let (model, answers) = load(&format!("xgb_{name}.json"));
        let (predictions, shap) = differences(&model.trees().unwrap(), &answers);
        assert_eq!(predictions, 0.0, "{name}: to the last bit");
        assert!(shap < 1e-6, "{name}: {shap:e}");
    }
}
