//! The market index: recent sales, queried as of a date.
//!
//! Point in time by construction: a query as of date *d* looks at sales that closed before
//! *d* and at nothing else, however many later sales the index already holds. Sales may be
//! recorded in any order; the answers depend on the set of sales alone.

mod area;
mod comparables;
mod level;
mod means;
mod month;
mod params;
mod places;
mod tally;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

pub use self::area::{Area, InvalidArea};
pub use self::comparables::{MAX_NEARBY, MarketView, NearbySale};
use self::level::LevelSeries;
use self::means::{Columns, Numbers};
pub use self::means::{FactMeans, FactNumber};
pub use self::month::{CategoryName, MonthStatistics};
pub use self::params::{InvalidMarketParam, MarketParams};
use self::places::{Places, Spot};
use self::tally::{Tallies, Texts};
use crate::date::EventDate;
use crate::listing::{Facts, Sale};

/// Mean radius of the Earth in kilometres (IUGG R1).
const EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// What the index keeps of a sale, but for its [`Traits`].
#[derive(Clone, Debug)]
struct IndexedSale {
    key: Arc<str>,
    closed_on: EventDate,
    price: f64,
    postal_code: Option<Box<str>>,
    point: Option<[f64; 3]>,
    /// Latitude and longitude, degrees.
    place: Option<(f64, f64)>,
    texts: Texts,
}

impl IndexedSale {
    fn new(sale: &Sale) -> Self {
        let facts = &sale.facts;
        Self {
            key: Arc::from(sale.key.as_str()),
            closed_on: sale.closed_on,
            price: sale.price,
            postal_code: facts.postal_code.as_deref().map(Box::from),
            point: facts.coordinates().map(|(lat, lon)| unit_vector(lat, lon)),
            place: facts.coordinates(),
            texts: Texts::default(),
        }
    }
}

/// What every view reads of each of its candidates: two cache lines, wherever they lie.
#[derive(Clone, Debug)]
#[repr(align(128))]
struct Traits {
    closed_on: EventDate,
    /// Number of the month of `closed_on`.
    month: i32,
    log_price: f64,
    property_type: Option<TypeId>,
    numbers: Numbers,
}

const _: () = assert!(size_of::<Traits>() == 128, "two cache lines");

impl Traits {
    fn log_area(&self) -> Option<f64> {
        self.numbers.fact(FactNumber::LogArea)
    }

    fn log_price_per_area(&self) -> Option<f64> {
        self.log_area().map(|log_area| self.log_price - log_area)
    }
}

/// Stands for the text of a property type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TypeId(NonZeroU32);

/// Property types ever seen.
#[derive(Debug, Default)]
struct PropertyTypes(HashMap<Box<str>, TypeId>);

impl PropertyTypes {
    /// One that no sale has had has no id.
    fn get(&self, text: &str) -> Option<TypeId> {
        self.0.get(text).copied()
    }

    fn id(&mut self, text: &str) -> TypeId {
        if let Some(id) = self.get(text) {
            return id;
        }
        let id = TypeId(NonZeroU32::MIN.saturating_add(self.0.len() as u32));
        self.0.insert(text.into(), id);
        id
    }
}

/// Recent sales, by place and by date.
#[derive(Debug)]
pub struct MarketIndex {
    params: MarketParams,
    /// Sales are kept for queries that look this many days back, the most ever asked for.
    kept_days: i32,
    /// By slot, as the traits.
    sales: Vec<IndexedSale>,
    traits: Vec<Traits>,
    property_types: PropertyTypes,
    by_key: HashMap<Arc<str>, u32>,
    by_date: BTreeMap<(EventDate, Arc<str>), u32>,
    by_postal_code: HashMap<Box<str>, Vec<u32>>,
    places: Places,
    free: Vec<u32>,
    level: LevelSeries,
    tallies: Tallies,
    columns: Columns,
    /// By the first day of the month.
    statistics: Mutex<BTreeMap<EventDate, Arc<MonthStatistics>>>,
    horizon: EventDate,
}

