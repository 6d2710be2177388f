//! Records as they come: ids are explained, or the setting says what becomes of them.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use model_core::date::EventDate;
use model_core::listing::{Facts, Sale};
use platform_schema_registry::{OnUnknownId, RegistryConfig, SchemaSource};
use schemas::{Codec, RecordKind};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, Mood};
use crate::{config, connect, topics, within};

const SALES: &str = "homes.sales.v1";
const SUBJECT: &str = "homes.sales.v1-value";

fn sale() -> Sale {
    Sale {
        key: "1".into(),
        closed_on: EventDate(9_000),
        price: 80_000.0,
        currency: "USD".into(),
        facts: Facts::default(),
    }
}

/// A sale written under an id by somebody else.
fn written_as(id: u32) -> Vec<u8> {
    Codec::new().unwrap().write_as(RecordKind::Sale, id).encode_sale(&sale()).unwrap()
}

async fn prepare(source: &SchemaSource, codec: &Codec, payload: &[u8]) -> ControlFlow<()> {
    within("prepare", source.prepare(codec, [(SALES, Some(payload))])).await
}

fn asked_for_ids(fake: &Fake) -> usize {
    fake.take_requests().iter().filter(|request| request.starts_with("GET /schemas/ids/")).count()
}

#[tokio::test]
async fn an_id_is_asked_for_once_and_its_records_are_read() {
    let fake = Fake::start().await;
    let source = connect(&config(&fake.url()), &[]).await.unwrap();
    let id = fake.put(SUBJECT, json!({ "schema": RecordKind::Sale.released()[0].json }));
    let (codec, second) = (source.codec().unwrap(), source.codec().unwrap());
    let bytes = written_as(id);
    let batch = [(SALES, Some(bytes.as_slice())), (SALES, None), (SALES, Some(&bytes))];
    for codec in [&codec, &codec, &second] {
        assert!(within("prepare", source.prepare(codec, batch)).await.is_continue());
        assert_eq!(codec.decode_sale(&bytes), Ok(sale()));
    }
    assert_eq!(asked_for_ids(&fake), 1);
}

#[tokio::test]
async fn what_the_process_writes_itself_is_never_asked_for() {
    let fake = Fake::start().await;
    let source = connect(&config(&fake.url()), &[RecordKind::Sale]).await.unwrap();
    let codec = source.codec().unwrap();
    let bytes = codec.encode_sale(&sale()).unwrap();
    assert_eq!(bytes[..5], [0, 0, 0, 0, 1]);
    assert!(prepare(&source, &codec, &bytes).await.is_continue());
    assert_eq!((codec.decode_sale(&bytes), asked_for_ids(&fake)), (Ok(sale()), 0));
}

#[tokio::test]
async fn without_a_registry_nothing_changes() {
    let source = SchemaSource::built_in();
    let codec = source.codec().unwrap();
    let bytes = written_as(1);
    assert!(prepare(&source, &codec, &bytes).await.is_continue());
    assert_eq!(codec.decode_sale(&bytes).unwrap_err().code(), "schema_registry_not_configured");
    assert_eq!(codec.encode_sale(&sale()).unwrap()[..2], schemas::SINGLE_OBJECT_MAGIC);
}

#[tokio::test]
async fn an_id_that_the_registry_lacks_is_a_dead_letter_and_asked_for_once() {
    let fake = Fake::start().await;
    let source = connect(&config(&fake.url()), &[]).await.unwrap();
    let codec = source.codec().unwrap();
    let bytes = written_as(77);
    for _ in 0..3 {
        assert!(prepare(&source, &codec, &bytes).await.is_continue());
        assert_eq!(codec.decode_sale(&bytes).unwrap_err().code(), "unknown_schema_id");
    }
    assert_eq!(asked_for_ids(&fake), 1);
}

