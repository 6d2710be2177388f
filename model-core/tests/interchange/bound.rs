//! Models on a spec's columns: names, order, categories, scales.

use model_core::features::{
    Domain, Feature, FeatureGroup, FeatureSource, FeatureSpec, NumberField,
};
use model_core::interchange::{ImportError, Target, lightgbm};
use model_core::learn::FittedModel;

use crate::library::{fixture, load};

const LEVELS: usize = 12;

fn feature(name: &str, levels: usize) -> Feature {
    Feature {
        name: name.into(),
        group: FeatureGroup::Fact,
        source: FeatureSource::Number(NumberField::LivingArea),
        levels: (0..levels).map(|i| format!("k{i:02}")).collect(),
    }
}

fn spec(names: &[&str]) -> FeatureSpec {
    let features =
        names.iter().map(|name| feature(name, if *name == "kind" { LEVELS } else { 0 })).collect();
    FeatureSpec { features, domain: Domain::default() }
}

#[test]
fn columns_in_another_order_and_categories_by_name_or_value_are_mapped() {
    let spec = spec(&["kind", "lot", "area", "age"]);
    let files = [
        "lgb_regression.txt",
        "lgb_names.txt",
        "xgb_squared.json",
        "xgb_pandas.json",
        "xgb_names.json",
    ];
    for file in files {
        let (model, answers) = load(file);
        let bound = model.bind(&spec, Target::LogPrice).unwrap();
        // XGBoost's sums in 32 bits are the same to the last bit
        let limit = if file.starts_with("lgb") { 1e-14 } else { f64::MIN_POSITIVE };
        for (row, raw) in answers.rows().zip(&answers.raw) {
            let mapped = [row[2], row[3], row[0], row[1]];
            let found = bound.predict(&mapped);
            assert!(((found - raw) / raw).abs() < limit, "{file} {row:?}: {found} {raw}");
        }
    }
}

#[test]
fn columns_that_do_not_match_are_named() {
    let (model, _) = load("lgb_regression.txt");
    let told = |names: &[&str]| match model.bind(&spec(names), Target::LogPrice) {
        Err(ImportError::Columns(message)) => message,
        other => panic!("{other:?}"),
    };
    let message = told(&["area", "ages", "kind", "lot"]);
    assert!(message.contains("age (nearest: ages)"), "{message}");
    let message = told(&["area", "age", "kind", "lot", "stories"]);
    assert!(message.contains("without stories"), "{message}");
    let (model, _) = load("lgb_regression.txt");
    let number = FeatureSpec {
        features: ["area", "age", "kind", "lot"].iter().map(|name| feature(name, 0)).collect(),
        domain: Domain::default(),
    };
    let error = model.bind(&number, Target::LogPrice).unwrap_err().to_string();
    assert!(error.contains("splits kind by category"), "{error}");
}

#[test]
fn a_model_of_the_price_answers_its_log() {
    let spec = spec(&["area", "age", "kind", "lot"]);
    let (model, answers) = load("lgb_gamma.txt");
    let bound = model.bind(&spec, Target::Price).unwrap();
    let mut out = vec![0.0; 4];
    for (row, raw) in answers.rows().zip(&answers.raw) {
        assert!((bound.predict(&row) - raw).abs() < 1e-12);
        let base = bound.shap(&row, &mut out);
        assert!((base + out.iter().sum::<f64>() - raw).abs() < 1e-9);
    }
    let (model, answers) = load("lgb_regression.txt");
    let bound = model.bind(&spec, Target::Log1pPrice).unwrap();
    for (row, raw) in answers.rows().zip(&answers.raw) {
        assert!((bound.predict(&row) - raw.exp_m1().ln()).abs() < 1e-12);
        let base = bound.contributions(&row, &mut out);
        assert!((base + out.iter().sum::<f64>() - bound.predict(&row)).abs() < 1e-9);
    }
    let bytes = postcard::to_allocvec(&bound).unwrap();
    assert_eq!(postcard::from_bytes::<FittedModel>(&bytes).unwrap(), bound);
}

