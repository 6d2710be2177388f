//! The threads that own connections. One that panics must not look like one that
//! ended in order, so its end is reported like any other failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Thread;

use tokio::sync::mpsc;

use crate::error::KafkaError;

/// Who a thread reads for, for its name and its errors.
pub(crate) struct Reader {
    pub(crate) name: String,
    pub(crate) topics: String,
    pub(crate) brokers: String,
}

/// Runs `work` on a thread of its own. If it panics, the event made by `failed` is
/// sent.
pub(crate) fn spawn<E: Send + 'static>(
    reader: Reader,
    events: mpsc::Sender<E>,
    failed: fn(KafkaError) -> E,
    work: impl FnOnce() + Send + 'static,
) -> Result<Thread, KafkaError> {
    let brokers = reader.brokers.clone();
    std::thread::Builder::new()
        .name(format!("kafka {}", reader.name))
        .spawn(move || {
            // Nothing of `work` is used after it.
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                let error = KafkaError::Consumer {
                    reader: reader.name,
                    topics: reader.topics,
                    brokers: reader.brokers,
                    reason: "its thread panicked".to_owned(),
                };
                // Nobody may be listening any more.
                let _ = events.blocking_send(failed(error));
            }
        })
        .map(|handle| handle.thread().clone())
        .map_err(|error| KafkaError::Client { brokers, reason: format!("no thread: {error}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported_and_an_ordinary_end_is_not() {
        let reader = || Reader { name: "g".into(), topics: "t".into(), brokers: "b:1".into() };
        let (events, mut received) = mpsc::channel(1);
        spawn(reader(), events.clone(), Some, || {}).unwrap();
        spawn(reader(), events, Some, || panic!("a bug")).unwrap();
        let error = received.blocking_recv().flatten().unwrap();
        assert_eq!(error.to_string(), "consumer `g` of t at b:1: its thread panicked");
        assert_eq!(received.blocking_recv(), None);
    }
}
