//! `homestream replay`.

use std::sync::Arc;
use std::time::Instant;

use model_core::estimate::PriceOutcome;
use platform_kafka::{Outgoing, Progress, Publisher, Record};

use super::Ran;
use crate::answers::Answers;
use crate::support::{World, everything, number};

async fn priced(name: &str, count: usize) -> Arc<World> {
    let world = World::new(name, count, "0").await;
    let mut answers = Answers::follow(&world);
    let scorer = world.scorer("scorer-0", &[]);
    answers.assert_exactly_once(count).await;
    assert_eq!(scorer.terminate().await, Some(0));
    world
}

fn told(equal: usize, different: usize, without_artifact: usize, unreadable: usize) -> String {
    format!(
        "{equal} equal, {different} different, {without_artifact} without their artifact, \
         {unreadable} unreadable; 0 without an estimate\n"
    )
}

/// A published price as it was, but for the last bit of its estimate.
fn tampered(world: &World, record: &Record) -> (String, Outgoing) {
    let mut price = world.codec.decode_price(record.payload.as_deref().unwrap()).unwrap();
    let PriceOutcome::Priced(numbers) = &mut price.estimate.outcome else {
        panic!("{} was not priced", price.estimate.listing_key);
    };
    numbers.estimate = numbers.estimate.next_up();
    let payload = world.codec.encode_price(&price.estimate, &price.estimate_id).unwrap();
    let key = price.estimate.listing_key;
    (key.clone(), Outgoing::new(world.topics.prices(), key, payload))
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_come_out_equal_and_a_tampered_one_is_named() {
    let count = number("HOMESTREAM_TEST_LISTINGS", 20_000) as usize;
    let world = priced("replay", count).await;
    let began = Instant::now();
    assert_eq!(world.succeed(&["replay"]), told(count, 0, 0, 0));
    println!("{count} prices computed again in {:?}", began.elapsed());

    // The same from a file.
    let file = world.file("prices.avro");
    let file = file.to_str().unwrap();
    assert_eq!(world.succeed(&["replay", "--save", file]), told(count, 0, 0, 0));
    let saved = std::fs::read(file).unwrap();
    assert_eq!(world.succeed(&["replay", "--from", file]), told(count, 0, 0, 0));
    let over_itself = world.run(&["replay", "--from", file, "--save", file]);
    assert_eq!(over_itself.code, Some(2), "{}", over_itself.err);
    assert!(std::fs::read(file).unwrap() == saved, "--save has written over --from");

    let prices = everything(&world.broker, &world.topics.prices()).await;
    let (key, record) = tampered(&world, &prices[count / 2]);
    let garbage = Outgoing::new(world.topics.prices(), "garbage", "no price");
    let publisher = Publisher::new(&world.broker, Progress::new()).unwrap();
    let placed = publisher.publish(vec![record, garbage]).await.unwrap();
    let Ran { code, out, err } = world.run(&["replay", "--log-json"]);
    assert_eq!((code, out), (Some(1), told(count, 1, 0, 1)), "{err}");
    let line = |text: &str| {
        err.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{err}"))
    };
    let (differs, unreadable) = (line("price differs"), line("price cannot be read"));
    assert!(differs.contains(&key) && differs.contains("estimate: "), "{differs}");
    for (line, placed) in [(differs, &placed[0]), (unreadable, &placed[1])] {
        let place = [("partition", i64::from(placed.partition)), ("offset", placed.offset)];
        for (name, value) in place {
            assert!(line.contains(&format!("\"{name}\":{value}")), "{line}");
        }
    }
    // The home as it was priced first, and as it was tampered with.
    let one = world.run(&["replay", "--listing", &key]);
    assert_eq!((one.code, one.out), (Some(1), told(1, 1, 0, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_whose_model_is_gone_are_told() {
    let world = priced("replay-lost", 50).await;
    std::fs::remove_dir_all(world.file("artifacts")).unwrap();
    let Ran { code, out, err } = world.run(&["replay"]);
    assert_eq!((code, out), (Some(1), told(0, 0, 50, 0)), "{err}");
    assert_eq!(err.matches("no artifact").count(), 1, "{err}");
}

#[test]
fn no_price_is_no_success() {
    let world = World::empty("replay-none");
    let absent = world.run(&["replay"]);
    assert_eq!(absent.code, Some(1));
    assert!(absent.err.contains(&*world.topics.prices()), "{}", absent.err);
    world.succeed(&["topics", "create"]);
    let empty = world.run(&["replay"]);
    assert_eq!((empty.code, empty.out), (Some(1), told(0, 0, 0, 0)), "{}", empty.err);
    assert!(empty.err.contains("there is no price to compute again"), "{}", empty.err);
    let missing = world.run(&["replay", "--from", "nowhere.avro"]);
    assert_eq!(missing.code, Some(2), "{}", missing.err);
}
