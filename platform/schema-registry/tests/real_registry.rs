//! Against a real registry: Apicurio's, or any with Confluent's API.
//!
//! ```sh
//! HOMESTREAM_TEST_SCHEMA_REGISTRY=$(tests/schema-registry/server start /tmp/registry) \
//!     cargo test -p platform-schema-registry --features real-registry --test real_registry
//! tests/schema-registry/server stop /tmp/registry
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use model_core::date::EventDate;
use model_core::listing::{Attribute, Facts, Listing, Sale};
use platform_schema_registry::{
    Enrolment, RegisteredSchema, RegistryClient, RegistryConfig, RegistryError, SchemaSource,
    Verdict, subject_of,
};
use schemas::{Codec, RecordKind, TopicNames};
use tokio_util::sync::CancellationToken;

/// A producer's own listings.
const PRODUCER: &str = r#"{
    "type": "record", "name": "Listing", "namespace": "com.example.mls", "fields": [
        {"name": "ListingKey", "type": "string"},
        {"name": "ListingContractDate", "type": {"type": "int", "logicalType": "date"}}
    ]
}"#;
/// Requires what no earlier listing has.
const INCOMPATIBLE: &str = r#"{
    "type": "record", "name": "Listing", "namespace": "io.homestream.v1", "fields": [
        {"name": "ListingKey", "type": "string"},
        {"name": "Agent", "type": "string"}
    ]
}"#;

fn config() -> RegistryConfig {
    let url = std::env::var("HOMESTREAM_TEST_SCHEMA_REGISTRY").unwrap_or_else(|_| {
        panic!(
            "HOMESTREAM_TEST_SCHEMA_REGISTRY is not set: set it to the address of a schema \
             registry's Confluent API, such as `tests/schema-registry/server start DIR` prints"
        )
    });
    let mut config = RegistryConfig::new(&url).unwrap();
    config.retry_for = Duration::from_secs(10);
    config
}

/// Topics, and so subjects, that no other test and no earlier run has used.
fn topics(test: &str) -> TopicNames {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    TopicNames::new(&format!("{test}-{}-{}.", std::process::id(), now.as_nanos())).unwrap()
}

async fn connect(
    config: &RegistryConfig,
    topics: &TopicNames,
    writes: &[RecordKind],
) -> Result<SchemaSource, RegistryError> {
    SchemaSource::connect(config, topics.clone(), writes, CancellationToken::new()).await
}

fn listing() -> Listing {
    let facts = Facts {
        living_area: Some(1_436.0),
        attributes: [("wall".into(), Attribute::Text("brick".into()))].into(),
        ..Facts::default()
    };
    Listing {
        key: "1".into(),
        listed_on: EventDate(9_678),
        list_price: None,
        currency: "USD".into(),
        facts,
    }
}

#[tokio::test]
async fn every_schema_is_registered_found_again_and_explained_to_a_reader() {
    let (config, topics) = (config(), topics("all"));
    let writer = connect(&config, &topics, &RecordKind::ALL).await.unwrap();
    let again = connect(&config, &topics, &RecordKind::ALL).await.unwrap();
    let (codec, same) = (writer.codec().unwrap(), again.codec().unwrap());
    let client = RegistryClient::new(&config).unwrap();
    for kind in RecordKind::ALL {
        assert_eq!(codec.written_id(kind), same.written_id(kind));
        let subject = subject_of(&topics.of(kind));
        let id = client.id_of(&subject, kind.schema_json()).await.unwrap();
        assert_eq!(id, codec.written_id(kind));
        assert_eq!(client.compatibility(&subject).await.unwrap().as_deref(), Some("BACKWARD"));
    }

    let reader = connect(&config, &topics, &[]).await.unwrap();
    let reading = reader.codec().unwrap();
    let bytes = codec.encode_listing(&listing()).unwrap();
    assert_eq!(reading.decode_listing(&bytes).unwrap_err().code(), "unknown_schema_id");
    let prepared = reader.prepare(&reading, [(&*topics.listings(), Some(bytes.as_slice()))]).await;
    assert!(prepared.is_continue());
    assert_eq!(reading.decode_listing(&bytes), Ok(listing()));
}

#[tokio::test]
async fn data_of_released_and_of_foreign_schemas_is_read() {
    let (config, topics) = (config(), topics("foreign"));
    let client = RegistryClient::new(&config).unwrap();
    let subject = subject_of(&topics.listings());
    let foreign = client.register(&subject, PRODUCER).await.unwrap();
    let released = RecordKind::Sale.released()[0].json;
    let old = client.register(&subject_of(&topics.sales()), released).await.unwrap();

    let source = connect(&config, &topics, &[]).await.unwrap();
    let codec = source.codec().unwrap();
    // "7", 1996-07-01
    let bytes = [&[0], &foreign.to_be_bytes()[..], &[2, b'7', 0x9C, 0x97, 1]].concat();
    let sale = Sale {
        key: "1".into(),
        closed_on: EventDate(9_000),
        price: 80_000.0,
        currency: "USD".into(),
        facts: Facts::default(),
    };
    let writer = Codec::new().unwrap().write_as(RecordKind::Sale, old);
    let sold = writer.encode_sale(&sale).unwrap();
    let (listings, sales) = (topics.listings(), topics.sales());
    let batch = [(&*listings, Some(bytes.as_slice())), (&*sales, Some(&sold))];
    assert!(source.prepare(&codec, batch).await.is_continue());
    let read = codec.decode_listing(&bytes).unwrap();
    assert_eq!((read.key.as_str(), read.listed_on), ("7", EventDate(9_678)));
    assert_eq!(codec.decode_sale(&sold), Ok(sale));
}

