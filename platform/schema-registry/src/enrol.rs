//! The start: every schema that a service writes gets its id before a record is produced.

use schemas::{RecordKind, TopicNames};

use crate::client::{RegistryClient, Verdict};
use crate::config::Enrolment;
use crate::error::RegistryError;

/// Readers of the current schema read what earlier ones wrote.
const BACKWARD: &str = "BACKWARD";
/// The levels that promise it.
const PROMISING: [&str; 4] = [BACKWARD, "BACKWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"];

/// The subject of a topic's values (TopicNameStrategy).
pub fn subject_of(topic: &str) -> String {
    format!("{topic}-value")
}

/// The ids of the current schemas under which `kinds` are written.
pub(crate) async fn enrol(
    client: &RegistryClient,
    enrolment: Enrolment,
    topics: &TopicNames,
    kinds: &[RecordKind],
) -> Result<Vec<(RecordKind, u32)>, RegistryError> {
    let mut ids = Vec::with_capacity(kinds.len());
    for &kind in kinds {
        let subject = subject_of(&topics.of(kind));
        let id = match enrolment {
            Enrolment::Register => register(client, &subject, kind).await?,
            Enrolment::LookUp => {
                client.id_of(&subject, kind.schema_json()).await?.ok_or_else(|| {
                    RegistryError::NotRegistered {
                        url: client.addresses(),
                        subject: subject.clone(),
                        record: kind.name(),
                    }
                })?
            }
        };
        tracing::info!(subject, id, "schema registered");
        ids.push((kind, id));
    }
    Ok(ids)
}

async fn register(
    client: &RegistryClient,
    subject: &str,
    kind: RecordKind,
) -> Result<u32, RegistryError> {
    let existed = require_backward(client, subject).await?;
    // Asked before it is checked: an older version of ours, started again while a newer one
    // runs, has a schema that is there but that could not follow the newer one.
    if let Some(id) = client.id_of(subject, kind.schema_json()).await? {
        return Ok(id);
    }
    if let Verdict::Incompatible(message) = client.check(subject, kind.schema_json()).await? {
        let (url, subject) = (client.addresses(), subject.to_owned());
        return Err(RegistryError::Incompatible { url, subject, message });
    }
    let id = client.register(subject, kind.schema_json()).await?;
    if !existed {
        require_backward(client, subject).await?;
    }
    Ok(id)
}

/// Makes sure that the registry refuses what would break readers. False where it knows no such
/// subject yet: some registries keep no level for those.
async fn require_backward(client: &RegistryClient, subject: &str) -> Result<bool, RegistryError> {
    match client.compatibility(subject).await? {
        None => Ok(false),
        Some(level) if PROMISING.contains(&level.as_str()) => Ok(true),
        Some(level) => {
            tracing::info!(subject, level, "compatibility level set to BACKWARD");
            client.set_compatibility(subject, BACKWARD).await?;
            Ok(true)
        }
    }
}
