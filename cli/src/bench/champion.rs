//! A champion for scorers to serve, made and published as the trainer does.

use anyhow::{Context, anyhow};
use model_core::date::EventDate;
use model_core::listing::Sale;
use model_core::training::{TrainingArchive, train};
use platform_kafka::{Outgoing, Publisher};
use platform_model_store::ModelStore;
use schemas::Codec;
use serde::Serialize;
use trainer::{Trigger, registry_events};

use crate::error::CliError;
use crate::settings::Settings;

/// Version and trigger of a champion on a topic that holds none.
const VERSION: &str = "v1";
const TRIGGER: &str = "bootstrap";

/// What was trained.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Champion {
    pub(crate) strategy: String,
    pub(crate) digest: String,
}

/// Trains on the sales before `as_of`, stores the artifact, registers and promotes it.
///
/// # Errors
/// When the sales are too few, or the artifact or an event cannot be stored.
pub(crate) async fn publish_champion(
    settings: &Settings,
    publisher: &Publisher,
    sales: &[Sale],
    as_of: EventDate,
) -> Result<Champion, CliError> {
    let store = ModelStore::open(&settings.model.artifacts)
        .context("model.artifacts (--artifacts)")
        .map_err(CliError::Usage)?;
    let mut archive = TrainingArchive::new(settings.training.market);
    sales.iter().cloned().for_each(|sale| archive.insert(sale));
    let params = settings.training.clone();
    let trained = tokio::task::spawn_blocking(move || train(&mut archive, None, as_of, &params));
    let training = trained.await.map_err(CliError::failed)?.map_err(CliError::failed)?;
    let gate = &training.gate;
    if !gate.passed {
        return Err(CliError::failed(anyhow!("the model is not fit to be champion: {}", gate.why)));
    }
    let bytes = training.model.to_bytes().map_err(CliError::failed)?;
    let digest = store.put(&bytes).map_err(CliError::failed)?;
    let trigger = Trigger {
        id: TRIGGER.to_owned(),
        as_of,
        why: format!("bench: {} sales and no champion yet", sales.len()),
    };
    let model = &settings.model.name;
    let codec = Codec::new().map_err(CliError::failed)?;
    let topic = settings.topic_names().map_err(CliError::usage)?.models();
    let mut records = Vec::new();
    for event in registry_events(model, VERSION, &digest, &trigger, &training) {
        let payload = codec.encode_registry_event(&event).map_err(CliError::failed)?;
        let mut record = Outgoing::new(topic.clone(), model.as_bytes(), payload);
        record.timestamp_ms = Some(event.event_date.to_timestamp_ms());
        records.push(record);
    }
    publisher.publish(records).await.map_err(CliError::failed)?;
    Ok(Champion { strategy: training.model.strategy, digest })
}
