//! Following the registry's log: which version is champion, and its artifact.

use std::sync::Arc;

use model_core::date::EventDate;
use model_core::estimate::ModelRef;
use model_core::model::{ArtifactError, PricingModel};
use model_core::registry::{Registry, RegistryEvent};
use platform_model_store::{ModelStore, StoreError};
use thiserror::Error;

/// Why a champion's artifact cannot be served.
#[derive(Debug, Error)]
pub(crate) enum ArtifactRefused {
    #[error("model {version}: {source}")]
    Store { version: String, source: StoreError },
    #[error("model {version}: {source}")]
    Artifact { version: String, source: ArtifactError },
}

/// The registry's state and the store of its artifacts.
pub(crate) struct RegistryFollower {
    model: String,
    registry: Registry,
    store: ModelStore,
}

impl RegistryFollower {
    pub(crate) fn new(model: String, store: ModelStore) -> Self {
        Self { model, registry: Registry::default(), store }
    }

    /// Applies an event. An event that does not fit the log changes nothing and is logged.
    pub(crate) fn apply(&mut self, event: &RegistryEvent) {
        if event.model != self.model {
            return;
        }
        if let Err(error) = self.registry.apply(event) {
            tracing::warn!(%error, version = event.version, "registry event left out");
        }
    }

    /// The champion's version and since when it is that, event time.
    pub(crate) fn champion_since(&self) -> Option<(String, EventDate)> {
        self.registry.champion_since().map(|(version, since)| (version.to_owned(), since))
    }

    /// The champion's artifact, when it is not `serving` already.
    pub(crate) fn champion_other_than(
        &self,
        serving: Option<&ModelRef>,
    ) -> Result<Option<(Arc<PricingModel>, ModelRef)>, ArtifactRefused> {
        let Some(champion) = self.registry.champion() else { return Ok(None) };
        if serving.is_some_and(|serving| serving.version == champion) {
            return Ok(None);
        }
        let Some(version) = self.registry.version(champion) else { return Ok(None) };
        let bytes = self
            .store
            .get(&version.digest)
            .map_err(|source| ArtifactRefused::Store { version: champion.to_owned(), source })?;
        let model = PricingModel::from_bytes(&bytes)
            .map_err(|source| ArtifactRefused::Artifact { version: champion.to_owned(), source })?;
        let reference = ModelRef { version: champion.to_owned(), digest: version.digest.clone() };
        Ok(Some((Arc::new(model), reference)))
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
