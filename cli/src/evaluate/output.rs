//! What `evaluate` leaves: a table for people, JSON and CSV for programs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use model_core::backtest::{Backtest, Contestant, Protocol};
use model_core::evaluation::assessment::Assessment;
use model_core::listing::Sale;
use serde_json::json;

use super::Row;
use crate::args::EvaluateArgs;
use crate::error::CliError;
use crate::up::write_out;

/// An assessment, of a protocol and a strategy.
pub(super) type Assessed = (&'static str, &'static str, Assessment);

/// The files asked for, opened before anything is computed.
pub(super) struct Outputs {
    json: Option<(PathBuf, File)>,
    predictions: Option<(PathBuf, csv::Writer<BufWriter<File>>)>,
}

impl Outputs {
    /// Opens what the command line asks for.
    ///
    /// # Errors
    /// Wrong usage when a file cannot be written.
    pub(super) fn create(args: &EvaluateArgs) -> Result<Self, CliError> {
        let create = |option: &str, path: &PathBuf| {
            File::create(path)
                .with_context(|| format!("{option} {}", path.display()))
                .map(|file| (path.clone(), file))
                .map_err(CliError::usage)
        };
        let json = args.json.as_ref().map(|path| create("--json", path)).transpose()?;
        let predictions = match &args.predictions {
            None => None,
            Some(path) => {
                let (path, file) = create("--predictions", path)?;
                let mut writer = csv::Writer::from_writer(BufWriter::new(file));
                let head = [
                    "protocol",
                    "strategy",
                    "row",
                    "ListingKey",
                    "CloseDate",
                    "ClosePrice",
                    "estimate",
                    "lower",
                    "upper",
                    "fsd",
                    "refused",
                ];
                writer.write_record(head).map_err(CliError::failed)?;
                Some((path, writer))
            }
        };
        Ok(Self { json, predictions })
    }

    /// Writes the estimates of one backtest. `numbers` are the sales' rows in the file.
    pub(super) fn predictions(
        &mut self,
        protocol: Protocol,
        contestant: Contestant,
        result: &Backtest,
        sales: &[Sale],
        numbers: &[usize],
    ) -> Result<(), CliError> {
        let Some((path, writer)) = &mut self.predictions else { return Ok(()) };
        let mut write = || -> anyhow::Result<()> {
            for priced in &result.sales {
                let (sale, price) = (&sales[priced.row], &priced.price);
                writer.serialize((
                    protocol.name(),
                    contestant.name(),
                    numbers[priced.row],
                    &sale.key,
                    sale.closed_on.to_string(),
                    sale.price,
                    price.estimate,
                    price.lower,
                    price.upper,
                    price.fsd,
                    priced.refused,
                ))?;
            }
            Ok(writer.flush()?)
        };
        write()
            .with_context(|| format!("--predictions {}", path.display()))
            .map_err(CliError::failed)
    }

    /// Prints the tables.
    pub(super) fn print(
        &self,
        data_set: &str,
        rows: &[Row],
        assessments: &[Assessed],
    ) -> Result<(), CliError> {
        let mut text = format!("{data_set}\n{}", table(rows));
        for (protocol, strategy, assessment) in assessments {
            text.push_str(&format!("\n{protocol}, {strategy}: assessment\n{assessment}"));
        }
        write_out(&text).map_err(CliError::failed)
    }

    /// Writes the JSON file.
    pub(super) fn json(
        &mut self,
        data_set: &str,
        sales: usize,
        bad_rows: usize,
        rows: &[Row],
        assessments: &[Assessed],
    ) -> Result<(), CliError> {
        let Some((path, file)) = &mut self.json else { return Ok(()) };
        let assessments: Vec<_> = assessments
            .iter()
            .map(|(protocol, strategy, assessment)| {
                json!({ "protocol": protocol, "strategy": strategy, "assessment": assessment })
            })
            .collect();
        let document = json!({
            "data_set": data_set,
            "sales": sales,
            "bad_rows": bad_rows,
            "rows": rows,
            "assessments": assessments,
        });
        let mut write = || -> anyhow::Result<()> {
            serde_json::to_writer_pretty(&mut *file, &document)?;
            Ok(file.write_all(b"\n")?)
        };
        write().with_context(|| format!("--json {}", path.display())).map_err(CliError::failed)
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<9} {:<14} {:>9} {:>7} {:>7} {:>6} {:>7} {:>9} {:>6} {:>6} {:>7} {:>6} {:>7}\n",
        "protocol",
        "strategy",
        "RMSE",
        "MAPE",
        "MdAPE",
        "PPE10",
        "cover90",
        "score90",
        "COD",
        "PRD",
        "fit s",
        "us/row",
        "homes",
    );
    let optional = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    for row in rows {
        text.push_str(&format!(
            "{:<9} {:<14} {:>9.0} {:>7.4} {:>7.4} {:>6.3} {:>7} {:>9} {:>6.2} {:>6.3} {:>7.1} \
             {:>6.1} {:>7}\n",
            row.protocol,
            row.strategy,
            row.rmse,
            row.mape,
            row.mdape,
            row.ppe10,
            optional(row.coverage90, 3),
            optional(row.interval_score90, 0),
            row.cod,
            row.prd,
            row.fit_seconds,
            row.predict_us_per_row,
            row.n_test,
        ));
    }
    text
}
