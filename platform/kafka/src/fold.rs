//! The loop of a service whose state is a fold over topics.
//!
//! It reads every partition of its topics from the beginning. While it catches up, records
//! are only taken in; afterwards each batch is taken in, acted on, and then noted as
//! processed, so that whoever waits for [`Progress::settled`] waits for the action too.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::EventClock;
use crate::config::BrokerConfig;
use crate::error::KafkaError;
use crate::follower::{Follower, FollowerEvent};
use crate::progress::Progress;
use crate::record::{NextOffset, Record};

/// A follower has nothing to hand over when it ends: this is ample.
const CLOSE_DEADLINE: Duration = Duration::from_secs(4);

/// A service whose state is a fold over topics.
pub trait Fold {
    /// Why it cannot go on.
    type Error: From<KafkaError>;

    /// Before a batch is taken in: fetches what reading it will need. A batch is left alone
    /// when the service is told to stop meanwhile.
    fn prepare(&mut self, _records: &[Record]) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Takes one record into the state. Publishes nothing.
    fn observe(&mut self, record: &Record);

    /// Once, when every partition has been read as far as it reached at the start.
    fn caught_up(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// After a batch was taken in: does what the state now asks for.
    fn act(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// A replay's clock says that event time has come this far.
    fn tick(&mut self, event_time: i64) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What the loop needs of its process.
#[derive(Clone, Debug)]
pub struct FoldContext {
    /// Name of the service, for progress and metrics.
    pub service: &'static str,
    /// The broker.
    pub broker: BrokerConfig,
    /// Positions of every service in the process.
    pub progress: Progress,
    /// Who tells event time.
    pub clock: EventClock,
    /// Ends the loop.
    pub shutdown: CancellationToken,
}

/// Runs a fold over topics until shutdown or failure.
///
/// # Errors
/// The broker's errors and the fold's own.
pub async fn run_fold<F: Fold>(
    context: FoldContext,
    topics: &[&str],
    fold: &mut F,
) -> Result<(), F::Error> {
    let mut follower = Follower::start(&context.broker, context.service, topics)?;
    let result = follow(&context, &mut follower, fold).await;
    follower.close(CLOSE_DEADLINE).await?;
    result
}

async fn follow<F: Fold>(
    context: &FoldContext,
    follower: &mut Follower,
    fold: &mut F,
) -> Result<(), F::Error> {
    let FoldContext { service, progress, shutdown, .. } = context;
    let mut clock = context.clock.clone();
    let mut caught_up = false;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            event = follower.next() => match event {
                None => return Ok(()),
                Some(FollowerEvent::Failed(error)) => return Err(error.into()),
                Some(FollowerEvent::CaughtUp) => {
                    caught_up = true;
                    fold.caught_up().await?;
                }
                Some(FollowerEvent::Records(records)) => {
                    fold.prepare(&records).await;
                    if shutdown.is_cancelled() {
                        return Ok(());
                    }
                    records.iter().for_each(|record| fold.observe(record));
                    if caught_up {
                        fold.act().await?;
                    }
                    for next in NextOffset::of_batch(&records) {
                        progress.processed(service, &next.topic, next.partition, next.offset);
                    }
                }
            },
            // Before, what the topics already hold would be decided again.
            event_time = clock.tick(), if caught_up => {
                fold.tick(event_time).await?;
                progress.acknowledge_watermark(service, event_time);
            }
        }
    }
}
