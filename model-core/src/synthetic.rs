//! A small market with a known price law, for tests: the same in every run.

use crate::date::EventDate;
use crate::learn::BoostedTreesParams;
use crate::listing::{Attribute, Facts, Listing, Sale};
use crate::market::MarketParams;
use crate::model::PricingModel;
use crate::training::{StrategyName, Training, TrainingArchive, TrainingParams, train};

/// The market's first day, 1994-08-23.
pub(crate) const FIRST_DAY: EventDate = EventDate(9_000);

/// SplitMix64: small, fast and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `[low, high)`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.next() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub(crate) fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i + 1));
        }
    }
}

/// What a home of these facts sells for on a day, without chance.
pub(crate) fn law(facts: &Facts, on: EventDate) -> f64 {
    let area = facts.living_area.unwrap_or(1_500.0);
    let north = facts.latitude.unwrap_or(41.6) - 41.6;
    let brick = facts.attributes.get("wall") == Some(&Attribute::Text("brick".into()));
    let years = f64::from(on.days_since(FIRST_DAY)) / 365.0;
    let log = 11.5
        + 0.8 * (area / 1_500.0).ln()
        + 2.0 * north
        + if brick { 0.15 } else { 0.0 }
        + 0.03 * years;
    log.exp()
}

pub(crate) fn facts(random: &mut Random) -> Facts {
    let wall = if random.below(3) == 0 { "brick" } else { "wood" };
    Facts {
        living_area: Some(random.between(800.0, 2_800.0).round()),
        lot_size: Some(random.between(4_000.0, 12_000.0).round()),
        year_built: Some(1_920 + random.below(70) as i32),
        latitude: Some(random.between(41.5, 41.7)),
        longitude: Some(random.between(-83.7, -83.5)),
        attributes: [("wall".to_owned(), Attribute::Text(wall.to_owned()))].into(),
        ..Facts::default()
    }
}

/// `count` sales over `days` days from the first, by date, with 5 % of chance in their prices.
pub(crate) fn sales(seed: u64, count: usize, days: i32) -> Vec<Sale> {
    let mut random = Random(seed);
    (0..count)
        .map(|i| {
            let closed_on = FIRST_DAY.plus_days((i as i64 * i64::from(days) / count as i64) as i32);
            let facts = facts(&mut random);
            let chance = random.between(-0.05, 0.05).exp();
            Sale {
                key: format!("{seed}-{i:05}"),
                closed_on,
                price: (law(&facts, closed_on) * chance).round(),
                currency: "USD".into(),
                facts,
            }
        })
        .collect()
}

pub(crate) fn listing(seed: u64, on: EventDate) -> Listing {
    Listing {
        key: format!("listing-{seed}"),
        listed_on: on,
        list_price: None,
        currency: "USD".into(),
        facts: facts(&mut Random(seed)),
    }
}

/// Parameters that a small market can be learned with, and quickly.
pub(crate) fn params(strategies: &[StrategyName]) -> TrainingParams {
    TrainingParams {
        strategies: strategies.to_vec(),
        min_sales: 200,
        market: MarketParams { window_days: 60, ..MarketParams::default() },
        boosted_trees: BoostedTreesParams {
            rounds: 200,
            learning_rate: 0.1,
            num_leaves: 8,
            ..BoostedTreesParams::default()
        },
        ..TrainingParams::default()
    }
}

pub(crate) fn archive(sales: &[Sale], params: &TrainingParams) -> TrainingArchive {
    let mut archive = TrainingArchive::new(params.market);
    sales.iter().for_each(|sale| archive.insert(sale.clone()));
    archive
}

/// Trains on the sales before a day.
pub(crate) fn trained(
    sales: &[Sale],
    champion: Option<&PricingModel>,
    as_of: EventDate,
    params: &TrainingParams,
) -> Training {
    train(&mut archive(sales, params), champion, as_of, params).unwrap()
}