impl MarketIndex {
    /// An empty index.
    pub fn new(params: MarketParams) -> Self {
        Self {
            params,
            kept_days: params.window_days,
            sales: Vec::new(),
            traits: Vec::new(),
            property_types: PropertyTypes::default(),
            by_key: HashMap::new(),
            by_date: BTreeMap::new(),
            by_postal_code: HashMap::new(),
            places: Places::new(),
            free: Vec::new(),
            level: LevelSeries::default(),
            tallies: Tallies::default(),
            columns: Columns::default(),
            statistics: Mutex::new(BTreeMap::new()),
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
        self.forget_statistics_from(EventDate(i32::MIN));
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
        let mut entry = IndexedSale::new(sale);
        let traits = self.traits(sale);
        let slot = self.free.pop().unwrap_or(self.sales.len() as u32);
        self.by_key.insert(entry.key.clone(), slot);
        self.by_date.insert((entry.closed_on, entry.key.clone()), slot);
        if let Some(point) = entry.point {
            self.places.insert(Spot { point, closed_on: entry.closed_on, slot });
        }
        if let Some(postal_code) = &entry.postal_code {
            self.by_postal_code.entry(postal_code.clone()).or_default().push(slot);
        }
        if let Some(value) = traits.log_price_per_area() {
            self.level.insert(entry.closed_on, value);
            entry.texts = self.tallies.insert(&sale.facts, traits.month, value);
        }
        self.forget_statistics_from(entry.closed_on.plus_days(1));
        put(&mut self.sales, slot, entry);
        put(&mut self.traits, slot, traits);
        replaced
    }

    fn traits(&mut self, sale: &Sale) -> Traits {
        let property_type = sale.facts.property_type.as_deref();
        Traits {
            closed_on: sale.closed_on,
            month: sale.closed_on.month_number(),
            log_price: sale.price.ln(),
            property_type: property_type.map(|text| self.property_types.id(text)),
            numbers: self.columns.numbers(&sale.facts),
        }
    }

    /// Drops sales that no query as of `oldest_query` or later can look at, neither as
    /// comparables nor for a level or a statistic.
    pub fn evict(&mut self, oldest_query: EventDate) {
        let horizon = month::oldest_needed(oldest_query, self.kept_days);
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
        self.tallies.drop_before(horizon.month_number());
        let statistics = self.statistics_mut();
        *statistics = statistics.split_off(&oldest_query.month_start());
    }

    fn remove(&mut self, key: &str) -> Option<EventDate> {
        let slot = self.unlink(key)?;
        let (sale, traits) = (&self.sales[slot as usize], &self.traits[slot as usize]);
        if let Some(value) = traits.log_price_per_area() {
            self.level.remove(sale.closed_on, value);
            self.tallies.remove(sale.place, &sale.texts, traits.month, value);
        }
        let closed_on = sale.closed_on;
        self.forget_statistics_from(closed_on.plus_days(1));
        Some(closed_on)
    }

    /// Takes a sale out of everything but the level and the tallies.
    fn unlink(&mut self, key: &str) -> Option<u32> {
        let slot = self.by_key.remove(key)?;
        let sale = &self.sales[slot as usize];
        self.by_date.remove(&(sale.closed_on, sale.key.clone()));
        if let Some(point) = sale.point {
            self.places.remove(&point, slot);
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

    /// The statistics of the month of `as_of`.
    fn statistics(&self, as_of: EventDate) -> Arc<MonthStatistics> {
        let month = as_of.month_start();
        let mut made = match self.statistics.lock() {
            Ok(made) => made,
            Err(poisoned) => poisoned.into_inner(),
        };
        let make = || MonthStatistics::new(&self.level, &self.tallies, month, &self.params);
        made.entry(month).or_insert_with(|| Arc::new(make())).clone()
    }

    fn statistics_mut(&mut self) -> &mut BTreeMap<EventDate, Arc<MonthStatistics>> {
        match self.statistics.get_mut() {
            Ok(made) => made,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// Forgets the statistics of the months that begin on a day or later.
    fn forget_statistics_from(&mut self, day: EventDate) {
        drop(self.statistics_mut().split_off(&day));
    }

    /// Slots of the nearest usable sales with their distance in kilometres, nearest first.
    /// Without coordinates, the latest sales of the postal code stand in, at no distance.
    fn nearest(&self, subject: &Facts, as_of: EventDate) -> Vec<(u32, f64)> {
        let window = as_of.plus_days(-self.params.window_days)..as_of;
        if let Some((lat, lon)) = subject.coordinates() {
            let MarketParams { candidates, max_distance_km, .. } = self.params;
            let max = squared_chord(max_distance_km);
            let near = self.places.nearest(unit_vector(lat, lon), candidates, max, window);
            // Sales at the same place tie: all of them were taken, so that the answer does not
            // depend on the order in which the tree returns them.
            let mut found: Vec<(u32, f64)> =
                near.iter().map(|near| (near.slot, arc_km(near.squared_chord))).collect();
            if let Some(beyond) = found.iter().position(|(_, km)| *km > max_distance_km) {
                found.truncate(beyond);
            }
            if !found.is_sorted_by(|(_, a), (_, b)| a < b) {
                found.sort_by(|(a, da), (b, db)| {
                    da.total_cmp(db).then_with(|| self.order(*a).cmp(&self.order(*b)))
                });
            }
            found.truncate(candidates);
            return found;
        }
        let Some(slots) =
            subject.postal_code.as_deref().and_then(|code| self.by_postal_code.get(code))
        else {
            return Vec::new();
        };
        let usable = |slot: &u32| window.contains(&self.sales[*slot as usize].closed_on);
        let mut found: Vec<u32> = slots.iter().copied().filter(usable).collect();
        found.sort_by(|a, b| self.order(*b).cmp(&self.order(*a)));
        found.truncate(self.params.candidates);
        found.into_iter().map(|slot| (slot, 0.0)).collect()
    }

    fn order(&self, slot: u32) -> (EventDate, &str) {
        let sale = &self.sales[slot as usize];
        (sale.closed_on, &sale.key)
    }
}

/// Puts a value into a slot; a slot that is new is the next.
fn put<T>(slots: &mut Vec<T>, slot: u32, value: T) {
    match slots.get_mut(slot as usize) {
        Some(place) => *place = value,
        None => slots.push(value),
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

/// Squared chord of a great-circle distance; all that there is beyond half the way around.
fn squared_chord(kilometres: f64) -> f64 {
    let half = (kilometres / (2.0 * EARTH_RADIUS_KM)).min(std::f64::consts::FRAC_PI_2);
    (2.0 * half.sin()).powi(2)
}

#[cfg(test)]
mod tests;
