//! Nothing is lost and nothing overtakes, whoever ends when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use notifier::state::{GroupBy, Grouping, Inhibition, Matcher, Suppressor};
use notifier::{StartAt, Target};

use crate::support::*;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_notifier_that_is_killed_again_and_again_delivers_all_in_order() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (_file, secret) = secret_file(SECRET);
    receiver.set(Mood::Slow(Duration::from_millis(5)));
    let names: Vec<String> = (0..60).map(|number| format!("f{number}")).collect();
    for fires in [true, false, true] {
        let alerts: Vec<_> = names.iter().map(|name| ("drift", name.as_str(), fires)).collect();
        world.publish(&alerts).await;
    }
    let start = || world.start(config(&world.topics, vec![webhook("w", receiver.url(), &secret)]));
    for _ in 0..3 {
        let running = start();
        let before = receiver.taken().len();
        until("some", || receiver.taken().len() >= before + 20).await;
        running.kill().await;
    }
    let running = start();
    let states = || {
        let mut states: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (subject, state) in receiver.events() {
            states.entry(subject).or_default().push(state);
        }
        states
    };
    // Delivered again from where a commit was lost, so some of it twice; never out of order.
    until("all", || {
        let mut states = states();
        states.len() == 60
            && states.values_mut().all(|told| {
                told.dedup();
                told.len() >= 3 && told.last().is_some_and(|state| state == "firing")
            })
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_notifiers_share_the_partitions_and_take_over_what_fires() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (_file, secret) = secret_file(SECRET);
    let start = || world.start(config(&world.topics, vec![webhook("w", receiver.url(), &secret)]));
    let first = start();
    first.ready().await;
    let names: Vec<String> = (0..30).map(|number| format!("f{number}")).collect();
    let alerts: Vec<_> = names.iter().map(|name| ("drift", name.as_str(), true)).collect();
    world.publish(&alerts).await;
    until("all fire", || receiver.taken().len() == 30).await;
    until("known", || first.metric("homestream_notifier_firing_alerts", "w") == 30.0).await;
    let second = start();
    let firing = |running: &Running| running.metric("homestream_notifier_firing_alerts", "w");
    until("shared", || firing(&first) + firing(&second) == 30.0 && firing(&second) > 0.0).await;
    first.stop().await;
    until("taken over", || firing(&second) == 30.0).await;
    let alerts: Vec<_> = names.iter().map(|name| ("drift", name.as_str(), false)).collect();
    world.publish(&alerts).await;
    until("all end", || {
        let ended = receiver.events().into_iter().filter(|(_, state)| state == "resolved");
        counts(ended).len() == 30
    })
    .await;
    assert_eq!(firing(&second), 0.0);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_sink_begins_where_it_is_told_to() {
    let (world, early, late) =
        (World::new().await, Receiver::start().await, Receiver::start().await);
    let (_file, secret) = secret_file(SECRET);
    world.publish(&[("drift", "old", true)]).await;
    let mut latest = config(&world.topics, vec![webhook("late", late.url(), &secret)]);
    latest.start_at = StartAt::Latest;
    let running = world.start(latest);
    let other = world.start(config(&world.topics, vec![webhook("early", early.url(), &secret)]));
    running.ready().await;
    world.publish(&[("drift", "new", true)]).await;
    until("both", || early.taken().len() == 2 && late.taken().len() == 1).await;
    running.stop().await;
    other.stop().await;
    assert_eq!(late.events()[0].0, "new");
    assert_eq!(early.events().len(), 2);
}

/// A dead source is told, the drift that it causes is not, until the source is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_source_inhibits_over_partitions_and_restarts() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (_file, secret) = secret_file(SECRET);
    let matcher = |text: &str| vec![Matcher::parse(text).unwrap()];
    let inhibitions = vec![Inhibition {
        source: matcher("rule=silence"),
        target: matcher("rule=~\".*_drift\""),
        equal: vec!["source".into()],
    }];
    let grouping =
        Grouping { by: GroupBy::Labels(vec!["alertname".into()]), wait_ms: 100, ..at_once() };
    let target = Target::Webhook { url: receiver.url(), secret, batch: false, grouping };
    let start = || {
        let mut config = config(&world.topics, vec![sink("w", target.clone())]);
        config.suppressor = Suppressor { silences: Vec::new(), inhibitions: inhibitions.clone() };
        world.start(config)
    };
    let running = start();
    running.ready().await;
    world.publish(&[("silence", "listings", true)]).await;
    until("the cause", || receiver.taken().len() == 1).await;
    world.publish(&[("feature_drift", "wall", true), ("feature_drift", "roof", true)]).await;
    until("two effects", || running.metric("homestream_notifier_suppressed_total", "w") == 2.0)
        .await;
    running.stop().await;
    // The state is folded from the topic again.
    let running = start();
    running.ready().await;
    world.publish(&[("accuracy", "mdape", true)]).await;
    until("another rule", || receiver.taken().len() == 2).await;
    world.publish(&[("silence", "listings", false)]).await;
    until("the end, then the effects", || receiver.taken().len() == 5).await;
    running.stop().await;
    let told: Vec<String> = receiver.events().into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(told[..3], ["listings", "mdape", "listings"]);
    assert_eq!(counts(told[3..].iter().map(|s| s.as_str())), counts(["roof", "wall"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_are_sent_once_and_failures_told() {
    let (world, well, ill) = (World::new().await, Receiver::start().await, Receiver::start().await);
    let (_file, secret) = secret_file(SECRET);
    ill.set(Mood::Answers(503, None));
    let target = Target::Alertmanager {
        urls: vec![format!("http://{}", well.address)],
        resend: Duration::from_secs(60),
        generator_url: None,
    };
    let sinks = vec![
        webhook("ill", ill.url(), &secret),
        sink("am", target),
        webhook("w", well.url(), &secret),
    ];
    let metrics = notifier::NotifierMetrics::register(&prometheus::Registry::new()).unwrap();
    let rules = ["drift".to_owned(), "some_new_rule".to_owned()];
    let config = Arc::new(config(&world.topics, sinks));
    let outcomes = notifier::test_sinks(&config, &metrics, &rules).await.unwrap();
    assert_eq!(outcomes.len(), 3 * 2 * 2);
    for outcome in &outcomes {
        let failure = outcome.failure.as_deref().unwrap_or_default();
        assert_eq!(failure.contains("HTTP 503"), outcome.sink == "ill", "{outcome:?}");
    }
    assert_eq!((ill.received().len(), well.taken().len()), (4, 8));
}
