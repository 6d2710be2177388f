//! Tests of the contract through its public surface, small enough to be solved by hand.

use proptest::prelude::{
    Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::strategy::Strategy as _;

use super::*;

mod explain;

const NUMERIC: ColumnKind = ColumnKind::Numeric;

fn matrix(rows: &[&[f64]]) -> FeatureMatrix {
    let mut matrix = FeatureMatrix::new(rows[0].len());
    rows.iter().for_each(|row| matrix.push_row(row).unwrap());
    matrix
}

fn column(values: impl IntoIterator<Item = f64>) -> FeatureMatrix {
    let mut matrix = FeatureMatrix::new(1);
    values.into_iter().for_each(|value| matrix.push_row(&[value]).unwrap());
    matrix
}

/// One tree of two leaves, nothing sampled, nothing shrunk.
fn stump() -> BoostedTreesParams {
    BoostedTreesParams {
        loss: Loss::Squared,
        rounds: 1,
        learning_rate: 1.0,
        num_leaves: 2,
        min_child_rows: 1,
        min_bin_rows: 1,
        lambda_l2: 0.0,
        feature_fraction: 1.0,
        bagging_fraction: 1.0,
        cat_smooth: 0.0,
        cat_l2: 0.0,
        min_cat_group_rows: 1,
        ..BoostedTreesParams::default()
    }
}

fn fit(
    params: BoostedTreesParams,
    features: &FeatureMatrix,
    target: &[f64],
    kinds: &[ColumnKind],
) -> FittedModel {
    let data = TrainingData { features, target, kinds };
    params.check().unwrap().fit(&data, None).unwrap()
}

fn trees(model: &FittedModel) -> &FlatTrees {
    match model {
        FittedModel::BoostedTrees(trees) => trees,
        _ => panic!("not trees"),
    }
}

/// Deterministic noise in `[-1, 1)`.
fn noise(i: usize) -> f64 {
    let mixed = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17);
    (mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// A home market of four columns: size, age (sometimes missing), area code, noise.
fn market(n: usize) -> (FeatureMatrix, Vec<f64>, [ColumnKind; 4]) {
    let mut features = FeatureMatrix::with_capacity(4, n);
    let mut target = Vec::new();
    for i in 0..n {
        let size = 1500.0 + 900.0 * noise(4 * i);
        let age = if i % 7 == 0 { f64::NAN } else { 50.0 + 50.0 * noise(4 * i + 1) };
        let area = (i % 12) as f64;
        features.push_row(&[size, age, area, noise(4 * i + 2)]).unwrap();
        let old = if age.is_nan() { 0.3 } else { age / 200.0 };
        let area_level = if i % 12 % 3 == 0 { 0.4 } else { 0.0 };
        target.push(size.ln() - old + area_level + 0.05 * noise(4 * i + 3));
    }
    (features, target, [NUMERIC, NUMERIC, ColumnKind::Categorical { levels: 12 }, NUMERIC])
}

#[test]
fn a_matrix_keeps_rows_and_refuses_other_widths() {
    let mut matrix = matrix(&[&[1.0, 2.0], &[3.0, 4.0], &[5.0, 6.0]]);
    assert_eq!((matrix.n_rows(), matrix.n_cols()), (3, 2));
    assert_eq!(matrix.row(1), [3.0, 4.0]);
    assert_eq!(matrix.rows().map(|row| row[1]).collect::<Vec<_>>(), [2.0, 4.0, 6.0]);
    assert_eq!(matrix.select(&[2, 0, 2]).column(0).collect::<Vec<_>>(), [5.0, 1.0, 5.0]);
    assert_eq!(matrix.slice(1..3).row(0), [3.0, 4.0]);
    let refused = matrix.push_row(&[1.0]);
    assert_eq!(refused, Err(FitError::RowWidth { row: 3, expected: 2, found: 1 }));
    assert_eq!(matrix.n_rows(), 3);
}

#[test]
fn one_split_learns_a_step() {
    let features = column([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let model = fit(stump(), &features, &[10.0, 10.0, 10.0, 13.0, 13.0, 13.0], &[NUMERIC]);
    assert_eq!(
        [3.0, 3.5, 3.6, -1e9, 1e9].map(|x| model.predict(&[x])),
        [10.0, 10.0, 13.0, 10.0, 13.0]
    );
    let mut out = [0.0];
    assert_eq!(model.contributions(&[6.0], &mut out), 11.5);
    assert_eq!(out, [1.5]);
    // six residuals of 1.5 vanish
    assert!((trees(&model).gains()[0] - 6.0 * 1.5 * 1.5).abs() < 1e-6);
    assert_eq!(model.importance(), [1.0]);
}

#[test]
fn the_ridge_penalty_shrinks_leaves_as_the_formula_says() {
    let features = column([1.0, 2.0, 3.0, 4.0]);
    let params = BoostedTreesParams { lambda_l2: 2.0, learning_rate: 0.5, ..stump() };
    let model = fit(params, &features, &[0.0, 0.0, 4.0, 4.0], &[NUMERIC]);
    // mean 2, leaf sums -4 and 4, over 2 rows + 2, halved
    assert_eq!([model.predict(&[1.0]), model.predict(&[4.0])], [1.5, 2.5]);
}

#[test]
fn a_category_set_is_split_off_whole() {
    let codes: Vec<f64> = (0..60).map(|i| f64::from(i % 6)).collect();
    let target: Vec<f64> =
        codes.iter().map(|&code| if code == 1.0 || code == 4.0 { 12.0 } else { 9.0 }).collect();
    let kinds = [ColumnKind::Categorical { levels: 8 }];
    let model = fit(stump(), &column(codes), &target, &kinds);
    assert_eq!(trees(&model).n_nodes(), 3);
    let prices = |codes: &[f64]| codes.iter().map(|&x| model.predict(&[x])).collect::<Vec<_>>();
    assert_eq!(prices(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), [9.0, 12.0, 9.0, 9.0, 12.0, 9.0]);
    // unseen, out of range, negative, fractional and missing codes: where most rows went
    assert_eq!(prices(&[6.0, 99.0, -1.0, 1.5, f64::NAN, f64::INFINITY]), [9.0; 6]);
}

#[test]
fn few_categories_are_split_one_against_the_rest() {
    let codes: Vec<f64> = (0..30).map(|i| f64::from(i % 3)).collect();
    let target: Vec<f64> = codes.iter().map(|&code| if code == 1.0 { 5.0 } else { 2.0 }).collect();
    let kinds = [ColumnKind::Categorical { levels: 3 }];
    let model = fit(stump(), &column(codes), &target, &kinds);
    assert_eq!([0.0, 1.0, 2.0].map(|x| model.predict(&[x])), [2.0, 5.0, 2.0]);
}

#[test]
fn missing_values_go_to_the_better_side() {
    let features = column([1.0, 2.0, f64::NAN, 5.0, 6.0, f64::NAN]);
    let kinds = [NUMERIC];
    let high = fit(stump(), &features, &[1.0, 1.0, 3.0, 3.0, 3.0, 3.0], &kinds);
    assert_eq!([2.0, 5.0, f64::NAN].map(|x| high.predict(&[x])), [1.0, 3.0, 3.0]);
    let low = fit(stump(), &features, &[1.0, 1.0, 1.0, 3.0, 3.0, 1.0], &kinds);
    assert_eq!([2.0, 5.0, f64::NAN].map(|x| low.predict(&[x])), [1.0, 3.0, 1.0]);
    let alone = fit(stump(), &features, &[1.0, 1.0, 7.0, 1.0, 1.0, 7.0], &kinds);
    assert_eq!([2.0, 1e9, f64::NAN].map(|x| alone.predict(&[x])), [1.0, 1.0, 7.0]);
}

#[test]
fn missing_values_that_training_did_not_have_go_with_most_rows() {
    let model = fit(stump(), &column([1.0, 2.0, 3.0, 9.0]), &[0.0, 0.0, 0.0, 8.0], &[NUMERIC]);
    assert_eq!(model.predict(&[f64::NAN]), 0.0);
    assert_eq!(model.predict(&[]), 0.0, "a row that is too short lacks values");
}

#[test]
fn a_constant_column_is_no_split() {
    let model = fit(stump(), &column([3.0; 4]), &[1.0, 2.0, 3.0, 4.0], &[NUMERIC]);
    assert_eq!(model.predict(&[3.0]), 2.5);
    assert_eq!(model.importance(), [0.0]);
}

#[test]
fn min_child_rows_max_depth_and_min_split_gain_hold() {
    let features = column((0..10).map(f64::from));
    let target: Vec<f64> = (0..10).map(|i| if i < 2 { 0.0 } else { 10.0 }).collect();
    let four = BoostedTreesParams { min_child_rows: 4, ..stump() };
    let model = fit(four, &features, &target, &[NUMERIC]);
    assert_eq!([model.predict(&[3.0]), model.predict(&[4.0])], [5.0, 10.0]);
    let deep = BoostedTreesParams { num_leaves: 10, max_depth: 1, ..stump() };
    assert_eq!(trees(&fit(deep, &features, &target, &[NUMERIC])).n_nodes(), 3);
    // the only split gains 10 * variance = 160
    for (min_split_gain, nodes) in [(159.0, 3), (161.0, 1)] {
        let params = BoostedTreesParams { min_split_gain, ..stump() };
        assert_eq!(trees(&fit(params, &features, &target, &[NUMERIC])).n_nodes(), nodes);
    }
}

#[test]
fn huber_is_moved_less_by_an_outlier_and_quantile_finds_its_quantile() {
    let features = column((0..40).map(|i| f64::from(i % 2)));
    let mut target = vec![0.0; 40];
    target[0] = 1000.0;
    let squared = fit(stump(), &features, &target, &[NUMERIC]);
    assert!((squared.predict(&[0.0]) - 50.0).abs() < 1e-9);
    let huber = BoostedTreesParams { loss: Loss::Huber { delta: 1.0 }, rounds: 200, ..stump() };
    assert!(fit(huber, &features, &target, &[NUMERIC]).predict(&[0.0]) < 1.0);

    let features = column((0..202).map(|i| f64::from(i % 2)));
    let target: Vec<f64> = (0..202).map(|i| f64::from(i / 2) + 1000.0 * f64::from(i % 2)).collect();
    let loss = Loss::Quantile { level: 0.9 };
    let model = fit(BoostedTreesParams { loss, ..stump() }, &features, &target, &[NUMERIC]);
    assert_eq!([0.0, 1.0].map(|x| model.predict(&[x])), [90.0, 1090.0]);
}

#[test]
fn the_same_fit_gives_the_same_bytes_and_another_seed_others() {
    let (features, target, kinds) = market(600);
    let params = BoostedTreesParams { rounds: 20, ..BoostedTreesParams::default() };
    let bytes = |params: BoostedTreesParams| {
        postcard::to_allocvec(&fit(params, &features, &target, &kinds)).unwrap()
    };
    assert_eq!(bytes(params.clone()), bytes(params.clone()));
    assert_ne!(bytes(params.clone()), bytes(BoostedTreesParams { seed: 1, ..params }));
    let data = TrainingData { features: &features, target: &target, kinds: &kinds };
    let linear = || {
        let strategy = ElasticNetParams::default().check().unwrap();
        postcard::to_allocvec(&strategy.fit(&data, None).unwrap()).unwrap()
    };
    assert_eq!(linear(), linear());
}

#[test]
fn early_stopping_keeps_the_best_round_and_a_refit_takes_as_many() {
    let (features, target, kinds) = market(900);
    let (train, rest) = (features.slice(0..600), features.slice(600..900));
    let train = TrainingData { features: &train, target: &target[..600], kinds: &kinds };
    let rest = TrainingData { features: &rest, target: &target[600..], kinds: &kinds };
    let params = BoostedTreesParams {
        learning_rate: 0.3,
        early_stopping_rounds: 10,
        ..BoostedTreesParams::default()
    };
    let stopped = params.clone().check().unwrap().fit(&train, Some(&rest)).unwrap();
    let n = trees(&stopped).n_trees();
    assert!((1..200).contains(&n), "{n} trees");
    let rmse = |model: &FittedModel| {
        let errors = rest.features.rows().zip(rest.target).map(|(row, y)| model.predict(row) - y);
        (errors.map(|e| e * e).sum::<f64>() / 300.0).sqrt()
    };
    // the same trees without the stop, cut or extended by one, are not better
    for rounds in [n - 1, n + 1].map(|rounds| rounds.max(1) as u32) {
        let other = params.clone().with_rounds(rounds).check().unwrap().fit(&train, None).unwrap();
        assert!(rmse(&other) >= rmse(&stopped) - 1e-12);
    }
    let refit = params.with_rounds(n as u32).check().unwrap().fit(&train, None).unwrap();
    assert_eq!(refit, stopped);
    let start = TrainingData { target: &[1e3; 300], ..rest };
    let none = BoostedTreesParams { rounds: 5, ..BoostedTreesParams::default() };
    let model = none.check().unwrap().fit(&train, Some(&start)).unwrap();
    assert!(trees(&model).n_trees() <= 5);
}

#[test]
fn trees_price_a_market_better_than_the_noise_of_its_parts() {
    let (features, target, kinds) = market(3000);
    let params = BoostedTreesParams { rounds: 150, ..BoostedTreesParams::default() };
    let model = fit(params, &features.slice(0..2000), &target[..2000], &kinds);
    let errors = (2000..3000).map(|i| model.predict(features.row(i)) - target[i]);
    let rmse = (errors.map(|e| e * e).sum::<f64>() / 1000.0).sqrt();
    assert!(rmse < 0.06, "{rmse}"); // the noise alone: 0.029
    let importance = model.importance();
    assert!((importance.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert!(importance[..3].iter().all(|&of| of > importance[3]), "{importance:?}");
}

#[test]
fn the_elastic_net_recovers_a_linear_relation() {
    let mut features = FeatureMatrix::new(4);
    let mut target = Vec::new();
    for i in 0..400 {
        let (size, lot) = (2000.0 + 800.0 * noise(2 * i), 5.0 + noise(2 * i + 1));
        let area = (i % 3) as f64;
        // the third column repeats the first, the fourth is the area
        features.push_row(&[size, lot, 3.0 - 2.0 * size, area]).unwrap();
        target.push(8.0 + 0.001 * size - 0.2 * lot + if area == 1.0 { 0.5 } else { 0.0 });
    }
    let kinds = [NUMERIC, NUMERIC, NUMERIC, ColumnKind::Categorical { levels: 4 }];
    let data = TrainingData { features: &features, target: &target, kinds: &kinds };
    let params = ElasticNetParams { penalty: 1e-6, ..ElasticNetParams::default() };
    let model = params.check().unwrap().fit(&data, None).unwrap();
    for (row, expected) in features.rows().zip(&target) {
        assert!((model.predict(row) - expected).abs() < 2e-3);
    }
    let slope = model.predict(&[2500.0, 5.0, 0.0, 0.0]) - model.predict(&[2000.0, 5.0, 0.0, 0.0]);
    assert!((slope - 0.5).abs() < 2e-3, "{slope}");
    assert_eq!(model.importance()[2], 0.0, "collinear with the first column");
    // absurd sizes are priced like the largest known one, a margin beyond
    assert_eq!(model.predict(&[1e30, 5.0, 0.0, 0.0]), model.predict(&[1e9, 5.0, 0.0, 0.0]));
    assert!(model.predict(&[1e30, 5.0, 0.0, 0.0]) < 12.0);
}

#[test]
fn the_elastic_net_prices_missing_and_pooled_values() {
    let mut features = FeatureMatrix::new(2);
    let mut target = Vec::new();
    for i in 0..300_usize {
        let garage = if i % 3 == 0 { f64::NAN } else { noise(i) };
        let wall = if i % 50 == 0 { 3.0 + (i / 50) as f64 } else { (i % 2) as f64 };
        features.push_row(&[garage, wall]).unwrap();
        let level = if garage.is_nan() { -1.0 } else { garage };
        target.push(level + if wall == 1.0 { 0.25 } else { 0.0 });
    }
    let kinds = [NUMERIC, ColumnKind::Categorical { levels: 20 }];
    let data = TrainingData { features: &features, target: &target, kinds: &kinds };
    let params = ElasticNetParams { penalty: 1e-6, tolerance: 1e-8, ..ElasticNetParams::default() };
    let model = params.check().unwrap().fit(&data, None).unwrap();
    let close = |row: [f64; 2], expected: f64| {
        let estimate = model.predict(&row);
        assert!((estimate - expected).abs() < 0.01, "{row:?}: {estimate}, not {expected}");
    };
    close([f64::NAN, 0.0], -1.0);
    close([0.5, 1.0], 0.75);
    close([0.5, 5.0], 0.5);
    assert_eq!(model.predict(&[0.5, 19.0]), model.predict(&[0.5, f64::NAN]));
}

#[test]
fn the_elastic_net_survives_constant_columns_and_chooses_its_penalty() {
    let flat = column([1.0; 12]);
    let target = [2.0; 12];
    let data = TrainingData { features: &flat, target: &target, kinds: &[NUMERIC] };
    let strategy = ElasticNetParams::default().check().unwrap();
    let model = strategy.fit(&data, Some(&data)).unwrap();
    assert_eq!(model.predict(&[7.0]), 2.0);
    assert_eq!(model.importance(), [0.0]);

    let ramp = column((0..40).map(f64::from));
    let target: Vec<f64> = (0..40).map(f64::from).collect();
    let data = TrainingData { features: &ramp, target: &target, kinds: &[NUMERIC] };
    let params = ElasticNetParams { candidates: vec![1e3, 1e-6], ..ElasticNetParams::default() };
    let model = params.check().unwrap().fit(&data, Some(&data)).unwrap();
    assert!((model.predict(&[30.0]) - 30.0).abs() < 0.01);
}

#[test]
fn every_fault_of_the_data_has_its_error() {
    let strategies: [Box<dyn Strategy>; 2] = [
        Box::new(stump().check().unwrap()),
        Box::new(ElasticNetParams::default().check().unwrap()),
    ];
    assert_eq!(strategies.each_ref().map(|s| s.name()), ["boosted_trees", "elastic_net"]);
    let features = column((0..12).map(f64::from));
    let target = [1.0; 12];
    let good = TrainingData { features: &features, target: &target, kinds: &[NUMERIC] };
    let (empty, narrow, single) = (FeatureMatrix::new(1), FeatureMatrix::new(0), column([1.0]));
    let mut spoilt = target;
    spoilt[3] = f64::INFINITY;
    let codes = [ColumnKind::Categorical { levels: 5 }];
    for strategy in &strategies {
        let error = |train: TrainingData<'_>| strategy.fit(&train, None).unwrap_err();
        let unfit = |part: TrainingData<'_>| strategy.fit(&good, Some(&part)).unwrap_err();
        let none = TrainingData { features: &empty, target: &[], kinds: &[NUMERIC] };
        assert_eq!(error(none), FitError::NoRows { part: Part::Training });
        assert_eq!(unfit(none), FitError::NoRows { part: Part::Validation });
        assert_eq!(
            error(TrainingData { features: &narrow, kinds: &[], target: &[] }),
            FitError::NoColumns
        );
        let short = TrainingData { target: &target[..5], ..good };
        let lengths = |part| FitError::TargetLength { part, rows: 12, targets: 5 };
        assert_eq!(error(short), lengths(Part::Training));
        assert_eq!(unfit(short), lengths(Part::Validation));
        assert_eq!(
            error(TrainingData { kinds: &[NUMERIC; 2], ..good }),
            FitError::KindsLength { part: Part::Training, columns: 1, kinds: 2 }
        );
        assert_eq!(unfit(TrainingData { kinds: &codes, ..good }), FitError::ValidationColumns);
        let not_finite = error(TrainingData { target: &spoilt, ..good });
        let (part, value) = (Part::Training, f64::INFINITY);
        assert_eq!(not_finite, FitError::TargetNotFinite { part, row: 3, value });
        assert_eq!(not_finite.to_string(), "the training target of row 3 is not finite: inf");
        let few = error(TrainingData { features: &single, target: &[1.0], kinds: &[NUMERIC] });
        assert!(matches!(few, FitError::TooFewRows { rows: 1, minimum: 2 | 10 }));
        let out_of_range = error(TrainingData { kinds: &codes, ..good });
        assert_eq!(
            out_of_range,
            FitError::CategoryOutOfRange { row: 5, column: 0, value: 5.0, levels: 5 }
        );
    }
    let huge = [ColumnKind::Categorical { levels: 1 << 20 }];
    let many = strategies[0].fit(&TrainingData { kinds: &huge, ..good }, None).unwrap_err();
    assert!(matches!(many, FitError::TooMany { found: 1_048_576, maximum: 65_536, .. }));
    let spread = [f64::MAX, f64::MIN].repeat(6);
    let overflow = strategies[0].fit(&TrainingData { target: &spread, ..good }, None).unwrap_err();
    assert!(matches!(overflow, FitError::Solver { .. }));
    let overflow = strategies[1].fit(&TrainingData { target: &spread, ..good }, None).unwrap_err();
    assert!(matches!(overflow, FitError::Solver { .. }));
    let constant = column([1.0; 12]);
    let huge = TrainingData { features: &constant, target: &[1e200; 12], kinds: &[NUMERIC] };
    let unreadable = strategies[1].fit(&huge, None).unwrap_err();
    assert!(matches!(unreadable, FitError::Solver { .. }));
}

#[test]
fn every_parameter_has_its_range() {
    let base = serde_json::to_value(BoostedTreesParams::default()).unwrap();
    let names =
        base.as_object().unwrap().keys().filter(|name| !["loss", "seed"].contains(&name.as_str()));
    for name in names {
        let mut changed = base.clone();
        changed[name] = if base[name].is_f64() { (-1.0).into() } else { 3_000_000_000_u32.into() };
        let params: BoostedTreesParams = serde_json::from_value(changed).unwrap();
        let error = params.check().unwrap_err();
        assert!(matches!(&error, FitError::Parameter { name: n, .. } if n == name), "{error}");
    }
    for loss in [Loss::Huber { delta: 0.0 }, Loss::Quantile { level: 1.0 }] {
        assert!(BoostedTreesParams { loss, ..Default::default() }.check().is_err());
    }
    let error = BoostedTreesParams { learning_rate: f64::NAN, ..Default::default() }.check();
    assert_eq!(error.unwrap_err().to_string(), "parameter learning_rate is NaN, accepted: (0, 1]");
    assert!(serde_json::from_str::<BoostedTreesParams>(r#"{"num_leafs": 3}"#).is_err());

    let base = serde_json::to_value(ElasticNetParams::default()).unwrap();
    for name in base.as_object().unwrap().keys() {
        let mut changed = base.clone();
        changed[name] = match name.as_str() {
            "candidates" => vec![-1.0].into(),
            "min_category_rows" | "max_iterations" => 0.into(),
            _ => (-1.0).into(),
        };
        let params: ElasticNetParams = serde_json::from_value(changed).unwrap();
        let error = params.check().unwrap_err();
        assert!(matches!(&error, FitError::Parameter { name: n, .. } if n == name), "{error}");
    }
    assert!(serde_json::from_str::<ElasticNetParams>(r#"{"alpha": 3}"#).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn contributions_add_up_to_the_estimate(
        seed in 0_u64..1000,
        rows in proptest::collection::vec(
            proptest::collection::vec(
                prop_oneof![
                    4 => -3000.0..3000.0,
                    2 => (0_u32..15).prop_map(f64::from),
                    1 => Just(f64::NAN),
                    1 => Just(f64::INFINITY),
                    1 => Just(f64::MIN),
                ],
                4,
            ),
            1..20,
        ),
    ) {
        let (features, target, kinds) = market(300);
        let data = TrainingData { features: &features, target: &target, kinds: &kinds };
        let boosted = BoostedTreesParams { rounds: 37, seed, ..BoostedTreesParams::default() };
        let linear = ElasticNetParams::default().check().unwrap().fit(&data, None).unwrap();
        for model in [boosted.check().unwrap().fit(&data, None).unwrap(), linear] {
            prop_assert_eq!(model.n_features(), 4);
            prop_assert_eq!(model.validate(), Ok(()));
            let bytes = postcard::to_allocvec(&model).unwrap();
            prop_assert_eq!(&postcard::from_bytes::<FittedModel>(&bytes).unwrap(), &model);
            for row in &rows {
                let mut out = [f64::NAN; 4];
                let base = model.contributions(row, &mut out);
                let estimate = model.predict(row);
                prop_assert!(estimate.is_finite());
                prop_assert!((base + out.iter().sum::<f64>() - estimate).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn damaged_bytes_are_an_error_or_a_sound_model(at in 0_usize..4000, byte in any::<u8>()) {
        let (features, target, kinds) = market(200);
        let params = BoostedTreesParams { rounds: 3, ..BoostedTreesParams::default() };
        let mut bytes = postcard::to_allocvec(&fit(params, &features, &target, &kinds)).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(model) = postcard::from_bytes::<FittedModel>(&bytes) {
            prop_assert!(model.validate().is_ok());
            prop_assert!(model.predict(&[1500.0, f64::NAN, 3.0, 0.0]).is_finite());
        }
    }
}
