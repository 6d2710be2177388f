//! `homestream bench load`: a market, a champion and listings on a broker.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use model_core::date::EventDate;
use platform_kafka::{Broker, BrokerConfig, Outgoing, Progress, Publisher, topic_record_counts};
use producers::Records;
use schemas::{Codec, TopicNames};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::args::{LoadArgs, TimestampArg};
use super::champion::{Champion, publish_champion};
use super::hostile::Hostile;
use super::listings::Listings;
use super::progress::Step;
use crate::error::CliError;
use crate::market::Sales;
use crate::serve::{self, Retention};
use crate::settings::Settings;

/// Records published at once.
const CHUNK: u64 = 2_000;
/// Listings of a paced load are published this often.
const PACE: Duration = Duration::from_millis(20);

/// What was loaded.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Loaded {
    listings_topic: String,
    /// Sales published; 0 when they were there.
    sales: u64,
    /// The champion, if this run trained it.
    champion: Option<Champion>,
    listings: u64,
    hostile: u64,
    /// Number of the first listing.
    first_number: u64,
    market_seconds: f64,
    training_seconds: f64,
    listings_seconds: f64,
}

/// Loads, and says what was loaded.
///
/// # Errors
/// Wrong usage for wrong data, mapping or settings; otherwise what failed.
pub(crate) async fn run(
    mut settings: Settings,
    args: LoadArgs,
    interrupted: CancellationToken,
) -> Result<(), CliError> {
    if let Some(partitions) = args.partitions {
        settings.topics.partitions = partitions;
    }
    let broker = serve::connect(&settings).await?;
    let loaded = load(&settings, &broker, &args, &interrupted).await?;
    let json = serde_json::to_string_pretty(&loaded).map_err(CliError::failed)?;
    if let Some(path) = &args.json {
        std::fs::write(path, &json)
            .with_context(|| format!("cannot write --json {}", path.display()))
            .map_err(CliError::failed)?;
    }
    crate::up::write_out(&loaded.summary()).map_err(CliError::failed)
}

/// Publishes what is missing of market and champion, and the listings.
///
/// # Errors
/// As [`run`].
pub(crate) async fn load(
    settings: &Settings,
    broker: &BrokerConfig,
    args: &LoadArgs,
    interrupted: &CancellationToken,
) -> Result<Loaded, CliError> {
    let topics = settings.topic_names().map_err(CliError::usage)?;
    let Sales { sales, warnings } = Sales::load(&args.sales.data, args.sales.mapping.as_deref())?;
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let listings = Listings::of(sales).ok_or_else(|| {
        CliError::usage(anyhow!("--data {}: holds no sale", args.sales.data.display()))
    })?;
    serve::ensure_topics(&Broker::Remote(broker.clone()), settings, Retention::Keep).await?;
    let there = There::look(broker, &topics).await?;
    let loader = Loader {
        records: Records::new(Codec::new().map_err(CliError::failed)?, &topics),
        publisher: Publisher::new(broker, Progress::new()).map_err(CliError::failed)?,
        listings,
        interrupted,
    };
    let mut loaded = Loaded {
        listings_topic: topics.listings().to_string(),
        first_number: there.listings,
        ..Loaded::default()
    };
    if there.sales == 0 {
        let since = Instant::now();
        loaded.sales = loader.publish_sales().await?;
        loaded.market_seconds = since.elapsed().as_secs_f64();
    }
    if there.models == 0 {
        let since = Instant::now();
        let _step = Step::new("training a champion", 0);
        let (sales, as_of) = (loader.listings.sales(), loader.listings.market_end());
        loaded.champion = Some(publish_champion(settings, &loader.publisher, sales, as_of).await?);
        loaded.training_seconds = since.elapsed().as_secs_f64();
    }
    let since = Instant::now();
    (loaded.listings, loaded.hostile) = loader.publish_listings(args, there.listings).await?;
    loaded.listings_seconds = since.elapsed().as_secs_f64();
    Ok(loaded)
}

/// Records on the topics before this run.
struct There {
    sales: u64,
    models: u64,
    listings: u64,
}

