//! Interrupts: a clean drain and the summary, soon.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Place, Running, last_line, number};

fn interrupted_at(event: &str, signal: &str) {
    let place = Place::with_every(10);
    let arguments = ["up", "--data", "sales.csv", "--speed", "30", "--report", "up.json"];
    let mut running = Running::start(&place, &arguments);
    running.wait_for(event);
    let sent = Command::new("kill").args([signal, &running.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let since = Instant::now();
    let output = running.finish(Duration::from_secs(30));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let summary = last_line(&output.stdout);
    assert_eq!(summary["event"], "summary");
    assert_eq!(summary["report"]["complete"], false);
    let text = std::fs::read_to_string(place.path("up.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report, summary["report"]);
    let answered = ["prices_published", "no_estimate", "dead_letters"];
    let answered: u64 = answered.iter().map(|key| number(&report, key)).sum();
    assert!(answered <= number(&report, "listings_produced"));
}

#[test]
fn sigterm_in_the_middle_ends_with_a_summary() {
    interrupted_at("progress", "-TERM");
}

#[test]
fn ctrl_c_during_the_first_training_ends_with_a_summary() {
    interrupted_at("metrics", "-INT");
}
