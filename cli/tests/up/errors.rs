//! What goes wrong is told in one line, with the right exit code, soon.

use std::net::TcpListener;
use std::process::Output;
use std::time::Duration;

use crate::support::{Place, Running};

const SOON: Duration = Duration::from_secs(10);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(place: &Place, arguments: &[&str]) -> Output {
    Running::start(place, arguments).finish(SOON)
}

/// The one line, given arguments that must fail with this code.
fn refused(place: &Place, code: i32, arguments: &[&str]) -> String {
    let output = run(place, arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{arguments:?}: {error}");
    assert!(error.starts_with("homestream: "), "{error}");
    error
}

#[test]
fn wrong_paths_mappings_and_keys_are_named() {
    let place = Place::with_every(200);
    let good = std::fs::read_to_string(place.path("mapping.toml")).unwrap();
    place.write("typo.toml", &good.replace("LivingArea", "LivingAria"));
    place.write("column.toml", &good.replace("\"sale_date\"", "\"sold_on\""));
    place.write("key.toml", "[topics]\npartitons = 3\n");
    place.write("value.toml", "[retrain]\ncooldown_days = 0\n");
    place.write("broken.toml", "[topics\n");
    place.write("broken_mapping.toml", "currency = \n");
    place.write("empty.csv", "");
    let up = ["up", "--speed", "max", "--exit-when-done", "--data"];
    let table: [(&[&str], &[&str]); 13] = [
        (&["nowhere.csv"], &["nowhere.csv"]),
        (&["sales.csv", "--mapping", "nowhere.toml"], &["nowhere.toml"]),
        (&["sales.csv", "--mapping", "typo.toml"], &["LivingAria", "LivingArea"]),
        (&["sales.csv", "--mapping", "column.toml"], &["sold_on"]),
        (&["sales.csv", "--mapping", "broken_mapping.toml"], &["broken_mapping.toml"]),
        (&["empty.csv"], &["empty.csv"]),
        (&["sales.csv", "--config", "nowhere.toml"], &["nowhere.toml"]),
        (&["sales.csv", "--config", "key.toml"], &["partitons", "partitions"]),
        (&["sales.csv", "--config", "value.toml"], &["retrain.cooldown_days is 0"]),
        (&["sales.csv", "--config", "broken.toml"], &["broken.toml"]),
        (&["sales.csv", "--history", "1.5"], &["--history", "1.5"]),
        (&["sales.csv", "--report", "no/such/folder.json"], &["--report", "no/such/folder.json"]),
        (&["sales.csv", "--metrics-listen", "localhost"], &["metrics.listen", "localhost"]),
    ];
    for (arguments, words) in table {
        let error = refused(&place, 2, &[&up[..], arguments].concat());
        for word in words {
            assert!(error.contains(word), "{word} is not in: {error}");
        }
    }
}

#[test]
fn a_busy_port_and_an_unreachable_broker_are_named() {
    let place = Place::with_every(200);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let up = ["up", "--data", "sales.csv", "--exit-when-done"];
    let error = refused(&place, 1, &[&up[..], &["--metrics-listen", &address]].concat());
    assert!(error.contains(&address) && error.contains("--metrics-listen"), "{error}");
    let nobody = ["--brokers", "127.0.0.1:1"];
    for command in [&up[..], &["produce", "--data", "sales.csv"], &["topics", "create"]] {
        let error = refused(&place, 1, &[command, &nobody].concat());
        assert!(error.contains("127.0.0.1:1"), "{error}");
    }
    for service in ["score", "monitor", "train"] {
        let output = run(&place, &[&[service], &nobody[..]].concat());
        let errors = text(&output.stderr);
        let last = errors.lines().last().unwrap_or_default();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(last.starts_with("homestream: ") && last.contains("127.0.0.1:1"), "{errors}");
    }
    let error = refused(&place, 2, &["topics", "create"]);
    assert!(error.contains("--brokers"), "{error}");
}

#[test]
fn wrong_usage_is_told_with_the_usage() {
    let place = Place::with_every(200);
    for arguments in [&["upp"][..], &["up", "--speed", "fast"], &["up", "--garbage", "7"], &[]] {
        let output = run(&place, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_there_for_every_command() {
    let place = Place::with_every(200);
    for command in ["up", "produce", "score", "monitor", "train", "topics", "config"] {
        let output = run(&place, &[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(text(&output.stdout).contains("--config"), "{command}");
    }
    assert!(text(&run(&place, &["--help"]).stdout).contains("Usage: homestream"));
    assert!(text(&run(&place, &["--version"]).stdout).starts_with("homestream "));
}

#[test]
fn the_configuration_in_force_is_shown_without_its_secrets() {
    let place = Place::with_every(200);
    place.write(
        "secret.toml",
        "[kafka]\nbrokers = \"b:9092\"\n[kafka.properties]\n\"sasl.username\" = \"scorer\"\n\
         \"sasl.password\" = \"hunter2\"\n\"ssl.key.password\" = \"hunter3\"\n",
    );
    let arguments = ["config", "show", "--config", "secret.toml", "--topic-prefix", "town."];
    let mut command = place.command(&arguments);
    command.env("HOMESTREAM__TOPICS__PARTITIONS", "7");
    let output = command.output().unwrap();
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!shown.contains("hunter"), "{shown}");
    for line in ["\"sasl.password\" = \"[redacted]\"", "\"sasl.username\" = \"scorer\""] {
        assert!(shown.contains(line), "{line} is not in: {shown}");
    }
    for line in ["partitions = 7", "prefix = \"town.\"", "brokers = \"b:9092\""] {
        assert!(shown.contains(line), "{line} is not in: {shown}");
    }
    place.write("shown.toml", &shown);
    let again = run(&place, &["config", "check", "--config", "shown.toml"]);
    assert_eq!((again.status.code(), again.stdout.len()), (Some(0), 0));
}
