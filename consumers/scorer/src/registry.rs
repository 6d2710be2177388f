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

    /// The champion's version and the digest of its artifact.
    pub(crate) fn champion(&self) -> Option<ModelRef> {
        let version = self.registry.champion()?;
        let digest = self.registry.version(version)?.digest.clone();
        Some(ModelRef { version: version.to_owned(), digest })
    }

    /// The store of the artifacts.
    pub(crate) fn store(&self) -> &ModelStore {
        &self.store
    }
}

/// Reads and checks a version's artifact. Blocks.
pub(crate) fn load(
    store: &ModelStore,
    reference: &ModelRef,
) -> Result<Arc<PricingModel>, ArtifactRefused> {
    let version = || reference.version.clone();
    let bytes = store
        .get(&reference.digest)
        .map_err(|source| ArtifactRefused::Store { version: version(), source })?;
    let model = PricingModel::from_bytes(&bytes)
        .map_err(|source| ArtifactRefused::Artifact { version: version(), source })?;
    Ok(Arc::new(model))
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
