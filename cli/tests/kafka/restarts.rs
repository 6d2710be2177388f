//! Scorers that come and go in order.

use std::sync::Arc;
use std::time::Duration;

use crate::answers::{Answers, now_ms};
use crate::support::World;

const LOADED: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_lets_no_partition_idle() {
    let world = World::new("rolling", LOADED, "0").await;
    let mut answers = Answers::follow(&world);
    let mut scorers: Vec<_> =
        (0..4).map(|which| world.scorer(&format!("scorer-{which}"), &[])).collect();
    answers.read_until(LOADED).await;
    // All four are there before the first one goes.
    for scorer in &mut scorers {
        scorer.logged("assigned").await;
    }
    answers.read_for(Duration::from_secs(3)).await;
    answers.watched_from_ms = now_ms();
    let listings = 10_000;
    let during = Duration::from_secs(20);
    let publishing = tokio::spawn(Arc::clone(&world).publish("rolled", listings, during));
    for which in 0..4 {
        answers.read_for(Duration::from_secs(1)).await;
        let old = scorers.remove(0);
        let reading = answers.read_for(Duration::from_secs(3));
        let (code, ()) = tokio::join!(old.terminate(), reading);
        assert_eq!(code, Some(0));
        scorers.push(world.scorer(&format!("scorer-{which}"), &[]));
    }
    publishing.await.unwrap();
    answers.assert_exactly_once(LOADED + listings).await;
    assert!(answers.slowest < Duration::from_secs(5), "a listing waited {:?}", answers.slowest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_scorer_of_the_same_name_takes_over() {
    let world = World::new("fenced", LOADED, "0").await;
    let mut answers = Answers::follow(&world);
    let mut first = world.scorer("scorer-0", &[]);
    answers.read_until(LOADED).await;
    let mut second = world.scorer("scorer-0", &[]);
    let publishing =
        tokio::spawn(Arc::clone(&world).publish("fenced", 2_000, Duration::from_secs(8)));
    assert_eq!(first.exit_code().await, Some(1));
    assert!(first.log().contains("was taken over by another process"), "{}", first.log());
    publishing.await.unwrap();
    answers.assert_exactly_once(LOADED + 2_000).await;
    assert!(second.is_running());
}
