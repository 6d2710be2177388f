//! `homestream bench pipeline`: what each service costs on the same listings.

mod child;
mod latency;
mod report;
mod throughput;

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use platform_kafka::{BrokerConfig, topic_record_counts};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::latency::Latency;
use self::report::Report;
use self::throughput::Run;
use super::args::{LoadArgs, PipelineArgs, TimestampArg};
use super::load::load;
use super::pass_through::output_topic;
use crate::args::Common;
use crate::error::CliError;
use crate::serve;
use crate::settings::Settings;

/// A service that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Variant {
    /// Reads, and writes nothing.
    Consume,
    /// Writes what it reads.
    PassThrough,
    /// The scorer, at least once.
    AtLeastOnce,
    /// The scorer, exactly once.
    ExactlyOnce,
}

impl Variant {
    /// In the order in which they take turns.
    const ALL: [Self; 4] = [Self::Consume, Self::PassThrough, Self::AtLeastOnce, Self::ExactlyOnce];

    fn name(self) -> &'static str {
        match self {
            Self::Consume => "consume",
            Self::PassThrough => "pass-through",
            Self::AtLeastOnce => "score, at least once",
            Self::ExactlyOnce => "score, exactly once",
        }
    }

    /// The command that runs it.
    fn command(self) -> &'static [&'static str] {
        match self {
            Self::Consume => &["bench", "pass-through", "--consume-only"],
            Self::PassThrough => &["bench", "pass-through"],
            Self::AtLeastOnce | Self::ExactlyOnce => &["score"],
        }
    }

    /// What `scorer.delivery` is for it.
    fn delivery(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly_once",
            _ => "at_least_once",
        }
    }
}

/// The measurement's whereabouts.
pub(crate) struct Bench<'a> {
    settings: &'a Settings,
    common: &'a Common,
    broker: &'a BrokerConfig,
    args: &'a PipelineArgs,
    interrupted: &'a CancellationToken,
    /// Part of every group's name, so that no run goes on where another ended.
    id: String,
}

impl Bench<'_> {
    /// Where a variant's answers go.
    fn output(&self, variant: Variant) -> Result<String, CliError> {
        let topics = self.settings.topic_names().map_err(CliError::usage)?;
        Ok(match variant {
            Variant::Consume | Variant::PassThrough => output_topic(&topics),
            Variant::AtLeastOnce | Variant::ExactlyOnce => topics.prices().to_string(),
        })
    }

    fn listings(&self) -> Result<String, CliError> {
        Ok(self.settings.topic_names().map_err(CliError::usage)?.listings().to_string())
    }

    fn check_interrupted(&self) -> Result<(), CliError> {
        match self.interrupted.is_cancelled() {
            true => Err(CliError::failed(anyhow!("interrupted"))),
            false => Ok(()),
        }
    }
}

/// Measures every variant and shows what was found.
///
/// # Errors
/// Wrong usage for wrong data, mapping or settings; otherwise what failed.
pub(crate) async fn run(
    mut settings: Settings,
    common: Common,
    args: PipelineArgs,
    interrupted: CancellationToken,
) -> Result<(), CliError> {
    if let Some(partitions) = args.partitions {
        settings.topics.partitions = partitions;
    }
    let broker = serve::connect(&settings).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let bench = Bench {
        settings: &settings,
        common: &common,
        broker: &broker,
        args: &args,
        interrupted: &interrupted,
        id: format!("bench-{:x}", now.as_millis()),
    };
    let listings = fill(&bench).await?;
    let mut report = Report::new(listings, args.repetitions);
    for repetition in 0..args.repetitions {
        for variant in Variant::ALL {
            bench.check_interrupted()?;
            let run: Run = throughput::measure(&bench, variant, repetition, listings).await?;
            tracing::info!(
                service = variant.name(),
                repetition,
                cpu_us = run.cpu_us_per_event,
                listings_per_second = run.events_per_second.round(),
                "measured"
            );
            report.add_run(variant, run);
        }
    }
    if args.latency_seconds > 0 {
        for variant in [Variant::PassThrough, Variant::AtLeastOnce, Variant::ExactlyOnce] {
            bench.check_interrupted()?;
            let rate = args.latency_rate.map_or_else(|| report.half_load(variant), f64::from);
            let latency: Latency = latency::measure(&bench, variant, rate).await?;
            tracing::info!(service = variant.name(), p99_ms = latency.p99_ms, "latency measured");
            report.add_latency(variant, latency);
        }
    }
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&report.summary()).map_err(CliError::failed)?;
        std::fs::write(path, json)
            .with_context(|| format!("cannot write --json {}", path.display()))
            .map_err(CliError::failed)?;
    }
    crate::up::write_out(&report.table()).map_err(CliError::failed)
}

/// Sees to it that there are listings enough, a market and a champion; how many listings.
async fn fill(bench: &Bench<'_>) -> Result<u64, CliError> {
    let mut args = LoadArgs {
        listings: 0,
        sales: bench.args.sales.clone(),
        partitions: bench.args.partitions,
        rate: None,
        hostile: None,
        timestamps: TimestampArg::Now,
        json: None,
    };
    load(bench.settings, bench.broker, &args, bench.interrupted).await?;
    let there = count(bench).await?;
    args.listings = bench.args.listings.saturating_sub(there);
    if args.listings > 0 {
        load(bench.settings, bench.broker, &args, bench.interrupted).await?;
    }
    count(bench).await
}

async fn count(bench: &Bench<'_>) -> Result<u64, CliError> {
    let topic = bench.listings()?;
    let counts = topic_record_counts(bench.broker, &[&topic]).await.map_err(CliError::failed)?;
    Ok(counts.get(&topic).copied().unwrap_or_default())
}
