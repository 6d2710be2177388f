//! From a listing's timestamp until a reader of committed records has its answer.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use platform_kafka::{
    ConsumerEvent, GroupConfig, GroupConsumer, Outgoing, Progress, Publisher, skip_to_end,
};
use producers::Records;
use schemas::Codec;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::child::Service;
use super::{Bench, Variant};
use crate::bench::listings::Listings;
use crate::error::CliError;
use crate::market::Sales;

/// Listings that are due are sent this often.
const TICK: Duration = Duration::from_millis(1);
/// Seconds at full rate before the measurement.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long a service may take to answer its first listing, and its last ones.
const PATIENCE: Duration = Duration::from_secs(60);
/// Different listings that take turns: encoding them must not cost while time is taken.
const LISTINGS: u64 = 20_000;
/// Most batches of listings under way; with more, the broker is what is slow.
const UNDER_WAY: usize = 200;

/// Latency of one service at one rate.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) listings_per_second: f64,
    pub(crate) listings: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

/// One answer: its listing's timestamp and when it was read, milliseconds since the epoch.
type Answer = (i64, f64);

/// Runs a service at a steady rate.
///
/// # Errors
/// When it ends, or does not answer every listing in time.
pub(crate) async fn measure(
    bench: &Bench<'_>,
    variant: Variant,
    listings_per_second: f64,
) -> Result<Latency, CliError> {
    let (listings_topic, output) = (bench.listings()?, bench.output(variant)?);
    let name = variant.name().replace([',', ' '], "");
    let (group, reader) =
        (format!("{}-latency-{name}", bench.id), format!("{}-reader-{name}", bench.id));
    skip_to_end(bench.broker, &group, &[&listings_topic]).await.map_err(CliError::failed)?;
    skip_to_end(bench.broker, &reader, &[&output]).await.map_err(CliError::failed)?;
    let mut service = Service::start(bench, variant, &group)?;
    let mut reader = GroupConsumer::start(bench.broker, GroupConfig::new(reader, &[&output]))
        .map_err(CliError::failed)?;
    let listings = encoded_listings(bench)?;
    let publisher = Publisher::new(bench.broker, Progress::new()).map_err(CliError::failed)?;

    let first = listings.iter().take(1).cloned();
    publisher.publish(first.collect()).await.map_err(CliError::failed)?;
    let mut answers = Vec::new();
    read_until(&mut reader, &mut answers, 1, PATIENCE, &mut service).await?;
    answers.clear();

    let run = Duration::from_secs(u64::from(bench.args.latency_seconds)) + WARM_UP;
    let wanted = (run.as_secs_f64() * listings_per_second) as usize;
    let began_ms = now_ms();
    let pace = pace(publisher, listings, listings_per_second, wanted);
    let read = read_until(&mut reader, &mut answers, wanted, PATIENCE, &mut service);
    let (paced, read) = tokio::join!(pace, read);
    paced?;
    read?;
    let from = (began_ms + WARM_UP.as_secs_f64() * 1e3) as i64;
    let counted = answers.iter().filter(|(sent, _)| *sent >= from);
    let latencies = counted.map(|(sent, read)| read - *sent as f64).collect();
    Ok(percentiles(latencies, listings_per_second))
}

fn encoded_listings(bench: &Bench<'_>) -> Result<Vec<Outgoing>, CliError> {
    let sales = &bench.args.sales;
    let Sales { sales, .. } = Sales::load(&sales.data, sales.mapping.as_deref())?;
    let topics = bench.settings.topic_names().map_err(CliError::usage)?;
    let records = Records::new(Codec::new().map_err(CliError::failed)?, &topics);
    let listings = Listings::of(sales).ok_or_else(|| CliError::usage(anyhow!("no sale")))?;
    let encoded = (0..LISTINGS).filter_map(|number| listings.listing(number));
    encoded
        .map(|listing| records.listing(&listing).map_err(CliError::failed))
        .map(|record| record.map(|record| Outgoing { timestamp_ms: None, ..record }))
        .collect()
}

/// Sends listings at a steady rate. Each is dated the moment it is due, so that a sender held
/// up makes latencies longer, not fewer.
async fn pace(
    publisher: Publisher,
    listings: Vec<Outgoing>,
    per_second: f64,
    wanted: usize,
) -> Result<(), CliError> {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY));
    let (began, began_ms) = (Instant::now(), now_ms());
    let mut ticks = tokio::time::interval(TICK);
    let mut sending = tokio::task::JoinSet::new();
    let mut turn = listings.iter().cycle();
    let mut sent = 0;
    while sent < wanted {
        ticks.tick().await;
        let due = ((began.elapsed().as_secs_f64() * per_second) as usize).min(wanted);
        if due == sent {
            continue;
        }
        let batch: Vec<Outgoing> = (sent..due)
            .zip(&mut turn)
            .map(|(number, listing)| {
                let due_ms = began_ms + number as f64 * 1e3 / per_second;
                Outgoing { timestamp_ms: Some(due_ms as i64), ..listing.clone() }
            })
            .collect();
        sent = due;
        let permit = under_way.clone().acquire_owned().await.map_err(CliError::failed)?;
        let publisher = publisher.clone();
        sending.spawn(async move {
            let published = publisher.publish(batch).await;
            drop(permit);
            published
        });
        while let Some(done) = sending.try_join_next() {
            done.map_err(CliError::failed)?.map_err(CliError::failed)?;
        }
    }
    while let Some(done) = sending.join_next().await {
        done.map_err(CliError::failed)?.map_err(CliError::failed)?;
    }
    Ok(())
}

/// Reads until so many answers are there.
async fn read_until(
    reader: &mut GroupConsumer,
    answers: &mut Vec<Answer>,
    wanted: usize,
    patience: Duration,
    service: &mut Service,
) -> Result<(), CliError> {
    answers.reserve(wanted);
    while answers.len() < wanted {
        let event = tokio::time::timeout(patience, reader.next()).await;
        match event {
            Ok(Some(ConsumerEvent::Batch(records))) => {
                let read = now_ms();
                let dated = records.iter().filter_map(|record| record.timestamp_ms);
                answers.extend(dated.map(|sent| (sent, read)));
            }
            Ok(Some(ConsumerEvent::Failed(error))) => return Err(CliError::failed(error)),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                service.look().await?;
                return Err(CliError::failed(anyhow!(
                    "{} of {wanted} listings were answered, and no more for {} s",
                    answers.len(),
                    patience.as_secs()
                )));
            }
        }
    }
    Ok(())
}

/// Milliseconds since the epoch.
fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

/// Nearest-rank percentiles.
fn percentiles(mut latencies: Vec<f64>, listings_per_second: f64) -> Latency {
    latencies.sort_by(f64::total_cmp);
    let rank = |share: f64| {
        let index = (share * latencies.len() as f64).ceil() as usize;
        latencies.get(index.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    };
    Latency {
        listings_per_second,
        listings: latencies.len(),
        p50_ms: rank(0.5),
        p99_ms: rank(0.99),
        p999_ms: rank(0.999),
        max_ms: rank(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::percentiles;

    #[test]
    fn percentiles_are_latencies_that_occurred() {
        let latency = percentiles((1..=1_000).rev().map(f64::from).collect(), 5.0);
        assert_eq!((latency.p50_ms, latency.p99_ms), (500.0, 990.0));
        assert_eq!((latency.p999_ms, latency.max_ms), (999.0, 1_000.0));
        assert_eq!(latency.listings, 1_000);
        assert_eq!(percentiles(vec![7.0], 5.0).p50_ms, 7.0);
    }
}
