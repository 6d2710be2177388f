//! `homestream dlq replay`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::anyhow;
use platform_kafka::{AtomicPublisher, BrokerConfig, KafkaError, Outgoing, await_stable};
use schemas::TopicNames;
use tokio_util::sync::CancellationToken;

use super::ReplayArgs;
use super::letters::Letter;
use crate::error::CliError;
use crate::serve::connect;
use crate::settings::Settings;
use crate::up::write_out;

/// Letters sent in one transaction.
const BATCH: usize = 500;
/// How long a transaction of somebody else may hide markers of an earlier replay: what a dead
/// scorer has left open ends within its `scorer.transaction_timeout_ms`, 10 s by default.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(
    settings: &Settings,
    args: &ReplayArgs,
    shutdown: &CancellationToken,
) -> Result<(), CliError> {
    let topics = settings.topic_names().map_err(CliError::usage)?;
    let dead_letters = topics.dead_letters();
    let broker = connect(settings).await?;
    let publisher = match args.dry_run {
        true => None,
        false => Some(take_over(&broker, &topics, shutdown).await?),
    };
    let letters = super::read(&broker, &dead_letters, shutdown).await?;
    let (whole, bare): (Vec<&Letter>, Vec<&Letter>) = letters
        .selected(&args.filter, false)
        .into_iter()
        .partition(|letter| letter.letter.original.payload.is_some());
    let Some(publisher) = publisher else {
        write_out(&summary(&whole, "would be sent")).map_err(CliError::failed)?;
        return refuse(&bare);
    };
    let mut sent = 0;
    let mut outcome = Ok(());
    for batch in whole.chunks(BATCH) {
        if shutdown.is_cancelled() {
            let left = whole.len() - sent;
            outcome = Err(CliError::failed(anyhow!("interrupted, {left} dead letters are left")));
            break;
        }
        let records: Vec<Outgoing> =
            batch.iter().flat_map(|letter| letter.sending(&dead_letters)).collect();
        if let Err(error) = publisher.publish(&records).await {
            outcome = Err(CliError::failed(error));
            break;
        }
        sent += batch.len();
    }
    let (sent, _) = whole.split_at(sent);
    write_out(&summary(sent, "sent")).map_err(CliError::failed)?;
    outcome.and_then(|()| refuse(&bare))
}

/// Makes this the only replay, one that will see every marker of those before it: whoever
/// was at it is fenced, and what they have committed can be read.
async fn take_over(
    broker: &BrokerConfig,
    topics: &TopicNames,
    shutdown: &CancellationToken,
) -> Result<AtomicPublisher, CliError> {
    let id = format!("{}replay", topics.prefix());
    let dead_letters = topics.dead_letters();
    let taken_over = async {
        let publisher = AtomicPublisher::open(broker, &id).await?;
        await_stable(broker, &dead_letters, PATIENCE).await?;
        Ok(publisher)
    };
    tokio::select! {
        publisher = taken_over => publisher.map_err(|error: KafkaError| CliError::failed(error)),
        () = shutdown.cancelled() => Err(CliError::failed(anyhow!("interrupted"))),
    }
}

fn refuse(bare: &[&Letter]) -> Result<(), CliError> {
    if bare.is_empty() {
        return Ok(());
    }
    Err(CliError::failed(anyhow!(
        "{} dead letters hold no payload, because it was null or too large for one: send them \
         again from where they came from (`homestream dlq list` says where)",
        bare.len()
    )))
}

fn summary(letters: &[&Letter], verb: &str) -> String {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for letter in letters {
        *counts.entry((&letter.letter.code, &letter.letter.topic)).or_default() += 1;
    }
    let mut text = format!("{} dead letters {verb} again\n", letters.len());
    for ((code, topic), count) in counts {
        let _ = writeln!(text, "{count:>9}  {code:<20} to {topic}");
    }
    text
}
