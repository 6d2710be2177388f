//! `homestream models`: models of other programs in, ours out, and what they are.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, anyhow};
use model_core::interchange::{self, Format, Target, lightgbm};
use model_core::learn::{FittedModel, FlatTrees, Precision, PriceScale};
use model_core::model::{PricingModel, digest};
use model_core::training::adopt;

use crate::args::{FormatArg, ImportArgs, ModelsCommand, TargetArg};
use crate::error::CliError;
use crate::features::{archive, read_spec};
use crate::market::Sales;
use crate::matrix::{MatrixReader, number};
use crate::settings::Settings;
use crate::up::write_out;

/// Largest model file that is read.
const MAX_MODEL_BYTES: u64 = 512 << 20;
/// Features whose importance is shown.
const SHOWN: usize = 15;

/// Does what the command says.
///
/// # Errors
/// Wrong usage for wrong files; otherwise what failed.
pub(crate) fn run(settings: &Settings, command: ModelsCommand) -> Result<(), CliError> {
    match command {
        ModelsCommand::Import(args) => import(settings, &args),
        ModelsCommand::Export { model, out } => export(&model, &out),
        ModelsCommand::Show { model } => show(&model),
        ModelsCommand::Predict { model, matrix, out, shap } => {
            predict(&model, &matrix, &out, shap.as_deref())
        }
    }
}

fn import(settings: &Settings, args: &ImportArgs) -> Result<(), CliError> {
    let shown = args.model.display();
    let format = match args.format {
        FormatArg::Auto => None,
        FormatArg::Lightgbm => Some(Format::LightGbm),
        FormatArg::Xgboost => Some(Format::XgBoost),
    };
    let target = match args.target {
        TargetArg::LogPrice => Target::LogPrice,
        TargetArg::Log1pPrice => Target::Log1pPrice,
        TargetArg::Price => Target::Price,
    };
    let bytes = read(&args.model)?;
    let wrong = |error| CliError::usage(anyhow!("{shown}: {error}"));
    let source = interchange::read(&bytes, format).map_err(wrong)?;
    source.notes().iter().for_each(|note| tracing::warn!("{note}"));
    let file = read_spec(&args.spec)?;
    let predictor = source.bind(&file.spec, target).map_err(wrong)?;
    let loaded = Sales::load(&args.sales.data, args.sales.mapping.as_deref())?;
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut archive = archive(loaded.sales, file.market);
    let name = if bytes.trim_ascii_start().starts_with(b"{") { "xgboost" } else { "lightgbm" };
    let (through, params) = (args.trained_through, &settings.training);
    let model =
        adopt(&mut archive, &file, predictor, name, through, params).map_err(CliError::usage)?;
    warn_if_off(&model);
    let bytes = model.to_bytes().map_err(CliError::failed)?;
    PricingModel::from_bytes(&bytes).map_err(CliError::failed)?;
    write_file(&args.out, &bytes)?;
    tell(&summary(&model, &digest(&bytes)))
}

/// Says when predictions are so far off that the target must have been another.
fn warn_if_off(model: &PricingModel) {
    let error = model.metrics.get("mean_absolute_log_error").copied().unwrap_or(0.0);
    if error > 1.0 {
        tracing::warn!(
            "predictions are off by a factor of {:.1} on average: does --target say what the \
             model was trained on?",
            error.exp()
        );
    }
}

fn export(path: &Path, out: &Path) -> Result<(), CliError> {
    let (model, _) = load(path)?;
    let names: Vec<&str> = model.spec.features.iter().map(|f| f.name.as_str()).collect();
    let text = lightgbm::write(&model.predictor, &names, &model.spec.column_kinds())
        .map_err(|error| CliError::usage(anyhow!("{}: {error}", path.display())))?;
    write_file(out, text.as_bytes())?;
    if trees_of(&model.predictor).is_some_and(|trees| trees.precision() == Precision::Single) {
        tracing::warn!(
            "the model adds leaves in 32 bits, as XGBoost does, LightGBM in 64: predictions \
             differ by about a millionth"
        );
    }
    let what = match &model.predictor {
        FittedModel::ScaledTrees(trees) => match trees.scale() {
            PriceScale::LogPrice => "ln(price)",
            PriceScale::Log1pPrice => "ln(1 + price)",
            PriceScale::Price => "price",
            PriceScale::LogOfLogPrice => "ln(ln(price))",
            PriceScale::LogOfLog1pPrice => "ln(ln(1 + price))",
        },
        _ => "ln(price)",
    };
    tell(&format!("{} predicts {what}; columns in the spec's order\n", out.display()))
}

