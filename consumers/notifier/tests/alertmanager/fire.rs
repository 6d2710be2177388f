//! Nothing is lost, whoever is restarted.

use std::collections::BTreeSet;
use std::time::Duration;

use notifier::Target;
use platform_kafka::{Broker, BrokerConfig, TopicSpec, create_topics};
use schemas::TopicNames;
use serde_json::Value;

use crate::harness::{broker, unique};
use crate::server::Alertmanager;
use crate::support::*;

const ALERTS: usize = 240;
/// Every third alert goes on firing.
const STAYS: usize = 3;

pub(crate) async fn topics(broker: &BrokerConfig, name: &str) -> TopicNames {
    let topics = TopicNames::new(&format!("{}.", unique(name))).unwrap();
    let spec = |name: std::sync::Arc<str>| TopicSpec {
        name: name.to_string(),
        partitions: 3,
        replication: -1,
        // The alerts are of 1996: by age they would be deleted at once.
        settings: [("retention.ms".to_owned(), "-1".to_owned())].into(),
    };
    let specs = [spec(topics.alerts()), spec(topics.alert_dead_letters())];
    create_topics(&Broker::Remote(broker.clone()), &specs).await.unwrap();
    topics
}

pub(crate) fn alertmanager(name: &str, url: &str) -> notifier::SinkConfig {
    let target = Target::Alertmanager {
        urls: vec![url.to_owned()],
        resend: Duration::from_millis(2_000),
        generator_url: None,
    };
    sink(name, target)
}

/// Subject and state of every alert that an Alertmanager has told a receiver.
fn told(receiver: &Receiver) -> BTreeSet<(String, String)> {
    let mut told = BTreeSet::new();
    for request in receiver.taken() {
        let message: Value = serde_json::from_str(&request.body).unwrap();
        for alert in message["alerts"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            told.insert((text(&alert["labels"]["subject"]), text(&alert["status"])));
        }
    }
    told
}

fn with_state(numbers: impl Iterator<Item = usize>, state: &str) -> BTreeSet<(String, String)> {
    numbers.map(|number| (format!("f{number:03}"), state.to_owned())).collect()
}

async fn fire(broker: &BrokerConfig, topics: &TopicNames, numbers: &[usize], fires: bool) {
    for ten in numbers.chunks(10) {
        let records = ten
            .iter()
            .map(|number| outgoing(topics, &alert("drift", &format!("f{number:03}"), fires)))
            .collect();
        publish(broker, records).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanager_and_webhook_restarted_under_fire_lose_nothing() {
    let broker = broker();
    let topics = topics(&broker, "fire").await;
    let behind = Receiver::start().await;
    let alertmanager_server = Alertmanager::start(&behind.url());
    let (mut hook, stuck) = (Receiver::start().await, Receiver::start().await);
    stuck.set(Mood::Hangs);
    let (_file, secret) = secret_file(SECRET);
    let mut hanging = webhook("stuck", stuck.url(), &secret);
    hanging.timeout = Duration::from_secs(60);
    let sinks = vec![
        alertmanager("am", &alertmanager_server.url),
        webhook("hook", hook.url(), &secret),
        hanging,
    ];
    let start = || Running::start(&broker, config(&topics, sinks.clone()));
    let running = start();
    running.ready().await;

    let all: Vec<usize> = (0..ALERTS).collect();
    let ending: Vec<usize> = all.iter().copied().filter(|number| number % STAYS != 0).collect();

    // While alerts begin, Alertmanager dies with all that it holds, the notifier, too.
    let firing = tokio::spawn({
        let (broker, topics, all) = (broker.clone(), topics.clone(), all.clone());
        async move { fire(&broker, &topics, &all, true).await }
    });
    let mut running = Some(running);
    for round in 0..3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        hook.end().await;
        alertmanager_server.again("kill");
        hook.begin().await;
        if round == 1 {
            running.take().unwrap().kill().await;
            running = Some(start());
        }
    }
    within("firing", firing).await.unwrap();
    let fired = with_state(all.iter().copied(), "firing");
    until("all told by Alertmanager", || told(&behind).is_superset(&fired)).await;
    let hooked = || BTreeSet::from_iter(hook.events());
    until("all told to the webhook", || hooked().is_superset(&fired)).await;

    // While they end, it is restarted as by a service manager.
    let ended = tokio::spawn({
        let (broker, topics, ending) = (broker.clone(), topics.clone(), ending.clone());
        async move { fire(&broker, &topics, &ending, false).await }
    });
    let mut restarts = 0;
    while !ended.is_finished() && restarts < 3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        hook.end().await;
        alertmanager_server.again("stop");
        hook.begin().await;
        restarts += 1;
    }
    assert!(restarts >= 2, "restarted under fire");
    within("ending", ended).await.unwrap();
    let resolved = with_state(ending.iter().copied(), "resolved");
    until("all ends told by Alertmanager", || told(&behind).is_superset(&resolved)).await;
    let hooked = || BTreeSet::from_iter(hook.events());
    until("all ends told to the webhook", || hooked().is_superset(&resolved)).await;

    // What goes on firing is what Alertmanager holds, and nothing else.
    let held: BTreeSet<String> = alertmanager_server
        .firing()
        .await
        .iter()
        .map(|alert| alert["labels"]["subject"].as_str().unwrap().to_owned())
        .collect();
    let staying = all.iter().filter(|number| *number % STAYS == 0);
    assert_eq!(held, staying.map(|number| format!("f{number:03}")).collect());
    assert!(hook.taken().iter().all(|request| request.is_signed_with(SECRET)));
    // In order: nobody was told that an alert ended, and then again that it fires.
    let mut last = std::collections::BTreeMap::new();
    last.extend(hook.events());
    for number in &ending {
        assert_eq!(last[&format!("f{number:03}")], "resolved");
    }
    // Whoever hangs has delayed nobody, and will get all of it.
    assert!(stuck.taken().is_empty());
    running.unwrap().stop().await;
    stuck.set(Mood::Well);
    let last =
        Running::start(&broker, config(&topics, vec![webhook("stuck", stuck.url(), &secret)]));
    let unstuck = || BTreeSet::from_iter(stuck.events());
    until("all told to who hung", || {
        unstuck().is_superset(&fired) && unstuck().is_superset(&resolved)
    })
    .await;
    last.stop().await;
    let (hooked, am) = (hook.taken().len(), behind.taken().len());
    eprintln!(
        "{ALERTS} alerts, {} ends: {hooked} webhook requests, {am} notifications by Alertmanager",
        ending.len()
    );
}