impl There {
    async fn look(broker: &BrokerConfig, topics: &TopicNames) -> Result<Self, CliError> {
        let (sales, models, listings) = (topics.sales(), topics.models(), topics.listings());
        let asked = [&*sales, &*models, &*listings];
        let counts = topic_record_counts(broker, &asked).await.map_err(CliError::failed)?;
        let [sales, models, listings] =
            asked.map(|topic| counts.get(topic).copied().unwrap_or_default());
        Ok(Self { sales, models, listings })
    }
}

struct Loader<'a> {
    records: Records,
    publisher: Publisher,
    listings: Listings,
    interrupted: &'a CancellationToken,
}

impl Loader<'_> {
    async fn publish_sales(&self) -> Result<u64, CliError> {
        let sales = self.listings.sales();
        let mut step = Step::new("sales", sales.len() as u64);
        for chunk in sales.chunks(CHUNK as usize) {
            let records: Result<Vec<_>, _> =
                chunk.iter().map(|sale| self.records.sale(sale)).collect();
            self.publish(records.map_err(CliError::failed)?).await?;
            step.advance(chunk.len() as u64);
        }
        Ok(sales.len() as u64)
    }

    /// Publishes listings, hostile records among them; how many of each.
    async fn publish_listings(&self, args: &LoadArgs, first: u64) -> Result<(u64, u64), CliError> {
        let mut step = Step::new("listings", args.listings);
        let mut hostile = Hostile::new(&self.records, first);
        let share = args.hostile.unwrap_or(0.0);
        let (mut sent, mut bad) = (0, 0);
        let since = Instant::now();
        while sent < args.listings && !self.interrupted.is_cancelled() {
            let size = (args.listings - sent).min(self.due(args.rate, sent, since).await);
            let mut records = Vec::with_capacity(size as usize);
            for number in first + sent..first + sent + size {
                let listing =
                    self.listings.listing(number).context("no home").map_err(CliError::failed)?;
                let mut record = self.records.listing(&listing).map_err(CliError::failed)?;
                let date = match args.timestamps {
                    TimestampArg::Event => listing.listed_on,
                    TimestampArg::Now => {
                        record.timestamp_ms = None;
                        today()
                    }
                };
                records.push(record);
                while (bad as f64) < (share * (number + 1 - first) as f64).floor() {
                    records.push(hostile.make(&listing, date));
                    bad += 1;
                }
            }
            self.publish(records).await?;
            sent += size;
            step.advance(size);
        }
        Ok((sent, bad))
    }

    /// How many listings to publish next, once there are any due.
    async fn due(&self, rate: Option<u32>, sent: u64, since: Instant) -> u64 {
        let Some(rate) = rate else { return CHUNK };
        loop {
            let due = (since.elapsed().as_secs_f64() * f64::from(rate)) as u64;
            if due > sent || self.interrupted.is_cancelled() {
                return due.saturating_sub(sent).min(CHUNK);
            }
            tokio::time::sleep(PACE).await;
        }
    }

    async fn publish(&self, records: Vec<Outgoing>) -> Result<(), CliError> {
        self.publisher.publish(records).await.map_err(CliError::failed)?;
        Ok(())
    }
}

/// The day that records sent now are dated.
fn today() -> EventDate {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventDate::from_timestamp_ms(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

impl Loaded {
    fn summary(&self) -> String {
        let rate = |count: u64, seconds: f64| count as f64 / seconds.max(1e-9);
        let mut lines = vec![format!("  topic                  {}", self.listings_topic)];
        lines.push(match self.sales {
            0 => "  sales                  there already".to_owned(),
            sales => format!("  sales                  {sales} in {:.1} s", self.market_seconds),
        });
        lines.push(match &self.champion {
            None => "  champion               there already".to_owned(),
            Some(Champion { strategy, digest }) => format!(
                "  champion               {strategy}, {}, in {:.1} s",
                digest.chars().take(12).collect::<String>(),
                self.training_seconds
            ),
        });
        lines.push(format!(
            "  listings               {} in {:.1} s, {:.0} a second, keys from bench-{:08}",
            self.listings,
            self.listings_seconds,
            rate(self.listings, self.listings_seconds),
            self.first_number
        ));
        lines.push(format!("  hostile records        {}", self.hostile));
        lines.join("\n") + "\n"
    }
}
