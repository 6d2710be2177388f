//! The start: schemas get their ids, or the service does not start and says why.

use std::time::{Duration, Instant};

use platform_schema_registry::{
    Authentication, Enrolment, RegistryClient, RegistryError, SchemaSource, Secret, SecretSource,
};
use schemas::RecordKind;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, Mood};
use crate::{config, connect, topics, within};

const SALES: &str = "homes.sales.v1-value";
const SALE: &[RecordKind] = &[RecordKind::Sale];

fn sale_schema() -> serde_json::Value {
    json!({ "schema": RecordKind::Sale.schema_json() })
}

#[tokio::test]
async fn schemas_are_registered_at_backward_compatibility() {
    let fake = Fake::start().await;
    let source = connect(&config(&fake.url()), &[RecordKind::Listing, RecordKind::Sale]).await;
    let codec = source.unwrap().codec().unwrap();
    assert_eq!(codec.written_id(RecordKind::Listing), Some(1));
    assert_eq!(codec.written_id(RecordKind::Sale), Some(2));
    assert_eq!(codec.written_id(RecordKind::PriceEstimate), None);
    let levels: Vec<_> = fake.kept().levels.clone().into_iter().collect();
    let level = |subject: &str| (subject.to_owned(), "BACKWARD".to_owned());
    assert_eq!(levels, [level("homes.listings.v1-value"), level(SALES)]);

    // The next start finds all of it there.
    fake.take_requests();
    connect(&config(&fake.url()), SALE).await.unwrap();
    assert_eq!(
        fake.take_requests(),
        [format!("GET /config/{SALES}"), format!("POST /subjects/{SALES}")]
    );
}

#[tokio::test]
async fn a_stricter_level_is_left_alone() {
    let fake = Fake::start().await;
    fake.kept().levels.insert(SALES.into(), "FULL_TRANSITIVE".into());
    connect(&config(&fake.url()), SALE).await.unwrap();
    assert_eq!(fake.kept().levels[SALES], "FULL_TRANSITIVE");
}

#[tokio::test]
async fn a_registry_that_is_down_is_told_after_retries() {
    let fake = Fake::down().await;
    let since = Instant::now();
    let error = connect(&config(&fake.url()), SALE).await.unwrap_err();
    assert!(since.elapsed() > Duration::from_millis(200), "it was asked once only");
    let RegistryError::Unreachable { url, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*url, format!("{}/", fake.url()));
    assert!(error.to_string().ends_with("check schema_registry.url"), "{error}");
}

#[tokio::test]
async fn a_registry_that_comes_up_in_time_is_waited_for() {
    let mut fake = Fake::down().await;
    let mut patient = config(&fake.url());
    patient.retry_for = Duration::from_secs(20);
    let connecting = tokio::spawn(async move { connect(&patient, SALE).await });
    fake.begin().await;
    let source = within("connect", connecting).await.unwrap().unwrap();
    assert_eq!(source.codec().unwrap().written_id(RecordKind::Sale), Some(1));
}

#[tokio::test]
async fn shutdown_interrupts_the_start() {
    let fake = Fake::down().await;
    let mut patient = config(&fake.url());
    patient.retry_for = Duration::from_secs(3_600);
    let stop = CancellationToken::new();
    let connecting = SchemaSource::connect(&patient, topics(), SALE, stop.clone());
    let stopping = async { stop.cancel() };
    let (result, ()) = within("interrupt", async { tokio::join!(connecting, stopping) }).await;
    assert_eq!(result.unwrap_err(), RegistryError::Interrupted);
}

