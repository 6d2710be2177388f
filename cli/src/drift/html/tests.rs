use std::collections::BTreeMap;

use model_core::drift::statistics::{
    CategoricalColumn, CompareParams, NumericColumn, compare_categorical, compare_numeric,
};

use super::super::report::{FileSummary, Skipped};
use super::*;

fn report() -> DriftReport {
    let params = CompareParams::default();
    let numbers = |factor: f64| {
        let values = (0..400).map(|i| f64::from(i * 7 % 400) * factor).collect();
        NumericColumn::new(values, false, 1_000)
    };
    let walls = |label: &str| {
        let counts = BTreeMap::from([("wood".to_owned(), 60), (label.to_owned(), 40)]);
        CategoricalColumn::new(counts, 0)
    };
    let file = |name: &str| FileSummary { file: name.to_owned(), rows: 0 };
    let mut report = DriftReport {
        homestream: "0",
        reference: file("a & b.csv"),
        current: file("c.csv"),
        columns: 0,
        drifted: 0,
        drifted_share: 0.0,
        drift_share: 0.5,
        dataset_drift: false,
        only_in_reference: vec!["gone".to_owned()],
        only_in_current: vec![],
        skipped: vec![Skipped { name: "sold".to_owned(), reason: "dates".to_owned() }],
        features: vec![
            compare_numeric("still", &numbers(1.0), &numbers(1.0), &params),
            compare_numeric("area", &numbers(1.0), &numbers(0.092_903_04), &params),
            compare_categorical("wall", &walls("brick"), &walls("<script>"), &params),
        ],
    };
    report.conclude();
    report
}

#[test]
fn the_page_is_self_contained_and_escapes_what_it_is_given() {
    let page = page(&report());
    assert!(page.contains("a &amp; b.csv") && page.contains("&lt;script&gt;"));
    for absent in ["<script", "http:", "https:", "<link", "@import", "url("] {
        assert!(!page.contains(absent), "{absent}");
    }
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("name=\"viewport\""));
    assert_eq!(page.matches("<svg").count(), 3);
    assert_eq!(page.matches("role=\"img\" aria-label=\"Distributions of ").count(), 3);
    for tag in ["section", "svg", "table", "tr", "td", "th", "ul", "li", "g", "text", "title", "p"]
    {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn what_moved_most_comes_first() {
    let report = report();
    assert_eq!((report.drifted, report.columns, report.dataset_drift), (2, 3, true));
    let order: Vec<&str> = report.by_severity().iter().map(|f| f.name.as_str()).collect();
    assert_eq!(order[2], "still");
    let page = page(&report);
    assert!(page.contains("square metres instead of square feet?"));
    assert!(page.contains("sold: dates") && page.contains("gone: only in the reference"));
    assert!(page.find("<section id=\"f-area\"") < page.find("<section id=\"f-still\""));
}

#[test]
fn ids_are_one_to_one() {
    let ids = ["a b", "a_b", "a__20_b", "ä"].map(|name| {
        let mut feature = report().features.remove(0);
        feature.name = name.to_owned();
        anchor(&feature)
    });
    let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}
