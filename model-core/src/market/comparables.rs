//! Comparable sales: which, how alike, and what they say of the subject.

use std::sync::Arc;

use super::{FactMeans, FactNumber, MarketIndex, MonthStatistics, Traits, TypeId};
use crate::date::EventDate;
use crate::listing::Facts;

/// Price elasticity of living area used to adjust a comparable to the subject's size. The
/// textbook hedonic range is 0.5 to 0.8; the models correct what this leaves.
const AREA_ELASTICITY: f64 = 0.7;
/// Differences at which a comparable counts half as much, one attribute at a time.
const AREA_SCALE: f64 = 0.25;
const LOT_SCALE: f64 = 0.8;
const YEAR_SCALE: f64 = 18.0;
const AGE_SCALE_DAYS: f64 = 400.0;
/// Distance scale: this share of the farthest candidate's distance, at least 100 m.
const DISTANCE_SHARE: f64 = 0.35;
const MIN_DISTANCE_SCALE_KM: f64 = 0.1;
/// The smallest scale of prices around a home: so many nearest sales.
const NEAREST: usize = 8;
/// Sales no farther apart than this, and of homes alike, are of the same home; unit vectors
/// are exact to less than a millimetre.
const SAME_PLACE_KM: f64 = 1e-3;
/// Largest difference of log living area between two sales of the same home: a new measure.
const SAME_LOG_AREA: f64 = 0.05;

/// Most comparables that a view names: as many as an answer shows, and as many as it takes for
/// one. Views are cached, and most of their size is this.
pub const MAX_NEARBY: usize = 5;

/// A sale near the subject.
#[derive(Clone, Debug, PartialEq)]
pub struct NearbySale {
    /// `ListingKey` of the sale.
    pub key: Arc<str>,
    /// Its `CloseDate`.
    pub closed_on: EventDate,
    /// Its `ClosePrice`.
    pub price: f64,
    /// Natural log of its price, adjusted to the subject's size and the query's date.
    pub adjusted_log_price: f64,
    /// What the market's move from its date to the query's adds to its log price.
    pub log_time_adjustment: f64,
    /// What the subject's other living area adds to its log price.
    pub log_size_adjustment: f64,
    /// Great-circle distance, kilometres.
    pub distance_km: f64,
    /// Share of all candidates' weight, 0 to 1.
    pub weight: f64,
}

/// What the market says about one home as of one date. Logs are natural; `None` means that
/// too few sales are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MarketView {
    /// The heaviest [`MAX_NEARBY`] of the candidates, heaviest first.
    pub nearby: Vec<NearbySale>,
    /// Weighted mean of the adjusted log prices.
    pub log_price: Option<f64>,
    /// Weighted standard deviation of the adjusted log prices.
    pub spread: Option<f64>,
    /// Median log price per square foot of the candidates, adjusted to the query's date.
    pub log_price_per_area: Option<f64>,
    /// Weighted mean distance of the candidates, kilometres.
    pub distance_km: Option<f64>,
    /// Weighted mean age of the candidates' sales, days.
    pub age_days: Option<f64>,
    /// The whole market's level: median log price per square foot before the month began.
    pub market_level: Option<f64>,
    /// Days between the query and the latest candidate's sale.
    pub latest_age_days: Option<i32>,
    /// Change of the whole market's level within 180 days.
    pub market_trend: Option<f64>,
    /// What the candidates are like, by the same weights.
    pub means: FactMeans,
    /// Adjusted log price of the latest sale of what looks like the same home.
    pub earlier_log_price: Option<f64>,
    /// Mean log price per square foot of the nearest 8 candidates, adjusted to the query's
    /// date.
    pub near_log_price_per_area: Option<f64>,
    /// Level of the area around, as a deviation from the market's; when
    /// [`area_statistics`](super::MarketParams::area_statistics) are on.
    pub area_level: Option<f64>,
    /// The recent half of that area's sales against the older half; likewise.
    pub area_trend: Option<f64>,
    /// What the whole market and its categories say, shared by the views of a month.
    pub statistics: Option<Arc<MonthStatistics>>,
}

impl MarketView {
    /// Bytes that the view holds, but for what it shares with others.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.nearby.len() * size_of::<NearbySale>() + self.means.bytes()
    }
}

