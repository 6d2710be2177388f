//! `homestream replay`: published prices computed again from what they say of themselves.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use model_core::engine::recompute;
use model_core::estimate::{Price, PriceOutcome};
use model_core::model::PricingModel;
use platform_kafka::{BrokerConfig, Follower, FollowerEvent, Record, payloads};
use platform_model_store::ModelStore;
use platform_schema_registry::SchemaSource;
use schemas::{Codec, PriceFileWriter, PublishedEstimate, read_price_file};
use tokio_util::sync::CancellationToken;

use crate::error::CliError;
use crate::serve::{connect, open_store, schema_source};
use crate::settings::Settings;
use crate::up::write_out;

/// Differences that are told one by one.
const TOLD: usize = 20;

/// Options of `replay`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Prices in a file (Avro object container, as --save writes it) instead of the topic.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Only the prices of this home.
    #[arg(long, value_name = "LISTING_KEY")]
    pub(crate) listing: Option<String>,
    /// Keep the prices in a file, for `--from`.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
}

/// Computes prices again and compares them bit for bit.
///
/// # Errors
/// When any differs, cannot be computed for want of its artifact, or cannot be read.
pub(crate) async fn run(
    settings: Settings,
    args: ReplayArgs,
    shutdown: CancellationToken,
) -> Result<(), CliError> {
    let store = open_store(&settings)?;
    // What --save names is written over only once there is something to read.
    match &args.from {
        Some(path) => {
            let file = File::open(path)
                .with_context(|| format!("cannot read --from {}", path.display()))
                .map_err(CliError::usage)?;
            let codec = Codec::new().map_err(CliError::failed)?;
            let prices = read_price_file(&codec, BufReader::new(file));
            let prices = prices.with_context(|| path.display().to_string());
            let prices = prices.map_err(CliError::usage)?;
            let mut replay = Replay::new(store, &args)?;
            for price in prices {
                if shutdown.is_cancelled() {
                    return Err(CliError::failed(anyhow!("interrupted")));
                }
                replay.take(&price.map_err(CliError::failed)?, None)?;
            }
            replay.conclude()
        }
        None => {
            let broker = connect(&settings).await?;
            let topics = settings.topic_names().map_err(CliError::usage)?;
            let schemas = schema_source(&settings, &[], &shutdown).await?;
            let schemas = schemas.ok_or_else(|| CliError::failed(anyhow!("interrupted")))?;
            let mut replay = Replay::new(store, &args)?;
            replay.topic(&broker, &topics.prices(), &schemas, &shutdown).await?;
            replay.conclude()
        }
    }
}

/// What has become of the prices so far.
struct Replay {
    store: ModelStore,
    /// Models by digest; `None` when its artifact cannot be had.
    models: BTreeMap<String, Option<Arc<PricingModel>>>,
    listing: Option<String>,
    save: Option<PriceFileWriter<BufWriter<File>>>,
    equal: u64,
    different: u64,
    without_artifact: u64,
    no_estimate: u64,
    unreadable: u64,
}

impl Replay {
    fn new(store: ModelStore, args: &ReplayArgs) -> Result<Self, CliError> {
        let save = match &args.save {
            None => None,
            Some(path) => {
                if args.from.as_deref().is_some_and(|from| is_same_file(from, path)) {
                    return Err(CliError::usage(anyhow!(
                        "--save {} would write over --from: give it another name",
                        path.display()
                    )));
                }
                let file = File::create(path)
                    .with_context(|| format!("cannot write --save {}", path.display()))
                    .map_err(CliError::usage)?;
                Some(PriceFileWriter::new(BufWriter::new(file)).map_err(CliError::failed)?)
            }
        };
        Ok(Self {
            store,
            models: BTreeMap::new(),
            listing: args.listing.clone(),
            save,
            equal: 0,
            different: 0,
            without_artifact: 0,
            no_estimate: 0,
            unreadable: 0,
        })
    }

