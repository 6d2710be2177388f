//! Records against the embedded broker: what goes in comes out, followers catch
//! up, a hop is quick, and what cannot be done is said clearly.

// The lints exempt test functions but not the helpers of an integration test.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use platform_kafka::{
    Broker, BrokerConfig, Follower, FollowerEvent, Header, OffsetRange, Outgoing, Progress,
    PublishError, Publisher, TopicPartition, TopicStatus, check_connection, create_topics,
    end_offsets, topic_record_counts,
};
use support::{broker_with, next_records, number, numbered, spec, until_caught_up, within};

#[tokio::test]
async fn everything_of_a_record_survives_the_round_trip() {
    let broker = broker_with(&[("homes", 1)]).await;
    let publisher = Publisher::new(&broker.config(), Progress::new()).unwrap();
    let topic: Arc<str> = "homes".into();
    let sent = vec![
        Outgoing {
            topic: Arc::clone(&topic),
            key: Some("Straße 1".into()),
            payload: Some(vec![0, 255, 0xC3, 0x01]),
            headers: vec![
                Header::text("traceparent", "00-1-2-01"),
                Header { name: "null".into(), value: None },
                Header { name: "empty".into(), value: Some(Vec::new()) },
                Header::text("traceparent", "second"),
            ],
            timestamp_ms: Some(725_846_400_000),
        },
        Outgoing {
            topic: Arc::clone(&topic),
            key: Some(Vec::new()),
            payload: None,
            headers: Vec::new(),
            timestamp_ms: Some(1),
        },
        Outgoing {
            topic: Arc::clone(&topic),
            key: None,
            payload: Some(Vec::new()),
            headers: Vec::new(),
            timestamp_ms: Some(2),
        },
        Outgoing {
            topic: Arc::clone(&topic),
            key: Some(b"large".to_vec()),
            payload: Some((0..1_000_000_u32).map(|i| (i % 251) as u8).collect()),
            headers: vec![Header::text("message", "x".repeat(20_000))],
            timestamp_ms: Some(3),
        },
    ];
    let delivered = within("publish", publisher.publish(sent.clone())).await.unwrap();
    assert_eq!(delivered.iter().map(|d| d.offset).collect::<Vec<_>>(), [0, 1, 2, 3]);

    let mut follower = Follower::start(&broker.config(), "test", &["homes"]).unwrap();
    let read = until_caught_up(&mut follower).await;
    assert_eq!(read.len(), sent.len());
    for (record, sent) in read.iter().zip(&sent) {
        assert_eq!((record.key.as_deref(), record.partition), (sent.key.as_deref(), 0));
        assert!(record.payload == sent.payload, "payload of offset {}", record.offset);
        assert_eq!(record.headers, sent.headers);
        assert_eq!(record.timestamp_ms, sent.timestamp_ms);
    }
    within("close", follower.close(Duration::from_secs(10))).await.unwrap();
}

#[tokio::test]
async fn a_record_without_time_is_dated_now_and_one_before_the_epoch_at_its_start() {
    let broker = broker_with(&[("homes", 1)]).await;
    let publisher = Publisher::new(&broker.config(), Progress::new()).unwrap();
    let mut sent = numbered("homes", 0, 2);
    sent[1].timestamp_ms = Some(-5);
    within("publish", publisher.publish(sent)).await.unwrap();
    let mut follower = Follower::start(&broker.config(), "test", &["homes"]).unwrap();
    let read = until_caught_up(&mut follower).await;
    assert!(read[0].timestamp_ms.unwrap() > 1_600_000_000_000);
    assert_eq!(read[1].timestamp_ms, Some(1));
}