#[tokio::test]
async fn an_incompatible_schema_is_refused_by_check_and_registration() {
    let (config, topics) = (config(), topics("incompatible"));
    let client = RegistryClient::new(&config).unwrap();
    let subject = subject_of(&topics.listings());
    assert_eq!(
        client.check(&subject, INCOMPATIBLE).await,
        Ok(Verdict::Compatible),
        "none is there"
    );
    connect(&config, &topics, &[RecordKind::Listing]).await.unwrap();
    let verdict = client.check(&subject, INCOMPATIBLE).await.unwrap();
    let Verdict::Incompatible(why) = verdict else { panic!("{verdict:?}") };
    assert!(why.contains("Agent"), "{why}");
    let error = client.register(&subject, INCOMPATIBLE).await.unwrap_err();
    assert!(matches!(error, RegistryError::Incompatible { .. }), "{error}");
    assert_eq!(client.id_of(&subject, INCOMPATIBLE).await, Ok(None));
}

#[tokio::test]
async fn a_topic_of_another_schema_stops_the_start() {
    let (config, topics) = (config(), topics("taken"));
    let client = RegistryClient::new(&config).unwrap();
    let subject = subject_of(&topics.sales());
    // Newer than ours: a reader of ours would miss a field that has no default.
    let newer = r#"{"type": "record", "name": "Sale", "namespace": "io.homestream.v1",
        "fields": [{"name": "Other", "type": "string"}]}"#;
    client.register(&subject, newer).await.unwrap();
    let error = connect(&config, &topics, &[RecordKind::Sale]).await.unwrap_err();
    let RegistryError::Incompatible { subject: told, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*told, subject);
    let ours = client.id_of(&subject, RecordKind::Sale.schema_json()).await.unwrap();
    assert_eq!(ours, None, "it was registered all the same");
}

#[tokio::test]
async fn without_auto_register_only_registered_schemas_are_used() {
    let (mut config, topics) = (config(), topics("manual"));
    config.enrolment = Enrolment::LookUp;
    let kinds = [RecordKind::DriftReport];
    let error = connect(&config, &topics, &kinds).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotRegistered { .. }), "{error}");
    let client = RegistryClient::new(&config).unwrap();
    let subject = subject_of(&topics.drift());
    let id = client.register(&subject, RecordKind::DriftReport.schema_json()).await.unwrap();
    let source = connect(&config, &topics, &kinds).await.unwrap();
    assert_eq!(source.codec().unwrap().written_id(RecordKind::DriftReport), Some(id));
}

#[tokio::test]
async fn ids_and_subjects_that_are_not_there_are_told_so() {
    let (config, topics) = (config(), topics("absent"));
    let client = RegistryClient::new(&config).unwrap();
    let error = client.schema_by_id(1_999_999_999).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
    let subject = subject_of(&topics.sales());
    assert_eq!(client.id_of(&subject, RecordKind::Sale.schema_json()).await, Ok(None));
    assert_eq!(client.compatibility(&subject).await, Ok(None));
}

#[tokio::test]
async fn a_schema_comes_back_as_the_one_that_was_registered() {
    let (config, topics) = (config(), topics("same"));
    let client = RegistryClient::new(&config).unwrap();
    let subject = subject_of(&topics.prices());
    let id = client.register(&subject, RecordKind::PriceEstimate.schema_json()).await.unwrap();
    let fresh = RegistryClient::new(&config).unwrap();
    let RegisteredSchema::Avro(schema) = fresh.schema_by_id(id).await.unwrap() else {
        panic!("not Avro")
    };
    let fingerprint = schemas::schema_fingerprint(&schema);
    assert_eq!(fingerprint, Some(Codec::new().unwrap().fingerprint(RecordKind::PriceEstimate)));
}

#[tokio::test]
async fn a_wrong_path_says_which_is_right() {
    let url = RegistryClient::new(&config()).unwrap().addresses();
    let mut wrong = RegistryConfig::new(&format!("{url}/nowhere")).unwrap();
    wrong.retry_for = Duration::ZERO;
    let error = connect(&wrong, &topics("wrong"), &[RecordKind::Sale]).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotARegistry { .. }), "{error}");
    assert!(error.to_string().contains("/apis/ccompat/v7"), "{error}");
}
