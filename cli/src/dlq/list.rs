//! `homestream dlq list`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemas::{RecordKind, TopicNames, readable_part};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::ListArgs;
use super::letters::{Letter, Letters};
use crate::error::CliError;
use crate::serve::connect;
use crate::settings::Settings;
use crate::up::write_out;

/// Longest text shown of what can be read of a record.
const SHOWN_CHARS: usize = 400;
/// Bytes shown of a record of which nothing can be read.
const SHOWN_BYTES: usize = 24;

pub(super) async fn run(
    settings: &Settings,
    args: &ListArgs,
    shutdown: &CancellationToken,
) -> Result<(), CliError> {
    let topics = settings.topic_names().map_err(CliError::usage)?;
    let broker = connect(settings).await?;
    let letters = super::read(&broker, &topics.dead_letters(), shutdown).await?;
    let selected = letters.selected(&args.filter, args.all);
    let newest = &selected[selected.len().saturating_sub(args.limit)..];
    let text = if args.json {
        newest.iter().map(|letter| format!("{}\n", told(letter, &letters, &topics))).collect()
    } else {
        table(&selected, newest, &letters, &topics)
    };
    write_out(&text).map_err(CliError::failed)
}

fn table(
    selected: &[&Letter],
    newest: &[&Letter],
    letters: &Letters,
    topics: &TopicNames,
) -> String {
    let mut text = String::new();
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for letter in selected {
        *counts.entry((&letter.letter.code, &letter.letter.topic)).or_default() += 1;
    }
    let _ = writeln!(text, "{} dead letters in {}", selected.len(), topics.dead_letters());
    for ((code, topic), count) in counts {
        let _ = writeln!(text, "{count:>9}  {code:<20} from {topic}");
    }
    if letters.unknown > 0 {
        let _ = writeln!(text, "{:>9}  records that are no dead letters", letters.unknown);
    }
    for letter in newest {
        let told = told(letter, letters, topics);
        let field = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        let again = if letters.was_sent_again(letter) { ", sent again" } else { "" };
        let _ = writeln!(text, "\n{} key {}{again}", field("source"), field("key"));
        let _ = writeln!(text, "  {}: {}", field("reason"), field("message"));
        let read = match &told["read"] {
            Value::Null => format!("nothing; it begins {}", field("begins")),
            read => read.to_string(),
        };
        let shown: String = read.chars().take(SHOWN_CHARS).collect();
        let _ = writeln!(text, "  read: {shown}{}", if shown == read { "" } else { " ..." });
    }
    text
}

/// Everything that is known of a letter.
fn told(letter: &Letter, letters: &Letters, topics: &TopicNames) -> Value {
    let Letter { partition, offset, letter: dead } = letter;
    let payload = dead.original.payload.as_deref().unwrap_or_default();
    let kind = if *dead.topic == *topics.sales() { RecordKind::Sale } else { RecordKind::Listing };
    let key = dead.original.key.as_deref().map(String::from_utf8_lossy);
    json!({
        "dead_letter": format!("{}[{partition}]@{offset}", topics.dead_letters()),
        "source": format!("{}[{}]@{}", dead.topic, dead.partition, dead.offset),
        "key": key,
        "timestamp_ms": dead.original.timestamp_ms,
        "stage": dead.stage,
        "reason": dead.code,
        "message": dead.message,
        "bytes": payload.len(),
        "begins": hex::encode(payload.get(..SHOWN_BYTES).unwrap_or(payload)),
        "read": readable_part(kind, payload),
        "sent_again": letters.was_sent_again(letter),
    })
}
