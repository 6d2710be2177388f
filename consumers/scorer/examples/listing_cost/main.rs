//! What one listing costs the scorer, stage by stage.
//!
//! ```text
//! listing_cost train SALES MODEL           trains a champion on the shipped sales
//! listing_cost describe MODEL              says how large it is
//! listing_cost STAGE SALES MODEL PASSES    runs one stage over some 2,800 listings
//! ```
//!
//! Stages: `decode`, `index`, `features`, `trees`, `price` (features, trees, interval and
//! comparables), `encode`, and `whole`, which is [`Processor::accept`] and [`Processor::price`] without a broker. Every
//! listing is new, so that the enrichment cache misses. Prints the least and the median of the
//! passes, nanoseconds of processor time a listing. Instructions: `valgrind --tool=callgrind`, with one pass and
//! with none, and the difference of both; `benches/listing_cost` does all of it.

#![allow(missing_docs, clippy::print_stdout)]

mod shipped;

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use model_core::date::EventDate;
use model_core::engine::PricingEngine;
use model_core::estimate::{ModelRef, PriceEstimate};
use model_core::learn::{FittedModel, FlatTrees};
use model_core::listing::{Listing, Sale};
use model_core::market::{MarketParams, MarketView};
use model_core::model::{self, PricingModel};
use model_core::training::{TrainingArchive, TrainingParams, train};
use platform_kafka::Record;
use rustix::time::{ClockId, clock_gettime};
use schemas::{Codec, TopicNames, estimate_id};
use scorer::{Accepted, Processor, ScorerMetrics};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The champion has learned from sales before 1996-07-01; listings are of the quarter after.
const TRAINED: &str = "1996-07-01";
const LISTED_UNTIL: &str = "1996-10-01";
/// Times that each listing comes, every time under another key.
const COPIES: usize = 2;
const TOPIC: &str = "homes.listings.v1";
/// Listings of a batch, as the service reads them.
const BATCH: usize = 500;
const CACHE_BYTES: u64 = 64 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["describe", model] => {
            describe(&PricingModel::from_bytes(&std::fs::read(model)?)?);
            Ok(())
        }
        ["train", sales, model] => train_champion(&shipped::sales(sales)?, model),
        [stage, sales, model, passes] => {
            let model = PricingModel::from_bytes(&std::fs::read(model)?)?;
            measure(stage, &Setup::new(shipped::sales(sales)?, model)?, passes.parse()?)
        }
        _ => Err("arguments: train SALES MODEL, or STAGE SALES MODEL PASSES".into()),
    }
}

fn day(iso: &str) -> Result<EventDate, Box<dyn Error>> {
    Ok(EventDate::parse_iso(iso).ok_or("no date")?)
}

fn describe(model: &PricingModel) {
    let trees = match &model.predictor {
        FittedModel::ElasticNet(_) => None,
        FittedModel::BoostedTrees(trees) | FittedModel::Additive { trees, .. } => Some(trees),
        FittedModel::ScaledTrees(scaled) => Some(scaled.trees()),
    };
    println!("features {}", model.spec.len());
    println!("trees {}", trees.map_or(0, FlatTrees::n_trees));
    println!("nodes {}", trees.map_or(0, FlatTrees::n_nodes));
}

fn train_champion(sales: &[Sale], path: &str) -> Result<(), Box<dyn Error>> {
    let params = TrainingParams::default();
    let mut archive = TrainingArchive::new(params.market);
    sales.iter().for_each(|sale| archive.insert(sale.clone()));
    let model = train(&mut archive, None, day(TRAINED)?, &params)?.model;
    std::fs::write(path, model.to_bytes()?)?;
    Ok(())
}

/// A market, its champion, and listings that it has not seen.
struct Setup {
    sales: Vec<Sale>,
    model: Arc<PricingModel>,
    reference: ModelRef,
    listings: Vec<Listing>,
    codec: Arc<Codec>,
}