    async fn topic(
        &mut self,
        broker: &BrokerConfig,
        topic: &str,
        schemas: &SchemaSource,
        shutdown: &CancellationToken,
    ) -> Result<(), CliError> {
        let codec = schemas.codec().map_err(CliError::failed)?;
        let mut follower = Follower::start(broker, "replay", &[topic]).map_err(CliError::failed)?;
        loop {
            let event = tokio::select! {
                () = shutdown.cancelled() => return Err(CliError::failed(anyhow!("interrupted"))),
                event = follower.next() => event,
            };
            match event {
                Some(FollowerEvent::Records(records)) => {
                    if schemas.prepare(&codec, payloads(&records)).await.is_break() {
                        return Err(CliError::failed(anyhow!("interrupted")));
                    }
                    // Tombstones take a price away: there is nothing to compute.
                    for record in records.iter().filter(|record| record.payload.is_some()) {
                        match codec.decode_price(record.payload.as_deref().unwrap_or_default()) {
                            Ok(price) => self.take(&price, Some(record))?,
                            Err(error) => {
                                self.unreadable += 1;
                                tracing::error!(
                                    topic, partition = record.partition, offset = record.offset,
                                    %error, "price cannot be read"
                                );
                            }
                        }
                    }
                }
                Some(FollowerEvent::Failed(error)) => return Err(CliError::failed(error)),
                Some(FollowerEvent::CaughtUp) | None => return Ok(()),
            }
        }
    }

    /// Computes a price again; `record` says where it stands on the topic.
    fn take(
        &mut self,
        published: &PublishedEstimate,
        record: Option<&Record>,
    ) -> Result<(), CliError> {
        let estimate = &published.estimate;
        if self.listing.as_ref().is_some_and(|wanted| *wanted != estimate.listing_key) {
            return Ok(());
        }
        if let Some(save) = &mut self.save {
            save.append(published).map_err(CliError::failed)?;
        }
        let (PriceOutcome::Priced(price), Some(reference)) = (&estimate.outcome, &estimate.model)
        else {
            self.no_estimate += 1;
            return Ok(());
        };
        let Some(model) = self.model(&reference.digest, &reference.version) else {
            self.without_artifact += 1;
            return Ok(());
        };
        let difference = difference(&model, price);
        match difference {
            None => self.equal += 1,
            Some(difference) => {
                self.different += 1;
                if self.different <= TOLD as u64 {
                    tracing::error!(
                        key = estimate.listing_key,
                        version = reference.version,
                        partition = record.map(|record| record.partition),
                        offset = record.map(|record| record.offset),
                        difference,
                        "price differs"
                    );
                }
            }
        }
        Ok(())
    }

    fn model(&mut self, digest: &str, version: &str) -> Option<Arc<PricingModel>> {
        let store = &self.store;
        let load = || {
            let bytes = store.get(digest).map_err(|error| error.to_string())?;
            PricingModel::from_bytes(&bytes).map(Arc::new).map_err(|error| error.to_string())
        };
        self.models
            .entry(digest.to_owned())
            .or_insert_with(|| {
                load().inspect_err(|error| tracing::error!(version, error, "no artifact")).ok()
            })
            .clone()
    }

    fn conclude(mut self) -> Result<(), CliError> {
        if let Some(save) = self.save.take() {
            save.finish().map_err(CliError::failed)?;
        }
        let Self { equal, different, without_artifact, no_estimate, unreadable, .. } = self;
        write_out(&format!(
            "{equal} equal, {different} different, {without_artifact} without their artifact, \
             {unreadable} unreadable; {no_estimate} without an estimate\n"
        ))
        .map_err(CliError::failed)?;
        if different + without_artifact + unreadable > 0 {
            return Err(CliError::failed(anyhow!("not every price could be computed again alike")));
        }
        if equal + no_estimate == 0 {
            return Err(CliError::failed(anyhow!("there is no price to compute again")));
        }
        Ok(())
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The first number that does not come out bit for bit.
fn difference(model: &PricingModel, price: &Price) -> Option<String> {
    let expected = model.spec.len();
    if price.features.len() != expected {
        return Some(format!("has {} features, its model {expected}", price.features.len()));
    }
    let again =
        recompute(model, &price.features, price.market_level, price.error_low, price.error_high);
    let numbers = [
        ("estimate", price.estimate, again.estimate),
        ("lower", price.lower, again.lower),
        ("upper", price.upper, again.upper),
        ("scale", price.scale, again.scale),
    ];
    numbers
        .into_iter()
        .find(|(_, published, computed)| published.to_bits() != computed.to_bits())
        .map(|(name, published, computed)| {
            format!("{name}: {published} published, {computed} computed")
        })
}
