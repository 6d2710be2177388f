//! Another champion in the middle of the work.

use std::sync::Arc;
use std::time::Duration;

use model_core::registry::{RegistryAction, RegistryEvent};
use platform_kafka::{Broker, Outgoing, Progress, Publisher, Record, TopicSpec, create_topics};

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

/// The brokers themselves say when each price was written, at full load: whoever reads here is
/// slower than the scorer.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_at_full_load_makes_no_pause() {
    let listings = 2 * number("HOMESTREAM_TEST_LISTINGS", 20_000) as usize;
    let world = World::empty("pause");
    let prices = TopicSpec {
        name: world.topics.prices().to_string(),
        partitions: 6,
        replication: world.replicas() as i32,
        settings: [("message.timestamp.type".to_owned(), "LogAppendTime".to_owned())].into(),
    };
    create_topics(&Broker::Remote(world.broker.clone()), &[prices]).await.unwrap();
    let world = world.filled(listings, "0").await;
    let mut answers = Answers::follow(&world);
    let mut scorer = world.scorer("scorer-0", &[("DELIVERY", "at_least_once")]);
    answers.read_until(1).await;
    promote_again(&world).await;
    scorer.logged("version=\"v2\"").await;
    answers.read_until(listings).await;

    let prices = everything(&world.broker, &world.topics.prices()).await;
    let version = |price: &Record| {
        let price = world.codec.decode_price(price.payload.as_deref().unwrap()).unwrap();
        price.estimate.model.unwrap().version
    };
    let mut written: Vec<(i64, String)> =
        prices.iter().map(|price| (price.timestamp_ms.unwrap(), version(price))).collect();
    written.sort();
    let swapped = written.iter().position(|(_, version)| version == "v2").unwrap();
    assert!(swapped > 0 && swapped < listings, "the swap came at {swapped} of {listings}");
    let longest = |prices: &[(i64, String)]| {
        prices.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap_or_default()
    };
    let (before, across) = (longest(&written[..swapped]), longest(&written[swapped - 1..]));
    println!(
        "longest pause: {before} ms until the swap after {swapped} of {listings} prices, \
         {across} ms from it on"
    );
    // The figure counts on a quiet machine; CI is none.
    assert!(across < 1_000, "no price for {across} ms around the swap");
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
