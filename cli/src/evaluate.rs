//! `homestream evaluate`: past sales priced with what was known then, measured and assessed.

mod output;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model_core::backtest::{self, Backtest, BacktestError, Contestant, Folds, Protocol, Watch};
use model_core::evaluation::assessment::{Assessment, AssessmentParams, EvaluatedSale, assess};
use model_core::evaluation::segments::{AreaGrid, segments_of};
use model_core::evaluation::{self, AccuracySummary};
use model_core::listing::Sale;
use model_core::training::StrategyName;
use producers::load::SaleReader;
use producers::source::SourceConfig;
use producers::{Mapping, ReadError};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::args::{ContestantArg, EvaluateArgs, ProtocolArg};
use crate::error::CliError;
use crate::market::{MAX_BAD_ROWS, mapping_path};
use crate::settings::Settings;

/// Areas that an assessment is split into where homes have no postal code.
const AREAS: usize = 16;

/// What one strategy reached under one protocol. Shares are decimals, COD is in percent.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    strategy: &'static str,
    protocol: &'static str,
    rmse: f64,
    mae: f64,
    mape: f64,
    mdape: f64,
    r2: Option<f64>,
    rmsle: f64,
    coverage90: Option<f64>,
    interval_score90: Option<f64>,
    cod: f64,
    prd: f64,
    prb: Option<f64>,
    ppe10: f64,
    median_ratio: f64,
    /// Share of the homes for which the engine would have published the estimate.
    hit_rate: f64,
    /// CPU seconds of all trainings.
    fit_seconds: f64,
    /// CPU microseconds for a price, from market view to explanation.
    predict_us_per_row: f64,
    n_test: usize,
    /// How often each strategy won a training.
    winners: BTreeMap<String, usize>,
}

/// The sales of a file, in its order, with their row numbers.
struct Table {
    name: String,
    sales: Vec<Sale>,
    rows: Vec<usize>,
    bad_rows: usize,
}

/// Runs the command.
///
/// # Errors
/// Wrong usage for a file or option that cannot be used; failure of a training.
pub(crate) fn run(settings: &Settings, args: &EvaluateArgs) -> Result<(), CliError> {
    let table = load(args)?;
    let folds = folds(args, &table)?;
    let mut outputs = output::Outputs::create(args)?;
    let mut rows = Vec::new();
    let mut assessments = Vec::new();
    for protocol in args.protocol.iter().map(|arg| protocol(*arg)) {
        for contestant in args.strategies.iter().map(|arg| contestant(*arg)) {
            let progress = Progress::new(protocol, contestant);
            let result = backtest::run(
                protocol,
                contestant,
                &table.sales,
                &folds,
                &settings.training,
                Watch {
                    stopwatch: &cpu_seconds,
                    on_progress: &mut |done, all| progress.show(done, all),
                },
            )
            .map_err(|error| failure(error, &table))?;
            progress.finish();
            rows.push(measure(protocol, contestant, &result, &table)?);
            outputs.predictions(protocol, contestant, &result, &table.sales, &table.rows)?;
            if !args.brief {
                let assessment = assessed(&result, &table.sales, args.seed)?;
                assessments.push((protocol.name(), contestant.name(), assessment));
            }
        }
    }
    outputs.print(&table.name, &rows, &assessments)?;
    outputs.json(&table.name, table.sales.len(), table.bad_rows, &rows, &assessments)
}

fn protocol(arg: ProtocolArg) -> Protocol {
    match arg {
        ProtocolArg::Time70 => Protocol::Time70,
        ProtocolArg::Stream => Protocol::Stream,
        ProtocolArg::Cv5 => Protocol::Cv5,
    }
}

fn contestant(arg: ContestantArg) -> Contestant {
    match arg {
        ContestantArg::Auto => Contestant::Auto,
        ContestantArg::ElasticNet => Contestant::Only(StrategyName::ElasticNet),
        ContestantArg::BoostedTrees => Contestant::Only(StrategyName::BoostedTrees),
        ContestantArg::LinearTrees => Contestant::Only(StrategyName::LinearTrees),
        ContestantArg::Blend => Contestant::Only(StrategyName::Blend),
    }
}

fn load(args: &EvaluateArgs) -> Result<Table, CliError> {
    let path = mapping_path(&args.data, args.mapping.as_deref())?;
    let mapping = Mapping::load(path).map_err(CliError::usage)?;
    let reader =
        SaleReader::open(&SourceConfig::file(&args.data), &mapping).map_err(CliError::usage)?;
    let name = reader.source_name().to_owned();
    let (mut sales, mut rows, mut bad_rows) = (Vec::new(), Vec::new(), 0);
    for (number, item) in reader.enumerate() {
        match item {
            Ok(sale) => {
                sales.push(sale);
                rows.push(number);
            }
            Err(ReadError::Row(error)) => {
                bad_rows += 1;
                if bad_rows <= 5 {
                    tracing::warn!("left out: {error}");
                }
                if bad_rows > MAX_BAD_ROWS {
                    let reason = anyhow!("more than {MAX_BAD_ROWS} bad rows; the last: {error}");
                    return Err(CliError::usage(reason.context(name)));
                }
            }
            Err(ReadError::Source(error)) => return Err(CliError::usage(error)),
        }
    }
    Ok(Table { name, sales, rows, bad_rows })
}

