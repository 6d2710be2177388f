//! `homestream drift`: two files compared, column by column.

mod args;
mod html;
mod report;
mod side;
mod svg;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use model_core::drift::statistics::{
    CategoricalColumn, ColumnComparison, ColumnKind, NumericColumn, compare_categorical,
    compare_numeric,
};
use producers::columns::{ColumnType, ColumnValues, MAX_LABELS};

pub(crate) use self::args::DriftArgs;
use self::report::{DriftReport, FileSummary, Skipped};
use self::side::Side;
use crate::error::CliError;
use crate::up::write_out;

/// Compares and reports.
///
/// # Errors
/// Wrong usage for wrong files, columns or paths; a failure for drift if that was asked for.
pub(crate) fn run(args: &DriftArgs) -> Result<(), CliError> {
    let report = compare(args)?;
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&report).map_err(CliError::failed)?;
        write("--json", path, &(json + "\n"))?;
    }
    if let Some(path) = &args.html {
        write("--html", path, &html::page(&report))?;
    }
    write_out(&report.to_table()).map_err(CliError::failed)?;
    if args.fail_on_drift && report.drifted > 0 {
        let names: Vec<&str> = report.drifted_columns().collect();
        let found = anyhow!(
            "drift in {} of {} columns: {}",
            report.drifted,
            report.columns,
            names.join(", ")
        );
        return Err(CliError::failed(found));
    }
    Ok(())
}

fn write(option: &str, path: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text)
        .with_context(|| format!("{option} {}", path.display()))
        .map_err(CliError::usage)
}

