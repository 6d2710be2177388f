//! Model artifacts: read, predict, explain. With FUZZ_SEEDS set it first writes valid ones there.
#![no_main]

mod common;

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use model_core::calibration::CalibrationParams;
use model_core::date::EventDate;
use model_core::drift::{ColumnSpec, ColumnSpecKind, ReferenceProfile};
use model_core::engine::recompute;
use model_core::features::{
    Domain, Feature, FeatureGroup, FeatureSource, FeatureSpec, NumberField,
};
use model_core::interchange::{self, Target};
use model_core::learn::{
    ColumnKind, ElasticNetParams, FeatureMatrix, FittedModel, Strategy, TrainingData,
};
use model_core::market::MarketParams;
use model_core::model::{PricingModel, ScaleModel};

const COLUMNS: [&str; 4] = ["area", "age", "kind", "lot"];

fn spec() -> FeatureSpec {
    let feature = |name: &&str| Feature {
        name: (*name).to_owned(),
        group: FeatureGroup::Fact,
        source: FeatureSource::Number(NumberField::LivingArea),
        levels: match *name {
            "kind" => (0..12).map(|i| format!("k{i:02}")).collect(),
            _ => Vec::new(),
        },
    };
    FeatureSpec { features: COLUMNS.iter().map(feature).collect(), domain: Domain::default() }
}

fn artifact(predictor: FittedModel, rows: &FeatureMatrix) -> Vec<u8> {
    let area = ColumnSpec { index: 0, name: "area".into(), kind: ColumnSpecKind::Numeric };
    let estimates: Vec<f64> = rows.rows().map(|row| predictor.predict(row)).collect();
    let model = PricingModel {
        strategy: "seed".into(),
        spec: spec(),
        market: MarketParams::default(),
        calibration: CalibrationParams::default(),
        scale: ScaleModel { constant: -2.0, trees: Some(predictor.clone()) },
        predictor,
        calibration_seed: vec![0.1, -0.2, 0.05],
        profile: ReferenceProfile::build(&[area], rows.rows(), &estimates, 10).expect("a profile"),
        trained_from: EventDate(9_000),
        trained_through: EventDate(9_500),
        training_rows: 100,
        metrics: [("mape".to_owned(), 0.1)].into(),
    };
    model.to_bytes().expect("an artifact")
}

fn write_seeds(folder: &Path) {
    let fixtures =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../model-core/tests/interchange/fixtures");
    let mut rows = FeatureMatrix::new(COLUMNS.len());
    for i in 0..200_u32 {
        let x = f64::from(i);
        rows.push_row(&[800.0 + 5.0 * x, x % 90.0, x % 12.0, x % 3.0]).expect("a row");
    }
    let store = |name: &str, model: FittedModel| {
        std::fs::write(folder.join(name), artifact(model, &rows)).expect("a seed");
    };
    for (file, target) in [
        ("lgb_l1.txt", Target::LogPrice),
        ("lgb_zero.txt", Target::Price),
        ("xgb_poisson.json", Target::Log1pPrice),
    ] {
        let bytes = std::fs::read(fixtures.join(file)).expect("a fixture");
        let source = interchange::read(&bytes, None).expect("a model");
        store(file, source.bind(&spec(), target).expect("the spec's columns"));
    }
    let target: Vec<f64> = rows.rows().map(|row| 11.0 + row[0] / 1e4).collect();
    let kinds = spec().column_kinds();
    assert_eq!(kinds[2], ColumnKind::Categorical { levels: 12 });
    let data = TrainingData { features: &rows, target: &target, kinds: &kinds };
    let strategy = ElasticNetParams::default().check().expect("parameters");
    store("elastic_net", strategy.fit(&data, None).expect("a fit"));
}

fuzz_target!(
    init: {
        if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
            write_seeds(Path::new(&folder));
        }
    },
    |data: &[u8]| {
        let Ok(model) = PricingModel::from_bytes(data) else { return };
        common::exercise(&model.predictor);
        for row in common::rows(model.spec.len()) {
            let scale = model.scale.predict(&row);
            assert!((0.01..=1.0).contains(&scale));
            let _ = recompute(&model, &row, 0.0, -1.0, 1.0);
        }
        let bytes = model.to_bytes().expect("encodes");
        // bytes rather than values: metrics, which are only shown, may be NaN
        let again = PricingModel::from_bytes(&bytes).expect("reads back");
        assert!(again.to_bytes().is_ok_and(|again| again == bytes));
    }
);
