//! The market index: recent sales, queried as of a date.
//!
//! Point in time by construction: a query as of date *d* looks at sales that closed before
//! *d* and at nothing else, however many later sales the index already holds. Sales may be
//! recorded in any order; the answers depend on the set of sales alone.

mod comparables;
mod level;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rstar::RTree;
use rstar::primitives::GeomWithData;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::comparables::{MarketView, NearbySale};
use self::level::LevelSeries;
use crate::date::EventDate;
use crate::listing::{Facts, Sale};

/// Mean radius of the Earth in kilometres (IUGG R1).
const EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// How the index looks at the market.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarketParams {
    /// Sales older than this many days before the query are not looked at; 30 to 3,650.
    pub window_days: i32,
    /// Nearest sales that are weighed as comparables; 5 to 200.
    pub candidates: usize,
    /// Farthest that a comparable may lie, kilometres; 0.1 to 1,000.
    pub max_distance_km: f64,
}

impl Default for MarketParams {
    fn default() -> Self {
        Self { window_days: 1_095, candidates: 32, max_distance_km: 25.0 }
    }
}

/// A market parameter outside its range.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("training.market.{name} is {value}, expected {expected}")]
pub struct InvalidMarketParam {
    /// Name of the setting.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// The accepted range.
    pub expected: &'static str,
}

impl MarketParams {
    /// Checks every parameter against its range.
    ///
    /// # Errors
    /// The first parameter outside its range.
    pub fn check(&self) -> Result<(), InvalidMarketParam> {
        let fail = |name, value, expected| Err(InvalidMarketParam { name, value, expected });
        if !(30..=3_650).contains(&self.window_days) {
            return fail("window_days", f64::from(self.window_days), "30 to 3650");
        }
        if !(5..=200).contains(&self.candidates) {
            return fail("candidates", self.candidates as f64, "5 to 200");
        }
        if !(0.1..=1_000.0).contains(&self.max_distance_km) {
            return fail("max_distance_km", self.max_distance_km, "0.1 to 1000");
        }
        Ok(())
    }
}

/// What the index keeps of a sale.
#[derive(Clone, Debug)]
struct IndexedSale {
    key: Arc<str>,
    closed_on: EventDate,
    price: f64,
    log_price: f64,
    log_area: Option<f64>,
    log_lot: Option<f64>,
    year_built: Option<i32>,
    property_type: Option<Box<str>>,
    postal_code: Option<Box<str>>,
    point: Option<[f64; 3]>,
}

impl IndexedSale {
    fn new(sale: &Sale) -> Self {
        let facts = &sale.facts;
        Self {
            key: Arc::from(sale.key.as_str()),
            closed_on: sale.closed_on,
            price: sale.price,
            log_price: sale.price.ln(),
            log_area: facts.living_area.map(f64::ln),
            log_lot: facts.lot_size.map(f64::ln),
            year_built: facts.year_built,
            property_type: facts.property_type.as_deref().map(Box::from),
            postal_code: facts.postal_code.as_deref().map(Box::from),
            point: facts.coordinates().map(|(lat, lon)| unit_vector(lat, lon)),
        }
    }

    fn log_price_per_area(&self) -> Option<f64> {
        self.log_area.map(|log_area| self.log_price - log_area)
    }
}

type Spot = GeomWithData<[f64; 3], u32>;

/// Recent sales, by place and by date.
#[derive(Debug)]
pub struct MarketIndex {
    params: MarketParams,
    /// Sales are kept for queries that look this many days back, the most ever asked for.
    kept_days: i32,
    sales: Vec<IndexedSale>,
    by_key: HashMap<Arc<str>, u32>,
    by_date: BTreeMap<(EventDate, Arc<str>), u32>,
    by_postal_code: HashMap<Box<str>, Vec<u32>>,
    tree: RTree<Spot>,
    free: Vec<u32>,
    level: LevelSeries,
    horizon: EventDate,
}

