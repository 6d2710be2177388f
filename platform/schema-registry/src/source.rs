//! What services hold: a codec for their records, and the look-up of ids that it lacks.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use schemas::{Codec, CodecError, RecordKind, TopicNames};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::{RegisteredSchema, RegistryClient};
use crate::config::{OnUnknownId, RegistryConfig};
use crate::enrol::enrol;
use crate::error::RegistryError;
use crate::metrics;

/// An id that the registry did not know is asked for again after this long.
const ABSENT_FOR: Duration = Duration::from_secs(30);
/// Most absent ids that are remembered: strangers can name any.
const MAX_ABSENT: u64 = 10_000;
/// A registry that was found down is left alone for this long, so that a topic full of ids
/// that nobody can explain is not held up by each of them.
const DOWN_FOR: Duration = Duration::from_secs(5);
/// First pause of a reader that waits; each later one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest pause of a reader that waits.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Where a service's schemas come from: built in, or from a schema registry as well. Clones
/// share it.
#[derive(Clone, Default)]
pub struct SchemaSource {
    registry: Option<Arc<Connected>>,
}

struct Connected {
    client: RegistryClient,
    topics: TopicNames,
    written: Vec<(RecordKind, u32)>,
    on_unknown_id: OnUnknownId,
    shutdown: CancellationToken,
    absent: Cache<u32, ()>,
    down_until: Mutex<Option<Instant>>,
}

impl SchemaSource {
    /// The schemas that are built in, and no registry. Everything here is free then.
    pub fn built_in() -> Self {
        Self::default()
    }

    /// Connects to a registry and gets an id for every record that the process writes, before
    /// it writes any.
    ///
    /// # Errors
    /// [`RegistryError`] when a schema is refused, or the registry does not answer for as long
    /// as is configured; [`RegistryError::Interrupted`] on shutdown.
    pub async fn connect(
        config: &RegistryConfig,
        topics: TopicNames,
        writes: &[RecordKind],
        shutdown: CancellationToken,
    ) -> Result<Self, RegistryError> {
        let client = RegistryClient::new(config)?;
        let written = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Err(RegistryError::Interrupted),
            written = enrol(&client, config.enrolment, &topics, writes) => written?,
        };
        let connected = Connected {
            client,
            topics,
            written,
            on_unknown_id: config.on_unknown_id,
            shutdown,
            absent: Cache::builder().max_capacity(MAX_ABSENT).time_to_live(ABSENT_FOR).build(),
            down_until: Mutex::new(None),
        };
        Ok(Self { registry: Some(Arc::new(connected)) })
    }

    /// A codec that writes under the registry's ids and reads them; without a registry, one of
    /// single-object encoding.
    ///
    /// # Errors
    /// As [`Codec::new`].
    pub fn codec(&self) -> Result<Codec, CodecError> {
        let codec = Codec::new()?;
        let Some(registry) = &self.registry else { return Ok(codec) };
        let written = registry.written.iter();
        Ok(written.fold(codec.with_registry(), |codec, (kind, id)| codec.write_as(*kind, *id)))
    }

    /// Teaches a codec the schemas of a batch, given as topics and payloads, before it is
    /// decoded. Afterwards the batch can be decoded: ids that stay unknown are decoding
    /// errors, unless the settings say to wait for them.
    ///
    /// `Break` only when the service was told to stop while records waited: then the batch
    /// must be left as it is.
    pub async fn prepare<'r>(
        &self,
        codec: &Codec,
        records: impl IntoIterator<Item = (&'r str, Option<&'r [u8]>)>,
    ) -> ControlFlow<()> {
        let Some(registry) = &self.registry else { return ControlFlow::Continue(()) };
        let unknown = registry.unknown_ids(codec, records);
        for (kind, id) in unknown {
            registry.teach(codec, RecordKind::ALL[kind], id).await?;
        }
        ControlFlow::Continue(())
    }
}

impl std::fmt::Debug for SchemaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let registry = self.registry.as_ref().map(|registry| registry.client.addresses());
        f.debug_struct("SchemaSource").field("registry", &registry).finish()
    }
}

impl Connected {
    /// What a codec does not know of a batch: places in [`RecordKind::ALL`], and ids.
    fn unknown_ids<'r>(
        &self,
        codec: &Codec,
        records: impl IntoIterator<Item = (&'r str, Option<&'r [u8]>)>,
    ) -> BTreeSet<(usize, u32)> {
        let mut unknown = BTreeSet::new();
        for (topic, payload) in records {
            let (Some(kind), Some(bytes)) = (self.topics.kind_of(topic), payload) else { continue };
            unknown.extend(codec.unknown_id(kind, bytes).map(|id| (kind as usize, id)));
        }
        unknown
    }

    async fn teach(&self, codec: &Codec, kind: RecordKind, id: u32) -> ControlFlow<()> {
        match self.on_unknown_id {
            OnUnknownId::Wait => self.teach_sooner_or_later(codec, kind, id).await,
            OnUnknownId::DeadLetter => tokio::select! {
                biased;
                () = self.shutdown.cancelled() => ControlFlow::Break(()),
                () = self.teach_now(codec, kind, id) => ControlFlow::Continue(()),
            },
        }
    }

    /// Asks for an id unless it is known to be in vain.
    async fn teach_now(&self, codec: &Codec, kind: RecordKind, id: u32) {
        if self.absent.contains_key(&id) || self.is_down() {
            return metrics::unknown_id(kind.name());
        }
        let Err(error) = self.look_up(codec, kind, id).await else { return };
        match error {
            RegistryError::NotFound { .. } => self.absent.insert(id, ()),
            _ => self.set_down(),
        }
        metrics::unknown_id(kind.name());
        tracing::warn!(
            %error, schema_id = id, record = kind.name(),
            "records of this schema id cannot be decoded (schema_registry.on_unknown_id = \
             \"dead_letter\")"
        );
    }

    /// Asks for an id until it is explained or the service stops.
    async fn teach_sooner_or_later(
        &self,
        codec: &Codec,
        kind: RecordKind,
        id: u32,
    ) -> ControlFlow<()> {
        let _waiting = metrics::Waiting::begin();
        let mut pause = FIRST_WAIT;
        loop {
            let asked = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return ControlFlow::Break(()),
                asked = self.look_up(codec, kind, id) => asked,
            };
            let Err(error) = asked else { return ControlFlow::Continue(()) };
            metrics::unknown_id(kind.name());
            tracing::warn!(
                %error, schema_id = id, record = kind.name(), retry_in_s = pause.as_secs(),
                "records wait for this schema id (schema_registry.on_unknown_id = \"wait\")"
            );
            tokio::select! {
                () = self.shutdown.cancelled() => return ControlFlow::Break(()),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_WAIT);
        }
    }

    /// Asks the registry and tells the codec. A schema that cannot be read is an answer too.
    async fn look_up(&self, codec: &Codec, kind: RecordKind, id: u32) -> Result<(), RegistryError> {
        let learned = match self.client.schema_by_id(id).await? {
            RegisteredSchema::Avro(schema) => codec.learn(kind, id, &schema),
            RegisteredSchema::Unusable(why) => codec.learn_unusable(kind, id, &why),
        };
        match learned {
            Ok(()) => tracing::info!(schema_id = id, record = kind.name(), "schema learned"),
            Err(error) => tracing::warn!(
                %error, schema_id = id, record = kind.name(), "schema cannot be used"
            ),
        }
        Ok(())
    }

    fn is_down(&self) -> bool {
        let until = *self.down_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn set_down(&self) {
        let until = Instant::now() + DOWN_FOR;
        *self.down_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}