impl Setup {
    fn new(mut sales: Vec<Sale>, model: PricingModel) -> Result<Self, Box<dyn Error>> {
        let from = day(TRAINED)?;
        let until = day(LISTED_UNTIL)?;
        let digest = model::digest(&model.to_bytes()?);
        sales.retain(|sale| sale.closed_on < until);
        let sold = sales.iter().filter(|sale| sale.closed_on >= from);
        let listings = sold.flat_map(copies).collect();
        Ok(Self {
            sales,
            model: Arc::new(model),
            reference: ModelRef { version: "v1".into(), digest },
            listings,
            codec: Arc::new(Codec::new()?),
        })
    }

    fn engine(&self) -> Result<PricingEngine, Box<dyn Error>> {
        let mut engine = PricingEngine::new(MarketParams::default());
        engine.install(self.model.clone(), self.reference.clone())?;
        self.sales.iter().for_each(|sale| engine.record_sale(sale.clone()));
        // The champion's errors are computed once a sale, not once a listing.
        if let Some(last) = self.listings.last() {
            engine.price(last);
        }
        Ok(engine)
    }

    fn processor(&self) -> Result<Processor, Box<dyn Error>> {
        let metrics = ScorerMetrics::register(&prometheus::Registry::new())?;
        let topics = TopicNames::new("homes")?;
        let engine = self.engine()?;
        Ok(Processor::new(engine, None, CACHE_BYTES, self.codec.clone(), &topics, metrics))
    }

    /// The listings as records, under other keys in every pass.
    fn records(&self, pass: usize) -> Result<Vec<Record>, Box<dyn Error>> {
        let topic: Arc<str> = TOPIC.into();
        let record = |(offset, listing): (usize, &Listing)| {
            let listing = Listing { key: format!("{}-{pass}", listing.key), ..listing.clone() };
            Ok(Record {
                topic: topic.clone(),
                partition: 0,
                offset: offset as i64,
                key: Some(listing.key.as_bytes().into()),
                payload: Some(self.codec.encode_listing(&listing)?),
                headers: Vec::new(),
                timestamp_ms: Some(listing.listed_on.to_timestamp_ms()),
            })
        };
        self.listings.iter().enumerate().map(record).collect()
    }

    fn views(&self, engine: &mut PricingEngine) -> Vec<MarketView> {
        let view = |listing: &Listing| engine.view(&listing.facts, listing.listed_on);
        self.listings.iter().map(view).collect()
    }

    fn estimates(&self) -> Result<Vec<PriceEstimate>, Box<dyn Error>> {
        let mut engine = self.engine()?;
        Ok(self.listings.iter().map(|listing| engine.price(listing)).collect())
    }
}

/// Listings of a sold home, as the replay makes them.
fn copies(sale: &Sale) -> impl Iterator<Item = Listing> {
    (0..COPIES).map(|copy| Listing {
        key: format!("{}-{copy}", sale.key),
        listed_on: sale.closed_on,
        list_price: None,
        currency: sale.currency.clone(),
        facts: sale.facts.clone(),
    })
}