impl MarketIndex {
    /// An empty index.
    pub fn new(params: MarketParams) -> Self {
        Self {
            params,
            kept_days: params.window_days,
            sales: Vec::new(),
            by_key: HashMap::new(),
            by_date: BTreeMap::new(),
            by_postal_code: HashMap::new(),
            tree: RTree::new(),
            free: Vec::new(),
            level: LevelSeries::default(),
            horizon: EventDate(i32::MIN),
        }
    }

    /// The parameters in force.
    pub fn params(&self) -> &MarketParams {
        &self.params
    }

    /// Changes how the index is looked at; what has been evicted stays away.
    pub fn set_params(&mut self, params: MarketParams) {
        self.params = params;
        self.kept_days = self.kept_days.max(params.window_days);
    }

    /// Sales in the index.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether the index holds no sale.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Date of the latest sale.
    pub fn latest(&self) -> Option<EventDate> {
        self.by_date.last_key_value().map(|((date, _), _)| *date)
    }

    /// Records a sale; one with the same key is replaced (a corrected sale). A sale older
    /// than what has been evicted is out of every query's sight and is left out.
    ///
    /// Returns the date of the sale that was replaced.
    pub fn insert(&mut self, sale: &Sale) -> Option<EventDate> {
        let replaced = self.remove(&sale.key);
        if sale.closed_on < self.horizon {
            return replaced;
        }
        let entry = IndexedSale::new(sale);
        let slot = self.free.pop().unwrap_or(self.sales.len() as u32);
        self.by_key.insert(entry.key.clone(), slot);
        self.by_date.insert((entry.closed_on, entry.key.clone()), slot);
        if let Some(point) = entry.point {
            self.tree.insert(Spot::new(point, slot));
        }
        if let Some(postal_code) = &entry.postal_code {
            self.by_postal_code.entry(postal_code.clone()).or_default().push(slot);
        }
        if let Some(value) = entry.log_price_per_area() {
            self.level.insert(entry.closed_on, value);
        }
        match self.sales.get_mut(slot as usize) {
            Some(place) => *place = entry,
            None => self.sales.push(entry),
        }
        replaced
    }

    /// Drops sales that no query as of `oldest_query` or later can look at, neither as
    /// comparables nor for the level of the oldest comparable's month.
    pub fn evict(&mut self, oldest_query: EventDate) {
        let horizon = level::oldest_needed(oldest_query.plus_days(-self.kept_days));
        let old: Vec<Arc<str>> = self
            .by_date
            .range(..(horizon, Arc::from("")))
            .map(|((_, key), _)| key.clone())
            .collect();
        for key in old {
            self.unlink(&key);
        }
        self.horizon = self.horizon.max(horizon);
        self.level.drop_before(horizon);
    }

    fn remove(&mut self, key: &str) -> Option<EventDate> {
        let slot = self.unlink(key)?;
        let sale = &self.sales[slot as usize];
        if let Some(value) = sale.log_price_per_area() {
            self.level.remove(sale.closed_on, value);
        }
        Some(sale.closed_on)
    }

    /// Takes a sale out of everything but the level.
    fn unlink(&mut self, key: &str) -> Option<u32> {
        let slot = self.by_key.remove(key)?;
        let sale = &self.sales[slot as usize];
        self.by_date.remove(&(sale.closed_on, sale.key.clone()));
        if let Some(point) = sale.point {
            self.tree.remove(&Spot::new(point, slot));
        }
        if let Some(code) = &sale.postal_code
            && let Some(slots) = self.by_postal_code.get_mut(code)
        {
            slots.retain(|other| *other != slot);
        }
        self.free.push(slot);
        Some(slot)
    }

    /// What the market says about a home as of a date: sales that closed before `as_of`
    /// and at most `window_days` earlier.
    pub fn view(&self, subject: &Facts, as_of: EventDate) -> MarketView {
        comparables::view(self, subject, as_of)
    }