pub(super) fn view(index: &MarketIndex, subject: &Facts, as_of: EventDate) -> MarketView {
    let statistics = index.statistics(as_of);
    let (area_level, area_trend) = statistics.area(subject).unzip();
    let whole = MarketView {
        market_level: statistics.level,
        market_trend: statistics.trend,
        area_level,
        area_trend,
        statistics: Some(statistics.clone()),
        ..MarketView::default()
    };
    let found = index.nearest(subject, as_of);
    if found.is_empty() {
        return whole;
    }
    let subject_log_area = subject.living_area.map(f64::ln);
    let subject_log_lot = subject.lot_size.map(f64::ln);
    let farthest = found.iter().map(|(_, km)| *km).fold(0.0, f64::max);
    let distance_scale = (DISTANCE_SHARE * farthest).max(MIN_DISTANCE_SCALE_KM);

    // A short loop over both cache lines of each candidate first: the processor waits for many of
    // them at once.
    let mut moved = Vec::with_capacity(found.len());
    let mut per_area = Vec::with_capacity(found.len());
    for (slot, _) in &found {
        let sale = &index.traits[*slot as usize];
        let time_adjustment = match (statistics.level, statistics.level_of(sale.month)) {
            (Some(now), Some(then)) => now - then,
            _ => 0.0,
        };
        moved.push(time_adjustment);
        if let Some(value) = sale.log_price_per_area() {
            per_area.push(value + time_adjustment);
        }
    }

    let mut weighed = Vec::with_capacity(found.len());
    let mut latest = i32::MAX;
    let mut earlier: Option<(EventDate, &str, f64)> = None;
    let subject_type = SubjectType::new(index, subject);
    let mut sums = index.columns.sums();
    let subject_year = subject.year_built.map(f64::from);
    let (mut total, mut distance_sum, mut age_sum) = (0.0, 0.0, 0.0);
    for ((slot, distance_km), time_adjustment) in found.into_iter().zip(moved) {
        let sale = &index.traits[slot as usize];
        let log_area = sale.log_area();
        let age_days = as_of.days_since(sale.closed_on);
        let area_adjustment = match (subject_log_area, log_area) {
            (Some(ours), Some(theirs)) => AREA_ELASTICITY * (ours - theirs),
            _ => 0.0,
        };
        let difference = Difference {
            distance: distance_km / distance_scale,
            area: scaled(subject_log_area, log_area, AREA_SCALE),
            lot: scaled(subject_log_lot, sale.numbers.fact(FactNumber::LogLot), LOT_SCALE),
            year: scaled(subject_year, sale.numbers.fact(FactNumber::YearBuilt), YEAR_SCALE),
            age: f64::from(age_days) / AGE_SCALE_DAYS,
            other_type: subject_type.difference(sale.property_type),
        };
        let weight = difference.weight();
        total += weight;
        distance_sum += weight * distance_km;
        age_sum += weight * f64::from(age_days);
        latest = latest.min(age_days);
        sums.add(weight, &sale.numbers);
        let adjusted_log_price = sale.log_price + time_adjustment + area_adjustment;
        if distance_km < SAME_PLACE_KM && same_home(subject, sale) {
            let key = &*index.sales[slot as usize].key;
            if earlier.is_none_or(|(date, other, _)| (date, other) < (sale.closed_on, key)) {
                earlier = Some((sale.closed_on, key, adjusted_log_price));
            }
        }
        weighed.push(Weighed {
            slot,
            adjusted_log_price,
            time_adjustment,
            area_adjustment,
            distance_km,
            weight,
        });
    }
    for near in &mut weighed {
        near.weight /= total;
    }
    let mean: f64 = weighed.iter().map(|near| near.weight * near.adjusted_log_price).sum();
    let variance: f64 =
        weighed.iter().map(|near| near.weight * (near.adjusted_log_price - mean).powi(2)).sum();
    let near = per_area.get(..NEAREST.min(per_area.len())).unwrap_or_default();
    let near_log_price_per_area =
        (!near.is_empty()).then(|| near.iter().sum::<f64>() / near.len() as f64);
    MarketView {
        nearby: heaviest(index, &weighed),
        log_price: Some(mean),
        spread: Some(variance.sqrt()),
        log_price_per_area: median(&mut per_area),
        distance_km: Some(distance_sum / total),
        age_days: Some(age_sum / total),
        latest_age_days: Some(latest),
        means: index.columns.means(&sums),
        earlier_log_price: earlier.map(|(_, _, log_price)| log_price),
        near_log_price_per_area,
        ..whole
    }
}

