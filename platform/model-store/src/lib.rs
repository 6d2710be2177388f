//! platform-model-store
