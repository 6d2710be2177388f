//! `homestream dlq`: records that could not be used.

mod letters;
mod list;
mod replay;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use platform_kafka::BrokerConfig;
use tokio_util::sync::CancellationToken;

use self::letters::Letters;
use crate::error::CliError;
use crate::settings::Settings;

/// Records that could not be used.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// Show the dead letters: how many for which reason, and what can be read of each.
    List(ListArgs),
    /// Send dead letters to their topics again, each exactly once however often it is asked.
    Replay(ReplayArgs),
}

/// Which dead letters.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Filter {
    /// Only those with these reason codes.
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(crate) reason: Vec<String>,
    /// Only those with this record key.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Only those that came from this topic.
    #[arg(long, value_name = "TOPIC")]
    pub(crate) from_topic: Option<String>,
}

/// Options of `dlq list`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Show this many one by one, the newest; 0 shows counts only.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Those that were sent again already, too.
    #[arg(long)]
    pub(crate) all: bool,
    /// One JSON object a dead letter instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `dlq replay`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Say what would be sent, and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Does what the command says.
///
/// # Errors
/// When the broker is lost or refuses, and when a signal ends the work early.
pub(crate) async fn run(
    settings: Settings,
    command: DlqCommand,
    shutdown: CancellationToken,
) -> Result<(), CliError> {
    match command {
        DlqCommand::List(args) => list::run(&settings, &args, &shutdown).await,
        DlqCommand::Replay(args) => replay::run(&settings, &args, &shutdown).await,
    }
}

/// Reads a dead-letter topic to its end.
async fn read(
    broker: &BrokerConfig,
    topic: &str,
    shutdown: &CancellationToken,
) -> Result<Letters, CliError> {
    tokio::select! {
        letters = Letters::read(broker, topic) => letters.map_err(CliError::failed),
        () = shutdown.cancelled() => Err(CliError::failed(anyhow!("interrupted"))),
    }
}