#[tokio::test]
async fn schemas_that_are_no_sale_say_so() {
    let fake = Fake::start().await;
    let source = connect(&config(&fake.url()), &[]).await.unwrap();
    let codec = source.codec().unwrap();
    let reference = json!([{ "name": "Facts", "subject": "facts", "version": 1 }]);
    for (schema, told) in [
        (json!({ "schemaType": "PROTOBUF", "schema": "syntax" }), "of type PROTOBUF"),
        (json!({ "schema": "\"Facts\"", "references": reference }), "refers to other schemas"),
        (json!({ "schema": RecordKind::Listing.schema_json() }), "cannot be read as Sale"),
        (json!({ "schema": "{" }), "is not valid"),
    ] {
        let bytes = written_as(fake.put(SUBJECT, schema));
        assert!(prepare(&source, &codec, &bytes).await.is_continue());
        let error = codec.decode_sale(&bytes).unwrap_err();
        assert_eq!(error.code(), "unusable_schema");
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[tokio::test]
async fn while_the_registry_is_down_known_ids_are_read_and_others_hold_nobody_up() {
    let mut fake = Fake::start().await;
    let source = connect(&config(&fake.url()), &[]).await.unwrap();
    let codec = source.codec().unwrap();
    let known = written_as(fake.put(SUBJECT, json!({ "schema": RecordKind::Sale.schema_json() })));
    assert!(prepare(&source, &codec, &known).await.is_continue());
    fake.end().await;

    assert!(prepare(&source, &codec, &known).await.is_continue());
    assert_eq!(codec.decode_sale(&known), Ok(sale()));
    // The first is tried for as long as is configured; then nobody is asked for a while.
    assert!(prepare(&source, &codec, &written_as(2)).await.is_continue());
    let since = Instant::now();
    let mut bytes = written_as(3);
    for id in 3..=200 {
        bytes[4] = id;
        assert!(prepare(&source, &codec, &bytes).await.is_continue());
    }
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let error = codec.decode_sale(&written_as(3)).unwrap_err();
    assert_eq!(error.code(), "unknown_schema_id");
}

fn waiting(fake: &Fake) -> RegistryConfig {
    let mut config = config(&fake.url());
    config.on_unknown_id = OnUnknownId::Wait;
    config
}

#[tokio::test]
async fn records_wait_for_an_id_by_setting() {
    let fake = Fake::start().await;
    let source = connect(&waiting(&fake), &[]).await.unwrap();
    let codec = source.codec().unwrap();
    let bytes = written_as(1);
    let registered = async {
        while asked_for_ids(&fake) == 0 {
            tokio::task::yield_now().await;
        }
        fake.put(SUBJECT, json!({ "schema": RecordKind::Sale.schema_json() }))
    };
    let batch = [(SALES, Some(bytes.as_slice()))];
    let both = async { tokio::join!(source.prepare(&codec, batch), registered) };
    let (prepared, id) = within("registration", both).await;
    assert_eq!((prepared, id), (ControlFlow::Continue(()), 1));
    assert_eq!(codec.decode_sale(&bytes), Ok(sale()));
}

#[tokio::test]
async fn records_wait_for_a_registry_that_is_down_by_setting() {
    let fake = Fake::start().await;
    let source = connect(&waiting(&fake), &[]).await.unwrap();
    let codec = source.codec().unwrap();
    let bytes = written_as(fake.put(SUBJECT, json!({ "schema": RecordKind::Sale.schema_json() })));
    fake.set(Mood::Answers(503, "restarting"));
    let recovers = async {
        let mut asked = 0;
        while asked < 4 {
            asked += asked_for_ids(&fake);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        fake.set(Mood::Well);
    };
    let batch = [(SALES, Some(bytes.as_slice()))];
    let both = async { tokio::join!(source.prepare(&codec, batch), recovers) };
    assert_eq!(within("recovery", both).await.0, ControlFlow::Continue(()));
    assert_eq!(codec.decode_sale(&bytes), Ok(sale()));
}

#[tokio::test]
async fn shutdown_ends_the_wait_and_leaves_the_batch_alone() {
    let fake = Fake::start().await;
    for on_unknown_id in [OnUnknownId::Wait, OnUnknownId::DeadLetter] {
        let mut config = waiting(&fake);
        config.on_unknown_id = on_unknown_id;
        let stop = CancellationToken::new();
        let connecting = SchemaSource::connect(&config, topics(), &[], stop.clone());
        let source = within("connect", connecting).await.unwrap();
        let codec = source.codec().unwrap();
        fake.set(Mood::Slow);
        let bytes = written_as(9);
        let stopping = async {
            while asked_for_ids(&fake) == 0 {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let batch = [(SALES, Some(bytes.as_slice()))];
        let both = async { tokio::join!(source.prepare(&codec, batch), stopping) };
        assert_eq!(within("shutdown", both).await.0, ControlFlow::Break(()));
        fake.set(Mood::Well);
    }
}