#[tokio::test]
async fn an_incompatible_schema_is_refused_and_not_registered() {
    let fake = Fake::start().await;
    fake.put(SALES, json!({ "schema": r#"{"type": "string"}"# }));
    let error = connect(&config(&fake.url()), SALE).await.unwrap_err();
    let RegistryError::Incompatible { subject, message, .. } = &error else { panic!("{error:?}") };
    assert_eq!((subject.as_str(), message.as_str()), (SALES, "READER_FIELD_MISSING: area"));
    assert!(error.to_string().contains("nothing is produced"), "{error}");
    assert_eq!(fake.kept().schemas.len(), 1);
}

#[tokio::test]
async fn an_incompatibility_that_only_the_registration_finds_is_told_the_same() {
    let fake = Fake::start().await;
    fake.set(Mood::Overtaken);
    let error = connect(&config(&fake.url()), SALE).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Incompatible { .. }), "{error:?}");
}

#[tokio::test]
async fn a_version_before_the_latest_still_starts() {
    let fake = Fake::start().await;
    fake.put(SALES, sale_schema());
    fake.put(SALES, json!({ "schema": r#"{"type": "string"}"# }));
    let source = connect(&config(&fake.url()), SALE).await.unwrap();
    assert_eq!(source.codec().unwrap().written_id(RecordKind::Sale), Some(1));
}

#[tokio::test]
async fn without_auto_register_a_missing_schema_is_an_error() {
    let fake = Fake::start().await;
    let mut looking = config(&fake.url());
    looking.enrolment = Enrolment::LookUp;
    let error = connect(&looking, SALE).await.unwrap_err().to_string();
    assert!(error.contains("Sale schema under homes.sales.v1-value"), "{error}");
    assert!(error.contains("schema_registry.auto_register = true"), "{error}");
    assert!(fake.kept().schemas.is_empty() && fake.kept().levels.is_empty());

    fake.put(SALES, sale_schema());
    let source = connect(&looking, SALE).await.unwrap();
    assert_eq!(source.codec().unwrap().written_id(RecordKind::Sale), Some(1));
}

#[tokio::test]
async fn refused_access_is_told_at_once_with_the_settings() {
    let fake = Fake::start().await;
    fake.set(Mood::Answers(401, r#"{"error_code": 401, "message": "Unauthorized"}"#));
    let mut config = config(&fake.url());
    let password = SecretSource::Given(Secret::new("hunter2"));
    config.authentication = Authentication::Basic { username: "ann".into(), password };
    let error = connect(&config, SALE).await.unwrap_err();
    assert!(matches!(error, RegistryError::AccessRefused { status: 401, .. }), "{error:?}");
    assert!(error.to_string().contains("schema_registry.username and password"), "{error}");
    assert!(!format!("{error:?} {error} {config:?}").contains("hunter2"));
    assert_eq!(fake.take_requests().len(), 1, "asking again would not help");
    // ann:hunter2
    assert_eq!(fake.kept().authorization.as_deref(), Some("Basic YW5uOmh1bnRlcjI="));
}

#[tokio::test]
async fn a_token_that_is_renewed_in_its_file_is_used() {
    let fake = Fake::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "one\n").unwrap();
    let mut config = config(&fake.url());
    config.authentication = Authentication::Bearer(SecretSource::File(path.clone()));
    let client = RegistryClient::new(&config).unwrap();
    client.register(SALES, RecordKind::Sale.schema_json()).await.unwrap();
    assert_eq!(fake.kept().authorization.as_deref(), Some("Bearer one"));
    std::fs::write(&path, "two").unwrap();
    client.compatibility(SALES).await.unwrap();
    assert_eq!(fake.kept().authorization.as_deref(), Some("Bearer two"));
    std::fs::remove_file(&path).unwrap();
    let error = client.compatibility(SALES).await.unwrap_err().to_string();
    assert!(error.starts_with("schema_registry.bearer_token_file: "), "{error}");
}

#[tokio::test]
async fn failures_of_the_server_are_repeated() {
    let fake = Fake::start().await;
    fake.set(Mood::Recovers(2));
    let mut patient = config(&fake.url());
    patient.retry_for = Duration::from_secs(20);
    connect(&patient, SALE).await.unwrap();
    fake.set(Mood::Recovers(usize::MAX));
    let error = connect(&config(&fake.url()), SALE).await.unwrap_err();
    assert!(matches!(error, RegistryError::Failing { status: 500, .. }), "{error:?}");
    assert!(error.to_string().contains("backend data store"), "{error}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up() {
    let fake = Fake::start().await;
    fake.set(Mood::Slow);
    let error = connect(&config(&fake.url()), SALE).await.unwrap_err().to_string();
    assert!(error.contains("no answer within 400 ms (schema_registry.timeout_ms)"), "{error}");
}

#[tokio::test]
async fn what_is_no_registry_is_told_with_what_it_says() {
    let fake = Fake::start().await;
    for (mood, told) in [
        (Mood::Answers(200, "<html>hello</html>"), "the answer is no JSON: <html>hello</html>"),
        (Mood::Answers(200, "[]"), "its answer lacks compatibilityLevel"),
        (Mood::Answers(200, ""), "the answer is no JSON: (no text)"),
        (Mood::Answers(404, "no such page"), "HTTP 404: no such page"),
        (Mood::Answers(302, ""), "HTTP 302, a redirection"),
        (Mood::Endless, "its answer is longer than 2097152 bytes"),
    ] {
        fake.set(mood);
        let mut hasty = config(&fake.url());
        hasty.retry_for = Duration::ZERO;
        hasty.timeout = Duration::from_secs(10);
        let error = connect(&hasty, SALE).await.unwrap_err();
        assert!(matches!(error, RegistryError::NotARegistry { .. }), "{error:?}");
        assert!(error.to_string().contains(told), "{error}");
        assert!(error.to_string().contains("/apis/ccompat/v7"), "{error}");
    }
}

#[tokio::test]
async fn the_second_address_takes_over_and_is_asked_first_from_then_on() {
    let (first, second) = (Fake::down().await, Fake::start().await);
    let both = config(&format!("{},{}/", first.url(), second.url()));
    let client = RegistryClient::new(&both).unwrap();
    assert_eq!(client.register(SALES, RecordKind::Sale.schema_json()).await, Ok(1));

    let mut first = first;
    first.begin().await;
    client.compatibility(SALES).await.unwrap();
    assert_eq!((first.take_requests().len(), second.take_requests().len()), (0, 2));
}

#[tokio::test]
async fn when_no_address_works_each_is_told() {
    let (first, second) = (Fake::down().await, Fake::start().await);
    second.set(Mood::Answers(503, "draining"));
    let both = config(&format!("{},{}", first.url(), second.url()));
    let error = connect(&both, SALE).await.unwrap_err();
    assert!(matches!(error, RegistryError::NoneUsable { .. }), "{error:?}");
    let told = error.to_string();
    assert!(told.contains(&first.url()) && told.contains("HTTP 503: draining"), "{told}");
    assert!(told.contains("schema_registry.url"), "{told}");
}

#[tokio::test]
async fn a_follower_that_lags_is_passed_over() {
    let (follower, leader) = (Fake::start().await, Fake::start().await);
    let id = leader.put(SALES, sale_schema());
    let both = config(&format!("{},{}", follower.url(), leader.url()));
    let client = RegistryClient::new(&both).unwrap();
    client.schema_by_id(id).await.unwrap();
    let error = client.schema_by_id(77).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error:?}");
    // One that is alive says no: the one that is not is not waited for.
    leader.set(Mood::Answers(503, "restarting"));
    follower.take_requests();
    let error = client.schema_by_id(78).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error:?}");
    assert_eq!(follower.take_requests().len(), 1);
}
