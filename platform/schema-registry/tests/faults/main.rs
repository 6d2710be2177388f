//! What becomes of a service when its schema registry misbehaves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod fake;
mod reading;
mod starting;

use std::time::Duration;

use platform_schema_registry::{RegistryConfig, RegistryError, SchemaSource};
use schemas::{RecordKind, TopicNames};
use tokio_util::sync::CancellationToken;

/// Longest wait for anything: only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(30);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what}: too late"))
}

fn topics() -> TopicNames {
    TopicNames::new("homes.").unwrap()
}

/// Quick to give up.
fn config(url: &str) -> RegistryConfig {
    let mut config = RegistryConfig::new(url).unwrap();
    config.timeout = Duration::from_millis(400);
    config.retry_for = Duration::from_millis(700);
    config
}

async fn connect(
    config: &RegistryConfig,
    writes: &[RecordKind],
) -> Result<SchemaSource, RegistryError> {
    let connecting = SchemaSource::connect(config, topics(), writes, CancellationToken::new());
    within("connect", connecting).await
}
