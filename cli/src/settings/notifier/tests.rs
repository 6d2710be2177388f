use std::io::Write;

use super::super::Settings;
use super::*;
use crate::args::Common;

const EXAMPLE: &str = r#"
    [notifier]
    severity = { accuracy = "critical" }
    labels = { env = "prod" }

    [[notifier.sinks]]
    name = "ops"
    kind = "alertmanager"
    urls = ["http://am-1:9093", "http://am-2:9093"]

    [[notifier.sinks]]
    name = "hook"
    kind = "webhook"
    url = "http://hooks.internal/homes"
    secret_file = "/run/secrets/hook"

    [[notifier.sinks]]
    name = "chat"
    kind = "slack"
    url_env = "SLACK_URL"
    group_by = ["rule", "env"]

    [[notifier.inhibit]]
    source_matchers = ["rule=~\"silence|source_down\""]
    target_matchers = ["rule=~\".*_drift|volume\""]
    equal = ["source"]

    [[notifier.silences]]
    matchers = ["rule=feature_drift", "subject=wall"]
    from = "2026-11-23T08:00:00Z"
    until = "2026-11-24T08:00:00+01:00"
    who = "ann"
    why = "the county recodes walls"
"#;

/// The example, `from` replaced by `to`.
fn load(from: &str, to: &str) -> Result<Settings, SettingsError> {
    assert!(EXAMPLE.contains(from), "{from}");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(EXAMPLE.replacen(from, to, 1).as_bytes()).unwrap();
    Settings::load(&Common {
        config: Some(file.path().to_owned()),
        brokers: None,
        topic_prefix: None,
        artifacts: None,
        metrics_listen: None,
        log_json: false,
    })
}

#[test]
fn the_example_becomes_what_the_notifier_needs() {
    let settings = load("", "").unwrap();
    let config = settings.notifier.config(settings.topic_names().unwrap()).unwrap();
    let names: Vec<&str> = config.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["ops", "hook", "chat"]);
    assert_eq!((config.suppressor.silences.len(), config.suppressor.inhibitions.len()), (1, 1));
    assert_eq!(config.suppressor.silences[0].from, 1_795_420_800_000);
    assert_eq!(config.labelling.severity["accuracy"], "critical");
    let shown = settings.to_toml().unwrap();
    let again: Settings = toml::from_str(&shown).unwrap();
    assert_eq!(again, settings);
}

#[test]
fn what_cannot_work_is_named_with_its_mending() {
    for (from, to, told) in [
        (
            "kind = \"slack\"",
            "kind = \"smoke\"",
            "kind is \"smoke\", expected \"alertmanager\", \"webhook\"",
        ),
        ("kind = \"slack\"\n", "", "missing configuration field \"notifier.sinks[2]kind\""),
        ("name = \"chat\"", "name = \"a b\"", "sinks.a b: name is \"a b\", expected 1 to 64"),
        ("name = \"chat\"", "name = \"hook\"", "sinks.hook: name: there is another sink"),
        ("url_env", "url", "sinks.chat: url is a secret of Slack: put it in url_file"),
        ("url_env = \"SLACK_URL\"", "", "sinks.chat: url_file (or url_env) is missing"),
        ("secret_file = \"/run/secrets/hook\"", "", "sinks.hook: secret_file (or secret_env)"),
        ("secret_file = ", "secret_env = \"A\"\nsecret_file = ", "secret_env are both given"),
        ("http://hooks", "hooks", "sinks.hook: url is no address"),
        ("http://am-1", "http://ann:hunter2@am-1", "sinks.ops: urls holds a user or a password"),
        ("urls = [\"http://am-1:9093\", \"http://am-2:9093\"]", "", "urls name no address"),
        ("urls = [", "group_wait_ms = 1\nurls = [", "group_wait_ms is Alertmanager's own"),
        ("urls = [", "timeout_ms = 0\nurls = [", "sinks.ops: timeout_ms is 0, expected 1 to 60000"),
        ("urls = [", "resend_interval_ms = 5\nurls = [", "resend_interval_ms is 5, expected 100"),
        ("url_env = \"SLACK_URL\"", "url_env = \"S\"\nbatch = true", "batch means nothing"),
        ("\"env\"]", "\"area\"]", "group_by: no alert has a label \"area\", expected some of"),
        ("equal = [\"source\"]", "equal = [\"sauce\"]", "inhibit.0: equal: no alert has a label"),
        ("\"rule=~\\\"silence", "\"role=~\\\"silence", "source_matchers: no alert has a label"),
        ("[\"rule=feature_drift\", \"subject=wall\"]", "[]", "silences.0: matchers is empty"),
        ("subject=wall", "subject~wall", "silences.0: matchers: \"subject~wall\" is no matcher"),
        ("2026-11-23T08:00:00Z", "monday", "silences.0: from is \"monday\", expected a time"),
        ("2026-11-24T08:00:00+01:00", "2026-11-23T08:00:00Z", "until is not after from"),
        ("why = \"the county recodes walls\"", "why = \"\"", "silences.0: why is empty"),
        ("[notifier]", "[notifier]\nstart_at = \"now\"", "notifier.start_at is \"now\""),
        ("{ env = \"prod\" }", "{ rule = \"x\" }", "labels: every alert has \"rule\" already"),
        ("{ env = \"prod\" }", "{ \"e-v\" = \"x\" }", "labels: \"e-v\" is no name of a label"),
    ] {
        let error = load(from, to).map(drop).unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
