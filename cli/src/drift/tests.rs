use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Parser;
use model_core::drift::statistics::Decision;

use super::*;
use crate::args::{Cli, Command};

/// Homes: a key, an area, a wall and a date, made by a rule.
fn homes(
    rows: u32,
    area: impl Fn(u32, f64) -> String,
    wall: impl Fn(u32) -> &'static str,
) -> String {
    let mut text = "id,area,wall,sold\n".to_owned();
    for i in 0..rows {
        let feet = 800.0 + f64::from(i * 7_919 % 1_600);
        let _ = writeln!(text, "{i},{},{},1996-07-01", area(i, feet), wall(i));
    }
    text
}

fn plain(_: u32, feet: f64) -> String {
    feet.to_string()
}

fn walls(i: u32) -> &'static str {
    ["wood", "brick", "stucco"][(i % 3) as usize]
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(reference: &str, current: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.path("reference.csv"), reference).unwrap();
        std::fs::write(folder.path("current.csv"), current).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn args(&self, more: &[&str]) -> DriftArgs {
        let (reference, current) = (self.path("reference.csv"), self.path("current.csv"));
        let mut line = vec!["homestream", "drift", "--reference"];
        line.extend([reference.to_str().unwrap(), "--current", current.to_str().unwrap()]);
        line.extend(more);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Drift(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn error(&self, more: &[&str]) -> (u8, String) {
        let error = run(&self.args(more)).unwrap_err();
        (error.exit_code(), error.to_string())
    }
}

fn feature<'a>(report: &'a DriftReport, name: &str) -> &'a ColumnComparison {
    report.features.iter().find(|feature| feature.name == name).unwrap()
}

#[test]
fn equal_files_have_not_drifted() {
    let folder = Folder::new(&homes(900, plain, walls), &homes(900, plain, walls));
    let report = compare(&folder.args(&["--fail-on-drift"])).unwrap();
    assert_eq!((report.columns, report.drifted, report.dataset_drift), (3, 0, false));
    assert_eq!((report.reference.rows, report.skipped[0].name.as_str()), (900, "sold"));
    assert!(report.features.iter().all(|feature| feature.ks.unwrap_or(0.0) == 0.0));
    run(&folder.args(&["--fail-on-drift"])).unwrap();
}

#[test]
fn what_changed_is_named() {
    let metres = |_: u32, feet: f64| (feet * 0.092_903_04).to_string();
    let gaps = |i: u32, feet: f64| if i % 10 < 3 { String::new() } else { feet.to_string() };
    let renamed = |i: u32| if walls(i) == "wood" { "timber" } else { walls(i) };
    let reference = homes(2_000, plain, walls);
    let report = |current: &str| {
        compare(&Folder::new(&reference, current).args(&["--ignore", "id"])).unwrap()
    };

    let unit = report(&homes(500, metres, walls));
    assert_eq!(unit.drifted_columns().collect::<Vec<_>>(), ["area"]);
    let hint = feature(&unit, "area").unit_hint.as_deref().unwrap();
    assert!(hint.ends_with("square metres instead of square feet?"), "{hint}");

    let missing = report(&homes(500, gaps, walls));
    let area = feature(&missing, "area");
    assert_eq!((area.missing_ref, area.missing_cur), (0.0, 0.3));
    assert_eq!(area.notes, ["missing values rose from 0.0 % to 30.0 %"]);

    let category = report(&homes(500, plain, renamed));
    assert_eq!(category.drifted_columns().collect::<Vec<_>>(), ["wall"]);
    assert_eq!(feature(&category, "wall").new_categories, ["timber"]);
}

#[test]
fn reports_are_written_and_repeat_themselves() {
    let folder = Folder::new(&homes(300, plain, walls), &homes(200, plain, walls));
    let (json, html) = (folder.path("a.json"), folder.path("a.html"));
    let args = folder.args(&["--json", json.to_str().unwrap(), "--html", html.to_str().unwrap()]);
    run(&args).unwrap();
    let first = (std::fs::read(&json).unwrap(), std::fs::read(&html).unwrap());
    run(&args).unwrap();
    assert_eq!(first, (std::fs::read(&json).unwrap(), std::fs::read(&html).unwrap()));
    let report: serde_json::Value = serde_json::from_slice(&first.0).unwrap();
    for key in [
        "name",
        "kind",
        "test",
        "statistic",
        "p_value",
        "threshold",
        "verdict",
        "psi",
        "ks",
        "wasserstein",
        "js",
        "missing_ref",
        "missing_cur",
    ] {
        assert!(report["features"][1].get(key).is_some(), "{key}");
    }
    assert_eq!(report["features"][1]["test"], "ks");
}

#[test]
fn tests_and_kinds_are_chosen_by_column() {
    let folder = Folder::new(&homes(300, plain, walls), &homes(200, plain, walls));
    let report = compare(&folder.args(&[
        "--test",
        "ks",
        "--test",
        "area=psi",
        "--threshold",
        "area=0.3",
        "--threshold",
        "0.01",
        "--categorical",
        "id",
    ]))
    .unwrap();
    let decided = |name| {
        let feature = feature(&report, name);
        (feature.test.to_string(), feature.threshold, feature.kind)
    };
    assert_eq!(decided("area"), ("psi".to_owned(), 0.3, ColumnKind::Numeric));
    // ks is not for labels: the rule decides.
    assert_eq!(decided("wall"), ("chi_square".to_owned(), 0.01, ColumnKind::Categorical));
    assert_eq!(decided("id").2, ColumnKind::Categorical);
    assert_eq!(feature(&report, "wall").verdict, Decision::Ok);
}

#[test]
fn drift_fails_only_if_asked_to() {
    let folder = Folder::new(&homes(300, plain, walls), &homes(300, plain, |_| "wood"));
    run(&folder.args(&[])).unwrap();
    let failure = (1, "drift in 1 of 3 columns: wall".to_owned());
    assert_eq!(folder.error(&["--fail-on-drift"]), failure);
}

#[test]
fn wrong_usage_names_the_mending() {
    let folder = Folder::new(&homes(30, plain, walls), "x,y\n1,2\n");
    assert!(
        folder
            .error(&[])
            .1
            .ends_with("no column in common that can be compared: columns are matched by name")
    );
    let (code, text) = folder.error(&["--ignore", "wal"]);
    assert_eq!(
        (code, text.as_str()),
        (2, "--ignore: no column `wal` in either file, did you mean `wall`?")
    );
    let folder = Folder::new(&homes(30, plain, walls), &homes(30, plain, walls));
    assert_eq!(
        folder.error(&["--test", "wall=ks"]).1,
        "--test wall=ks: column `wall` is of categories"
    );
    assert!(
        folder
            .error(&["--json", "/no/such/folder/a.json"])
            .1
            .starts_with("--json /no/such/folder/a.json: ")
    );
    std::fs::remove_file(folder.path("current.csv")).unwrap();
    assert!(folder.error(&[]).1.starts_with("--current: no such file: "));
}
