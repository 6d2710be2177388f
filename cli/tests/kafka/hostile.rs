//! Records that nobody should have sent, among good ones.

use crate::answers::Answers;
use crate::support::{World, number};

#[tokio::test(flavor = "multi_thread")]
async fn hostile_records_are_accounted_for_and_cost_no_memory() {
    let good = number("HOMESTREAM_TEST_LISTINGS", 20_000) as usize;
    let world = World::new("hostile", good, "0.1").await;
    assert_eq!(world.templates.len(), good);
    let mut answers = Answers::follow(&world);
    let scorer = world.scorer("scorer-0", &[]);
    answers.read_until(good / 4).await;
    let early = scorer.resident_bytes();
    answers.assert_exactly_once(good + good / 10).await;
    let late = scorer.resident_bytes();
    assert_eq!(answers.times.len(), good);
    assert_eq!(answers.dead_letters as usize, good / 10);
    assert!(late < early + early / 5, "memory grew from {early} to {late} bytes");
}
