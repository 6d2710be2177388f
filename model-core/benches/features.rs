//! What a listing costs from facts to price: `cargo bench -p model-core --bench features`.

#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use model_core::date::EventDate;
use model_core::engine::PricingEngine;
use model_core::estimate::ModelRef;
use model_core::listing::{Attribute, Facts, Listing, Sale};
use model_core::market::{MarketIndex, MarketParams};
use model_core::model::PricingModel;
use model_core::training::{TrainingArchive, TrainingParams, train};

const SALES: usize = 5_000;
const TODAY: EventDate = EventDate(10_000);

/// Deterministic chance in `[0, 1)`.
fn chance(i: usize) -> f64 {
    let mixed = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17);
    (mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / (1_u64 << 53) as f64
}

fn facts(i: usize) -> Facts {
    let wall = ["brick", "wood", "stone"][(3.0 * chance(8 * i)) as usize];
    Facts {
        living_area: Some(800.0 + 2_000.0 * chance(8 * i + 1)),
        lot_size: Some(4_000.0 + 8_000.0 * chance(8 * i + 2)),
        bedrooms_total: Some(2 + (3.0 * chance(8 * i + 3)) as i32),
        year_built: Some(1_900 + (90.0 * chance(8 * i + 4)) as i32),
        latitude: Some(41.5 + 0.2 * chance(8 * i + 5)),
        longitude: Some(-83.7 + 0.2 * chance(8 * i + 6)),
        attributes: [("wall".to_owned(), Attribute::Text(wall.to_owned()))].into(),
        ..Facts::default()
    }
}

/// Sales of the three years before today.
fn sales() -> Vec<Sale> {
    let sale = |i: usize| {
        let facts = facts(i);
        let price = 80.0 * facts.living_area.unwrap_or(1_000.0) * (0.9 + 0.2 * chance(8 * i + 7));
        let closed_on = TODAY.plus_days((i * 1_090 / SALES) as i32 - 1_090);
        Sale { key: i.to_string(), closed_on, price, currency: "USD".into(), facts }
    };
    (0..SALES).map(sale).collect()
}

fn model(sales: &[Sale]) -> PricingModel {
    let params = TrainingParams::default();
    let mut archive = TrainingArchive::new(params.market);
    sales.iter().for_each(|sale| archive.insert(sale.clone()));
    train(&mut archive, None, TODAY, &params).expect("the market can be learned").model
}

fn features(c: &mut Criterion) {
    let sales = sales();
    let model = Arc::new(model(&sales));
    let mut index = MarketIndex::new(MarketParams::default());
    let mut engine = PricingEngine::new(MarketParams::default());
    let reference = ModelRef { version: "v1".into(), digest: String::new() };
    engine.install(model.clone(), reference).expect("the index is wide enough");
    for sale in &sales {
        index.insert(sale);
        engine.record_sale(sale.clone());
    }
    let listings: Vec<Listing> = (0..256)
        .map(|i| Listing {
            key: format!("L-{i}"),
            listed_on: TODAY,
            list_price: None,
            currency: "USD".into(),
            facts: facts(SALES + i),
        })
        .collect();

    let mut subjects = listings.iter().cycle();
    let mut next = || subjects.next().expect("a cycle has no end");
    c.bench_function("market view, 5000 sales", |b| {
        b.iter(|| black_box(index.view(&next().facts, TODAY)));
    });
    let view = index.view(&listings[0].facts, TODAY);
    let mut row = Vec::new();
    c.bench_function("encode", |b| {
        b.iter(|| {
            model.spec.encode(&next().facts, TODAY, &view, &mut row);
            black_box(&row);
        });
    });
    c.bench_function("price, view included", |b| {
        b.iter(|| {
            let estimate = engine.price(next());
            assert!(estimate.price().is_some());
            black_box(estimate)
        });
    });
}

criterion_group!(benches, features);
criterion_main!(benches);
