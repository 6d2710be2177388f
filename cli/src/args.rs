//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use model_core::date::EventDate;

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
    Monitor(MonitorArgs),
    /// Run the notifier: alerts to Alertmanager, webhooks and Slack.
    Notify,
    /// Alerts, and those who are told.
    #[command(subcommand)]
    Alerts(crate::alerts::AlertsCommand),
    /// Run the trainer: new model versions when drift asks for them.
    Train,
    /// Tell how good prices would have been: past sales priced with what was known then.
    Evaluate(EvaluateArgs),
    /// Compare two files column by column: has one drifted from the other?
    Drift(crate::drift::DriftArgs),
    /// Write every sale as its models see it: the matrix to train other programs' models on.
    Features(FeaturesArgs),
    /// Bring models of LightGBM and XGBoost in, write ours out, look at them.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Measure this installation on a broker of yours.
    #[command(subcommand)]
    Bench(crate::bench::BenchCommand),
    /// Topics on the broker.
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Records that could not be used: look at them, send them again.
    #[command(subcommand)]
    Dlq(crate::dlq::DlqCommand),
    /// Compute published prices again and compare them bit for bit.
    Replay(crate::replay::ReplayArgs),
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
    /// Compare the topics with what the services need; each difference with its mending.
    Check {
        /// Expect records to be kept for good, as `create --keep` makes it.
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

/// Options of `monitor`.
#[derive(Clone, Debug, Args)]
pub(crate) struct MonitorArgs {
    /// Run over a file's listings and sales in event time, without a broker: CSV, Parquet or JSON lines, plain, .gz or .zip.
    #[arg(long, value_name = "FILE")]
    pub(crate) replay: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) study: StudyArgs,
}

/// Options of `monitor --replay`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of --replay")]
pub(crate) struct StudyArgs {
    /// How the file's columns become listings and sales [default: mapping.toml beside the data].
    #[arg(long, value_name = "FILE", requires = "replay")]
    pub(crate) mapping: Option<PathBuf>,
    /// Write every window's report and every alert as JSON.
    #[arg(long, value_name = "FILE", requires = "replay")]
    pub(crate) report: Option<PathBuf>,
    /// Share of the sales, the oldest, that the first model learns from.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, requires = "replay")]
    pub(crate) history: f64,
    /// Retrain when the reports ask for it, as `homestream train` would; otherwise the first model stays.
    #[arg(long, requires = "replay")]
    pub(crate) retrain: bool,
    /// Give every sale the date of another first: nothing changes with time then, and every alert is a false one.
    #[arg(long, value_name = "SEED", requires = "replay")]
    pub(crate) shuffle: Option<u64>,
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
    /// A third of boosted_trees and two thirds of linear_trees.
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

pub(crate) fn parse_share(text: &str) -> Result<f64, String> {
    producers::parse_share(text).map_err(|error| error.to_string())
}

/// A file of sales.
#[derive(Clone, Debug, Args)]
pub(crate) struct SalesArgs {
    /// Sales: CSV, Parquet or JSON lines, plain, .gz or .zip.
    #[arg(long, value_name = "FILE", default_value = "data/lucas_county/lucas_county.csv.gz")]
    pub(crate) data: PathBuf,
    /// How the file's columns become sales [default: mapping.toml beside the data].
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Option<PathBuf>,
}

/// Options of `features`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "The matrix has a row per sale, oldest first, and the spec's columns in \
order: numbers as they are served, categories as level codes 0, 1, ..., missing values empty. \
Three more columns follow that a model must not learn from: ClosePrice, CloseDate, ListingKey. \
Every sale is encoded with what the market said on its own day, never with later sales.")]
pub(crate) struct FeaturesArgs {
    #[command(flatten)]
    pub(crate) sales: SalesArgs,
    /// Where the matrix goes, CSV.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Where the spec goes, JSON: `models import` asks for it.
    #[arg(long, value_name = "FILE")]
    pub(crate) spec_out: Option<PathBuf>,
    /// Encode by this spec instead of discovering one.
    #[arg(long, value_name = "FILE")]
    pub(crate) spec: Option<PathBuf>,
}

/// Bring models in, write them out, look at them.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Make a model of LightGBM or XGBoost an artifact that scorers serve.
    Import(ImportArgs),
    /// Write an artifact's trees as a LightGBM text model.
    Export {
        /// The artifact.
        #[arg(value_name = "MODEL.hsm")]
        model: PathBuf,
        /// Where the text goes.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show what an artifact is: origin, features, importance, accuracy, digest.
    Show {
        /// The artifact.
        #[arg(value_name = "MODEL.hsm")]
        model: PathBuf,
    },
    /// Predict the rows of a matrix: the natural log of the price, before level correction.
    Predict {
        /// The artifact.
        #[arg(value_name = "MODEL.hsm")]
        model: PathBuf,
        /// Rows as `features` writes them; columns by name, others are ignored.
        #[arg(long, value_name = "FILE")]
        matrix: PathBuf,
        /// Where the predictions go, CSV.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Where Shapley values go, CSV: a column per feature, then Base.
        #[arg(long, value_name = "FILE")]
        shap: Option<PathBuf>,
    },
}

/// Options of `models import`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "What you need: (1) the matrix and spec that `homestream features` wrote; \
(2) a model trained on the spec's columns, all of them, by name and in any order: LightGBM 4 \
saved by booster.save_model(\"model.txt\"), or XGBoost 2 or 3 saved by \
booster.save_model(\"model.json\"); categories as pd.Categorical(codes, categories=range(n)) or \
plain numbers; (3) the sales, with some that the model was not trained on: they give its \
accuracy, its intervals and their calibration. Say by --trained-through where these begin.")]
pub(crate) struct ImportArgs {
    /// The model: LightGBM's text or XGBoost's JSON.
    #[arg(value_name = "MODEL_FILE")]
    pub(crate) model: PathBuf,
    /// The spec that the model was trained on, as `features --spec-out` wrote it.
    #[arg(long, value_name = "FILE")]
    pub(crate) spec: PathBuf,
    #[command(flatten)]
    pub(crate) sales: SalesArgs,
    /// Kind of the file.
    #[arg(long, value_enum, default_value_t = FormatArg::Auto)]
    pub(crate) format: FormatArg,
    /// What the target was made of: np.log(price), np.log1p(price) or the price itself.
    #[arg(long, value_enum, default_value_t = TargetArg::LogPrice)]
    pub(crate) target: TargetArg,
    /// Date of the last sale that the model was trained on [default: such that 30 % of the
    /// sales are later].
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_date)]
    pub(crate) trained_through: Option<EventDate>,
    /// Where the artifact goes.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// Kinds of model files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// By the first bytes.
    Auto,
    /// LightGBM text.
    Lightgbm,
    /// XGBoost JSON.
    Xgboost,
}

/// What a target was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetArg {
    /// np.log(price).
    LogPrice,
    /// np.log1p(price).
    Log1pPrice,
    /// The price.
    Price,
}

fn parse_date(text: &str) -> Result<EventDate, String> {
    EventDate::parse_iso(text).ok_or_else(|| "expected a date, YYYY-MM-DD".to_owned())
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
    fn dates_are_years_months_and_days() {
        assert_eq!(parse_date("1996-02-29"), Ok(EventDate(9_555)));
        for wrong in ["1997-02-29", "1996", "1996-2-x", ""] {
            assert!(parse_date(wrong).is_err(), "{wrong}");
        }
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
