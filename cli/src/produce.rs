//! `homestream produce`: a file's market onto a broker, for services that run elsewhere.

use std::time::{Duration, Instant};

use platform_kafka::{Outgoing, Progress, Publisher};
use producers::ReplayEvent;
use schemas::RecordKind;
use tokio_util::sync::CancellationToken;

use crate::args::{ReplayArgs, Speed};
use crate::error::CliError;
use crate::market::Market;
use crate::serve;
use crate::settings::Settings;

/// Records published at once.
const CHUNK: usize = 1_000;

/// Publishes history, then live events, each day in its turn.
///
/// # Errors
/// Wrong usage for wrong data or mapping; otherwise what failed.
pub(crate) async fn run(
    settings: Settings,
    args: ReplayArgs,
    interrupted: CancellationToken,
) -> Result<(), CliError> {
    let topics = settings.topic_names().map_err(CliError::usage)?;
    let writes = [RecordKind::Listing, RecordKind::Sale];
    let Some(schemas) = serve::schema_source(&settings, &writes, &interrupted).await? else {
        return Ok(());
    };
    let codec = schemas.codec().map_err(CliError::failed)?;
    let market = Market::load(&args, &topics, codec)?;
    market.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let broker = serve::connect(&settings).await?;
    let publisher = Publisher::new(&broker, Progress::new()).map_err(CliError::failed)?;
    let mut published = 0;
    for chunk in market.plan.history.chunks(CHUNK) {
        let records: Result<Vec<_>, _> =
            chunk.iter().map(|sale| market.records.sale(sale)).collect();
        published += publish(&publisher, records.map_err(CliError::failed)?).await?;
    }
    tracing::info!(sales = published, "history published");
    let since = Instant::now();
    let mut garbage = market.garbage.iter().peekable();
    for day in market.plan.live.chunk_by(|a, b| a.date() == b.date()) {
        let Some(date) = day.first().map(ReplayEvent::date) else { continue };
        let mut records = Vec::with_capacity(day.len());
        for event in day {
            let record = match event {
                ReplayEvent::Listing(listing) => market.records.listing(listing),
                ReplayEvent::Sale(sale) => market.records.sale(sale),
            };
            records.push(record.map_err(CliError::failed)?);
        }
        while let Some(bad) = garbage.next_if(|bad| bad.date <= date) {
            records.push(market.records.garbage(bad));
        }
        if let Speed::DaysPerSecond(rate) = args.speed {
            let days = f64::from(date.days_since(market.first_live));
            let due = Duration::try_from_secs_f64(days / rate).unwrap_or(Duration::MAX);
            let wait = due.saturating_sub(since.elapsed());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = interrupted.cancelled() => {}
            }
        }
        if interrupted.is_cancelled() {
            break;
        }
        published += publish(&publisher, records).await?;
    }
    tracing::info!(records = published, "done");
    Ok(())
}

async fn publish(publisher: &Publisher, records: Vec<Outgoing>) -> Result<usize, CliError> {
    let delivered = publisher.publish(records).await.map_err(CliError::failed)?;
    Ok(delivered.len())
}
