//! Sample alerts, to see whether sinks take them.

use std::sync::Arc;

use model_core::alert::{Alert, AlertState};
use model_core::date::EventDate;
use model_core::drift_report::Window;
use schemas::encode_alert;

use crate::metrics::NotifierMetrics;
use crate::outbox::Outbox;
use crate::service::{NotifierConfig, NotifierError, sinks};
use crate::sink::{Persistence, Sink, SinkConfig, Target};
use crate::state::{
    AlertEvent, GroupBy, Grouping, Groups, Labelling, Levels, Millis, Place, Suppressor,
};
use crate::time::now_ms;

/// What a sample alert is about: nothing real.
const SUBJECT: &str = "homestream_alerts_test";

/// What became of one sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The sink.
    pub sink: String,
    /// The rule.
    pub rule: String,
    /// `firing` or `resolved`.
    pub state: &'static str,
    /// Why it was not taken.
    pub failure: Option<String>,
}

/// Sends, for each rule, an alert that fires and its end to every sink, each once. Groups do
/// not wait, and nothing is suppressed.
///
/// # Errors
/// [`NotifierError::Sink`] for a sink that cannot work as it is configured.
pub async fn test_sinks(
    config: &NotifierConfig,
    metrics: &NotifierMetrics,
    rules: &[String],
) -> Result<Vec<Outcome>, NotifierError> {
    let labelling = Arc::new(config.labelling.clone());
    let mut outcomes = Vec::new();
    for (sink, settings) in sinks(config, metrics)?.iter().zip(&config.sinks) {
        let mut outbox = at_once(settings, &labelling);
        for (number, rule) in rules.iter().enumerate() {
            for state in [AlertState::Firing, AlertState::Resolved] {
                let failure = match sample(rule, state, number as i64, now_ms()) {
                    Ok(event) => try_once(sink, &mut outbox, event).await,
                    Err(error) => Some(error),
                };
                outcomes.push(Outcome {
                    sink: sink.name().to_owned(),
                    rule: rule.clone(),
                    state: state.code(),
                    failure,
                });
            }
        }
    }
    Ok(outcomes)
}

async fn try_once(sink: &Sink, outbox: &mut Outbox, event: AlertEvent) -> Option<String> {
    let now = now_ms();
    outbox.observe(event, now);
    let delivery = outbox.take(now)?;
    let rejections = sink.deliver(&delivery, Persistence::Once).await;
    outbox.delivered(&delivery, now);
    rejections.into_iter().map(|rejection| rejection.message).next()
}

fn at_once(sink: &SinkConfig, labelling: &Arc<Labelling>) -> Outbox {
    match &sink.target {
        Target::Alertmanager { .. } => {
            Outbox::Levels(Levels::new(Millis::MAX / 2, sink.send_resolved, labelling.clone()))
        }
        Target::Webhook { .. } | Target::Slack { .. } => {
            let grouping = Grouping {
                by: GroupBy::Each,
                wait_ms: 0,
                interval_ms: 0,
                repeat_ms: 0,
                send_resolved: sink.send_resolved,
            };
            let none = Arc::new(Suppressor::default());
            Outbox::Groups(Groups::new(grouping, labelling.clone(), none))
        }
    }
}

/// A sample is of today, so that each day's has an identifier of its own.
fn sample(rule: &str, state: AlertState, number: i64, now: Millis) -> Result<AlertEvent, String> {
    let today = EventDate::from_timestamp_ms(now);
    let alert = Alert {
        rule: rule.to_owned(),
        subject: SUBJECT.to_owned(),
        value: 1.0,
        threshold: 1.0,
        state,
        date: today,
        window: Window { start: today.plus_days(-1), end: today },
        model_version: "test".to_owned(),
        summary: format!("Test of `homestream alerts test`: {rule}, {}", state.code()),
    };
    let body = encode_alert(&alert).map_err(|error| error.to_string())?;
    let place = Place { partition: 0, offset: number };
    AlertEvent::decode(&body, place, now).map_err(|error| error.to_string())
}
