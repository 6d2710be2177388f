//! From facts and market view to the feature vector.

use super::{CategoryField, Feature, FeatureSource, FeatureSpec, MarketField, NumberField};
use crate::date::EventDate;
use crate::listing::{Attribute, Facts};
use crate::market::{CategoryName, FactNumber, MarketView};

impl FeatureSpec {
    /// Writes the feature vector of a home, shape `(len,)`, into `row`, replacing what it
    /// held. NaN is missing; a category is its level's index, an unseen one is missing.
    pub fn encode(
        &self,
        facts: &Facts,
        event_date: EventDate,
        market: &MarketView,
        row: &mut Vec<f64>,
    ) {
        row.clear();
        row.extend(
            self.features
                .iter()
                .map(|feature| value(feature, facts, event_date, market).unwrap_or(f64::NAN)),
        );
    }
}

fn value(
    feature: &Feature,
    facts: &Facts,
    event_date: EventDate,
    market: &MarketView,
) -> Option<f64> {
    match &feature.source {
        FeatureSource::Number(field) => number(facts, *field),
        FeatureSource::NumberAttribute { name, log: false } => attribute(facts, name),
        FeatureSource::NumberAttribute { name, log: true } => {
            attribute(facts, name).filter(|value| *value > -1.0).map(f64::ln_1p)
        }
        FeatureSource::Category(field) => level(feature, category(facts, *field)?),
        FeatureSource::CategoryAttribute { name } => level(feature, text(facts, name)?),
        FeatureSource::AgeYears => {
            facts.year_built.map(|built| f64::from(event_date.year()) - f64::from(built))
        }
        FeatureSource::BuildingRatio => Some(facts.living_area?.ln() - facts.lot_size?.ln()),
        FeatureSource::EventDay => Some(f64::from(event_date.0)),
        FeatureSource::EventMonth => Some(f64::from(event_date.month())),
        FeatureSource::Market(field) => match field {
            MarketField::LogPrice => market.log_price,
            MarketField::LogPricePerArea => market.log_price_per_area,
            MarketField::Spread => market.spread,
            MarketField::Distance => market.distance_km,
            MarketField::Age => market.age_days,
            MarketField::Level => market.market_level,
            MarketField::Trend => market.market_trend,
            MarketField::EarlierLogPrice => market.earlier_log_price,
            MarketField::NearLogPricePerArea => market.near_log_price_per_area,
            MarketField::AreaLevel => market.area_level,
            MarketField::AreaTrend => market.area_trend,
        },
        FeatureSource::Difference(field) => {
            Some(number(facts, *field)? - market.means.number(averaged(*field)?)?)
        }
        FeatureSource::DifferenceAttribute { name, log } => {
            let (ours, theirs) = (attribute(facts, name)?, market.means.attribute(name)?);
            let scale = |value: f64| match log {
                true => Some(value).filter(|value| *value > -1.0).map(f64::ln_1p),
                false => Some(value),
            };
            Some(scale(ours)? - scale(theirs)?)
        }
        FeatureSource::TargetStatistic(field) => {
            let name = match field {
                CategoryField::PropertyType => CategoryName::PropertyType,
                CategoryField::PostalCode => CategoryName::PostalCode,
            };
            market.statistics.as_ref()?.category(name, category(facts, *field)?)
        }
        FeatureSource::TargetStatisticAttribute { name } => {
            let statistics = market.statistics.as_ref()?;
            statistics.category(CategoryName::Attribute(name), text(facts, name)?)
        }
    }
}

fn level(feature: &Feature, text: &str) -> Option<f64> {
    let index = feature.levels.binary_search_by(|level| level.as_str().cmp(text)).ok()?;
    Some(index as f64)
}

/// What the comparables' mean of a number is called; a place has none.
fn averaged(field: NumberField) -> Option<FactNumber> {
    match field {
        NumberField::LivingArea => Some(FactNumber::LogArea),
        NumberField::LotSize => Some(FactNumber::LogLot),
        NumberField::BedroomsTotal => Some(FactNumber::Bedrooms),
        NumberField::BathroomsFull => Some(FactNumber::BathroomsFull),
        NumberField::BathroomsHalf => Some(FactNumber::BathroomsHalf),
        NumberField::YearBuilt => Some(FactNumber::YearBuilt),
        NumberField::Stories => Some(FactNumber::Stories),
        NumberField::Latitude | NumberField::Longitude => None,
    }
}

pub(super) fn number(facts: &Facts, field: NumberField) -> Option<f64> {
    match field {
        NumberField::LivingArea => facts.living_area.map(f64::ln),
        NumberField::LotSize => facts.lot_size.map(f64::ln),
        NumberField::BedroomsTotal => facts.bedrooms_total.map(f64::from),
        NumberField::BathroomsFull => facts.bathrooms_full.map(f64::from),
        NumberField::BathroomsHalf => facts.bathrooms_half.map(f64::from),
        NumberField::YearBuilt => facts.year_built.map(f64::from),
        NumberField::Stories => facts.stories,
        NumberField::Latitude => facts.latitude,
        NumberField::Longitude => facts.longitude,
    }
}

pub(super) fn category(facts: &Facts, field: CategoryField) -> Option<&str> {
    match field {
        CategoryField::PropertyType => facts.property_type.as_deref(),
        CategoryField::PostalCode => facts.postal_code.as_deref(),
    }
}

pub(super) fn attribute(facts: &Facts, name: &str) -> Option<f64> {
    match facts.attributes.get(name)? {
        Attribute::Number(value) => Some(*value),
        Attribute::Text(_) => None,
    }
}

pub(super) fn text<'a>(facts: &'a Facts, name: &str) -> Option<&'a str> {
    match facts.attributes.get(name)? {
        Attribute::Text(value) => Some(value),
        Attribute::Number(_) => None,
    }
}
