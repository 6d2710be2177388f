//! The command line of `bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::args::{SalesArgs, parse_share};

/// Measure this installation on a broker of yours.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Publish a market and a champion, then as many listings as asked for.
    Load(LoadArgs),
    /// What a price costs beyond passing its listing through, and how long it takes.
    Pipeline(PipelineArgs),
    /// Read listings and write them out again, with nothing between.
    PassThrough(PassThroughArgs),
}

/// Options of `bench load`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Creates the topics of --topic-prefix, publishes every sale of the file, \
trains a champion on them with the strategies of training.strategies, registers and promotes it, \
and publishes listings of the same homes, in rotation, dated in the four weeks after the last \
sale. Each has a key of its own: bench-00000000, bench-00000001 and so on. On topics that hold a \
market and a champion already it only adds listings, whose keys go on where the last run's ended. \
Start no scorer, monitor or trainer on the prefix before the champion is there.")]
pub(crate) struct LoadArgs {
    /// Listings to publish.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub(crate) listings: u64,
    #[command(flatten)]
    pub(crate) sales: SalesArgs,
    /// Partitions of every topic but the registry's, where topics are created
    /// [default: topics.partitions].
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(i32).range(1..=1_000))]
    pub(crate) partitions: Option<i32>,
    /// Listings a second, at most [default: as many as the broker takes].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Hostile records besides the listings, as a share of them: 10% or 0.1.
    ///
    /// Mutations of good ones as Avro, in a schema registry's framing and as JSON, in turn.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) hostile: Option<f64>,
    /// What the listings' records are dated.
    #[arg(long, value_enum, default_value_t = TimestampArg::Now)]
    pub(crate) timestamps: TimestampArg,
    /// Write the summary as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// What records are dated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimestampArg {
    /// The moment they are sent: latency is measured from it.
    Now,
    /// The date of their event, as in a replay.
    Event,
}

/// Options of `bench pipeline`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Runs, each as a process of its own and in turn: consume (listings are \
read and nothing is done), pass-through (and their bytes written to another topic), score at \
least once, score exactly once. CPU is user and system time of that process alone, from before \
its first listing to after its last answer; starting, the market index and the model are not in \
it. Latency is the time from a listing's timestamp until a reader of committed records has its \
answer, at half of the listings a second that the same service has just answered. Topics without \
a market, champion or listings enough are filled first, as `bench load` does.")]
pub(crate) struct PipelineArgs {
    /// Listings that each run answers; on topics that hold more, all of those.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub(crate) listings: u64,
    #[command(flatten)]
    pub(crate) sales: SalesArgs,
    /// Partitions of every topic but the registry's, where topics are created
    /// [default: topics.partitions].
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(i32).range(1..=1_000))]
    pub(crate) partitions: Option<i32>,
    /// Runs of each service.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repetitions: u32,
    /// Seconds over which latency is measured; 0: it is not.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub(crate) latency_seconds: u32,
    /// Listings a second while latency is measured [default: half of what each service answers].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) latency_rate: Option<u32>,
    /// Write every run as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Options of `bench pass-through`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Consumer group and delivery guarantee are those of the scorer: \
scorer.group_id, scorer.delivery. Runs until it is interrupted.")]
pub(crate) struct PassThroughArgs {
    /// Read only: nothing is written.
    #[arg(long)]
    pub(crate) consume_only: bool,
}
