//! `homestream notify`, `homestream alerts`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use clap::{Args, Subcommand};
use notifier::state::{AlertEvent, Place};
use notifier::{NotifierConfig, NotifierContext, NotifierError, NotifierMetrics, Outcome};
use platform_kafka::{Follower, FollowerEvent};
use prometheus::Registry;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::error::CliError;
use crate::serve::{alone, connect};
use crate::settings::Settings;
use crate::up::write_out;

/// Alerts, and those who are told.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Send a sample of each kind of alert, firing and resolved, to every sink.
    Test(TestArgs),
    /// Show the alerts that fire.
    List(ListArgs),
}

/// Options of `alerts test`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TestArgs {
    /// Only these rules [default: those of retrain.on and of notifier.severity].
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(crate) rule: Vec<String>,
    /// Only these sinks.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) sink: Vec<String>,
}

/// Options of `alerts list`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ListArgs {
    /// Those that are over, too.
    #[arg(long)]
    pub(crate) all: bool,
    /// One JSON object an alert instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Does what the command says.
///
/// # Errors
/// When a sink does not take a sample, or the broker is lost.
pub(crate) async fn run(
    settings: Settings,
    command: AlertsCommand,
    shutdown: CancellationToken,
) -> Result<(), CliError> {
    let work = async {
        match command {
            AlertsCommand::Test(args) => test(&settings, &args).await,
            AlertsCommand::List(args) => list(&settings, &args).await,
        }
    };
    tokio::select! {
        result = work => result,
        () = shutdown.cancelled() => Err(CliError::failed(anyhow!("interrupted"))),
    }
}

/// `homestream notify`.
pub(crate) async fn notify(settings: Settings, stop: CancellationToken) -> Result<(), CliError> {
    let config = config(&settings)?;
    let Some(deployment) = alone(&settings, &[], stop).await? else { return Ok(()) };
    let metrics = NotifierMetrics::register(&deployment.registry).map_err(CliError::failed)?;
    let context = NotifierContext {
        broker: deployment.broker.clone(),
        health: deployment.health.clone(),
        metrics,
        shutdown: deployment.shutdown.clone(),
    };
    notifier::run(config, context).await.map_err(ended)
}

fn config(settings: &Settings) -> Result<NotifierConfig, CliError> {
    let topics = settings.topic_names().map_err(CliError::usage)?;
    let config = settings.notifier.config(topics).map_err(CliError::usage)?;
    if config.sinks.is_empty() {
        return Err(CliError::usage(anyhow!(
            "configuration: notifier.sinks is empty: name at least one [[notifier.sinks]]"
        )));
    }
    Ok(config)
}

/// A sink that cannot work is a matter of the settings.
fn ended(error: NotifierError) -> CliError {
    match error {
        NotifierError::Sink { .. } => CliError::usage(error),
        error => CliError::failed(error),
    }
}

async fn test(settings: &Settings, args: &TestArgs) -> Result<(), CliError> {
    let mut config = config(settings)?;
    let known: Vec<String> = config.sinks.iter().map(|sink| sink.name.clone()).collect();
    if let Some(unknown) = args.sink.iter().find(|name| !known.contains(name)) {
        return Err(CliError::usage(anyhow!(
            "--sink {unknown}: there is no such sink, only {}",
            known.join(", ")
        )));
    }
    config.sinks.retain(|sink| args.sink.is_empty() || args.sink.contains(&sink.name));
    let rules: BTreeSet<String> = if args.rule.is_empty() {
        settings.retrain.on.iter().chain(settings.notifier.severity.keys()).cloned().collect()
    } else {
        args.rule.iter().cloned().collect()
    };
    let rules: Vec<String> = rules.into_iter().collect();
    let metrics = NotifierMetrics::register(&Registry::new()).map_err(CliError::failed)?;
    let outcomes = notifier::test_sinks(&config, &metrics, &rules).await.map_err(ended)?;
    write_out(&report(&outcomes)).map_err(CliError::failed)?;
    let failed: BTreeSet<&str> = outcomes
        .iter()
        .filter(|outcome| outcome.failure.is_some())
        .map(|outcome| outcome.sink.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let failed: Vec<&str> = failed.into_iter().collect();
    Err(CliError::failed(anyhow!("not every sample was taken by {}", failed.join(", "))))
}

fn report(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for Outcome { sink, rule, state, failure } in outcomes {
        let told = failure.as_deref().unwrap_or("taken");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{sink}: {rule} {state}: {told}");
    }
    text
}

/// The alerts of the topic, each as it was last heard of, those that fire first.
async fn list(settings: &Settings, args: &ListArgs) -> Result<(), CliError> {
    let topics = settings.topic_names().map_err(CliError::usage)?;
    let config = settings.notifier.config(topics.clone()).map_err(CliError::usage)?;
    let broker = connect(settings).await?;
    let now = now_ms();
    let mut latest = std::collections::BTreeMap::new();
    let mut follower =
        Follower::start(&broker, "alerts", &[&*topics.alerts()]).map_err(CliError::failed)?;
    while let Some(event) = follower.next().await {
        let records = match event {
            FollowerEvent::Records(records) => records,
            FollowerEvent::CaughtUp => break,
            FollowerEvent::Failed(error) => return Err(CliError::failed(error)),
        };
        for record in records {
            let place = Place { partition: record.partition, offset: record.offset };
            let bytes = record.payload.as_deref().unwrap_or_default();
            if let Ok(event) = AlertEvent::decode(bytes, place, now) {
                latest.insert(event.fingerprint.clone(), event);
            }
        }
    }
    let labels: Vec<_> = latest
        .values()
        .filter(|event| event.fires())
        .map(|event| config.labelling.of(event))
        .collect();
    let quiet = |event: &AlertEvent| {
        let verdict = config.suppressor.verdict(&config.labelling.of(event), labels.iter(), now);
        verdict.filter(|_| event.fires()).map(|why| why.to_string())
    };
    let mut shown: Vec<&AlertEvent> =
        latest.values().filter(|event| args.all || event.fires()).collect();
    shown.sort_by_key(|event| (!event.fires(), event.alert.date, event.alert.rule.clone()));
    let mut text = String::new();
    for event in shown {
        text.push_str(&line(event, quiet(event), args.json));
    }
    write_out(&text).map_err(CliError::failed)
}

fn line(event: &AlertEvent, quiet: Option<String>, as_json: bool) -> String {
    let AlertEvent { alert, fingerprint, .. } = event;
    if as_json {
        let object = json!({
            "fingerprint": fingerprint,
            "rule": alert.rule,
            "subject": alert.subject,
            "state": alert.state.code(),
            "date": alert.date.to_string(),
            "model_version": alert.model_version,
            "summary": alert.summary,
            "suppressed": quiet,
        });
        return format!("{object}\n");
    }
    let quiet = quiet.map(|why| format!(" ({why})")).unwrap_or_default();
    let state = alert.state.code();
    format!("{} {state:<8} {:<16} {}{quiet}\n", alert.date, alert.rule, alert.summary)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
