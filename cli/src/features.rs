//! `homestream features`: sales as models see them, for other programs to train on.

use std::path::Path;

use anyhow::{Context, anyhow};
use model_core::features::SpecFile;
use model_core::listing::Sale;
use model_core::training::{TrainingArchive, discover, encode_sales};

use crate::args::FeaturesArgs;
use crate::error::CliError;
use crate::market::Sales;
use crate::matrix::number;
use crate::settings::Settings;

/// Columns that follow the features.
const EXTRA: [&str; 3] = ["ClosePrice", "CloseDate", "ListingKey"];

/// Writes the matrix and, if asked, the spec.
///
/// # Errors
/// Wrong usage for wrong data, mapping, spec or paths.
pub(crate) fn run(settings: &Settings, args: &FeaturesArgs) -> Result<(), CliError> {
    let loaded = Sales::load(&args.sales.data, args.sales.mapping.as_deref())?;
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let known = args.spec.as_deref().map(read_spec).transpose()?;
    let market = known.as_ref().map_or(settings.training.market, |file| file.market);
    let mut archive = archive(loaded.sales, market);
    let file = known.unwrap_or_else(|| SpecFile::new(discover(&mut archive), market));
    write(&mut archive, &file, &args.out)
        .with_context(|| format!("--out {}", args.out.display()))
        .map_err(CliError::usage)?;
    if let Some(path) = &args.spec_out {
        let json = file.to_json().map_err(CliError::failed)?;
        std::fs::write(path, json)
            .with_context(|| format!("--spec-out {}", path.display()))
            .map_err(CliError::usage)?;
    }
    tracing::info!(
        sales = archive.len(),
        features = file.spec.len(),
        hash = file.spec.hash(),
        "done"
    );
    Ok(())
}

/// An archive of sales that looks at the market as told.
pub(crate) fn archive(
    sales: Vec<Sale>,
    market: model_core::market::MarketParams,
) -> TrainingArchive {
    let mut archive = TrainingArchive::new(market);
    sales.into_iter().for_each(|sale| archive.insert(sale));
    archive
}

/// Reads `--spec`.
///
/// # Errors
/// Wrong usage when it is not a spec.
pub(crate) fn read_spec(path: &Path) -> Result<SpecFile, CliError> {
    let shown = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| CliError::usage(anyhow!("--spec {shown}: {error}")))?;
    SpecFile::from_json(&bytes).map_err(|error| CliError::usage(anyhow!("--spec {shown}: {error}")))
}

fn write(archive: &mut TrainingArchive, file: &SpecFile, path: &Path) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_path(path)?;
    let names = file.spec.features.iter().map(|feature| feature.name.as_str());
    out.write_record(names.chain(EXTRA))?;
    encode_sales(archive, &file.spec, |sale| {
        for value in sale.features {
            out.write_field(number(*value))?;
        }
        out.write_field(number(sale.price))?;
        out.write_field(sale.closed_on.to_string())?;
        out.write_field(sale.key)?;
        out.write_record(None::<&[u8]>)
    })?;
    out.flush()?;
    Ok(())
}