    /// Slots of the nearest usable sales with their distance in kilometres, nearest first.
    /// Without coordinates, the latest sales of the postal code stand in, at no distance.
    fn nearest(&self, subject: &Facts, as_of: EventDate) -> Vec<(u32, f64)> {
        let from = as_of.plus_days(-self.params.window_days);
        let usable = |slot: u32| {
            let closed_on = self.sales[slot as usize].closed_on;
            from <= closed_on && closed_on < as_of
        };
        if let Some((lat, lon)) = subject.coordinates() {
            let mut found: Vec<(u32, f64)> = Vec::with_capacity(self.params.candidates + 8);
            for (spot, squared_chord) in
                self.tree.nearest_neighbor_iter_with_distance_2(unit_vector(lat, lon))
            {
                let kilometres = arc_km(squared_chord);
                if kilometres > self.params.max_distance_km {
                    break;
                }
                // Sales at the same place tie: all of them are taken, so that the answer
                // does not depend on the order in which the tree returns them.
                if found.len() >= self.params.candidates
                    && found.last().is_some_and(|(_, last)| kilometres > *last)
                {
                    break;
                }
                if usable(spot.data) {
                    found.push((spot.data, kilometres));
                }
            }
            found.sort_by(|(a, da), (b, db)| {
                da.total_cmp(db).then_with(|| self.order(*a).cmp(&self.order(*b)))
            });
            found.truncate(self.params.candidates);
            return found;
        }
        let Some(slots) =
            subject.postal_code.as_deref().and_then(|code| self.by_postal_code.get(code))
        else {
            return Vec::new();
        };
        let mut found: Vec<u32> = slots.iter().copied().filter(|slot| usable(*slot)).collect();
        found.sort_by(|a, b| self.order(*b).cmp(&self.order(*a)));
        found.truncate(self.params.candidates);
        found.into_iter().map(|slot| (slot, 0.0)).collect()
    }

    fn order(&self, slot: u32) -> (EventDate, &str) {
        let sale = &self.sales[slot as usize];
        (sale.closed_on, &sale.key)
    }
}

/// The point of the unit sphere at a latitude and longitude in degrees.
fn unit_vector(latitude: f64, longitude: f64) -> [f64; 3] {
    let (sin_lat, cos_lat) = latitude.to_radians().sin_cos();
    let (sin_lon, cos_lon) = longitude.to_radians().sin_cos();
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
}

