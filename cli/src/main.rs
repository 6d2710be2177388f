//! `homestream`: one binary, every service a subcommand.

mod args;
mod bench;
mod dlq;
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
mod topics;
mod up;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use platform_telemetry::LogFormat;
use tokio_util::sync::CancellationToken;

use crate::args::{Cli, Command, ConfigCommand};
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
    // What only computes needs no runtime, and ends at once when it is interrupted.
    if let Command::Evaluate(args) = cli.command {
        return evaluate::run(&settings, &args);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(CliError::failed)?;
    let result = runtime.block_on(async {
        let shutdown = shutdown_on_signal();
        match cli.command {
            Command::Up(args) => up::run(settings, args, shutdown).await,
            Command::Produce(args) => produce::run(settings, args.replay, shutdown).await,
            Command::Score => serve::score(settings, shutdown).await,
            Command::Monitor => serve::monitor(settings, shutdown).await,
            Command::Train => serve::train(settings, shutdown).await,
            Command::Features(args) => features::run(&settings, &args),
            Command::Models(command) => models::run(&settings, command),
            Command::Bench(command) => bench::run(settings, cli.common, command, shutdown).await,
            Command::Topics(command) => topics::run(settings, command).await,
            Command::Dlq(command) => dlq::run(settings, command).await,
            Command::Replay(args) => replay::run(settings, args, shutdown).await,
            Command::Evaluate(_) | Command::Config(ConfigCommand::Check) => Ok(()),
            Command::Config(ConfigCommand::Show) => {
                let text = settings.to_toml().map_err(CliError::failed)?;
                up::write_out(&text).map_err(CliError::failed)
            }
        }
    });
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
