//! Listings whose schema the registry cannot explain, and a scorer that waits for it.

use std::sync::Arc;
use std::time::Duration;

use model_core::listing::Listing;
use platform_kafka::{Outgoing, Progress, Publisher};
use schemas::{Codec, RecordKind};
use serde_json::json;

use self::fake::{Fake, Mood};
use crate::answers::Answers;
use crate::support::{Scorer, World};

#[path = "../../../platform/schema-registry/tests/faults/fake.rs"]
#[allow(dead_code, reason = "its own tests use all of it")]
mod fake;

const LOADED: usize = 200;
const FRAMED: usize = 60;
/// The id of the prices' schema, there from the start.
const PRICES: u32 = 1;
const WAITS: &str = "records wait for this schema id";

fn put(fake: &Fake, world: &World, kind: RecordKind) -> u32 {
    let subject = format!("{}-value", world.topics.of(kind));
    fake.put(&subject, json!({ "schema": kind.schema_json() }))
}

fn waiting_scorer(fake: &Fake, world: &World, instance: &str) -> Scorer {
    let mut command = world.command(&["score"]);
    command
        .env("HOMESTREAM__SCHEMA_REGISTRY__URL", fake.url())
        .env("HOMESTREAM__SCHEMA_REGISTRY__ON_UNKNOWN_ID", "wait")
        .env("HOMESTREAM__SCHEMA_REGISTRY__RETRY_MS", "300");
    world.start(command, instance)
}

/// Publishes listings in the framing of a schema id.
async fn publish(world: &World, name: &str, schema_id: u32) {
    let codec = Codec::new().unwrap().write_as(RecordKind::Listing, schema_id);
    let listing = |i: usize| {
        let key = format!("{name}-{i}");
        let listing = Listing { key: key.clone(), ..world.templates[i].clone() };
        let payload = codec.encode_listing(&listing).unwrap();
        Outgoing::new(world.topics.listings(), key, payload)
    };
    let publisher = Publisher::new(&world.broker, Progress::new()).unwrap();
    publisher.publish((0..FRAMED).map(listing).collect()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_wait_for_their_schema_and_none_is_lost() {
    let mut fake = Fake::start().await;
    let mut world = Arc::into_inner(World::new("registry", LOADED, "0").await).unwrap();
    world.codec = Codec::new().unwrap().write_as(RecordKind::PriceEstimate, PRICES);
    assert_eq!(put(&fake, &world, RecordKind::PriceEstimate), PRICES);
    let mut answers = Answers::follow(&world);
    let mut scorer = waiting_scorer(&fake, &world, "scorer-0");
    answers.read_until(LOADED).await;

    // Nobody has registered their schema yet. The transaction before them has ended all the
    // same: its prices were read.
    publish(&world, "early", 2).await;
    scorer.logged(WAITS).await;
    answers.read_for(Duration::from_secs(2)).await;
    assert_eq!(answers.count(), LOADED);
    assert_eq!(put(&fake, &world, RecordKind::Listing), 2);
    answers.read_until(LOADED + FRAMED).await;

    // Known ids need no registry. For another one the scorer waits again, until it is told to
    // stop; its successor answers.
    fake.end().await;
    publish(&world, "cached", 2).await;
    answers.read_until(LOADED + 2 * FRAMED).await;
    publish(&world, "late", 3).await;
    scorer.logged("schema_id=3").await;
    assert_eq!(scorer.terminate().await, Some(0));
    assert_eq!(answers.count(), LOADED + 2 * FRAMED);
    fake.begin().await;
    fake.set(Mood::Well);
    assert_eq!(put(&fake, &world, RecordKind::Listing), 3);
    let _successor = waiting_scorer(&fake, &world, "scorer-0");
    answers.assert_exactly_once(LOADED + 3 * FRAMED).await;
    assert_eq!(answers.dead_letters, 0);
}