fn show(path: &Path) -> Result<(), CliError> {
    let (model, digest) = load(path)?;
    tell(&summary(&model, &digest))
}

fn trees_of(predictor: &FittedModel) -> Option<&FlatTrees> {
    match predictor {
        FittedModel::BoostedTrees(trees) | FittedModel::Additive { trees, .. } => Some(trees),
        FittedModel::ScaledTrees(scaled) => Some(scaled.trees()),
        FittedModel::ElasticNet(_) => None,
    }
}

fn summary(model: &PricingModel, digest: &str) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // writing to a String cannot fail
        let _ = writeln!(text, "{name:<24} {value}");
    };
    line("digest", digest.to_owned());
    line("strategy", model.strategy.clone());
    line("trained from", model.trained_from.to_string());
    line("trained through", model.trained_through.to_string());
    line("training rows", model.training_rows.to_string());
    line("features", format!("{} (spec {})", model.spec.len(), model.spec.hash()));
    line("currency", model.spec.domain.currency.clone());
    if let Some(trees) = trees_of(&model.predictor) {
        line("trees", format!("{} of {} nodes", trees.n_trees(), trees.n_nodes()));
    }
    for (name, value) in &model.metrics {
        line(name, format!("{value:.4}"));
    }
    let importance = model.predictor.importance();
    let mut features: Vec<(f64, &str)> =
        importance.into_iter().zip(model.spec.features.iter().map(|f| f.name.as_str())).collect();
    features.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let rest: f64 = features.iter().skip(SHOWN).map(|(share, _)| share).sum();
    for (share, name) in features.iter().take(SHOWN) {
        line("importance", format!("{:5.1} % {name}", 100.0 * share));
    }
    if features.len() > SHOWN {
        line("importance", format!("{:5.1} % {} others", 100.0 * rest, features.len() - SHOWN));
    }
    text
}

fn predict(path: &Path, matrix: &Path, out: &Path, shap: Option<&Path>) -> Result<(), CliError> {
    let (model, _) = load(path)?;
    let wrong = |error| CliError::usage(anyhow!("--matrix {}: {error}", matrix.display()));
    let mut rows = MatrixReader::open(matrix, &model.spec).map_err(wrong)?;
    let mut predictions = create(out, "--out", ["LogPrice"].into_iter())?;
    let names = model.spec.features.iter().map(|feature| feature.name.as_str());
    let mut explained = match shap {
        Some(path) => Some((path, create(path, "--shap", names.chain(["Base"]))?)),
        None => None,
    };
    let (mut row, mut parts) = (Vec::new(), vec![0.0; model.spec.len()]);
    while rows.next_row(&mut row).map_err(wrong)? {
        let predicted = number(model.predictor.predict(&row));
        predictions.write_record([predicted]).map_err(CliError::failed)?;
        if let Some((_, out)) = &mut explained {
            let base = model.predictor.shap(&row, &mut parts);
            let cells = parts.iter().chain([&base]).map(|part| number(*part));
            out.write_record(cells).map_err(CliError::failed)?;
        }
    }
    predictions.flush().map_err(CliError::failed)?;
    explained.map_or(Ok(()), |(_, mut out)| out.flush().map_err(CliError::failed))
}

fn create<'a>(
    path: &Path,
    option: &str,
    header: impl Iterator<Item = &'a str>,
) -> Result<csv::Writer<std::fs::File>, CliError> {
    let made = csv::Writer::from_path(path).and_then(|mut out| {
        out.write_record(header)?;
        Ok(out)
    });
    made.with_context(|| format!("{option} {}", path.display())).map_err(CliError::usage)
}

/// Reads a file of bounded size.
fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let wrong = |error: String| CliError::usage(anyhow!("{}: {error}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if size > MAX_MODEL_BYTES {
        return Err(wrong(format!("has {size} bytes, at most {MAX_MODEL_BYTES} are read")));
    }
    std::fs::read(path).map_err(|error| wrong(error.to_string()))
}

fn load(path: &Path) -> Result<(PricingModel, String), CliError> {
    let bytes = read(path)?;
    let model = PricingModel::from_bytes(&bytes)
        .map_err(|error| CliError::usage(anyhow!("{}: {error}", path.display())))?;
    Ok((model, digest(&bytes)))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    std::fs::write(path, bytes)
        .map_err(|error| CliError::usage(anyhow!("--out {}: {error}", path.display())))
}

fn tell(text: &str) -> Result<(), CliError> {
    write_out(text).map_err(CliError::failed)
}