#[test]
fn what_is_written_reads_back_the_same() {
    let spec = spec(&["area", "age", "kind", "lot"]);
    let names = ["area", "age", "kind", "lot"];
    for file in ["lgb_regression.txt", "lgb_zero.txt", "xgb_squared.json", "xgb_one_hot.json"] {
        let (model, answers) = load(file);
        let bound = model.bind(&spec, Target::LogPrice).unwrap();
        let text = lightgbm::write(&bound, &names, &spec.column_kinds()).unwrap();
        let again = lightgbm::read(&text).unwrap().bind(&spec, Target::LogPrice).unwrap();
        let (mut before, mut after) = (vec![0.0; 4], vec![0.0; 4]);
        for row in answers.rows() {
            let (ours, theirs) = (bound.predict(&row), again.predict(&row));
            // LightGBM adds in 64 bits what XGBoost adds in 32
            let limit = if file.starts_with("lgb") { 0.0 } else { 1e-6 * ours.abs() };
            assert!((ours - theirs).abs() <= limit, "{file} {row:?}: {ours} {theirs}");
            // covers are rounded to counts, which those of XGBoost need not be
            if file.starts_with("lgb_r") {
                let bases = (bound.shap(&row, &mut before), again.shap(&row, &mut after));
                assert!((bases.0 - bases.1).abs() < 1e-12);
                assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-12));
            }
        }
    }
}

#[test]
fn layouts_of_other_versions_read_the_same() {
    let json = std::fs::read_to_string(fixture("xgb_squared.json")).unwrap();
    let read = |text: &str| model_core::interchange::read(text.as_bytes(), None).unwrap();
    let newest = read(&json);
    assert_eq!(newest.notes().len(), 0);
    let score = json.split("\"base_score\":\"[").nth(1).unwrap().split(']').next().unwrap();
    let told = format!("\"base_score\":\"[{score}]\"");
    for other in [format!("\"{score}\""), score.to_owned(), format!("[{score}]")] {
        let text = json.replace(&told, &format!("\"base_score\":{other}"));
        assert_ne!(text, json);
        assert_eq!(read(&text), newest, "{other}");
    }
    let older = read(&json.replacen("\"cats\":", "\"no cats\":", 1));
    assert!(older.notes()[0].contains("level indices"), "{:?}", older.notes());
    assert_eq!(older.trees().unwrap(), newest.trees().unwrap());
    let stopped =
        json.replacen("\"attributes\":{}", "\"attributes\":{\"best_iteration\":\"3\"}", 1);
    assert!(read(&stopped).notes()[0].contains("booster[: 3 + 1]"));
}

#[test]
fn what_cannot_be_served_is_refused_with_the_line_or_field() {
    let text = std::fs::read_to_string(fixture("lgb_regression.txt")).unwrap();
    let refused =
        |from: &str, to: &str| lightgbm::read(&text.replacen(from, to, 1)).unwrap_err().to_string();
    let cases = [
        ("num_class=1", "num_class=3", "line 3: num_class is 3"),
        ("objective=regression", "objective=binary sigmoid:1", "objective binary"),
        ("objective=regression", "objective=regression sqrt", "reg_sqrt"),
        ("version=v4", "version=v9", "line 2: version v9"),
        ("is_linear=0", "is_linear=1", "linear_tree=false"),
        ("end of trees", "", "not whole"),
        ("num_leaves=7", "num_leaves=900000000", "num_leaves is 900000000"),
        ("left_child=", "left_child=77 ", "left_child has 7 values"),
        ("tree\n", "trees\n", "line 1: not a LightGBM model"),
    ];
    for (from, to, words) in cases {
        let error = refused(from, to);
        assert!(error.contains(words), "{words} is not in: {error}");
    }
    let json = std::fs::read_to_string(fixture("xgb_squared.json")).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(json.contains(from), "{from}");
        let bytes = json.replacen(from, to, 1).into_bytes();
        model_core::interchange::read(&bytes, None).unwrap_err().to_string()
    };
    let cases = [
        ("reg:squarederror", "binary:logistic", "learner.objective.name: binary:logistic"),
        ("\"gbtree\"", "\"gblinear\"", "gblinear is not supported"),
        ("{\"learner\"", "{L\u{0}\u{0}learner", "save_model(\"model.json\")"),
        ("\"base_score\":\"[", "\"base_score\":\"[1,", "base_score: has 2 numbers"),
        ("\"num_target\":\"1\"", "\"num_target\":\"2\"", "num_target"),
        ("\"learner\":", "\"learned\":", "missing field `learner`"),
    ];
    for (from, to, words) in cases {
        let error = refused(from, to);
        assert!(error.contains(words), "{words} is not in: {error}");
    }
}
