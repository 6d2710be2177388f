//! The market that a command replays: a file of sales through its mapping.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use model_core::date::EventDate;
use model_core::listing::{Listing, Sale};
use producers::{
    GarbageRecord, Garbler, Records, ReplayEvent, ReplayPlan, load_sales, plan_garbage, plan_replay,
};
use schemas::{Codec, TopicNames};

use crate::args::ReplayArgs;
use crate::error::CliError;

/// Rows that may be bad before the file is taken for the wrong one.
pub(crate) const MAX_BAD_ROWS: usize = 1_000;
/// Seed of `--garbage`: every run makes the same.
const GARBAGE_SEED: u64 = 20_240_601;

/// A market in event-time order, ready to be published.
pub(crate) struct Market {
    pub(crate) records: Records,
    pub(crate) plan: ReplayPlan,
    /// Hostile records, by date.
    pub(crate) garbage: Vec<GarbageRecord>,
    pub(crate) first_live: EventDate,
    pub(crate) last_event: EventDate,
    pub(crate) warnings: Vec<String>,
}

impl Market {
    /// Loads the file and plans its replay; `codec` writes its records.
    ///
    /// # Errors
    /// Wrong usage when the file, its mapping or a share is wrong.
    pub(crate) fn load(
        args: &ReplayArgs,
        topics: &TopicNames,
        codec: Codec,
    ) -> Result<Self, CliError> {
        let Sales { sales, warnings } = Sales::load(&args.data, args.mapping.as_deref())?;
        let plan = plan_replay(sales, args.history)
            .map_err(|error| CliError::usage(anyhow!("--history: {error}")))?;
        let (Some(first_live), Some(last_event)) =
            (plan.live.first().map(ReplayEvent::date), plan.live.last().map(ReplayEvent::date))
        else {
            let shown = args.data.display();
            return Err(CliError::usage(anyhow!(
                "{shown} leaves no sale to replay: lower --history"
            )));
        };
        let records = Records::new(codec, topics);
        let garbage = make_garbage(&plan, args.garbage.unwrap_or(0.0), &records)?;
        Ok(Self { records, plan, garbage, first_live, last_event, warnings })
    }
}

/// A file of sales through its mapping.
pub(crate) struct Sales {
    pub(crate) sales: Vec<Sale>,
    pub(crate) warnings: Vec<String>,
}

impl Sales {
    /// Loads `--data` with `--mapping`, or the mapping.toml beside the data.
    ///
    /// # Errors
    /// Wrong usage when the file or its mapping is wrong.
    pub(crate) fn load(data: &Path, mapping: Option<&Path>) -> Result<Self, CliError> {
        let mapping = mapping_path(data, mapping)?;
        let loaded = load_sales(data, &mapping)
            .and_then(|loaded| loaded.accept_bad_rows(MAX_BAD_ROWS))
            .map_err(CliError::usage)?;
        let mut warnings: Vec<String> =
            loaded.row_errors.iter().take(5).map(ToString::to_string).collect();
        if loaded.row_errors.len() > warnings.len() {
            warnings.push(format!("{} rows in all were left out", loaded.row_errors.len()));
        }
        if !loaded.unmapped_columns.is_empty() {
            let columns = loaded.unmapped_columns.join(", ");
            warnings.push(format!("columns neither mapped nor ignored: {columns}"));
        }
        Ok(Self { sales: loaded.sales, warnings })
    }
}

/// `--mapping`, or the mapping.toml beside the data.
///
/// # Errors
/// Wrong usage when there is none.
pub(crate) fn mapping_path(data: &Path, mapping: Option<&Path>) -> Result<PathBuf, CliError> {
    if let Some(mapping) = mapping {
        return Ok(mapping.to_owned());
    }
    if !data.exists() {
        return Err(CliError::usage(anyhow!("--data {}: no such file", data.display())));
    }
    let beside = data.with_file_name("mapping.toml");
    if beside.is_file() {
        return Ok(beside);
    }
    let shown = beside.display();
    Err(CliError::usage(anyhow!(
        "no --mapping given and there is no {shown}: name a mapping (see data/mappings/)"
    )))
}

fn make_garbage(
    plan: &ReplayPlan,
    share: f64,
    records: &Records,
) -> Result<Vec<GarbageRecord>, CliError> {
    let listings: Vec<&Listing> = plan.listings().collect();
    // Every planned listing has been encoded once before it is handed to the garbler.
    let encode = |listing: &Listing| {
        records.listing(listing).ok().and_then(|record| record.payload).unwrap_or_default()
    };
    let is_bad = |payload: &[u8], date: EventDate| records.is_bad_listing(payload, date);
    let mut garbler = Garbler::new(&encode, &is_bad, GARBAGE_SEED);
    let mut garbage = Vec::new();
    for (index, kind) in plan_garbage(listings.len(), share, GARBAGE_SEED) {
        let listing = listings.get(index).context("garbage planned beyond the listings");
        garbage.push(garbler.make(listing.map_err(CliError::failed)?, kind));
    }
    garbage.sort_by(|a, b| (a.date, &a.key).cmp(&(b.date, &b.key)));
    Ok(garbage)
}
