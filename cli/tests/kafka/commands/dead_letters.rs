//! `homestream dlq`.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;

use model_core::listing::Listing;
use platform_kafka::dead_letter::{Fault, dead_letter};
use platform_kafka::{
    Follower, FollowerEvent, Outgoing, Progress, Publisher, Record, await_stable,
    topic_record_counts,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::Ran;
use crate::answers::Answers;
use crate::support::{DEADLINE, World, everything, number};

/// Letters are sent again in transactions of 500: five of them.
const LETTERS: usize = 2_100;
/// Every third letter is of this reason, the others of the other.
const REASONS: [&str; 2] = ["truncated", "out_of_range"];

fn reason(number: usize) -> &'static str {
    REASONS[usize::from(!number.is_multiple_of(3))]
}

/// A letter of a record with this key, as a scorer writes it.
fn letter(world: &World, number: usize, payload: Option<Vec<u8>>) -> Outgoing {
    let received = Record {
        topic: world.topics.listings(),
        partition: 0,
        offset: number as i64,
        timestamp_ms: None,
        key: Some(format!("home-{number}").into_bytes()),
        payload,
        headers: Vec::new(),
    };
    let code = reason(number);
    let fault =
        Fault { stage: "decode", class_name: "schemas::Listing", code, message: "?".into() };
    dead_letter(&received, world.topics.dead_letters(), &fault)
}

async fn publish(world: &World, records: Vec<Outgoing>) {
    let publisher = Publisher::new(&world.broker, Progress::new()).unwrap();
    publisher.publish(records).await.unwrap();
}

