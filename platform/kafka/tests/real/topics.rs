//! Creating topics, and questions about them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use platform_kafka::{
    Broker, BrokerConfig, Header, Outgoing, Progress, Publisher, TopicPartition, TopicSpec,
    TopicStatus, check_connection, create_topics, describe_topics, end_offsets,
};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};

use crate::harness::{broker, topic, unique};
use crate::support::{next_batch, within};

/// What the broker says of a topic's settings.
async fn settings_of(broker: &BrokerConfig, topic: &str) -> BTreeMap<String, String> {
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", &broker.bootstrap_servers).create().unwrap();
    let asked = [ResourceSpecifier::Topic(topic)];
    let described = admin.describe_configs(&asked, &AdminOptions::new()).await.unwrap();
    let described = described.into_iter().next().unwrap().unwrap();
    let entries = described.entries.into_iter();
    entries.filter_map(|entry| Some((entry.name, entry.value?))).collect()
}

#[tokio::test]
async fn a_topic_is_created_as_specified_and_only_once() {
    let config = broker();
    let name = unique("settings");
    let spec = TopicSpec {
        name: name.clone(),
        partitions: 5,
        replication: -1,
        settings: BTreeMap::from([
            ("cleanup.policy".to_owned(), "compact,delete".to_owned()),
            ("retention.ms".to_owned(), "-1".to_owned()),
        ]),
    };
    let remote = Broker::Remote(config.clone());
    for expected in [TopicStatus::Created, TopicStatus::Existing] {
        let outcomes = create_topics(&remote, std::slice::from_ref(&spec)).await.unwrap();
        assert_eq!((outcomes[0].name.as_str(), outcomes[0].status), (name.as_str(), expected));
    }
    let settings = settings_of(&config, &name).await;
    assert_eq!(settings["cleanup.policy"], "compact,delete");
    assert_eq!(settings["retention.ms"], "-1");
    assert_eq!(end_offsets(&config, &[&name]).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_setting_that_no_broker_knows_is_refused() {
    let name = unique("refused");
    let spec = TopicSpec {
        name: name.clone(),
        partitions: 1,
        replication: -1,
        settings: BTreeMap::from([("retention.millis".to_owned(), "1".to_owned())]),
    };
    let error = create_topics(&Broker::Remote(broker()), &[spec]).await.unwrap_err();
    assert_eq!(error.code(), "topic");
    assert!(error.to_string().contains(&name), "{error}");
}

#[tokio::test]
async fn topics_are_described_in_the_order_asked_and_none_is_created() {
    let config = broker();
    let spec = |partitions, retention_ms: &str| TopicSpec {
        name: unique("described"),
        partitions,
        replication: -1,
        settings: BTreeMap::from([("retention.ms".to_owned(), retention_ms.to_owned())]),
    };
    let specs: Vec<TopicSpec> = (1..=4).rev().map(|n| spec(n, &n.to_string())).collect();
    create_topics(&Broker::Remote(config.clone()), &specs).await.unwrap();
    let absent = unique("absent");
    let mut asked: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    asked.insert(2, &absent);
    for _ in 0..2 {
        let described = within("topics", describe_topics(&config, &asked)).await.unwrap();
        let names: Vec<&str> = described.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(names, specs.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>());
        for (topic, spec) in described.iter().zip(&specs) {
            assert_eq!(topic.partitions, spec.partitions);
            assert_eq!(topic.settings["retention.ms"], spec.settings["retention.ms"]);
            // Those that nobody has set are told, too.
            assert_eq!(topic.settings["cleanup.policy"], "delete");
            assert!(topic.replication >= 1);
        }
    }
    assert_eq!(describe_topics(&config, &[&absent]).await.unwrap(), []);
    assert_eq!(describe_topics(&config, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_record_arrives_as_it_was_sent() {
    let config = broker();
    let name = topic(&config, "records", 1).await;
    let publisher = Publisher::new(&config, Progress::new()).unwrap();
    let mut sent = Outgoing::new(name.as_str().into(), "home-1", "payload");
    sent.timestamp_ms = Some(836_179_200_000);
    sent.headers =
        vec![Header::text("traceparent", "00-1"), Header { name: "n".into(), value: None }];
    let mut tombstone = Outgoing::new(name.as_str().into(), "home-1", "");
    tombstone.payload = None;
    let delivered = within("publish", publisher.publish(vec![sent, tombstone])).await.unwrap();
    assert_eq!(delivered.iter().map(|delivered| delivered.offset).collect::<Vec<_>>(), [0, 1]);

    let group = platform_kafka::GroupConfig::new(unique("group"), &[&name]);
    let mut member = platform_kafka::GroupConsumer::start(&config, group).unwrap();
    let mut read = Vec::new();
    while read.len() < 2 {
        read.extend(next_batch(&mut member).await);
    }
    assert_eq!(read[0].key.as_deref(), Some(b"home-1".as_slice()));
    assert_eq!(read[0].payload.as_deref(), Some(b"payload".as_slice()));
    assert_eq!(read[0].timestamp_ms, Some(836_179_200_000));
    assert_eq!(read[0].header("traceparent"), Some(b"00-1".as_slice()));
    assert_eq!((read[0].headers.len(), read[0].headers[1].value.as_deref()), (2, None));
    assert_eq!(read[1].payload, None);
    let ends = end_offsets(&config, &[&name]).await.unwrap();
    assert_eq!(ends[&TopicPartition::new(name.as_str(), 0)].high, 2);
}

#[tokio::test]
async fn a_broker_that_answers_is_told_from_one_that_does_not() {
    check_connection(&broker(), Duration::from_secs(10)).await.unwrap();

    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let absent = BrokerConfig::remote(format!("127.0.0.1:{port}"));
    let began = Instant::now();
    let error = check_connection(&absent, Duration::from_secs(10)).await.unwrap_err();
    assert_eq!(error.code(), "unreachable");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "told at once");

    // One server of two is enough.
    let mut either = broker();
    either.bootstrap_servers = format!("127.0.0.1:{port},{}", either.bootstrap_servers);
    check_connection(&either, Duration::from_secs(10)).await.unwrap();
}
