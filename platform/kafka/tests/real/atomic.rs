//! Batches that are published whole or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use platform_kafka::{
    AtomicPublisher, Broker, BrokerConfig, Follower, Outgoing, TopicSpec, await_stable,
    create_topics,
};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::harness::{broker, topic, unique};
use crate::support::{number, numbered, until_caught_up, within};
use crate::transactions::{End, TIMEOUT, transaction};

/// A topic's records, once every partition knows how its transactions have ended: it is told
/// so a moment after the publisher.
async fn settled(broker: &BrokerConfig, topic: &str) -> Vec<usize> {
    await_stable(broker, topic, TIMEOUT).await.unwrap();
    visible(broker, topic).await
}

/// The numbers that readers of committed records see, in ascending order.
async fn visible(broker: &BrokerConfig, topic: &str) -> Vec<usize> {
    let mut follower = Follower::start(broker, "tests", &[topic]).unwrap();
    let mut numbers: Vec<usize> = until_caught_up(&mut follower).await.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// A topic whose records are short.
async fn narrow_topic(broker: &BrokerConfig) -> String {
    let spec = TopicSpec {
        name: unique("narrow"),
        partitions: 1,
        replication: -1,
        settings: BTreeMap::from([("max.message.bytes".to_owned(), "2000".to_owned())]),
    };
    create_topics(&Broker::Remote(broker.clone()), std::slice::from_ref(&spec)).await.unwrap();
    spec.name
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_batch_is_visible_whole_in_every_topic() {
    let config = broker();
    let (one, other) = (topic(&config, "whole", 3).await, topic(&config, "whole", 1).await);
    let publisher = AtomicPublisher::open(&config, &unique("atomic")).await.unwrap();
    let batch = [numbered(&one, 0, 1_000), numbered(&other, 0, 10)].concat();
    within("a batch", publisher.publish(&batch)).await.unwrap();
    assert_eq!(settled(&config, &one).await, (0..1_000).collect::<Vec<_>>());
    assert_eq!(settled(&config, &other).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_fails_half_way_is_invisible_and_the_next_one_is_not() {
    let config = broker();
    let (wide, narrow) = (topic(&config, "wide", 3).await, narrow_topic(&config).await);
    let publisher = AtomicPublisher::open(&config, &unique("atomic")).await.unwrap();
    let mut batch = numbered(&wide, 0, 100);
    batch.push(Outgoing::new(Arc::from(narrow.as_str()), "long", "x".repeat(4_000)));
    batch.extend(numbered(&wide, 100, 100));
    let error = within("a batch", publisher.publish(&batch)).await.unwrap_err();
    assert_eq!(error.code(), "transaction");
    assert!(error.to_string().contains(&narrow), "{error}");
    assert_eq!(settled(&config, &wide).await, [0; 0]);

    within("a batch", publisher.publish(&numbered(&wide, 200, 3))).await.unwrap();
    assert_eq!(settled(&config, &wide).await, [200, 201, 202]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_publisher_of_an_id_fences_the_earlier() {
    let config = broker();
    let name = topic(&config, "fenced", 1).await;
    let id = unique("atomic");
    let earlier = AtomicPublisher::open(&config, &id).await.unwrap();
    within("a batch", earlier.publish(&numbered(&name, 0, 2))).await.unwrap();
    let later = AtomicPublisher::open(&config, &id).await.unwrap();
    let error = within("a batch", earlier.publish(&numbered(&name, 10, 2))).await.unwrap_err();
    assert_eq!(error.code(), "fenced", "{error}");
    within("a batch", later.publish(&numbered(&name, 2, 2))).await.unwrap();
    assert_eq!(settled(&config, &name).await, [0, 1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_stable_once_what_was_open_has_ended() {
    let config = broker();
    let name = topic(&config, "stable", 2).await;
    transaction(&config, &name, 1, 0..1, End::Commit).await;
    await_stable(&config, &name, Duration::ZERO).await.unwrap();

    let brokers = config.bootstrap_servers.clone();
    let written = name.clone();
    let open = move || {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("transactional.id", unique("open"))
            .create()
            .unwrap();
        producer.init_transactions(TIMEOUT).unwrap();
        producer.begin_transaction().unwrap();
        let record: BaseRecord<'_, str, str> = BaseRecord::to(&written).partition(0).payload("1");
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(TIMEOUT).unwrap();
        producer
    };
    let producer = tokio::task::spawn_blocking(open).await.unwrap();
    // Committed, and hidden by what is open before it.
    transaction(&config, &name, 0, 2..3, End::Commit).await;
    assert_eq!(visible(&config, &name).await, [0]);
    let began = Instant::now();
    let error = await_stable(&config, &name, Duration::from_secs(1)).await.unwrap_err();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(error.to_string().contains("a transaction has been open"), "{error}");

    let ended =
        async { tokio::task::spawn_blocking(move || producer.commit_transaction(TIMEOUT)).await };
    let (stable, ended) = tokio::join!(await_stable(&config, &name, TIMEOUT), ended);
    ended.unwrap().unwrap();
    stable.unwrap();
    assert_eq!(visible(&config, &name).await, [0, 1, 2]);
}