/// Topics with nothing but dead letters.
async fn letters(name: &str, count: usize) -> World {
    let world = World::empty(name);
    world.succeed(&["topics", "create"]);
    let letters = (0..count).map(|number| {
        let text = format!(r#"{{"ListingKey":"home-{number}","LivingArea":-1}}"#);
        letter(&world, number, Some(text.into_bytes()))
    });
    publish(&world, letters.collect()).await;
    world
}

/// How often each key is on the listings, to readers of committed records.
async fn sent(world: &World) -> BTreeMap<String, u32> {
    await_stable(&world.broker, &world.topics.listings(), DEADLINE).await.unwrap();
    let mut times = BTreeMap::new();
    for record in everything(&world.broker, &world.topics.listings()).await {
        let key = String::from_utf8(record.key.unwrap()).unwrap();
        *times.entry(key).or_default() += 1;
    }
    times
}

fn assert_once(times: &BTreeMap<String, u32>, count: usize) {
    let repeated: Vec<_> = times.iter().filter(|(_, times)| **times != 1).collect();
    assert!(repeated.is_empty(), "{} sent more than once: {repeated:?}", repeated.len());
    assert_eq!(times.len(), count);
}

async fn listed(world: &World, options: &[&str]) -> Vec<Value> {
    await_stable(&world.broker, &world.topics.dead_letters(), DEADLINE).await.unwrap();
    list(world, options)
}

fn list(world: &World, options: &[&str]) -> Vec<Value> {
    let arguments = [&["dlq", "list", "--json", "--limit", "1000000"], options].concat();
    let out = world.succeed(&arguments);
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn list_tells_reasons_and_what_can_be_read() {
    let world = letters("dlq-list", 30).await;
    publish(&world, vec![Outgoing::new(world.topics.dead_letters(), "k", "of somebody else")])
        .await;
    let table = world.succeed(&["dlq", "list", "--limit", "1"]);
    let listings = world.topics.listings();
    assert!(table.starts_with("30 dead letters in "), "{table}");
    for told in [
        format!("{:>9}  {:<20} from {listings}\n", 10, "truncated"),
        format!("{:>9}  {:<20} from {listings}\n", 20, "out_of_range"),
        format!("{:>9}  records that are no dead letters\n", 1),
    ] {
        assert!(table.contains(&told), "{told:?} is not in {table}");
    }
    assert_eq!(table.matches("  read: {").count(), 1, "{table}");

    assert_eq!(listed(&world, &[]).await.len(), 30);
    let of_a_reason = listed(&world, &["--reason", "truncated"]).await;
    assert_eq!(of_a_reason.len(), 10);
    for letter in of_a_reason {
        let key = letter["key"].as_str().unwrap();
        let number: usize = key.strip_prefix("home-").unwrap().parse().unwrap();
        assert_eq!((letter["reason"].as_str(), number % 3), (Some("truncated"), 0));
        assert_eq!(letter["source"], format!("{listings}[0]@{number}"));
        assert_eq!(letter["read"]["ListingKey"], key);
        assert_eq!(letter["sent_again"], false);
    }
    assert_eq!(listed(&world, &["--key", "home-7"]).await.len(), 1);
    assert_eq!(listed(&world, &["--from-topic", "elsewhere"]).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_sends_what_is_asked_for_and_sends_it_once() {
    let world = letters("dlq-replay", LETTERS).await;
    let told = |count: usize, verb: &str| format!("{count} dead letters {verb} again\n");
    let some = LETTERS / 3;
    let reason = ["--reason", "truncated"];

    let dry = world.succeed(&["dlq", "replay", "--dry-run", "--reason", "truncated"]);
    assert!(dry.starts_with(&told(some, "would be sent")), "{dry}");
    assert_eq!(sent(&world).await.len(), 0);
    assert_eq!(listed(&world, &[]).await.len(), LETTERS);

    let first = world.succeed(&[&["dlq", "replay"], &reason[..]].concat());
    assert!(first.starts_with(&told(some, "sent")), "{first}");
    let times = sent(&world).await;
    assert_once(&times, some);
    assert!((0..LETTERS).step_by(3).all(|number| times.contains_key(&format!("home-{number}"))));
    assert_eq!(listed(&world, &reason).await.len(), 0);
    assert_eq!(listed(&world, &[&["--all"], &reason[..]].concat()).await.len(), some);

    assert_eq!(world.succeed(&[&["dlq", "replay"], &reason[..]].concat()), told(0, "sent"));
    let rest = world.succeed(&["dlq", "replay"]);
    assert!(rest.starts_with(&told(LETTERS - some, "sent")), "{rest}");
    assert_eq!(world.succeed(&["dlq", "replay"]), told(0, "sent"));
    assert_once(&sent(&world).await, LETTERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_without_a_payload_are_told_and_the_others_sent() {
    let world = letters("dlq-bare", 5).await;
    publish(&world, vec![letter(&world, 5, None)]).await;
    let Ran { code, out, err } = world.run(&["dlq", "replay"]);
    assert_eq!(code, Some(1));
    assert!(out.starts_with("5 dead letters sent again\n"), "{out}");
    assert!(err.contains("1 dead letters hold no payload"), "{err}");
    assert_once(&sent(&world).await, 5);
}

/// Starts a replay, and returns as soon as somebody can read `count` records more of it.
async fn replay_until(world: &World, follower: &mut Follower, count: usize) -> std::process::Child {
    let mut command = world.command(&["dlq", "replay"]);
    let replay = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut read = 0;
    while read < count {
        let event = tokio::time::timeout(DEADLINE, follower.next()).await.expect("records come");
        match event.expect("the follower goes on") {
            FollowerEvent::Records(records) => read += records.len(),
            FollowerEvent::CaughtUp => {}
            FollowerEvent::Failed(error) => panic!("{error}"),
        }
    }
    replay
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_killed_is_gone_on_with_by_the_next() {
    let count = number("HOMESTREAM_TEST_LISTINGS", 20_000) as usize;
    let world = letters("dlq-killed", count).await;
    let mut follower =
        Follower::start(&world.broker, "test", &[&*world.topics.listings()]).unwrap();
    for _ in 0..3 {
        let mut replay = replay_until(&world, &mut follower, 1).await;
        replay.kill().unwrap();
        replay.wait().unwrap();
    }
    // The killed one's transaction is open, and hides nothing but what was not yet sent.
    let left = list(&world, &[]).len();
    assert!(0 < left && left < count, "{left} of {count} are left: none was killed half-way");
    world.succeed(&["dlq", "replay"]);
    assert_once(&sent(&world).await, count);
    assert_eq!(world.succeed(&["dlq", "replay"]), "0 dead letters sent again\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replays_at_once_the_later_goes_on() {
    let count = number("HOMESTREAM_TEST_LISTINGS", 20_000) as usize;
    let world = letters("dlq-two", count).await;
    let mut follower =
        Follower::start(&world.broker, "test", &[&*world.topics.listings()]).unwrap();
    let mut first = replay_until(&world, &mut follower, 1).await;
    // It must not end by itself before the second has its id.
    kill_process(Pid::from_child(&first), Signal::STOP).unwrap();
    world.succeed(&["dlq", "replay"]);
    kill_process(Pid::from_child(&first), Signal::CONT).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(1));
    assert_once(&sent(&world).await, count);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_told_to_stop_leaves_nothing_half_done() {
    let count = number("HOMESTREAM_TEST_LISTINGS", 20_000) as usize;
    let world = letters("dlq-stopped", count).await;
    let mut follower =
        Follower::start(&world.broker, "test", &[&*world.topics.listings()]).unwrap();
    let replay = replay_until(&world, &mut follower, 1).await;
    kill_process(Pid::from_child(&replay), Signal::INT).unwrap();
    assert_eq!(replay.wait_with_output().unwrap().status.code(), Some(1));
    let left = listed(&world, &[]).await.len();
    assert_eq!(sent(&world).await.len(), count - left);
    assert!(left > 0, "it was told too late");
    world.succeed(&["dlq", "replay"]);
    assert_once(&sent(&world).await, count);
}

/// A scorer's open transaction hides the markers of a replay from those who read committed
/// records: the next replay must not take them for missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_a_scorer_hides_no_replay_from_the_next() {
    let mut world = Arc::into_inner(World::new("dlq-hidden", 200, "0").await).unwrap();
    let mut answers = Answers::follow(&world);
    let _scorer = world.scorer("scorer-0", &[("COMMIT_INTERVAL_MS", "5000")]);
    answers.read_until(200).await;
    drop(answers);
    world.templates.truncate(60);
    let letters = (0..60).map(|number| letter(&world, number, Some(listing(&world, number))));
    publish(&world, letters.collect()).await;
    // In every partition the scorer's transaction begins before the markers.
    let stored = stored(&world).await;
    let hostile =
        |number: usize| Outgoing::new(world.topics.listings(), format!("x-{number}"), "x");
    publish(&world, (0..60).map(hostile).collect()).await;
    until_stored(&world, stored + 60).await;
    let mine = ["dlq", "replay", "--reason", "truncated,out_of_range"];
    assert!(world.succeed(&mine).starts_with("60 dead letters sent again\n"));
    assert_eq!(world.succeed(&mine), "0 dead letters sent again\n");
}

/// Records of the dead-letter topic, those of open transactions among them.
async fn stored(world: &World) -> u64 {
    let topic = world.topics.dead_letters();
    topic_record_counts(&world.broker, &[&*topic]).await.unwrap()[&*topic]
}

async fn until_stored(world: &World, count: u64) {
    let until = tokio::time::Instant::now() + DEADLINE;
    while stored(world).await < count {
        assert!(tokio::time::Instant::now() < until, "fewer than {count} dead letters");
    }
}

fn listing(world: &World, number: usize) -> Vec<u8> {
    let listing = Listing { key: format!("home-{number}"), ..world.templates[number].clone() };
    world.codec.encode_listing(&listing).unwrap()
}

/// From a listing that nobody can read to the same one, mended and priced.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_scorer_could_not_read_is_found_and_sent_again() {
    let (good, bad) = (200, 20);
    let world = World::new("dlq-scorer", good, "0.1").await;
    let mut answers = Answers::follow(&world);
    let _scorer = world.scorer("scorer-0", &[]);
    answers.assert_exactly_once(good + bad).await;
    let letters = listed(&world, &[]).await;
    assert_eq!(letters.len(), bad);
    let listings = world.topics.listings();
    for letter in &letters {
        let source = letter["source"].as_str().unwrap();
        assert!(source.starts_with(&format!("{listings}[")), "{source}");
        assert!(!letter["reason"].as_str().unwrap().is_empty());
        assert!(!letter["message"].as_str().unwrap().is_empty());
    }
    // Sent as they were they fail again, each once, and are letters anew.
    let out = world.succeed(&["dlq", "replay"]);
    assert!(out.starts_with(&format!("{bad} dead letters sent again\n")), "{out}");
    let reasons = |letters: &[Value]| {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for letter in letters {
            *counts.entry(letter["reason"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        counts
    };
    answers.read_until(good + bad + bad + bad).await;
    let again = listed(&world, &[]).await;
    assert_eq!(reasons(&again), reasons(&letters));
}
