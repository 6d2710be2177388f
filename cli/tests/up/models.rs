//! Features out, models in and out, through the binary.

use serde_json::Value;

use crate::support::Place;

fn succeed(place: &Place, arguments: &[&str]) -> String {
    let (output, _) = place.run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line of a wrong usage.
fn refused(place: &Place, arguments: &[&str]) -> String {
    let (output, _) = place.run(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    let last = error.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("homestream: "), "{error}");
    last
}

/// A model of one split over a spec's columns, as LightGBM writes it.
fn stump(names: &[String], column: &str) -> String {
    let index = names.iter().position(|name| name == column).unwrap();
    format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n\
         max_feature_idx={}\nobjective=regression\nfeature_names={}\n\nTree=0\nnum_leaves=2\n\
         num_cat=0\nsplit_feature={index}\nsplit_gain=1\nthreshold=7.2\ndecision_type=10\n\
         left_child=-1\nright_child=-2\nleaf_value=11 11.7\nleaf_count=700 500\nis_linear=0\n\
         shrinkage=1\n\nend of trees\n\npandas_categorical:null\n",
        names.len() - 1,
        names.join(" "),
    )
}

fn place_with_spec() -> (Place, Vec<String>) {
    let place = Place::with_every(20);
    let features = ["features", "--data", "sales.csv", "--out", "x.csv", "--spec-out", "spec.json"];
    succeed(&place, &features);
    let spec = std::fs::read_to_string(place.path("spec.json")).unwrap();
    let spec: Value = serde_json::from_str(&spec).unwrap();
    let names = spec["spec"]["features"].as_array().unwrap().iter();
    let names = names.map(|feature| feature["name"].as_str().unwrap().to_owned()).collect();
    (place, names)
}

const IMPORT: [&str; 8] =
    ["models", "import", "m.txt", "--spec", "spec.json", "--data", "sales.csv", "--out"];

#[test]
fn a_model_trained_elsewhere_becomes_an_artifact_and_goes_out_again() {
    let (place, names) = place_with_spec();
    let matrix = std::fs::read_to_string(place.path("x.csv")).unwrap();
    let header: Vec<&str> = matrix.lines().next().unwrap().split(',').collect();
    assert_eq!(header[..names.len()], names[..]);
    assert_eq!(header[names.len()..], ["ClosePrice", "CloseDate", "ListingKey"]);
    // the same spec gives the same matrix
    let again = ["features", "--data", "sales.csv", "--out", "y.csv", "--spec", "spec.json"];
    succeed(&place, &again);
    assert_eq!(std::fs::read_to_string(place.path("y.csv")).unwrap(), matrix);

    // columns in another order
    let reversed: Vec<String> = names.iter().rev().cloned().collect();
    place.write("m.txt", &stump(&reversed, "LivingArea"));
    let told = succeed(&place, &[&IMPORT[..], &["m.hsm"]].concat());
    for word in ["digest", "lightgbm", "mean_absolute_log_error", "100.0 % LivingArea"] {
        assert!(told.contains(word), "{word} is not in: {told}");
    }
    assert_eq!(succeed(&place, &["models", "show", "m.hsm"]), told);

    let predict = ["models", "predict", "m.hsm", "--matrix", "x.csv", "--out", "p.csv"];
    succeed(&place, &[&predict[..], &["--shap", "s.csv"]].concat());
    let column = header.iter().position(|name| *name == "LivingArea").unwrap();
    let predictions = std::fs::read_to_string(place.path("p.csv")).unwrap();
    for (row, predicted) in matrix.lines().zip(predictions.lines()).skip(1) {
        let area = row.split(',').nth(column).unwrap();
        let right = area.parse::<f64>().is_ok_and(|area| area > 7.2);
        assert_eq!(predicted, if right { "11.7" } else { "11" }, "{row}");
    }
    let shap = std::fs::read_to_string(place.path("s.csv")).unwrap();
    assert_eq!(shap.lines().count(), matrix.lines().count());

    succeed(&place, &["models", "export", "m.hsm", "--out", "m.txt"]);
    succeed(&place, &[&IMPORT[..], &["again.hsm"]].concat());
    let bytes = |name| std::fs::read(place.path(name)).unwrap();
    let again = ["models", "predict", "again.hsm", "--matrix", "x.csv", "--out", "q.csv"];
    succeed(&place, &again);
    assert_eq!(bytes("p.csv"), bytes("q.csv"));
}

#[test]
fn wrong_models_specs_and_dates_are_named() {
    let (place, names) = place_with_spec();
    let mut other = names.clone();
    other[0].push('X');
    place.write("m.txt", &stump(&other, &other[0]));
    let import = [&IMPORT[..], &["m.hsm"]].concat();
    let error = refused(&place, &import);
    assert!(error.contains(&format!("{} (nearest: {})", other[0], names[0])), "{error}");
    place.write("m.txt", "{L");
    assert!(refused(&place, &import).contains("save_model(\"model.json\")"));
    place.write("m.txt", &stump(&names, &names[0]));
    let late = refused(&place, &[&import[..], &["--trained-through", "2030-01-01"]].concat());
    assert!(late.contains("--trained-through"), "{late}");
    let spec = std::fs::read_to_string(place.path("spec.json")).unwrap();
    place.write("spec.json", &spec.replacen("\"log\": false", "\"log\": true", 1));
    assert!(refused(&place, &import).contains("it was edited"));
    assert!(refused(&place, &["models", "show", "m.txt"]).contains("not a homestream model"));
}