/// A candidate, weighed.
struct Weighed {
    slot: u32,
    adjusted_log_price: f64,
    time_adjustment: f64,
    area_adjustment: f64,
    distance_km: f64,
    weight: f64,
}

/// The heaviest candidates by weight; those of one weight by date and key.
fn heaviest(index: &MarketIndex, weighed: &[Weighed]) -> Vec<NearbySale> {
    let order = |a: &Weighed, b: &Weighed| {
        b.weight.total_cmp(&a.weight).then_with(|| index.order(a.slot).cmp(&index.order(b.slot)))
    };
    let mut heaviest: Vec<&Weighed> = Vec::with_capacity(MAX_NEARBY + 1);
    for near in weighed {
        let full = heaviest.len() == MAX_NEARBY;
        if full && heaviest.last().is_some_and(|last| order(last, near).is_lt()) {
            continue;
        }
        let place = heaviest.partition_point(|other| order(other, near).is_lt());
        if place < MAX_NEARBY {
            heaviest.insert(place, near);
            heaviest.truncate(MAX_NEARBY);
        }
    }
    let nearby = |near: &&Weighed| {
        let sale = &index.sales[near.slot as usize];
        NearbySale {
            key: sale.key.clone(),
            closed_on: sale.closed_on,
            price: sale.price,
            adjusted_log_price: near.adjusted_log_price,
            log_time_adjustment: near.time_adjustment,
            log_size_adjustment: near.area_adjustment,
            distance_km: near.distance_km,
            weight: near.weight,
        }
    };
    heaviest.iter().map(nearby).collect()
}

/// Whether a sale at the same place looks like an earlier one of the same home, listed under
/// another key: the same year and lot, and about the same size.
fn same_home(subject: &Facts, sale: &Traits) -> bool {
    let size = subject.living_area.map(f64::ln).zip(sale.log_area());
    subject.coordinates().is_some()
        && subject.year_built.is_some()
        && subject.year_built.map(f64::from) == sale.numbers.fact(FactNumber::YearBuilt)
        && subject.lot_size.map(f64::ln) == sale.numbers.fact(FactNumber::LogLot)
        && size.is_some_and(|(ours, theirs)| (ours - theirs).abs() < SAME_LOG_AREA)
}

/// Scaled differences between a subject and a sale; 1 halves the weight.
struct Difference {
    distance: f64,
    area: f64,
    lot: f64,
    year: f64,
    age: f64,
    other_type: f64,
}

impl Difference {
    /// A Cauchy kernel of each difference: robust, never zero.
    fn weight(&self) -> f64 {
        let differences =
            [self.distance, self.area, self.lot, self.year, self.age, self.other_type];
        let [distance, area, lot, year, age, other_type] = differences.map(|x| 1.0 / (1.0 + x * x));
        distance * area * lot * year * age * other_type
    }
}

fn scaled(ours: Option<f64>, theirs: Option<f64>, scale: f64) -> f64 {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs) / scale,
        (None, None) => 0.0,
        _ => 1.0,
    }
}

/// The subject's property type.
enum SubjectType {
    Unknown,
    /// `None` when no sale has had it.
    Known(Option<TypeId>),
}

impl SubjectType {
    fn new(index: &MarketIndex, subject: &Facts) -> Self {
        match subject.property_type.as_deref() {
            Some(text) => Self::Known(index.property_types.get(text)),
            None => Self::Unknown,
        }
    }

    fn difference(&self, sale: Option<TypeId>) -> f64 {
        match self {
            Self::Known(ours) if sale.is_some() && *ours != sale => 2.0,
            _ => 0.0,
        }
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let (_, value, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_home_weighs_one_and_a_difference_of_one_scale_halves_it() {
        let same =
            Difference { distance: 0.0, area: 0.0, lot: 0.0, year: 0.0, age: 0.0, other_type: 0.0 };
        assert_eq!(same.weight(), 1.0);
        assert_eq!(Difference { area: 1.0, ..same }.weight(), 0.5);
        assert_eq!(scaled(Some(2.0), Some(1.0), 2.0), 0.5);
        assert_eq!(scaled(Some(2.0), None, 2.0), 1.0);
        assert_eq!(scaled(None, None, 2.0), 0.0);
    }
}
