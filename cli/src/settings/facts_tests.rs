use std::io::Write;
use std::path::Path;

use super::super::Settings;
use super::*;
use crate::args::Common;

/// Settings with one source: the PostgreSQL example, `from` replaced by `to`.
fn load(from: &str, to: &str) -> Result<Settings, SettingsError> {
    let example = r#"
        [[facts.sources]]
        name = "parcels"
        key = "attributes.parcel"
        fields = { LivingArea = "sqft", YearBuilt = "built" }
        attributes = { flood = "zone", score = { column = "walk", kind = "number" } }
        prefix = "gis_"
        stale_limit_seconds = 7200
        [facts.sources.postgres]
        url = "postgresql://reader@db.internal/gis"
        password_file = "/run/secrets/gis"
        table = "public.parcels"
        key_column = "id"
        "#;
    assert!(example.contains(from), "{from}");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(example.replace(from, to).as_bytes()).unwrap();
    from_file(file.path())
}

fn from_file(path: &Path) -> Result<Settings, SettingsError> {
    Settings::load(&Common {
        config: Some(path.to_owned()),
        brokers: None,
        topic_prefix: None,
        artifacts: None,
        metrics_listen: None,
        log_json: false,
    })
}

#[test]
fn a_source_is_read_as_written_and_the_rest_is_default() {
    let settings = load("", "").unwrap();
    let source = &settings.facts.sources[0];
    assert_eq!(source.key().unwrap(), FactsKey::Attribute("parcel".into()));
    let facts = source.facts().unwrap();
    let names: Vec<_> = facts.iter().map(|(fact, column)| (&fact.field, column.as_str())).collect();
    let attribute = |name: &str| FactField::Attribute(name.into());
    let (flood, score) = (attribute("gis_flood"), attribute("gis_score"));
    assert_eq!(
        names,
        [
            (&FactField::LivingArea, "sqft"),
            (&FactField::YearBuilt, "built"),
            (&flood, "zone"),
            (&score, "walk"),
        ]
    );
    assert_eq!(facts[3].0.kind, FactKind::Number);
    let cache = settings.facts.cache(source);
    assert_eq!((cache.patience.as_millis(), cache.timeout.as_millis()), (50, 1_000));
    assert_eq!(cache.lifetimes.stale_limit.as_secs(), 7_200);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(settings.to_toml().unwrap().as_bytes()).unwrap();
    assert_eq!(from_file(file.path()).unwrap(), settings);
}

#[test]
fn what_cannot_work_is_told_with_its_source_and_setting() {
    let cases = [
        ("name = \"parcels\"", "", "facts.sources.0: name is \"\""),
        ("name = \"parcels\"", "name = \"a b\"", "facts.sources.a b: name is \"a b\""),
        ("\"attributes.parcel\"", "\"Parcel\"", "key is \"Parcel\", expected ListingKey"),
        ("LivingArea", "Livingarea", "fields.Livingarea is no field that can be filled in"),
        ("stale_limit_seconds = 7200", "stale_limit_seconds = 60", "at least 3600"),
        ("stale_limit_seconds = 7200", "timeout_ms = 0", "timeout_ms is 0, expected 1 to 60000"),
        (
            "[facts.sources.postgres]",
            "breaker = { failures = 0 }\n[facts.sources.postgres]",
            "breaker.failures is 0",
        ),
        (
            "[facts.sources.postgres]",
            "http = { url = \"http://h/{key}\" }\n[facts.sources.postgres]",
            "exactly one of the tables",
        ),
        ("table = \"public.parcels\"", "", "postgres.table is missing"),
        ("reader@", "reader:hunter2@", "facts.sources.parcels: postgres.url: holds a password"),
        (
            "table =",
            "password_env = \"PGPASSWORD\"\ntable =",
            "postgres.password_file and postgres.password_env are both given",
        ),
        ("prefix =", "prefx =", "did you mean `prefix`?"),
        ("key_column =", "keycolumn =", "did you mean `key_column`?"),
    ];
    for (from, to, told) in cases {
        let error = load(from, to).unwrap_err().to_string();
        assert!(error.contains(told), "{to}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn two_sources_of_one_name_are_refused() {
    let mut settings = load("", "").unwrap();
    settings.facts.sources.push(settings.facts.sources[0].clone());
    let error = settings.check().unwrap_err().to_string();
    assert!(error.contains("facts.sources.parcels: name: there is another"), "{error}");
}

#[test]
fn headers_are_not_shown() {
    let mut settings = load("", "").unwrap();
    let headers = BTreeMap::from([("x-api-key".to_owned(), "hunter2".to_owned())]);
    settings.facts.sources[0].http = Some(HttpTable { headers, ..HttpTable::default() });
    let shown = settings.to_toml().unwrap();
    assert!(shown.contains("x-api-key") && !shown.contains("hunter2"), "{shown}");
}
