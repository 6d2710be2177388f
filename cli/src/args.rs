//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Prices homes as they are listed.
#[derive(Debug, Parser)]
#[command(name = "homestream", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Options of every subcommand.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Common {
    /// Configuration file (TOML, or YAML such as params.yaml); flags and HOMESTREAM__SECTION__KEY variables override it.
    #[arg(long, global = true, value_name = "FILE", env = "HOMESTREAM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Kafka brokers; without them `up` starts an embedded broker.
    #[arg(long, global = true, value_name = "HOST:PORT[,...]")]
    pub(crate) brokers: Option<String>,
    /// Prefix of every topic.
    #[arg(long, global = true, value_name = "PREFIX")]
    pub(crate) topic_prefix: Option<String>,
    /// Folder of model artifacts.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) artifacts: Option<PathBuf>,
    /// Address of /metrics, /healthz and /readyz; port 0 takes a free one.
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub(crate) metrics_listen: Option<String>,
    /// Logs as JSON lines.
    #[arg(long, global = true)]
    pub(crate) log_json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Replay a market through the whole loop: producer, scorer, monitor, trainer.
    Up(UpArgs),
    /// Publish a file's sales, and the listings that led to them, in event-time order.
    Produce(ProduceArgs),
    /// Run the scorer: listings in, price estimates out.
    Score,
    /// Run the monitor: drift reports and alerts.
    Monitor,
    /// Run the trainer: new model versions when drift asks for them.
    Train,
    /// Tell how good prices would have been: past sales priced with what was known then.
    Evaluate(EvaluateArgs),
    /// Topics on the broker.
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Configuration as it is in force.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Topics on the broker.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Create the topics that do not exist, with their settings.
    Create {
        /// Keep records for good: for replays, whose records carry dates of long ago.
        #[arg(long)]
        keep: bool,
    },
}

/// Configuration as it is in force.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print it as TOML, secrets redacted.
    Show,
    /// Check it and say nothing if it is right.
    Check,
}

/// Where sales come from and how they are replayed.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Sales: CSV, Parquet or JSON lines, plain, .gz or .zip.
    #[arg(long, value_name = "FILE", default_value = "data/lucas_county/lucas_county.csv.gz")]
    pub(crate) data: PathBuf,
    /// How the file's columns become listings and sales [default: mapping.toml beside the data].
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Option<PathBuf>,
    /// Days of event time a second, or `max`.
    #[arg(long, value_name = "N|max", default_value = "30", value_parser = parse_speed)]
    pub(crate) speed: Speed,
    /// Share of the sales, the oldest, that are history: published at once, and trained on.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    pub(crate) history: f64,
    /// Hostile records among the listings, as a share of them: 1% or 0.01.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) garbage: Option<f64>,
}

/// Options of `up`.
#[derive(Clone, Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) replay: ReplayArgs,
    /// End when the replay is over, instead of serving until Ctrl-C.
    #[arg(long)]
    pub(crate) exit_when_done: bool,
    /// Write the summary as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write every price as JSON lines, in order of date and key.
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
}

/// Options of `produce`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProduceArgs {
    #[command(flatten)]
    pub(crate) replay: ReplayArgs,
}

/// Options of `evaluate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Sales: CSV, Parquet or JSON lines, plain, .gz or .zip.
    #[arg(long, value_name = "FILE", default_value = "data/lucas_county/lucas_county.csv.gz")]
    pub(crate) data: PathBuf,
    /// How the file's columns become sales [default: mapping.toml beside the data].
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Option<PathBuf>,
    /// What is learned from what; several separated by commas.
    ///
    /// time70: the first 70 % of the sales by date teach once, the rest is priced.
    /// stream: the same homes, retrained monthly, with all that was known before each date.
    /// cv5: cross-validation.
    #[arg(
        long,
        value_name = "PROTOCOL",
        value_delimiter = ',',
        default_value = "time70",
        verbatim_doc_comment
    )]
    pub(crate) protocol: Vec<ProtocolArg>,
    /// Strategies to compare; auto is what a training would choose.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "auto")]
    pub(crate) strategies: Vec<ContestantArg>,
    /// Folds of cv5: a CSV of two columns, row number (from 0, header not counted) and fold.
    #[arg(long, value_name = "FILE")]
    pub(crate) folds: Option<PathBuf>,
    /// Seed of cv5's own folds and of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Write everything as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write every estimate as CSV.
    #[arg(long, value_name = "FILE")]
    pub(crate) predictions: Option<PathBuf>,
    /// Leave out the assessment by the standards, overall and by segment.
    #[arg(long)]
    pub(crate) brief: bool,
}

/// A protocol on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ProtocolArg {
    /// Learn once.
    Time70,
    /// Learn monthly.
    Stream,
    /// Cross-validation.
    Cv5,
}

/// A strategy on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum ContestantArg {
    /// The best of the configured strategies on the most recent sales.
    Auto,
    /// Penalised linear regression (linfa).
    ElasticNet,
    /// Boosted trees.
    BoostedTrees,
    /// Elastic net, and trees of what it leaves.
    LinearTrees,
    /// The mean of boosted_trees and linear_trees.
    Blend,
}

/// How fast a replay goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Speed {
    /// Days of event time a second.
    DaysPerSecond(f64),
    /// As fast as the services follow.
    Max,
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    match text.parse::<f64>() {
        Ok(days) if days.is_finite() && (0.001..=1e6).contains(&days) => {
            Ok(Speed::DaysPerSecond(days))
        }
        _ => Err("expected `max` or a number of days a second, 0.001 to 1000000".into()),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    producers::parse_share(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn speeds_are_days_a_second_or_max() {
        assert_eq!(parse_speed("max"), Ok(Speed::Max));
        assert_eq!(parse_speed("7.5"), Ok(Speed::DaysPerSecond(7.5)));
        for wrong in ["0", "-1", "fast", "inf", "NaN", ""] {
            assert!(parse_speed(wrong).is_err(), "{wrong}");
        }
    }
}
