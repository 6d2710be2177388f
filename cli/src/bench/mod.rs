//! `homestream bench`: load for a broker, and what answering it costs.

mod args;
mod champion;
mod hostile;
mod listings;
mod load;
mod pass_through;
mod pipeline;
mod progress;

use tokio_util::sync::CancellationToken;

pub(crate) use self::args::BenchCommand;
use crate::args::Common;
use crate::error::CliError;
use crate::settings::Settings;

/// Runs one of the benches.
///
/// # Errors
/// Wrong usage for wrong data, mapping or settings; otherwise what failed.
pub(crate) async fn run(
    settings: Settings,
    common: Common,
    command: BenchCommand,
    interrupted: CancellationToken,
) -> Result<(), CliError> {
    match command {
        BenchCommand::Load(args) => load::run(settings, args, interrupted).await,
        BenchCommand::Pipeline(args) => pipeline::run(settings, common, args, interrupted).await,
        BenchCommand::PassThrough(args) => pass_through::run(settings, args, interrupted).await,
    }
}
