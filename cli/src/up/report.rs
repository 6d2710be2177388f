//! The summary of a run, for machines and for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use model_core::alert::Alert;
use model_core::date::EventDate;
use model_core::registry::RegistryAction;
use serde::Serialize;
use serde_json::json;

use super::tally::{AnswerOutcome, DeadLetterLine, Tally};

/// What was produced, and how long it took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Produced {
    pub(crate) listings: u64,
    pub(crate) garbage: u64,
    pub(crate) sales: u64,
    pub(crate) swaps: u64,
    pub(crate) first_event: Option<EventDate>,
    pub(crate) last_event: Option<EventDate>,
    pub(crate) elapsed_seconds: f64,
    pub(crate) live_seconds: f64,
    pub(crate) complete: bool,
}

/// One alert of the summary.
#[derive(Debug, Serialize)]
pub(crate) struct AlertLine {
    date: String,
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<String>,
    value: f64,
    threshold: f64,
    state: &'static str,
    summary: String,
}

impl From<&Alert> for AlertLine {
    fn from(alert: &Alert) -> Self {
        let of_feature = alert.rule == "feature_drift";
        Self {
            date: alert.date.to_string(),
            rule: alert.rule.clone(),
            feature: of_feature.then(|| alert.subject.clone()),
            metric: (!of_feature).then(|| alert.subject.clone()),
            value: alert.value,
            threshold: alert.threshold,
            state: alert.state.code(),
            summary: alert.summary.clone(),
        }
    }
}

/// The summary as `--report` writes it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    listings_produced: u64,
    garbage_produced: u64,
    sales_produced: u64,
    prices_published: u64,
    no_estimate: u64,
    no_estimate_reasons: BTreeMap<&'static str, u64>,
    dead_letters: u64,
    dead_letter_reasons: BTreeMap<String, u64>,
    model_versions: u64,
    promotions: u64,
    drift_promotions: u64,
    rejections: u64,
    swaps: u64,
    drift_windows: u64,
    alerts: usize,
    mdape: Option<f64>,
    ppe10: Option<f64>,
    coverage90: Option<f64>,
    priced_sales: usize,
    events_per_second: f64,
    elapsed_seconds: f64,
    champion: Option<String>,
    champion_digest: Option<String>,
    first_event_date: Option<String>,
    last_event_date: Option<String>,
    complete: bool,
    prices_sha256: String,
    alerts_list: Vec<AlertLine>,
    dead_letters_list: Vec<DeadLetterLine>,
}

/// The alerts in order of date, rule and subject: partitions deliver them in any order.
fn alert_lines(tally: &Tally) -> Vec<AlertLine> {
    let mut alerts: Vec<&Alert> = tally.alerts.iter().collect();
    alerts.sort_by(|a, b| (a.date, &a.rule, &a.subject).cmp(&(b.date, &b.rule, &b.subject)));
    alerts.into_iter().map(AlertLine::from).collect()
}

/// Whether a key was made by `--garbage`: it belongs to no home.
pub(crate) fn is_garbage(key: &str) -> bool {
    key.starts_with(producers::GARBAGE_KEY_PREFIX)
}

