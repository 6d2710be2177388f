//! The loop with a schema registry: the same prices, in its framing, or a clear refusal.

use std::time::Duration;

use serde_json::json;
use tokio::runtime::Runtime;

use self::fake::Fake;
use crate::support::{DEADLINE, Place, Running, number};

#[path = "../../../platform/schema-registry/tests/faults/fake.rs"]
#[allow(dead_code, reason = "its own tests use all of it")]
mod fake;

/// A registry that runs beside the tests.
fn registry() -> (Runtime, Fake) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = runtime.block_on(Fake::start());
    (runtime, fake)
}

/// Settings of a registry at an address.
fn settings(place: &Place, url: &str, more: &str) -> String {
    let text = format!("[schema_registry]\nurl = \"{url}\"\n{more}\n");
    place.write("registry.toml", &text).to_str().unwrap().to_owned()
}

/// The reason, on standard error's last line, for which `up` ended with this code.
fn refused(place: &Place, code: i32, config: &str) -> String {
    let up = ["up", "--data", "sales.csv", "--speed", "max", "--exit-when-done"];
    let output = Running::start(place, &[&up[..], &["--config", config]].concat())
        .finish(Duration::from_secs(30));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    let last = errors.lines().last().unwrap_or_default();
    assert!(last.starts_with("homestream: "), "{errors}");
    last.to_owned()
}

#[test]
fn prices_are_the_same_with_a_registry_and_garbage_is_told_apart() {
    let (_runtime, fake) = registry();
    let place = Place::with_every(15);
    let config = settings(&place, &fake.url(), "");
    let live = ["--speed", "max", "--history", "0.6"];
    let without = place.up("without", &live);
    let with = place.up("with", &[&live[..], &["--config", &config]].concat());
    for key in ["prices_sha256", "champion_digest", "alerts_list", "drift_windows"] {
        assert_eq!(with[key], without[key], "{key}");
    }
    assert_eq!(number(&with, "dead_letters"), 0);
    // Five schemas, each registered once; nobody had to ask what an id means.
    assert_eq!(fake.kept().schemas.len(), 5);
    let asked = |request: &String| request.starts_with("GET /schemas/ids/");
    assert!(!fake.take_requests().iter().any(asked));

    let garbage = [&live[..], &["--config", &config, "--garbage", "5%"]].concat();
    let with = place.up("garbage", &garbage);
    let refused = number(&with, "dead_letters") + number(&with, "no_estimate");
    assert_eq!(refused, number(&with, "garbage_produced") + number(&without, "no_estimate"));
    assert!(number(&with["dead_letter_reasons"], "unknown_schema_id") > 0, "{with:#}");
    assert_eq!(fake.kept().schemas.len(), 5);
}

#[test]
fn nothing_starts_when_a_schema_is_incompatible() {
    let (_runtime, fake) = registry();
    let place = Place::with_every(100);
    fake.put("homes.prices.v1-value", json!({ "schema": r#"{"type": "string"}"# }));
    let error = refused(&place, 1, &settings(&place, &fake.url(), ""));
    for told in ["homes.prices.v1-value", "READER_FIELD_MISSING: area", "nothing is produced"] {
        assert!(error.contains(told), "{told} is not in: {error}");
    }
}

#[test]
fn a_registry_that_is_down_or_misconfigured_is_told() {
    let place = Place::with_every(100);
    let runtime = Runtime::new().unwrap();
    let url = runtime.block_on(Fake::down()).url();
    let error = refused(&place, 1, &settings(&place, &url, "retry_ms = 500"));
    assert!(error.contains(&url) && error.contains("schema_registry.url"), "{error}");
    for (more, told) in [
        ("on_unknown_id = \"skip\"", "expected \"dead_letter\" or \"wait\""),
        ("bearer_token_file = \"no/such/token\"", "schema_registry.bearer_token_file: no/such"),
        ("username = \"ann\"", "username is set without password"),
    ] {
        let error = refused(&place, 2, &settings(&place, &url, more));
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn waiting_for_a_registry_can_be_interrupted() {
    let place = Place::with_every(100);
    let runtime = Runtime::new().unwrap();
    let url = runtime.block_on(Fake::down()).url();
    let config = settings(&place, &url, "retry_ms = 3600000");
    let arguments = ["up", "--data", "sales.csv", "--config", &config, "--log-json"];
    let mut running = Running::start(&place, &arguments);
    running.wait_for_log("schema registry asked again");
    let pid = running.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let output = running.finish(DEADLINE);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