#[tokio::test]
async fn records_that_cannot_be_sent_are_refused_before_anything_is() {
    let broker = broker_with(&[("homes", 1)]).await;
    let publisher = Publisher::new(&broker.config(), Progress::new()).unwrap();
    let mut batch = numbered("homes", 0, 2);
    batch[1].payload = Some(vec![0; 2_000_000]);
    let error = publisher.publish(batch).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "record 1 for topic `homes` has 2000001 bytes; at most 2000000 can be sent"
    );
    let mut batch = numbered("homes", 0, 1);
    batch[0].headers = vec![Header::text("a\0b", "")];
    assert!(matches!(publisher.publish(batch).await, Err(PublishError::Invalid { index: 0, .. })));
    let counts = topic_record_counts(&broker.config(), &["homes"]).await.unwrap();
    assert_eq!(counts["homes"], 0);
}

#[tokio::test]
async fn a_batch_larger_than_the_send_queue_waits_and_stays_in_order() {
    let broker = broker_with(&[("homes", 1)]).await;
    let mut config = broker.config();
    config.properties.insert("queue.buffering.max.messages".into(), "100".into());
    let publisher = Publisher::new(&config, Progress::new()).unwrap();
    let delivered =
        within("publish", publisher.publish(numbered("homes", 0, 5_000))).await.unwrap();
    assert!(delivered.iter().enumerate().all(|(index, d)| d.offset == index as i64));
    within("flush", publisher.flush(Duration::from_secs(10))).await.unwrap();
}

#[tokio::test]
async fn a_follower_catches_up_with_every_partition_and_goes_on() {
    let broker = broker_with(&[("sales", 3), ("models", 1), ("empty", 2)]).await;
    let publisher = Publisher::new(&broker.config(), Progress::new()).unwrap();
    within("publish", publisher.publish(numbered("sales", 0, 1_000))).await.unwrap();
    within("publish", publisher.publish(numbered("models", 0, 3))).await.unwrap();

    let topics = ["sales", "models", "empty"];
    let mut follower = Follower::start(&broker.config(), "scorer", &topics).unwrap();
    let read = until_caught_up(&mut follower).await;
    let of = |name: &str| {
        let mut numbers: Vec<usize> =
            read.iter().filter(|r| r.topic.as_ref() == name).map(number).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(of("sales"), (0..1_000).collect::<Vec<_>>());
    assert_eq!(of("models"), [0, 1, 2]);
    for partition in 0..3 {
        let offsets: Vec<i64> = read
            .iter()
            .filter(|r| r.topic.as_ref() == "sales" && r.partition == partition)
            .map(|r| r.offset)
            .collect();
        assert!(offsets.iter().enumerate().all(|(index, &offset)| offset == index as i64));
    }

    within("publish", publisher.publish(numbered("models", 3, 1))).await.unwrap();
    match within("a new record", follower.next()).await {
        Some(FollowerEvent::Records(records)) => {
            assert_eq!(records.iter().map(number).collect::<Vec<_>>(), [3]);
        }
        other => panic!("CaughtUp comes once; got {other:?}"),
    }
    within("close", follower.close(Duration::from_secs(10))).await.unwrap();
}

#[tokio::test]
async fn following_a_topic_that_does_not_exist_fails_naming_it() {
    let broker = broker_with(&[("sales", 1)]).await;
    let mut follower = Follower::start(&broker.config(), "scorer", &["absent"]).unwrap();
    match within("a failure", follower.next()).await {
        Some(FollowerEvent::Failed(error)) => {
            let servers = broker.config().bootstrap_servers;
            assert_eq!(error.to_string(), format!("topic `absent` does not exist at {servers}"));
        }
        other => panic!("expected a failure, got {other:?}"),
    }
    assert!(within("the end", follower.next()).await.is_none());
}

#[tokio::test]
async fn following_nothing_is_refused() {
    let broker = broker_with(&[]).await;
    let error = Follower::start(&broker.config(), "scorer", &[]).unwrap_err();
    assert_eq!(error.to_string(), "Kafka setting `topics`: names no topic to follow");
}

/// Prints how long listing → price → reader takes: two publishes and two follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_trip_is_quick() {
    const ROUNDS: usize = 200;
    let broker = broker_with(&[("listings", 1), ("prices", 1)]).await;
    let config = broker.config();
    let publisher = Publisher::new(&config, Progress::new()).unwrap();
    let mut listings = Follower::start(&config, "scorer", &["listings"]).unwrap();
    let mut prices = Follower::start(&config, "user", &["prices"]).unwrap();
    let scorer = tokio::spawn({
        let publisher = publisher.clone();
        async move {
            for _ in 0..=ROUNDS {
                let records = next_records(&mut listings).await;
                let price = numbered("prices", number(&records[0]), 1);
                publisher.publish(price).await.unwrap();
            }
        }
    });
    let mut micros = Vec::new();
    for round in 0..=ROUNDS {
        let start = Instant::now();
        within("publish", publisher.publish(numbered("listings", round, 1))).await.unwrap();
        let read = next_records(&mut prices).await;
        assert_eq!(number(&read[0]), round);
        micros.push(start.elapsed().as_micros());
    }
    within("the scorer", scorer).await.unwrap();
    // The first round connects.
    micros.remove(0);
    micros.sort_unstable();
    let at = |share: usize| micros[(micros.len() - 1) * share / 100] as f64 / 1_000.0;
    eprintln!(
        "publish, follow, publish, follow on the embedded broker: median {:.1} ms, p95 {:.1} ms, \
         max {:.1} ms",
        at(50),
        at(95),
        at(100)
    );
    assert!(at(50) < 50.0, "median {:.1} ms", at(50));
}

