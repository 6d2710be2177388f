//! `homestream`: one binary, every service a subcommand.

mod alerts;
mod args;
mod bench;
mod dlq;
mod drift;
mod error;
mod evaluate;
mod facts;
mod features;
mod market;
mod matrix;
mod models;
mod produce;
mod replay;
mod serve;
mod settings;
mod study;
mod topics;
mod up;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use platform_telemetry::LogFormat;
use tokio_util::sync::CancellationToken;

use crate::args::{Cli, Command, ConfigCommand, MonitorArgs};
use crate::error::CliError;
use crate::settings::Settings;

/// A listing on its way takes some seventy allocations of a few bytes each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = if cli.common.log_json { LogFormat::Json } else { LogFormat::Pretty };
    // `up` shows its own events; services log theirs.
    let filter = if matches!(cli.command, Command::Up(_)) { "warn" } else { "info" };
    platform_telemetry::init_tracing(format, filter);
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("homestream: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    let settings = Settings::load(&cli.common).map_err(CliError::usage)?;
    match cli.command {
        // What only computes needs no runtime, and ends at once when it is interrupted.
        Command::Evaluate(args) => evaluate::run(&settings, &args),
        Command::Drift(args) => drift::run(&args),
        Command::Features(args) => features::run(&settings, &args),
        Command::Models(command) => models::run(&settings, command),
        Command::Config(ConfigCommand::Check) => Ok(()),
        Command::Config(ConfigCommand::Show) => {
            let text = settings.to_toml().map_err(CliError::failed)?;
            up::write_out(&text).map_err(CliError::failed)
        }
        Command::Up(args) => in_runtime(|shutdown| up::run(settings, args, shutdown)),
        Command::Produce(args) => {
            in_runtime(|shutdown| produce::run(settings, args.replay, shutdown))
        }
        Command::Score => in_runtime(|shutdown| serve::score(settings, shutdown)),
        Command::Monitor(MonitorArgs { replay: Some(data), study }) => {
            study::run(&settings, &data, &study)
        }
        Command::Monitor(MonitorArgs { replay: None, .. }) => {
            in_runtime(|shutdown| serve::monitor(settings, shutdown))
        }
        Command::Notify => in_runtime(|shutdown| alerts::notify(settings, shutdown)),
        Command::Alerts(command) => in_runtime(|shutdown| alerts::run(settings, command, shutdown)),
        Command::Train => in_runtime(|shutdown| serve::train(settings, shutdown)),
        Command::Bench(command) => {
            in_runtime(|shutdown| bench::run(settings, cli.common, command, shutdown))
        }
        Command::Topics(command) => in_runtime(|shutdown| topics::run(settings, command, shutdown)),
        Command::Dlq(command) => in_runtime(|shutdown| dlq::run(settings, command, shutdown)),
        Command::Replay(args) => in_runtime(|shutdown| replay::run(settings, args, shutdown)),
    }
}

/// Runs what waits for others; a signal cancels the token that it gets.
fn in_runtime<F>(command: impl FnOnce(CancellationToken) -> F) -> Result<(), CliError>
where
    F: Future<Output = Result<(), CliError>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(CliError::failed)?;
    let result = runtime.block_on(async { command(shutdown_on_signal()).await });
    // A training under way is not waited for: it has published nothing yet.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// A token that the first Ctrl-C or SIGTERM cancels.
fn shutdown_on_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let terminated = async {
            match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(mut signal) => {
                    signal.recv().await;
                }
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = terminated => {}
        }
        cancelled.cancel();
    });
    token
}
