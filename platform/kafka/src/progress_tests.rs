//! Tests of the board without a broker. `poll_once` asks a future for its state,
//! so that "still waiting" is a fact and not a guess about time.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn is_settled(progress: &Progress) -> bool {
    poll_once(progress.settled()) == Poll::Ready(Ok(()))
}

#[test]
fn an_empty_board_and_unread_topics_are_settled() {
    let progress = Progress::new();
    assert!(is_settled(&progress));
    progress.produced("alerts", 0, 7);
    assert!(is_settled(&progress), "nobody is registered to read alerts");
}

#[test]
fn every_partition_of_every_reader_counts() {
    let progress = Progress::new();
    progress.reads("scorer", "listings", 2);
    progress.reads("monitor", "listings", 2);
    assert!(is_settled(&progress), "nothing was produced yet");
    progress.produced("listings", 0, 3);
    progress.produced("listings", 1, 1);
    assert_eq!((progress.lag("scorer"), progress.lag("monitor")), (4, 4));

    progress.processed("scorer", "listings", 0, 3);
    progress.processed("scorer", "listings", 1, 1);
    assert_eq!((progress.lag("scorer"), progress.lag("monitor")), (0, 4));
    assert!(!is_settled(&progress), "the monitor lags");
    assert_eq!(poll_once(progress.settled_for(&[("scorer", "listings")])), Poll::Ready(Ok(())));

    progress.processed("monitor", "listings", 0, 3);
    assert!(!is_settled(&progress));
    progress.processed("monitor", "listings", 1, 1);
    assert!(is_settled(&progress));
}

#[test]
fn outputs_on_the_board_before_inputs_keep_it_unsettled() {
    let progress = Progress::new();
    progress.reads("scorer", "listings", 1);
    progress.reads("monitor", "prices", 1);
    progress.produced("listings", 0, 1);
    assert!(!is_settled(&progress));
    // The scorer publishes its price, then reports its input.
    progress.produced("prices", 0, 1);
    assert!(!is_settled(&progress));
    progress.processed("scorer", "listings", 0, 1);
    assert!(!is_settled(&progress));
    progress.processed("monitor", "prices", 0, 1);
    assert!(is_settled(&progress));
}

#[test]
fn positions_never_go_back() {
    let progress = Progress::new();
    progress.reads("scorer", "listings", 1);
    progress.produced("listings", 0, 5);
    progress.produced("listings", 0, 2);
    assert_eq!(progress.lag("scorer"), 5);
    progress.processed("scorer", "listings", 0, 5);
    progress.processed("scorer", "listings", 0, 1);
    assert_eq!(progress.lag("scorer"), 0);
}

#[test]
fn a_reader_ahead_of_this_process_has_no_lag() {
    let progress = Progress::new();
    progress.reads("scorer", "listings", 1);
    progress.processed("scorer", "listings", 0, 100);
    assert!(is_settled(&progress));
    progress.produced("listings", 0, 101);
    assert_eq!(progress.lag("scorer"), 1);
}

#[test]
fn partitions_beyond_those_registered_count_too() {
    let progress = Progress::new();
    progress.reads("scorer", "listings", 1);
    progress.produced("listings", 3, 2);
    assert_eq!(progress.lag("scorer"), 2);
    progress.processed("scorer", "listings", 3, 2);
    assert!(is_settled(&progress));
}

#[test]
fn waiting_for_an_unknown_reader_is_refused() {
    let progress = Progress::new();
    progress.reads("scorer", "listings", 1);
    let Poll::Ready(Err(error)) = poll_once(progress.settled_for(&[("scorer", "sales")])) else {
        panic!("would wait for ever");
    };
    assert_eq!(
        error.to_string(),
        "service `scorer` is not registered as a reader of topic `sales`"
    );
}

#[test]
fn the_first_failure_reaches_every_waiter() {
    let progress = Progress::new();
    progress.fail("trainer", "no sales");
    progress.fail("scorer", "closed");
    let failure = ProgressError::Failed { service: "trainer", message: "no sales".to_owned() };
    assert_eq!(poll_once(progress.settled()), Poll::Ready(Err(failure.clone())));
    assert_eq!(poll_once(progress.watermark_reached(&["scorer"], 1)), Poll::Ready(Err(failure)));
}

#[test]
fn a_reader_that_left_is_not_waited_for() {
    let progress = Progress::new();
    progress.reads("scorer", "listings", 1);
    progress.produced("listings", 0, 1);
    assert!(!is_settled(&progress));
    progress.stops_reading("scorer");
    assert!(is_settled(&progress));
    assert_eq!(progress.lag("scorer"), 0);
}

#[test]
fn watermarks_are_reached_by_all_and_never_go_back() {
    let progress = Progress::new();
    let reached = |time| poll_once(progress.watermark_reached(&["a", "b"], time));
    progress.acknowledge_watermark("a", 10);
    assert_eq!(reached(5), Poll::Pending, "b never reported");
    progress.acknowledge_watermark("b", 7);
    assert_eq!(reached(7), Poll::Ready(Ok(())));
    assert_eq!(reached(8), Poll::Pending);
    progress.acknowledge_watermark("b", 3);
    assert_eq!(reached(7), Poll::Ready(Ok(())));
}

#[tokio::test]
async fn a_waiter_wakes_when_the_last_record_is_processed() {
    let progress = Progress::new();
    progress.reads("scorer", "listings", 1);
    progress.produced("listings", 0, 1_000);
    let waiter = tokio::spawn({
        let progress = progress.clone();
        async move { progress.settled().await }
    });
    for next_offset in 1..=1_000 {
        progress.processed("scorer", "listings", 0, next_offset);
        tokio::task::yield_now().await;
    }
    assert_eq!(waiter.await.unwrap(), Ok(()));
}

#[test]
fn publishing_waits_for_readers_the_embedded_broker_would_overrun() {
    const MIB: usize = 1024 * 1024;
    let progress = Progress::new();
    let admitted = |bytes| poll_once(progress.admit("listings", bytes)).is_ready();
    assert!(admitted(9 * MIB), "nobody reads: nothing can be lost");
    progress.dismissed("listings", 9 * MIB);

    progress.reads("scorer", "listings", 1);
    progress.reads("monitor", "listings", 1);
    assert!(admitted(3 * MIB));
    assert!(!admitted(2 * MIB));
    progress.delivered("listings", 0, 1, 3 * MIB);
    assert!(!admitted(2 * MIB), "acknowledged is not processed");
    progress.processed("scorer", "listings", 0, 1);
    assert!(!admitted(2 * MIB), "the monitor still needs it");
    progress.processed("monitor", "listings", 0, 1);
    assert!(admitted(2 * MIB));
    progress.dismissed("listings", 2 * MIB);
    assert!(admitted(9 * MIB), "a lone record always goes through");
    progress.fail("monitor", "gone");
    assert!(admitted(9 * MIB), "after a failure nobody waits");
}

#[test]
fn a_record_processed_before_its_acknowledgement_is_noted_is_released() {
    let progress = Progress::new();
    progress.reads("scorer", "listings", 1);
    let megabytes = 4 * 1024 * 1024 - 100;
    assert!(poll_once(progress.admit("listings", megabytes)).is_ready());
    progress.processed("scorer", "listings", 0, 1);
    progress.delivered("listings", 0, 1, megabytes);
    assert!(poll_once(progress.admit("listings", megabytes)).is_ready());
    assert_eq!(progress.lag("scorer"), 0);
}