#[tokio::test]
async fn a_missing_broker_is_one_clear_error() {
    // A port that was just free: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = BrokerConfig::remote(free.to_string());
    let start = Instant::now();
    let error = check_connection(&config, Duration::from_secs(5)).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(error.code(), "unreachable");
    let shown = error.to_string();
    assert!(
        shown
            .starts_with(&format!("no Kafka broker answers at {free}: {free}: Connection refused")),
        "{shown}"
    );
}

#[tokio::test]
async fn a_listener_that_is_no_broker_is_an_error_within_the_timeout() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = BrokerConfig::remote(listener.local_addr().unwrap().to_string());
    let start = Instant::now();
    let error = check_connection(&config, Duration::from_secs(1)).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(error.code(), "unreachable");
    assert!(error.to_string().contains(&config.bootstrap_servers), "{error}");
}

#[tokio::test]
async fn a_broker_that_answers_is_found() {
    let broker = broker_with(&[]).await;
    within("check", check_connection(&broker.config(), Duration::from_secs(5))).await.unwrap();
}

#[tokio::test]
async fn existing_topics_are_reported_and_left_alone() {
    let broker = Broker::Embedded(broker_with(&[("sales", 2)]).await);
    let outcomes = create_topics(&broker, &[spec("sales", 5), spec("new", 3)]).await.unwrap();
    assert_eq!(outcomes[0].status, TopicStatus::Existing);
    assert_eq!(outcomes[1].status, TopicStatus::Created);
    let ranges = end_offsets(&broker.config(), &["sales", "new"]).await.unwrap();
    assert_eq!(ranges.len(), 2 + 3);
    let range = ranges[&TopicPartition::new("sales", 1)];
    assert_eq!(range, OffsetRange { low: 0, high: 0 });
    let error = end_offsets(&broker.config(), &["absent"]).await.unwrap_err();
    assert_eq!(error.code(), "unknown_topic");
}

#[tokio::test]
async fn an_unknown_property_is_an_error_naming_it() {
    let broker = broker_with(&[]).await;
    let mut config = broker.config();
    config.properties.insert("securty.protocol".into(), "ssl".into());
    let error = Publisher::new(&config, Progress::new()).unwrap_err();
    assert_eq!(error.code(), "setting");
    assert!(error.to_string().contains("`securty.protocol`"), "{error}");
}
