//! `homestream dlq replay`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::anyhow;
use platform_kafka::{AtomicPublisher, Outgoing};

use super::ReplayArgs;
use super::letters::{Letter, Letters};
use crate::error::CliError;
use crate::serve::connect;
use crate::settings::Settings;
use crate::up::write_out;

/// Letters sent in one transaction.
const BATCH: usize = 500;

pub(super) async fn run(settings: &Settings, args: &ReplayArgs) -> Result<(), CliError> {
    let topics = settings.topic_names().map_err(CliError::usage)?;
    let dead_letters = topics.dead_letters();
    let broker = connect(settings).await?;
    // Two who replay at once exclude each other: the id is taken over before the topic is
    // read, so nobody else marks a letter afterwards.
    let publisher = match args.dry_run {
        true => None,
        false => {
            let id = format!("{}replay", topics.prefix());
            Some(AtomicPublisher::open(&broker, &id).await.map_err(CliError::failed)?)
        }
    };
    let letters = Letters::read(&broker, &dead_letters).await.map_err(CliError::failed)?;
    let (whole, bare): (Vec<&Letter>, Vec<&Letter>) = letters
        .selected(&args.filter, false)
        .into_iter()
        .partition(|letter| letter.letter.original.payload.is_some());
    if let Some(publisher) = &publisher {
        for batch in whole.chunks(BATCH) {
            let records: Vec<Outgoing> =
                batch.iter().flat_map(|letter| letter.sending(&dead_letters)).collect();
            publisher.publish(&records).await.map_err(CliError::failed)?;
        }
    }
    write_out(&summary(&whole, args.dry_run)).map_err(CliError::failed)?;
    if bare.is_empty() {
        return Ok(());
    }
    Err(CliError::failed(anyhow!(
        "{} dead letters hold no payload, because it was null or too large for one: send them \
         again from where they came from (`homestream dlq list` says where)",
        bare.len()
    )))
}

fn summary(letters: &[&Letter], dry_run: bool) -> String {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for letter in letters {
        *counts.entry((&letter.letter.code, &letter.letter.topic)).or_default() += 1;
    }
    let verb = if dry_run { "would be sent" } else { "sent" };
    let mut text = format!("{} dead letters {verb} again\n", letters.len());
    for ((code, topic), count) in counts {
        let _ = writeln!(text, "{count:>9}  {code:<20} to {topic}");
    }
    text
}
