//! What a person sees: a progress line and the events worth a line above it; JSON lines
//! where no terminal is.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model_core::alert::{Alert, AlertState};
use model_core::date::EventDate;
use model_core::registry::{RegistryAction, RegistryEvent};
use serde_json::{Value, json};

use super::report::Report;
use super::tally::Tally;

/// On a terminal the line is redrawn this often.
const REDRAW: Duration = Duration::from_millis(200);
/// Elsewhere a line of progress is written this often.
const PROGRESS_LINE: Duration = Duration::from_secs(2);

/// Where progress goes.
pub(crate) struct Display {
    target: Target,
    last: Option<Instant>,
    last_count: u64,
    last_alert: Option<String>,
}

enum Target {
    Terminal(ProgressBar),
    Json,
}

impl Display {
    /// A display of `days` days of event time: a bar on a terminal, JSON lines elsewhere.
    pub(crate) fn new(days: u64) -> Self {
        let target = if std::io::stdout().is_terminal() && std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(days), ProgressDrawTarget::stderr());
            let template = "{bar:24} {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━━╌"));
            }
            Target::Terminal(bar)
        } else {
            Target::Json
        };
        Self { target, last: None, last_count: 0, last_alert: None }
    }

    /// Shows where the replay is, not more often than a person can read.
    pub(crate) fn progress(&mut self, date: EventDate, days_done: u64, tally: &Tally) {
        let every = match self.target {
            Target::Terminal(_) => REDRAW,
            Target::Json => PROGRESS_LINE,
        };
        let Some(since) = self.last.map_or(Some(every), |last| {
            let elapsed = last.elapsed();
            (elapsed >= every).then_some(elapsed)
        }) else {
            return;
        };
        let answered = tally.prices_published + tally.no_estimate;
        let rate = (answered - self.last_count) as f64 / since.as_secs_f64();
        self.last = Some(Instant::now());
        self.last_count = answered;
        let mdape = tally.accuracy().mdape;
        let champion = tally.registry.champion().unwrap_or("none");
        match &self.target {
            Target::Terminal(bar) => {
                let mdape = mdape.map_or("-".into(), |mdape| format!("{:.1} %", 100.0 * mdape));
                let alert = self.last_alert.as_deref().unwrap_or("none");
                bar.set_position(days_done);
                bar.set_message(format!(
                    "{date}  {rate:.0} prices/s  MdAPE {mdape}  champion {champion}  \
                     last alert: {alert}"
                ));
            }
            Target::Json => self.line(&json!({
                "event": "progress", "date": date.to_string(), "prices": answered,
                "prices_per_second": rate.round(), "mdape": mdape, "champion": champion,
                "last_alert": self.last_alert,
            })),
        }
    }

    pub(crate) fn say(&self, what: &str, detail: Value) {
        match &self.target {
            Target::Terminal(bar) => bar.println(format!("  {what}: {}", plain(&detail))),
            Target::Json => self.line(&json!({ "event": what, "detail": detail })),
        }
    }

    pub(crate) fn alert(&mut self, alert: &Alert) {
        let state = alert.state.code();
        let sign = match alert.state {
            AlertState::Firing => "▲",
            AlertState::Resolved => "▽",
        };
        self.last_alert = Some(format!("{} {} {state}", alert.date, alert.subject));
        match &self.target {
            Target::Terminal(bar) => {
                bar.println(format!("  {} {sign} {state}: {}", alert.date, alert.summary));
            }
            Target::Json => self.line(&json!({
                "event": "alert", "date": alert.date.to_string(), "rule": alert.rule,
                "subject": alert.subject, "value": alert.value, "threshold": alert.threshold,
                "state": state, "summary": alert.summary,
            })),
        }
    }

    pub(crate) fn registry_event(&self, event: &RegistryEvent) {
        // The evaluation's figures are in the decision's reason, which follows at once.
        if event.action == RegistryAction::Evaluated {
            return;
        }
        let (date, action) = (event.event_date, event.action.code());
        match &self.target {
            Target::Terminal(bar) => {
                bar.println(format!("  {date} ● {} {action}: {}", event.version, event.why));
            }
            Target::Json => self.line(&json!({
                "event": action, "date": date.to_string(), "version": event.version,
                "why": event.why, "who": event.who,
            })),
        }
    }

    /// Ends the progress line and shows the summary.
    pub(crate) fn finish(&self, report: &Report) -> anyhow::Result<()> {
        match &self.target {
            Target::Terminal(bar) => {
                bar.finish_and_clear();
                write_out(&report.table())
            }
            Target::Json => {
                self.line(&json!({ "event": "summary", "report": report }));
                Ok(())
            }
        }
    }

    /// One JSON line. A reader that has gone away is no reason to stop pricing.
    fn line(&self, value: &Value) {
        let _ = write_out(&format!("{value}\n"));
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Writes to standard output.
pub(crate) fn write_out(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