fn measure(stage: &str, setup: &Setup, passes: usize) -> Result<(), Box<dyn Error>> {
    let listings = &setup.listings;
    match stage {
        "decode" => {
            let records = setup.records(0)?;
            report(passes, &records, |record| {
                let listing = setup.codec.decode_listing(record.payload.as_deref()?).ok()?;
                listing.validate(listing.listed_on).ok()?;
                Some(listing)
            })
        }
        "index" => {
            let mut engine = setup.engine()?;
            report(passes, listings, |listing| Some(engine.view(&listing.facts, listing.listed_on)))
        }
        "features" => {
            let views = setup.views(&mut setup.engine()?);
            let seen: Vec<_> = listings.iter().zip(&views).collect();
            let mut row = Vec::new();
            report(passes, &seen, |(listing, view)| {
                setup.model.spec.encode(&listing.facts, listing.listed_on, view, &mut row);
                row.first().copied()
            })
        }
        "trees" => {
            let width = setup.model.spec.len();
            let rows = feature_rows(&setup.estimates()?);
            let chunks: Vec<Vec<&[f64]>> =
                rows.chunks(BATCH).map(|rows| rows.iter().map(Vec::as_slice).collect()).collect();
            let mut parts = vec![0.0; BATCH * width];
            let model = &setup.model;
            report_batches(passes, &chunks, rows.len(), |rows| {
                let parts = parts.get_mut(..rows.len() * width)?;
                let explained = model.predictor.explain_batch(rows, parts, width);
                let scales: Vec<f64> = rows.iter().map(|row| model.scale.predict(row)).collect();
                Some((explained, scales))
            })
        }
        "price" => {
            let mut engine = setup.engine()?;
            let views = setup.views(&mut engine);
            let seen: Vec<_> = listings.iter().zip(&views).collect();
            report(passes, &seen, |(listing, view)| Some(engine.price_with(listing, view)))
        }
        "encode" => report(passes, &setup.estimates()?, |estimate| {
            let id = estimate_id(TOPIC, 0, 7, &setup.reference.version);
            setup.codec.encode_price(estimate, &id).ok()
        }),
        "whole" => {
            let records = (0..passes.max(1))
                .map(|pass| setup.records(pass))
                .collect::<Result<Vec<_>, _>>()?;
            let mut processor = setup.processor()?;
            let mut stage =
                |records: &&[Record]| {
                    let listings: Option<Vec<Listing>> =
                        records.iter().map(|record| processor.accept(record).ok()).collect();
                    let listings = listings?;
                    let accepted = records.iter().zip(&listings).map(|(record, listing)| {
                        Accepted { record, listing, external: Vec::new() }
                    });
                    processor.price(accepted.collect()).ok()
                };
            let passes = records.iter().take(passes).map(|records| {
                let batches: Vec<&[Record]> = records.chunks(BATCH).collect();
                time(&batches, records.len(), &mut stage)
            });
            print(listings.len(), passes.collect::<Result<_, Box<dyn Error>>>()?);
            Ok(())
        }
        other => Err(format!("unknown stage {other}").into()),
    }
}

fn feature_rows(estimates: &[PriceEstimate]) -> Vec<Vec<f64>> {
    estimates.iter().filter_map(PriceEstimate::price).map(|price| price.features.clone()).collect()
}

/// Runs a stage over all inputs `passes` times; every input must succeed.
fn report<I, O>(
    passes: usize,
    inputs: &[I],
    stage: impl FnMut(&I) -> Option<O>,
) -> Result<(), Box<dyn Error>> {
    report_batches(passes, inputs, inputs.len(), stage)
}

/// [`report`] where an input is a batch of listings, `n_listings` in all.
fn report_batches<I, O>(
    passes: usize,
    batches: &[I],
    n_listings: usize,
    mut stage: impl FnMut(&I) -> Option<O>,
) -> Result<(), Box<dyn Error>> {
    let times = (0..passes).map(|_| time(batches, n_listings, &mut stage));
    print(n_listings, times.collect::<Result<_, _>>()?);
    Ok(())
}

/// Processor time of this process: what others do meanwhile does not count.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    Ok(Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))?)
}

/// Nanoseconds of processor time a listing.
fn time<I, O>(
    inputs: &[I],
    n_listings: usize,
    stage: &mut impl FnMut(&I) -> Option<O>,
) -> Result<f64, Box<dyn Error>> {
    let start = processor_time()?;
    for input in inputs {
        black_box(stage(black_box(input)).ok_or("an input failed")?);
    }
    Ok((processor_time()? - start).as_nanos() as f64 / n_listings as f64)
}

fn print(n_listings: usize, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    println!("listings {n_listings}");
    if let Some(least) = times.first() {
        println!("ns_min {least:.0}");
        println!("ns_median {:.0}", times[times.len() / 2]);
    }
}
