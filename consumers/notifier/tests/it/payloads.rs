//! What receivers get.

use notifier::Target;
use notifier::state::{GroupBy, Grouping};
use serde_json::Value;

use crate::support::*;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_each_cloud_event_as_it_is_and_signed() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    // While a secret is changed the receiver may know either.
    let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let (_file, secret) = secret_file(&format!("{SECRET}\n{other}\n"));
    let running = world.start(config(&world.topics, vec![webhook("w", receiver.url(), &secret)]));
    running.ready().await;
    world.publish(&[("drift", "wall", true), ("drift", "wall", false)]).await;
    until("both", || receiver.taken().len() == 2).await;
    running.stop().await;

    let fired = alert("drift", "wall", true);
    let taken = receiver.taken();
    assert_eq!(taken[0].body.as_bytes(), schemas::encode_alert(&fired).unwrap());
    assert_eq!(taken[0].header("webhook-id"), schemas::alert_id(&fired));
    assert_eq!(taken[0].header("content-type"), schemas::ALERT_CONTENT_TYPE);
    for request in &taken {
        assert!(request.is_signed_with(SECRET) && request.is_signed_with(other));
        assert!(!request.is_signed_with("whsec_AAAA"));
    }
    let states: Vec<_> = receiver.events().into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["firing", "resolved"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_request_with_an_id_that_repeats_share() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (_file, secret) = secret_file(SECRET);
    let grouping = Grouping { by: GroupBy::Labels(vec![]), wait_ms: 300, ..at_once() };
    let target = Target::Webhook { url: receiver.url(), secret, batch: true, grouping };
    world.publish(&[("drift", "wall", true), ("drift", "roof", true)]).await;
    receiver.set(Mood::Recovers(500, 1));
    let running = world.start(config(&world.topics, vec![sink("w", target)]));
    until("the batch", || receiver.taken().len() == 1).await;
    running.stop().await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    let batch: Vec<Value> = serde_json::from_str(&received[1].body).unwrap();
    assert_eq!(batch.len(), 2);
    assert_eq!(
        received[1].header("content-type"),
        "application/cloudevents-batch+json; charset=UTF-8"
    );
    assert!(received[1].is_signed_with(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_gets_a_text_for_people_in_its_own_notation() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (_file, url) = secret_file(&receiver.url());
    let by = GroupBy::Labels(vec!["alertname".into()]);
    let grouping = Grouping { by, wait_ms: 300, ..at_once() };
    world
        .publish(&[
            ("drift", "wall", true),
            ("drift", "roof", true),
            ("drift", "lot", true),
            ("drift", "lot", false),
        ])
        .await;
    let running =
        world.start(config(&world.topics, vec![sink("s", Target::Slack { url, grouping })]));
    until("the message", || receiver.taken().len() == 1).await;
    running.stop().await;
    let message: Value = serde_json::from_str(&receiver.taken()[0].body).unwrap();
    let text = message["text"].as_str().unwrap();
    assert!(text.starts_with("▲ drift: 2 firing, 1 resolved: "), "{text}");
    assert!(text.contains("wall: &lt;it&gt; moved &amp; moved"), "{text}");
    let blocks = message["blocks"].as_array().unwrap();
    let kinds: Vec<_> = blocks.iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["header", "section", "section"]);
    let resolved = blocks[2]["text"]["text"].as_str().unwrap();
    assert!(resolved.starts_with("*Resolved*\n• lot: "), "{resolved}");
    assert!(resolved.contains("1996-06-01 to 1996-07-01, model v1"), "{resolved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanager_gets_the_time_of_the_clock_and_the_events_as_annotations() {
    let (world, first, second) =
        (World::new().await, Receiver::start().await, Receiver::start().await);
    let (_file, authorization) = secret_file("Bearer abc");
    let address = |receiver: &Receiver| format!("http://{}/prefix", receiver.address);
    let target = Target::Alertmanager {
        urls: vec![address(&first), address(&second)],
        resend: std::time::Duration::from_millis(300),
        generator_url: Some("http://homes.internal/alerts/{fingerprint}".into()),
    };
    let mut sink = sink("am", target);
    sink.authorization = Some(authorization);
    // One of the two is down: the other is told all the same.
    second.set(Mood::Answers(500, None));
    world.publish(&[("drift", "wall", true)]).await;
    let running = world.start(config(&world.topics, vec![sink]));
    until("firing", || !first.taken().is_empty()).await;
    second.set(Mood::Well);
    until("the other, when it is told again", || !second.taken().is_empty()).await;
    world.publish(&[("drift", "wall", false)]).await;
    let alerts = |receiver: &Receiver| -> Vec<Value> {
        let bodies = receiver.taken().into_iter().map(|request| request.body);
        bodies.flat_map(|body| serde_json::from_str::<Vec<Value>>(&body).unwrap()).collect()
    };
    let time =
        |alert: &Value, name: &str| notifier::parse_time(alert[name].as_str().unwrap()).unwrap();
    let now = notifier_now();
    until("resolved", || {
        alerts(&first).iter().any(|alert| {
            time(alert, "endsAt") <= now + 5_000 && {
                time(alert, "endsAt") - time(alert, "startsAt") < 60_000 && alerts(&first).len() > 1
            }
        })
    })
    .await;
    running.stop().await;

    let fired = &alerts(&first)[0];
    assert_eq!(fired["labels"]["alertname"], "drift");
    assert_eq!(fired["labels"]["subject"], "wall");
    assert_eq!(fired["labels"]["model_version"], "v1");
    assert_eq!(fired["labels"]["severity"], "warning");
    assert_eq!(fired["labels"]["source"], "/homestream/monitor");
    assert_eq!(fired["annotations"]["event_date"], "1996-07-01");
    assert_eq!(fired["annotations"]["summary"], "wall: <it> moved & moved");
    let fingerprint = alert("drift", "wall", true).fingerprint();
    assert_eq!(fired["generatorURL"], format!("http://homes.internal/alerts/{fingerprint}"));
    assert!((now - time(fired, "startsAt")).abs() < 60_000, "not of 1996: {fired}");
    assert!(time(fired, "endsAt") > time(fired, "startsAt") + 1_000, "four intervals");
    let told = alerts(&first);
    let ended = told.last().unwrap();
    assert_eq!(ended["labels"], fired["labels"], "under others it would never end");
    assert_eq!(ended["startsAt"], fired["startsAt"]);
    assert_eq!(first.taken()[0].header("authorization"), "Bearer abc");
}

fn notifier_now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_millis() as i64
}
