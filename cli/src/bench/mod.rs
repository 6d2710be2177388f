//! `homestream bench`: load for a broker, and what answering it costs.

mod args;
mod champion;
mod hostile;
mod listings;
mod load;
mod progress;

use tokio_util::sync::CancellationToken;

pub(crate) use self::args::BenchCommand;
use crate::error::CliError;
use crate::settings::Settings;

/// Runs one of the benches.
///
/// # Errors
/// Wrong usage for wrong data, mapping or settings; otherwise what failed.
pub(crate) async fn run(
    settings: Settings,
    command: BenchCommand,
    interrupted: CancellationToken,
) -> Result<(), CliError> {
    match command {
        BenchCommand::Load(args) => load::run(settings, args, interrupted).await,
    }
}
