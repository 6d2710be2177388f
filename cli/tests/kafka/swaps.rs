//! Another champion in the middle of the work.

use std::sync::Arc;
use std::time::Duration;

use model_core::registry::{RegistryAction, RegistryEvent};
use platform_kafka::{Outgoing, Progress, Publisher};

use crate::answers::Answers;
use crate::support::{World, everything, number};

const LOADED: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_is_seen_once_in_every_partition() {
    let listings = number("HOMESTREAM_TEST_LISTINGS", 20_000) as usize;
    let world = World::new("swap", LOADED, "0").await;
    let mut answers = Answers::follow(&world);
    let mut scorer = world.scorer("scorer-0", &[]);
    answers.read_until(LOADED).await;
    let publishing =
        tokio::spawn(Arc::clone(&world).publish("swapped", listings, Duration::from_secs(4)));
    answers.read_until(LOADED + listings / 4).await;
    promote_again(&world).await;
    publishing.await.unwrap();
    answers.assert_exactly_once(LOADED + listings).await;
    scorer.logged("v2").await;
    for (partition, versions) in &answers.versions {
        assert_eq!(versions, &["v1", "v2"], "partition {partition}");
    }
}

/// Registers and promotes the champion's artifact as a version of its own.
async fn promote_again(world: &World) {
    let publisher = Publisher::new(&world.broker, Progress::new()).unwrap();
    let records = everything(&world.broker, &world.topics.models()).await;
    let events = records.iter().map(|record| {
        let payload = record.payload.as_deref().unwrap();
        world.codec.decode_registry_event(payload).unwrap()
    });
    let again = |event: RegistryEvent| RegistryEvent { version: "v2".into(), ..event };
    let wanted = [RegistryAction::Registered, RegistryAction::Promoted];
    let batch = events.map(again).filter(|event| wanted.contains(&event.action)).map(|event| {
        let payload = world.codec.encode_registry_event(&event).unwrap();
        Outgoing::new(world.topics.models(), event.model.as_str(), payload)
    });
    publisher.publish(batch.collect()).await.unwrap();
}
