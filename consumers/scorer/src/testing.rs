//! A small market and its model, for the scorer's tests.

use std::sync::{Arc, LazyLock};

use model_core::date::EventDate;
use model_core::estimate::ModelRef;
use model_core::listing::{Facts, Listing, Sale};
use model_core::market::MarketParams;
use model_core::model::{self, PricingModel};
use model_core::registry::{Lineage, RegistryAction, RegistryEvent};
use model_core::training::{StrategyName, TrainingArchive, TrainingParams, train};

/// The day of the tests' listings.
pub(crate) const TODAY: EventDate = EventDate(9_300);

/// A number in `[0, 1)` that looks like chance.
fn chance(i: usize) -> f64 {
    let mixed = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    (mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1_u64 << 53) as f64
}

fn facts(i: usize) -> Facts {
    Facts {
        living_area: Some((800.0 + 2_000.0 * chance(4 * i)).round()),
        latitude: Some(41.5 + 0.2 * chance(4 * i + 1)),
        longitude: Some(-83.7 + 0.2 * chance(4 * i + 2)),
        ..Facts::default()
    }
}

/// 300 sales over the 300 days before [`TODAY`], at 80 a square foot and 5 % of chance.
pub(crate) fn sales() -> Vec<Sale> {
    let sale = |i: usize| {
        let facts = facts(i);
        let price = 80.0 * facts.living_area.unwrap() * (0.95 + 0.1 * chance(4 * i + 3));
        let closed_on = TODAY.plus_days(i as i32 - 300);
        Sale { key: format!("sale-{i}"), closed_on, price, currency: "USD".into(), facts }
    };
    (0..300).map(sale).collect()
}

pub(crate) fn listing() -> Listing {
    Listing {
        key: "L-1".into(),
        listed_on: TODAY,
        list_price: Some(99_000.0),
        currency: "USD".into(),
        facts: facts(1_000),
    }
}

pub(crate) fn market() -> MarketParams {
    MarketParams::default()
}

pub(crate) fn pricing_model() -> Arc<PricingModel> {
    static MODEL: LazyLock<Arc<PricingModel>> = LazyLock::new(|| {
        let params = TrainingParams {
            strategies: vec![StrategyName::ElasticNet],
            min_sales: 200,
            ..TrainingParams::default()
        };
        let mut archive = TrainingArchive::new(params.market);
        sales().into_iter().for_each(|sale| archive.insert(sale));
        Arc::new(train(&mut archive, None, TODAY, &params).unwrap().model)
    });
    MODEL.clone()
}

pub(crate) fn model_ref(version: &str) -> ModelRef {
    let digest = model::digest(&pricing_model().to_bytes().unwrap());
    ModelRef { version: version.into(), digest }
}

pub(crate) fn registry_event(version: &str, action: RegistryAction, digest: &str) -> RegistryEvent {
    let registered = action == RegistryAction::Registered;
    RegistryEvent {
        model: "homes".into(),
        version: version.into(),
        action,
        event_date: TODAY,
        who: "test".into(),
        why: "test".into(),
        digest: registered.then(|| digest.to_owned()),
        lineage: registered.then(Lineage::default),
        metrics: Default::default(),
    }
}
