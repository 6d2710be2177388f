//! An embedded broker with the topics.

use std::collections::BTreeMap;

use notifier::NotifierConfig;
use platform_kafka::{
    Broker, BrokerConfig, EmbeddedBroker, Follower, FollowerEvent, Outgoing, Record, TopicSpec,
    create_topics,
};
use schemas::TopicNames;

use crate::support::{Running, alert, outgoing, publish, within};

pub(crate) const PARTITIONS: i32 = 3;

pub(crate) struct World {
    broker: EmbeddedBroker,
    pub(crate) topics: TopicNames,
}

impl World {
    pub(crate) async fn new() -> Self {
        let broker = EmbeddedBroker::start().unwrap();
        let topics = TopicNames::new("homes.").unwrap();
        let spec = |name: std::sync::Arc<str>| TopicSpec {
            name: name.to_string(),
            partitions: PARTITIONS,
            replication: 1,
            settings: BTreeMap::new(),
        };
        let specs = [spec(topics.alerts()), spec(topics.alert_dead_letters())];
        create_topics(&Broker::Embedded(broker.clone()), &specs).await.unwrap();
        Self { broker, topics }
    }

    pub(crate) fn broker(&self) -> BrokerConfig {
        self.broker.config()
    }

    pub(crate) fn start(&self, config: NotifierConfig) -> Running {
        Running::start(&self.broker(), config)
    }

    pub(crate) async fn publish(&self, alerts: &[(&str, &str, bool)]) {
        let records = alerts
            .iter()
            .map(|(rule, subject, fires)| outgoing(&self.topics, &alert(rule, subject, *fires)))
            .collect();
        publish(&self.broker(), records).await;
    }

    pub(crate) async fn publish_raw(&self, key: &str, payload: &str) {
        publish(&self.broker(), vec![Outgoing::new(self.topics.alerts(), key, payload)]).await;
    }

    /// Everything on the dead-letter topic.
    pub(crate) async fn dead_letters(&self) -> Vec<Record> {
        let topic = self.topics.alert_dead_letters();
        let mut follower = Follower::start(&self.broker(), "reader", &[&*topic]).unwrap();
        let mut read = Vec::new();
        loop {
            match within("dead letters", follower.next()).await {
                Some(FollowerEvent::Records(records)) => read.extend(records),
                Some(FollowerEvent::CaughtUp) => return read,
                other => panic!("expected records, got {other:?}"),
            }
        }
    }
}