fn folds(args: &EvaluateArgs, table: &Table) -> Result<Folds, CliError> {
    let Some(path) = &args.folds else {
        return Ok(Folds::seeded(table.sales.len(), args.seed));
    };
    let read = || read_folds(path, table);
    read().with_context(|| format!("--folds {}", path.display())).map_err(CliError::usage)
}

/// The folds of a file: they name rows of the data, of which bad ones were left out.
fn read_folds(path: &Path, table: &Table) -> anyhow::Result<Folds> {
    let sale_of: BTreeMap<usize, usize> =
        table.rows.iter().enumerate().map(|(sale, row)| (*row, sale)).collect();
    let n_rows = table.rows.len() + table.bad_rows;
    let mut pairs = Vec::new();
    for record in csv::Reader::from_path(path)?.deserialize() {
        let (row, fold): (usize, u32) = record?;
        if row >= n_rows {
            anyhow::bail!("row {row} is beyond the data's {n_rows} rows (the first is 0)");
        }
        pairs.extend(sale_of.get(&row).map(|sale| (*sale, fold)));
    }
    Ok(Folds::given(pairs)?)
}

/// CPU time of this process: other work on the machine does not count.
fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn failure(error: BacktestError, table: &Table) -> CliError {
    let usage = matches!(error, BacktestError::TooFew(..));
    let error = anyhow!(error).context(table.name.clone());
    if usage { CliError::Usage(error) } else { CliError::Failed(error) }
}

fn measure(
    protocol: Protocol,
    contestant: Contestant,
    result: &Backtest,
    table: &Table,
) -> Result<Row, CliError> {
    let sales = &result.sales;
    let prices: Vec<f64> = sales.iter().map(|priced| table.sales[priced.row].price).collect();
    let of = |value: fn(&model_core::estimate::Price) -> f64| -> Vec<f64> {
        sales.iter().map(|priced| value(&priced.price)).collect()
    };
    let (estimates, lower, upper) = (of(|p| p.estimate), of(|p| p.lower), of(|p| p.upper));
    let accuracy = AccuracySummary::of(&estimates, &prices).map_err(CliError::failed)?;
    // The columns are of 90 % intervals; another nominal level has its place in the assessment.
    let level = sales.first().map(|priced| priced.price.interval_level);
    let at_90 = level.is_some_and(|level| (level - 0.9).abs() < 1e-9);
    let coverage = evaluation::coverage(&lower, &upper, &prices).map_err(CliError::failed)?;
    let score =
        evaluation::interval_score(&lower, &upper, &prices, 0.9).map_err(CliError::failed)?;
    let n_test = sales.len();
    let published = sales.iter().filter(|priced| !priced.refused).count();
    let mut winners = BTreeMap::new();
    for winner in &result.winners {
        *winners.entry(winner.clone()).or_default() += 1;
    }
    Ok(Row {
        strategy: contestant.name(),
        protocol: protocol.name(),
        rmse: accuracy.rmse,
        mae: accuracy.mae,
        mape: accuracy.mape,
        mdape: accuracy.mdape,
        r2: accuracy.r2,
        rmsle: accuracy.rmsle,
        coverage90: at_90.then_some(coverage),
        interval_score90: at_90.then_some(score),
        cod: accuracy.cod,
        prd: accuracy.prd,
        prb: accuracy.prb,
        ppe10: accuracy.ppe10,
        median_ratio: accuracy.median_ratio,
        hit_rate: published as f64 / n_test as f64,
        fit_seconds: result.fit_seconds,
        predict_us_per_row: 1e6 * result.price_seconds / n_test as f64,
        n_test,
        winners,
    })
}

/// The assessment of what would have been published.
fn assessed(result: &Backtest, sales: &[Sale], seed: u64) -> Result<Assessment, CliError> {
    let places: Vec<(f64, f64)> =
        sales.iter().filter_map(|sale| sale.facts.coordinates()).collect();
    let grid = AreaGrid::of(&places, AREAS);
    let evaluated: Vec<EvaluatedSale> = result
        .sales
        .iter()
        .map(|priced| {
            let sale = &sales[priced.row];
            let answer = (!priced.refused).then_some(&priced.price);
            let mut evaluated = EvaluatedSale::new(sale.price, answer);
            evaluated.segments = segments_of(&sale.facts, sale.closed_on, Some(&grid));
            evaluated
        })
        .collect();
    let params = AssessmentParams { seed, ..AssessmentParams::default() };
    assess(&evaluated, &params).map_err(CliError::failed)
}

/// How far a backtest is: a bar on a terminal, log lines elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    name: String,
}

impl Progress {
    fn new(protocol: Protocol, contestant: Contestant) -> Self {
        let name = format!("{} {}", protocol.name(), contestant.name());
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{msg} {bar:24} {pos}/{len} trainings")
            {
                bar.set_style(style.progress_chars("━━╌"));
            }
            bar.set_message(name.clone());
            bar
        });
        Self { bar, name }
    }

    fn show(&self, done: usize, all: usize) -> bool {
        match &self.bar {
            Some(bar) => {
                bar.set_length(all as u64);
                bar.set_position(done as u64);
            }
            None => tracing::info!(backtest = %self.name, done, all, "trainings"),
        }
        true
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
