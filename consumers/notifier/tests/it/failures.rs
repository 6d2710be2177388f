//! Receivers that fail: what is tried again, what is not, and who waits.

use std::time::Duration;

use notifier::Target;
use notifier::state::{GroupBy, Grouping};

use crate::support::*;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_again_under_the_same_id() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (_file, secret) = secret_file(SECRET);
    let running = world.start(config(&world.topics, vec![webhook("w", receiver.url(), &secret)]));
    running.ready().await;
    for (subject, status) in [("a", 500), ("b", 503), ("c", 408), ("d", 429)] {
        receiver.set(Mood::Recovers(status, 2));
        let before = receiver.taken().len();
        world.publish(&[("drift", subject, true)]).await;
        until(subject, || receiver.taken().len() > before).await;
    }
    assert_eq!(running.metric("homestream_notifier_failed_total", "w"), 8.0);
    until("counted", || running.metric("homestream_notifier_delivered_total", "w") == 4.0).await;
    running.stop().await;
    let ids = counts(receiver.received().iter().map(|r| r.header("webhook-id").to_owned()));
    assert_eq!(ids.values().copied().collect::<Vec<_>>(), [3, 3, 3, 3]);
    assert!(receiver.received().iter().all(|request| request.is_signed_with(SECRET)));
    assert!(world.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_not_asked_before_the_time_that_it_states() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (_file, secret) = secret_file(SECRET);
    receiver.set(Mood::Answers(429, Some(2)));
    let running = world.start(config(&world.topics, vec![webhook("w", receiver.url(), &secret)]));
    world.publish(&[("drift", "wall", true)]).await;
    until("the refusal", || receiver.received().len() == 1).await;
    receiver.set(Mood::Well);
    until("the delivery", || receiver.taken().len() == 1).await;
    running.stop().await;
    let received = receiver.received();
    let waited = received[1].at - received[0].at;
    assert!(waited >= Duration::from_secs(2), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_becomes_a_dead_letter_and_the_rest_goes_on() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (_file, secret) = secret_file(SECRET);
    receiver.set(Mood::Dislikes("\"roof\""));
    let running =
        world.start(config(&world.topics, vec![webhook("hook", receiver.url(), &secret)]));
    world
        .publish(&[("drift", "wall", true), ("drift", "roof", true), ("drift", "lot", true)])
        .await;
    until("the others", || receiver.taken().len() == 2).await;
    world.publish_raw("x", "no alert").await;
    until("both dead letters", || {
        running.metric("homestream_notifier_dead_letters_total", "hook") == 2.0
    })
    .await;
    running.stop().await;

    let letters = world.dead_letters().await;
    let of = |code: &str| {
        let found = letters.iter().find(|letter| {
            letter.header("__connect.errors.exception.class.name") == Some(code.as_bytes())
        });
        found.unwrap_or_else(|| panic!("no letter of {code}"))
    };
    let refused = of("refused");
    let roof = alert("drift", "roof", true);
    assert_eq!(refused.payload, Some(schemas::encode_alert(&roof).unwrap()), "as received");
    assert_eq!(refused.key, Some(roof.fingerprint().into_bytes()));
    assert_eq!(refused.header("content-type"), Some(schemas::ALERT_CONTENT_TYPE.as_bytes()));
    assert_eq!(refused.header("homestream.notifier.sink"), Some(&b"hook"[..]));
    let told = refused.header("__connect.errors.exception.message").unwrap();
    let told = String::from_utf8_lossy(told);
    assert!(told.contains("sink hook: HTTP 400 Bad Request: an answer"), "{told}");
    assert_eq!(refused.header("__connect.errors.stage"), Some(&b"deliver"[..]));
    assert_eq!(of("malformed").payload, Some(b"no alert".to_vec()));
    // What was refused is committed: a restart does not try it again.
    let before = receiver.received().len();
    let again = world.start(config(&world.topics, vec![webhook("hook", receiver.url(), &secret)]));
    again.ready().await;
    world.publish(&[("drift", "next", true)]).await;
    until("what is next", || receiver.events().iter().any(|(subject, _)| subject == "next")).await;
    again.stop().await;
    assert_eq!(receiver.received().len(), before + 1);
}

/// One alert that an Alertmanager refuses takes no other along.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_request_that_alertmanager_refuses_only_the_culprit_is_given_up() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    receiver.set(Mood::Dislikes("\"roof\""));
    world
        .publish(&[("drift", "wall", true), ("drift", "roof", true), ("drift", "lot", true)])
        .await;
    let target = Target::Alertmanager {
        urls: vec![format!("http://{}", receiver.address)],
        resend: Duration::from_secs(60),
        generator_url: None,
    };
    let running = world.start(config(&world.topics, vec![sink("am", target)]));
    until("the letter", || running.metric("homestream_notifier_dead_letters_total", "am") == 1.0)
        .await;
    let told = || receiver.taken().iter().map(|r| r.body.clone()).collect::<String>();
    until("the others", || ["\"wall\"", "\"lot\""].iter().all(|s| told().contains(s))).await;
    running.stop().await;
    assert_eq!(world.dead_letters().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_hangs_delays_no_other() {
    let world = World::new().await;
    let (stuck, well) = (Receiver::start().await, Receiver::start().await);
    let (_file, secret) = secret_file(SECRET);
    stuck.set(Mood::Hangs);
    let mut hanging = webhook("stuck", stuck.url(), &secret);
    hanging.timeout = Duration::from_secs(60);
    let running =
        world.start(config(&world.topics, vec![hanging, webhook("well", well.url(), &secret)]));
    running.ready().await;
    for number in 0..50 {
        world.publish(&[("drift", &format!("f{number}"), true)]).await;
    }
    until("all of the other's", || well.taken().len() == 50).await;
    assert_eq!((stuck.received().len(), stuck.taken().len()), (1, 0));
    // At the end it is waited for, but not for ever; what was under way is delivered later.
    running.stop().await;
    stuck.set(Mood::Well);
    let again = world.start(config(&world.topics, vec![webhook("stuck", stuck.url(), &secret)]));
    until("what hung", || stuck.taken().len() == 50).await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_down_resets_or_is_slow_loses_nothing() {
    let (world, mut receiver) = (World::new().await, Receiver::start().await);
    let (_file, secret) = secret_file(SECRET);
    let running = world.start(config(&world.topics, vec![webhook("w", receiver.url(), &secret)]));
    running.ready().await;
    receiver.set(Mood::Slow(Duration::from_millis(20)));
    for round in 0..4 {
        for number in 0..10 {
            world.publish(&[("drift", &format!("f{round}-{number}"), true)]).await;
        }
        // Requests under way are reset, later ones refused.
        receiver.end().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        receiver.begin().await;
    }
    let subjects = || counts(receiver.events().into_iter().map(|(subject, _)| subject));
    until("all", || subjects().len() == 40).await;
    running.stop().await;
    assert!(running_ids_are_stable(&receiver), "a repeat has the id of the first");
}

fn running_ids_are_stable(receiver: &Receiver) -> bool {
    let pairs = receiver.taken().into_iter().map(|r| (r.header("webhook-id").to_owned(), r.body));
    let bodies: std::collections::BTreeMap<String, String> = pairs.collect();
    bodies.len() == 40
}

/// A sink that waits for its group holds back no more than fits.
#[tokio::test(flavor = "multi_thread")]
async fn groups_are_told_early_when_too_many_changes_wait() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (_file, secret) = secret_file(SECRET);
    let grouping = Grouping { by: GroupBy::Labels(vec![]), wait_ms: 3_600_000, ..at_once() };
    let target = Target::Webhook { url: receiver.url(), secret, batch: true, grouping };
    let records = (0..1_500)
        .map(|number| outgoing(&world.topics, &alert("drift", &format!("f{number}"), true)))
        .collect();
    publish(&world.broker(), records).await;
    let running = world.start(config(&world.topics, vec![sink("w", target)]));
    until("a thousand", || running.metric("homestream_notifier_delivered_total", "w") >= 1_000.0)
        .await;
    running.stop().await;
}