/// Great-circle distance of two points of the unit sphere from their squared chord.
fn arc_km(squared_chord: f64) -> f64 {
    2.0 * EARTH_RADIUS_KM * (squared_chord.max(0.0).sqrt() / 2.0).min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sale(key: u32, day: i32, price: f64, lat: f64, lon: f64) -> Sale {
        Sale {
            key: key.to_string(),
            closed_on: EventDate(day),
            price,
            currency: "USD".into(),
            facts: Facts {
                living_area: Some(1_000.0),
                latitude: Some(lat),
                longitude: Some(lon),
                ..Facts::default()
            },
        }
    }

    fn subject() -> Facts {
        Facts {
            living_area: Some(1_000.0),
            latitude: Some(41.6),
            longitude: Some(-83.6),
            ..Facts::default()
        }
    }

    #[test]
    fn distances_are_great_circles() {
        let toledo = unit_vector(41.6528, -83.5379);
        let detroit = unit_vector(42.3314, -83.0458);
        let squared: f64 = toledo.iter().zip(detroit).map(|(a, b)| (a - b).powi(2)).sum();
        assert!((arc_km(squared) - 85.7).abs() < 0.5, "{}", arc_km(squared));
        assert_eq!(arc_km(0.0), 0.0);
    }

    #[test]
    fn nearest_sales_come_first_and_far_ones_not_at_all() {
        let mut index = MarketIndex::new(MarketParams::default());
        index.insert(&sale(1, 10, 1e5, 41.61, -83.6));
        index.insert(&sale(2, 10, 1e5, 41.60, -83.6));
        index.insert(&sale(3, 10, 1e5, 45.00, -83.6));
        let view = index.view(&subject(), EventDate(20));
        let keys: Vec<&str> = view.nearby.iter().map(|near| &*near.key).collect();
        assert_eq!(keys, ["2", "1"]);
        assert!((view.nearby[1].distance_km - 1.112).abs() < 0.01);
    }

    #[test]
    fn a_corrected_sale_replaces_the_first() {
        let mut index = MarketIndex::new(MarketParams::default());
        index.insert(&sale(1, 10, 1e5, 41.6, -83.6));
        index.insert(&sale(1, 12, 2e5, 41.6, -83.6));
        assert_eq!(index.len(), 1);
        assert_eq!(index.latest(), Some(EventDate(12)));
        let view = index.view(&subject(), EventDate(20));
        assert_eq!(view.nearby.len(), 1);
        assert_eq!(view.nearby[0].price, 2e5);
    }

    #[test]
    fn without_coordinates_the_postal_code_stands_in() {
        let mut index = MarketIndex::new(MarketParams::default());
        let mut near = sale(1, 10, 1e5, 41.6, -83.6);
        near.facts.postal_code = Some("43604".into());
        index.insert(&near);
        index.insert(&sale(2, 10, 1e5, 41.6, -83.6));
        let facts = Facts { postal_code: Some("43604".into()), ..Facts::default() };
        let view = index.view(&facts, EventDate(20));
        assert_eq!(view.nearby.len(), 1);
        assert!(index.view(&Facts::default(), EventDate(20)).nearby.is_empty());
    }

    #[test]
    fn evicted_sales_were_out_of_sight_already() {
        let params = MarketParams { window_days: 30, ..MarketParams::default() };
        let mut index = MarketIndex::new(params);
        for day in 0..400 {
            index.insert(&sale(day as u32, day, 1e5 + f64::from(day), 41.6, -83.6));
        }
        let before = index.view(&subject(), EventDate(390));
        index.evict(EventDate(390));
        // Day 360 lies in the month that begins on day 334; its level is that of 180 days.
        assert_eq!(index.len(), 400 - (334 - 180));
        assert_eq!(index.view(&subject(), EventDate(390)), before);
        index.insert(&sale(7, 7, 9e9, 41.6, -83.6));
        assert_eq!(index.view(&subject(), EventDate(390)), before, "too late to be seen");
    }

    proptest! {
        /// No sale on or after the date, whatever it is and whenever it is recorded, can
        /// change an answer; nor can the order in which sales are recorded.
        #[test]
        fn the_future_and_the_order_change_nothing(
            past in prop::collection::vec((0..400_i32, 1e4..1e6_f64, 41.5..41.7_f64, -83.7..-83.5_f64), 0..60),
            future in prop::collection::vec((400..900_i32, 1e4..1e6_f64, 41.5..41.7_f64, -83.7..-83.5_f64), 0..60),
            rotate in 0..60_usize,
        ) {
            let make = |offset: u32, list: &[(i32, f64, f64, f64)]| -> Vec<Sale> {
                list.iter().enumerate()
                    .map(|(i, (day, price, lat, lon))| sale(offset + i as u32, *day, *price, *lat, *lon))
                    .collect()
            };
            let past = make(0, &past);
            let mut all = make(1_000, &future);
            all.extend(past.iter().cloned());
            let turn = rotate % all.len().max(1);
            all.rotate_left(turn);
            let mut with = MarketIndex::new(MarketParams::default());
            let mut without = MarketIndex::new(MarketParams::default());
            all.iter().for_each(|sale| { with.insert(sale); });
            past.iter().for_each(|sale| { without.insert(sale); });
            prop_assert_eq!(
                with.view(&subject(), EventDate(400)),
                without.view(&subject(), EventDate(400))
            );
        }
    }
}