fn compare(args: &DriftArgs) -> Result<DriftReport, CliError> {
    let mappings: [Option<&Path>; 2] = match args.mapping.as_slice() {
        [] => [None, None],
        [both] => [Some(both), Some(both)],
        [reference, current] => [Some(reference), Some(current)],
        more => {
            return Err(CliError::usage(anyhow!(
                "--mapping is given {} times: give one for both files, or two",
                more.len()
            )));
        }
    };
    let mut reference = Side::open("--reference", &args.reference, mappings[0])?;
    let mut current = Side::open("--current", &args.current, mappings[1])?;
    let plan = Plan::new(args, &reference, &current)?;
    reference.prepare(&plan.wanted())?;
    current.prepare(&plan.wanted())?;
    let mut report = plan.report(args);
    let progress = progress(plan.columns.len() as u64);
    for (name, task) in &plan.columns {
        progress.set_message(name.clone());
        let as_labels = matches!(task, Task::Labels);
        let pair = (reference.take(name, as_labels)?, current.take(name, as_labels)?);
        match compare_pair(args, name, *task, pair) {
            Some(feature) => report.features.push(feature),
            None => report.skipped.push(Skipped {
                name: name.clone(),
                reason: format!("more than {MAX_LABELS} different texts: a key or free text"),
            }),
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    report.conclude();
    Ok(report)
}

/// Draws on standard error, and nothing where that is no terminal.
fn progress(columns: u64) -> ProgressBar {
    let progress = ProgressBar::new(columns);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} columns {elapsed} {msg}")
    {
        progress.set_style(style);
    }
    progress
}

fn compare_pair(
    args: &DriftArgs,
    name: &str,
    task: Task,
    (reference, current): (ColumnValues, ColumnValues),
) -> Option<ColumnComparison> {
    use ColumnValues as V;
    match (task, reference, current) {
        (Task::Numbers { whole }, V::Numbers(reference), V::Numbers(current)) => {
            let params = args.params(name, ColumnKind::Numeric);
            let column = |values| NumericColumn::new(values, whole, args.max_exact);
            Some(compare_numeric(name, &column(reference), &column(current), &params))
        }
        (
            Task::Labels,
            V::Labels { counts: reference, missing: missing_reference },
            V::Labels { counts: current, missing: missing_current },
        ) => {
            let params = args.params(name, ColumnKind::Categorical);
            let reference = CategoricalColumn::new(reference, missing_reference);
            let current = CategoricalColumn::new(current, missing_current);
            Some(compare_categorical(name, &reference, &current, &params))
        }
        _ => None,
    }
}

/// What a column is compared as.
#[derive(Clone, Copy)]
enum Task {
    Numbers { whole: bool },
    Labels,
}

/// Which columns are compared, and as what.
struct Plan {
    columns: Vec<(String, Task)>,
    skipped: Vec<Skipped>,
    only_in_reference: Vec<String>,
    only_in_current: Vec<String>,
}

impl Plan {
    fn new(args: &DriftArgs, reference: &Side, current: &Side) -> Result<Self, CliError> {
        let types: BTreeMap<&str, ColumnType> =
            current.columns().iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        let known: BTreeSet<&str> =
            reference.columns().iter().map(|(name, _)| name.as_str()).collect();
        check_names(args, &known, &types)?;
        let ignored = |name: &str| args.ignore.iter().any(|ignored| ignored == name);
        let mut plan = Self {
            columns: Vec::new(),
            skipped: Vec::new(),
            only_in_reference: Vec::new(),
            only_in_current: types
                .keys()
                .filter(|name| !known.contains(*name) && !ignored(name))
                .map(|name| (*name).to_owned())
                .collect(),
        };
        for (name, kind) in reference.columns().iter().filter(|(name, _)| !ignored(name)) {
            let Some(other) = types.get(name.as_str()) else {
                plan.only_in_reference.push(name.clone());
                continue;
            };
            let as_codes = args.categorical.contains(name);
            match task(*kind, *other, as_codes) {
                Ok(task) => plan.columns.push((name.clone(), task)),
                Err(reason) => {
                    plan.skipped.push(Skipped { name: name.clone(), reason: reason.to_owned() });
                }
            }
        }
        if plan.columns.is_empty() {
            return Err(CliError::usage(anyhow!(
                "{} and {} have no column in common that can be compared: columns are matched by \
                 name",
                args.reference.display(),
                args.current.display()
            )));
        }
        plan.check_tests(args)?;
        Ok(plan)
    }

    /// A test that a column was given must be for its kind.
    fn check_tests(&self, args: &DriftArgs) -> Result<(), CliError> {
        for (name, task) in &self.columns {
            let kind = match task {
                Task::Numbers { .. } => ColumnKind::Numeric,
                Task::Labels => ColumnKind::Categorical,
            };
            if let Some(test) = args::chosen(&args.test, Some(name)).filter(|t| !t.applies_to(kind))
            {
                let is = match kind {
                    ColumnKind::Numeric => "of numbers; for codes add --categorical",
                    ColumnKind::Categorical => "of categories",
                };
                return Err(CliError::usage(anyhow!(
                    "--test {name}={test}: column `{name}` is {is}"
                )));
            }
        }
        Ok(())
    }

    fn wanted(&self) -> BTreeMap<String, bool> {
        let wanted = |(name, task): &(String, Task)| (name.clone(), matches!(task, Task::Labels));
        self.columns.iter().map(wanted).collect()
    }

    fn report(&self, args: &DriftArgs) -> DriftReport {
        let file = |path: &Path| FileSummary { file: path.display().to_string(), rows: 0 };
        DriftReport {
            homestream: env!("CARGO_PKG_VERSION"),
            reference: file(&args.reference),
            current: file(&args.current),
            columns: 0,
            drifted: 0,
            drifted_share: 0.0,
            drift_share: args.drift_share,
            dataset_drift: false,
            only_in_reference: self.only_in_reference.clone(),
            only_in_current: self.only_in_current.clone(),
            skipped: self.skipped.clone(),
            features: Vec::with_capacity(self.columns.len()),
        }
    }
}

/// What two columns of one name are compared as, or why they are not.
fn task(reference: ColumnType, current: ColumnType, codes: bool) -> Result<Task, &'static str> {
    use ColumnType as T;
    match (reference, current) {
        (T::Other, _) | (_, T::Other) => Err("neither numbers nor texts"),
        (T::Nothing, T::Nothing) => Err("no value in either file"),
        (T::Date | T::Nothing, T::Date) | (T::Date, T::Nothing) => Err("dates"),
        _ if codes => Ok(Task::Labels),
        (T::Number { whole: a }, T::Number { whole: b }) => Ok(Task::Numbers { whole: a && b }),
        (T::Number { whole }, T::Nothing) | (T::Nothing, T::Number { whole }) => {
            Ok(Task::Numbers { whole })
        }
        _ => Ok(Task::Labels),
    }
}

/// Refuses options that name a column that neither file has.
fn check_names(
    args: &DriftArgs,
    reference: &BTreeSet<&str>,
    current: &BTreeMap<&str, ColumnType>,
) -> Result<(), CliError> {
    for (option, name) in args.named_columns() {
        if reference.contains(name) || current.contains_key(name) {
            continue;
        }
        let all = reference.iter().chain(current.keys());
        let nearest = all
            .map(|known| (strsim::jaro_winkler(name, known), *known))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(likeness, _)| *likeness > 0.8);
        let hint = nearest.map_or(String::new(), |(_, known)| format!(", did you mean `{known}`?"));
        return Err(CliError::usage(anyhow!("{option}: no column `{name}` in either file{hint}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
