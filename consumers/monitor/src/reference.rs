//! The reference of drift: the champion's own training data, from its artifact.

use model_core::model::PricingModel;
use model_core::monitoring::{ChampionReference, Monitor};
use model_core::registry::{Registry, RegistryEvent};
use platform_model_store::ModelStore;

/// Follows the registry and hands each new champion's reference to the monitor.
pub(crate) struct ReferenceFollower {
    model: String,
    registry: Registry,
    store: ModelStore,
    serving: Option<String>,
}

impl ReferenceFollower {
    pub(crate) fn new(model: String, store: ModelStore) -> Self {
        Self { model, registry: Registry::default(), store, serving: None }
    }

    /// Applies an event; a new champion becomes the reference from its date on.
    pub(crate) fn apply(&mut self, event: &RegistryEvent, monitor: &mut Monitor) {
        if event.model != self.model {
            return;
        }
        if let Err(error) = self.registry.apply(event) {
            tracing::warn!(%error, version = event.version, "registry event left out");
            return;
        }
        let Some(champion) = self.registry.champion() else { return };
        if self.serving.as_deref() == Some(champion) {
            return;
        }
        let Some(version) = self.registry.version(champion) else { return };
        let loaded = self
            .store
            .get(&version.digest)
            .map_err(|error| error.to_string())
            .and_then(|bytes| PricingModel::from_bytes(&bytes).map_err(|e| e.to_string()));
        match loaded {
            Ok(model) => {
                let reference = ChampionReference::of(&model);
                monitor.champion(champion, reference, event.event_date);
                self.serving = Some(champion.to_owned());
            }
            Err(error) => {
                tracing::error!(error, version = champion, "reference kept: artifact unusable");
            }
        }
    }
}

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;
