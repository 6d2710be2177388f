//! `kill -9` of scorers and of brokers at random moments.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::answers::Answers;
use crate::support::{Chance, Scorer, World, number, required};

const LOADED: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn killed_scorers_lose_nothing_and_repeat_nothing() {
    kill_scorers("crash", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_scorers_lose_nothing_under_the_brokers_group_protocol() {
    kill_scorers("crash848", &[("GROUP_PROTOCOL", "consumer")]).await;
}

async fn kill_scorers(name: &str, settings: &[(&str, &str)]) {
    let listings = number("HOMESTREAM_TEST_LISTINGS", 20_000) as usize;
    let kills = number("HOMESTREAM_TEST_KILLS", 5);
    let mut chance = Chance(number("HOMESTREAM_TEST_SEED", 1));
    let world = World::new(name, LOADED, "0").await;
    let mut answers = Answers::follow(&world);
    let start = |which: usize| world.scorer(&format!("scorer-{which}"), settings);
    let mut scorers: Vec<Scorer> = (0..2).map(start).collect();
    let during = Duration::from_millis(1_500) * kills as u32;
    let publishing = tokio::spawn(Arc::clone(&world).publish("killed", listings, during));
    for _ in 0..kills {
        let moment = chance.between(Duration::from_millis(200), Duration::from_millis(2_800));
        answers.read_for(moment).await;
        let victim = chance.below(2) as usize;
        scorers[victim].kill();
        scorers[victim] = start(victim);
    }
    publishing.await.unwrap();
    answers.assert_exactly_once(LOADED + listings).await;
    assert!(scorers.iter_mut().all(Scorer::is_running));
}

/// Its partitions and its transaction are taken from it meanwhile, and it does not know.
#[tokio::test(flavor = "multi_thread")]
async fn a_scorer_that_was_frozen_comes_back_and_repeats_nothing() {
    let listings = number("HOMESTREAM_TEST_LISTINGS", 20_000) as usize;
    let world = World::new("frozen", LOADED, "0").await;
    let mut answers = Answers::follow(&world);
    let mut scorers: Vec<Scorer> =
        (0..2).map(|which| world.scorer(&format!("scorer-{which}"), &[])).collect();
    answers.read_until(LOADED).await;
    for scorer in &mut scorers {
        scorer.logged("assigned").await;
    }
    let during = Duration::from_secs(30);
    let publishing = tokio::spawn(Arc::clone(&world).publish("frozen", listings, during));
    answers.read_until(LOADED + listings / 10).await;
    // Longer than the session (6 s) and a transaction (10 s) last.
    scorers[0].freeze();
    answers.read_for(Duration::from_secs(14)).await;
    scorers[0].thaw();
    publishing.await.unwrap();
    answers.assert_exactly_once(LOADED + listings).await;
    assert!(scorers.iter_mut().all(Scorer::is_running), "{}", scorers[0].log());
}

/// Needs three brokers that the project's script has started.
#[tokio::test(flavor = "multi_thread")]
async fn killed_brokers_lose_nothing_and_repeat_nothing() {
    let cluster = required("HOMESTREAM_TEST_CLUSTER");
    let listings = number("HOMESTREAM_TEST_LISTINGS", 20_000) as usize;
    let kills = number("HOMESTREAM_TEST_BROKER_KILLS", 2);
    let mut chance = Chance(number("HOMESTREAM_TEST_SEED", 1));
    let world = World::new("brokers", LOADED, "0").await;
    let mut answers = Answers::follow(&world);
    let mut scorers: Vec<Scorer> =
        (0..2).map(|which| world.scorer(&format!("scorer-{which}"), &[])).collect();
    let during = Duration::from_secs(12) * kills as u32;
    let publishing = tokio::spawn(Arc::clone(&world).publish("killed", listings, during));
    for _ in 0..kills {
        answers.read_for(chance.between(Duration::from_secs(1), Duration::from_secs(4))).await;
        let victim = (1 + chance.below(3)).to_string();
        run_cluster(&["kill", &cluster, &victim]);
        answers.read_for(chance.between(Duration::from_secs(1), Duration::from_secs(5))).await;
        run_cluster(&["restart", &cluster, &victim]);
    }
    publishing.await.unwrap();
    answers.assert_exactly_once(LOADED + listings).await;
    assert!(
        scorers.iter_mut().all(Scorer::is_running),
        "a scorer ended: somebody would have to act"
    );
}

fn run_cluster(arguments: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/kafka/cluster");
    let output = Command::new(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
