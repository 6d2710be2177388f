//! What explanations rest on.

use super::super::builder::BuildNode;
use super::*;

#[test]
fn linear_contributions_are_centred_on_the_training_rows_hence_shapley_values() {
    let (features, target, kinds) = market(2_000);
    let data = TrainingData { features: &features, target: &target, kinds: &kinds };
    let model = ElasticNetParams::default().check().unwrap().fit(&data, None).unwrap();
    let mut sums = vec![0.0; kinds.len()];
    let mut out = vec![0.0; kinds.len()];
    for row in features.rows() {
        let base = model.shap(row, &mut out);
        assert!((base + out.iter().sum::<f64>() - model.predict(row)).abs() < 1e-9);
        sums.iter_mut().zip(&out).for_each(|(sum, part)| *sum += part);
    }
    for (column, sum) in sums.iter().enumerate() {
        assert!((sum / 2_000.0).abs() < 1e-9, "column {column}: {}", sum / 2_000.0);
    }
}

#[test]
fn covers_count_the_rows_that_a_tree_was_grown_on() {
    let (features, target, kinds) = market(600);
    let whole = fit(stump(), &features, &target, &kinds);
    let rows: f64 = trees(&whole).tree(0).iter().map(leaf_cover).sum();
    assert_eq!(rows, 600.0);
    let bagged = BoostedTreesParams { bagging_fraction: 0.5, bagging_freq: 1, ..stump() };
    let bagged = fit(bagged, &features, &target, &kinds);
    let rows: f64 = trees(&bagged).tree(0).iter().map(leaf_cover).sum();
    assert_eq!(rows, 300.0);
    let (mut shap, mut steps) = (vec![0.0; 4], vec![0.0; 4]);
    for row in features.rows() {
        let (base, average) = (whole.shap(row, &mut shap), whole.contributions(row, &mut steps));
        assert!((base - average).abs() < 1e-12);
        // with one split there is one way to share
        assert!(shap.iter().zip(&steps).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

fn leaf_cover(node: &BuildNode) -> f64 {
    match node {
        BuildNode::Leaf { cover, .. } => *cover,
        BuildNode::Split { .. } => 0.0,
    }
}
