//! The replay: history at once, then the live market step by step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model_core::date::EventDate;
use model_core::monitoring::WindowKind;
use platform_kafka::{Outgoing, Progress, ProgressError, PublishError, Publisher, ReplayClock};
use producers::ReplayEvent;
use schemas::EncodeError;
use thiserror::Error;

use super::Watch;
use super::report::Produced;
use crate::args::Speed;
use crate::error::CliError;
use crate::market::Market;
use crate::serve::Deployment;
use crate::settings::Settings;

/// Days of event time published at once at full speed: enough that the round trips over the
/// broker weigh little, few enough that the display moves and little is in flight.
const MAX_STEP_DAYS: i32 = 10;
/// Historical sales published at once.
const HISTORY_CHUNK: usize = 2_000;
/// Services that answer the clock.
const CLOCKED: [&str; 2] = [monitor::SERVICE, trainer::SERVICE];

/// Why a replay ended early.
#[derive(Debug, Error)]
pub(crate) enum ReplayFailed {
    #[error(transparent)]
    Progress(#[from] ProgressError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("cannot encode an event: {0}")]
    Encode(#[from] EncodeError),
    #[error("every service has ended")]
    NoClock,
}

pub(crate) struct Replay<'a> {
    market: &'a Market,
    window: WindowKind,
    publisher: Publisher,
    progress: Progress,
    clock: ReplayClock,
    now: EventDate,
    watch: Watch,
    sales_topic: Arc<str>,
    produced: Produced,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(
        market: &'a Market,
        settings: &Settings,
        deployment: &Deployment,
        watch: Watch,
        clock: ReplayClock,
    ) -> Result<Self, CliError> {
        let publisher = Publisher::new(&deployment.broker, deployment.progress.clone())
            .map_err(CliError::failed)?;
        Ok(Self {
            market,
            window: settings.monitor.rules.window,
            publisher,
            progress: deployment.progress.clone(),
            clock,
            now: EventDate(i32::MIN),
            watch,
            sales_topic: settings.topic_names().map_err(CliError::usage)?.sales(),
            produced: Produced::default(),
        })
    }

    /// What has been published so far.
    pub(crate) fn produced(&self) -> Produced {
        self.produced
    }

    /// Publishes the history, then the live events at a speed.
    pub(crate) async fn run(&mut self, speed: Speed) -> Result<(), ReplayFailed> {
        self.history().await?;
        let live_since = Instant::now();
        let market = self.market;
        let mut events = market.plan.live.as_slice();
        let mut garbage = market.garbage.as_slice();
        while let Some(first) = events.first() {
            let from = first.date();
            let until = self.step_end(from, speed);
            let due = events.partition_point(|event| event.date() < until);
            let (step, rest) = events.split_at(due);
            let bad = garbage.partition_point(|garbage| garbage.date < until);
            let (step_garbage, rest_garbage) = garbage.split_at(bad);
            (events, garbage) = (rest, rest_garbage);

            self.pace(speed, live_since, from).await;
            self.tick(from).await?;
            let mut listings: Vec<Outgoing> = Vec::with_capacity(due + bad);
            let mut sales: Vec<Outgoing> = Vec::with_capacity(due);
            for event in step {
                match event {
                    ReplayEvent::Listing(listing) => {
                        listings.push(market.records.listing(listing)?);
                    }
                    ReplayEvent::Sale(sale) => sales.push(market.records.sale(sale)?),
                }
            }
            listings.extend(step_garbage.iter().map(|garbage| market.records.garbage(garbage)));
            self.publish_step(listings, sales, bad).await?;
            self.produced.first_event.get_or_insert(from);
            self.produced.last_event = step.last().map(ReplayEvent::date);
            self.tick(until).await?;
            self.produced.live_seconds = live_since.elapsed().as_secs_f64();
            let done = u64::from(until.days_since(market.first_live).unsigned_abs());
            self.watch.with(|watched| watched.display.progress(until, done, &watched.tally));
        }
        Ok(())
    }

    /// Publishes the history and waits for the first champion.
    async fn history(&mut self) -> Result<(), ReplayFailed> {
        for chunk in self.market.plan.history.chunks(HISTORY_CHUNK) {
            let records: Result<Vec<_>, _> =
                chunk.iter().map(|sale| self.market.records.sale(sale)).collect();
            self.publisher.publish(records?).await?;
            self.produced.sales += chunk.len() as u64;
        }
        self.progress.settled().await?;
        self.tick(self.market.first_live).await
    }

    /// Sales first: a listing is priced with every sale before its date, and those of its own
    /// step may be among them. The market index takes no notice of later ones.
    async fn publish_step(
        &mut self,
        listings: Vec<Outgoing>,
        sales: Vec<Outgoing>,
        garbage: usize,
    ) -> Result<(), ReplayFailed> {
        self.produced.sales += sales.len() as u64;
        self.produced.listings += listings.len() as u64;
        self.produced.garbage += garbage as u64;
        self.publisher.publish(sales).await?;
        self.progress.settled_for(&[(scorer::SERVICE, &self.sales_topic)]).await?;
        self.publisher.publish(listings).await?;
        self.progress.settled().await?;
        Ok(())
    }

    /// Tells the services that event time has reached a day, and waits for what follows from
    /// it: windows that close, trainings they ask for, models that are swapped.
    async fn tick(&mut self, day: EventDate) -> Result<(), ReplayFailed> {
        if day <= self.now {
            return Ok(());
        }
        self.now = day;
        if !self.clock.advance(i64::from(day.0)) {
            return Err(ReplayFailed::NoClock);
        }
        self.progress.watermark_reached(&CLOCKED, i64::from(day.0)).await?;
        self.progress.settled().await?;
        Ok(())
    }

    /// The first day after the step that begins at `from`: a step never crosses the end of a
    /// window, for what a window's end sets off comes before the next listing.
    fn step_end(&self, from: EventDate, speed: Speed) -> EventDate {
        let days = match speed {
            Speed::DaysPerSecond(_) => 1,
            Speed::Max => MAX_STEP_DAYS,
        };
        from.plus_days(days).min(self.window.window_of(from).end)
    }

    async fn pace(&self, speed: Speed, since: Instant, day: EventDate) {
        let Speed::DaysPerSecond(rate) = speed else { return };
        let days = f64::from(day.days_since(self.market.first_live));
        let due = Duration::try_from_secs_f64(days / rate).unwrap_or(Duration::MAX);
        if let Some(wait) = due.checked_sub(since.elapsed()) {
            tokio::time::sleep(wait).await;
        }
    }
}
