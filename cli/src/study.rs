//! `homestream monitor --replay`: the monitor alone, over a market of the past.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model_core::alert::{Alert, AlertState};
use model_core::monitoring::ClosedWindow;
use model_core::study::{Event, Study, StudyError, StudyParams, run as study, shuffle_dates};
use producers::{ReplayEvent, ReplayPlan, plan_replay};
use serde_json::json;

use crate::args::StudyArgs;
use crate::error::CliError;
use crate::market::Sales;
use crate::settings::Settings;
use crate::up::write_out;

/// Runs the command.
///
/// # Errors
/// Wrong usage for a file or option that cannot be used, and for a history that is too short.
pub(crate) fn run(settings: &Settings, data: &Path, args: &StudyArgs) -> Result<(), CliError> {
    let mut output = args.report.as_ref().map(create).transpose()?;
    let Sales { mut sales, warnings } = Sales::load(data, args.mapping.as_deref())?;
    for warning in warnings {
        eprintln!("homestream: warning: {warning}");
    }
    if let Some(seed) = args.shuffle {
        shuffle_dates(&mut sales, seed);
    }
    let plan = plan_replay(sales, args.history)
        .map_err(|error| CliError::usage(anyhow!("--history: {error}")))?;
    if plan.live.is_empty() {
        let shown = data.display();
        return Err(CliError::usage(anyhow!("{shown} leaves no sale to replay: lower --history")));
    }
    let params = StudyParams {
        training: settings.training.clone(),
        monitor: settings.monitor.rules.clone(),
        retrain: args.retrain.then(|| settings.retrain.clone()),
    };
    let result = watched(&plan, &params).map_err(|error| match error {
        StudyError::First(error) => {
            CliError::usage(anyhow!("the first model: {error} (raise --history?)"))
        }
        error => CliError::failed(error),
    })?;
    if let Some((path, file)) = &mut output {
        write(file, &result)
            .with_context(|| format!("cannot write --report {}", path.display()))
            .map_err(CliError::failed)?;
    }
    write_out(&summary(&result)).map_err(CliError::failed)
}

fn create(path: &PathBuf) -> Result<(PathBuf, File), CliError> {
    let file = File::create(path)
        .with_context(|| format!("cannot write --report {}", path.display()))
        .map_err(CliError::usage)?;
    Ok((path.clone(), file))
}

/// The study, with a progress bar where somebody can see it.
fn watched(plan: &ReplayPlan, params: &StudyParams) -> Result<Study, StudyError> {
    let target = match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(plan.live.len() as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
        bar.set_style(style);
    }
    bar.set_message("training the first model");
    bar.tick();
    let events = plan.live.iter().inspect(|_| bar.inc(1)).map(|event| match event {
        ReplayEvent::Listing(listing) => Event::Listing(listing),
        ReplayEvent::Sale(sale) => Event::Sale(sale),
    });
    let told = |closed: &ClosedWindow| bar.set_message(closed.report.window.id());
    let result = study(&plan.history, events, params, &mut { told });
    bar.finish_and_clear();
    result
}

fn write(file: &mut File, study: &Study) -> anyhow::Result<()> {
    let champions: Vec<_> = study
        .champions
        .iter()
        .map(|(version, from)| json!({ "version": version, "from": from.to_string() }))
        .collect();
    let refused: Vec<_> =
        study.refused.iter().map(|(on, why)| json!({ "on": on.to_string(), "why": why })).collect();
    let document = json!({
        "windows": study.reports,
        "alerts": study.alerts,
        "champions": champions,
        "refused": refused,
    });
    let mut writer = BufWriter::new(file);
    serde_json::to_writer_pretty(&mut writer, &document)?;
    writeln!(writer)?;
    Ok(writer.flush()?)
}

fn summary(study: &Study) -> String {
    let mut text = String::new();
    for alert in &study.alerts {
        text.push_str(&line(alert));
    }
    let firing = study.alerts.iter().filter(|alert| alert.state == AlertState::Firing).count();
    let drifted = study.reports.iter().filter(|report| !report.fired.is_empty()).count();
    text.push_str(&format!(
        "{} windows, {drifted} with a rule that fired; {firing} alerts fired, {} resolved; {} \
         champions\n",
        study.reports.len(),
        study.alerts.len() - firing,
        study.champions.len(),
    ));
    text
}

fn line(alert: &Alert) -> String {
    format!("{}  {:<8}  {:<14}  {}\n", alert.date, alert.state.code(), alert.rule, alert.summary)
}