impl Report {
    pub(crate) fn new(tally: &Tally, produced: &Produced) -> Self {
        let accuracy = tally.accuracy();

        let champion = tally.registry.champion();
        let mut no_estimate_reasons: BTreeMap<&'static str, u64> = BTreeMap::new();
        for answer in tally.answers.values() {
            if let AnswerOutcome::NoEstimate { reason, .. } = &answer.outcome {
                *no_estimate_reasons.entry(reason).or_default() += 1;
            }
        }
        let by_drift = |version: &str| {
            let lineage = tally.registry.version(version).map(|version| &version.lineage);
            lineage.is_some_and(|lineage| lineage.trigger != "bootstrap")
        };
        let drift_promotions = tally
            .registry_events
            .iter()
            .filter(|event| event.action == RegistryAction::Promoted && by_drift(&event.version))
            .count() as u64;
        let events = (produced.listings + produced.sales) as f64;
        // Alerts of one day come over several partitions, in any order.
        Self {
            listings_produced: produced.listings,
            garbage_produced: produced.garbage,
            sales_produced: produced.sales,
            prices_published: tally.prices_published,
            no_estimate: tally.no_estimate,
            no_estimate_reasons,
            dead_letters: tally.dead_letters,
            dead_letter_reasons: tally.dead_letter_reasons.clone(),
            model_versions: tally.count(RegistryAction::Registered),
            promotions: tally.count(RegistryAction::Promoted),
            drift_promotions,
            rejections: tally.count(RegistryAction::Rejected),
            swaps: produced.swaps,
            drift_windows: tally.drift_windows,
            alerts: tally.alerts.len(),
            mdape: accuracy.mdape,
            ppe10: accuracy.ppe10,
            coverage90: accuracy.coverage90,
            priced_sales: accuracy.sales,
            events_per_second: events / produced.elapsed_seconds.max(1e-9),
            elapsed_seconds: produced.elapsed_seconds,
            champion: champion.map(str::to_owned),
            champion_digest: champion
                .and_then(|champion| tally.registry.version(champion))
                .map(|version| version.digest.clone()),
            first_event_date: produced.first_event.map(|date| date.to_string()),
            last_event_date: produced.last_event.map(|date| date.to_string()),
            complete: produced.complete,
            prices_sha256: tally.prices_digest(|key| !is_garbage(key)),
            alerts_list: alert_lines(tally),
            dead_letters_list: tally.dead_letters_list.iter().cloned().collect(),
        }
    }

    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(path, text)
            .with_context(|| format!("cannot write --report {}", path.display()))
    }

    /// The table that ends a run on a terminal.
    pub(crate) fn table(&self) -> String {
        let percent = |share: Option<f64>| {
            share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
        };
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let rows = [
            (
                "replayed",
                format!("{} to {}", dash(&self.first_event_date), dash(&self.last_event_date)),
            ),
            (
                "listings",
                format!("{} ({} of them garbage)", self.listings_produced, self.garbage_produced),
            ),
            ("sales", self.sales_produced.to_string()),
            ("prices published", self.prices_published.to_string()),
            ("no estimate", self.no_estimate.to_string()),
            ("dead letters", self.dead_letters.to_string()),
            ("median error (MdAPE)", percent(self.mdape)),
            ("within 10 % (PPE10)", percent(self.ppe10)),
            ("inside 90 % interval", percent(self.coverage90)),
            (
                "model versions",
                format!(
                    "{}: {} promoted, {} rejected",
                    self.model_versions, self.promotions, self.rejections
                ),
            ),
            ("champion", dash(&self.champion)),
            ("windows, alerts", format!("{}, {}", self.drift_windows, self.alerts)),
            (
                "events a second",
                format!("{:.0} over {:.1} s", self.events_per_second, self.elapsed_seconds),
            ),
        ];
        let mut table = String::new();
        for (name, value) in rows {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "  {name:<22} {value}");
        }
        table
    }
}

/// Every answer as one JSON line, in order of date and key.
pub(crate) fn price_lines(tally: &Tally) -> String {
    let mut answers: Vec<_> = tally.answers.iter().collect();
    answers.sort_by(|a, b| (a.1.event_date, a.0).cmp(&(b.1.event_date, b.0)));
    let mut lines = String::new();
    for (key, answer) in answers {
        let mut line = json!({
            "ListingKey": key,
            "event_date": answer.event_date.to_string(),
            "model_version": answer.model_version,
            "sha256": hex::encode(answer.digest),
        });
        let outcome = match &answer.outcome {
            AnswerOutcome::Priced { estimate, lower, upper } => {
                json!({ "estimate": estimate, "lower": lower, "upper": upper })
            }
            AnswerOutcome::NoEstimate { reason, detail } => {
                json!({ "no_estimate": reason, "detail": detail })
            }
        };
        if let (Some(line), Some(outcome)) = (line.as_object_mut(), outcome.as_object()) {
            line.extend(outcome.clone());
        }
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{line}");
    }
    lines
}
