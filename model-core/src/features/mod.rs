//! Features: the one way in which a home becomes numbers.
//!
//! A [`FeatureSpec`] is discovered from training sales, travels inside the model artifact and
//! is the only encoder there is: online, in training and in batch.

mod encode;
mod file;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::file::{InvalidSpec, SpecFile};
use crate::learn::ColumnKind;
use crate::listing::{Attribute, Facts, Sale};
use crate::market::MarketParams;

/// A category seen less often than this is not a level of its own.
const MIN_LEVEL_COUNT: usize = 5;
/// Most levels of one category; the most frequent ones are kept.
const MAX_LEVELS: usize = 250;
/// A fact known for at least this share of the training sales is one that the model cannot
/// do without, when it says how large the home is or where it lies.
const REQUIRED_SHARE: f64 = 0.95;

/// What a feature says of the home; decides how drift is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeatureGroup {
    /// A fact of the home itself.
    Fact,
    /// Where it lies.
    Location,
    /// When it is priced. Moves by nature: drift is not watched.
    Time,
    /// What recent sales say. Moves with the market: drift is not watched feature by feature.
    Market,
}

/// A number among the RESO facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NumberField {
    /// `LivingArea`, natural log of square feet.
    LivingArea,
    /// `LotSizeSquareFeet`, natural log.
    LotSize,
    /// `BedroomsTotal`.
    BedroomsTotal,
    /// `BathroomsFull`.
    BathroomsFull,
    /// `BathroomsHalf`.
    BathroomsHalf,
    /// `YearBuilt`.
    YearBuilt,
    /// `Stories`.
    Stories,
    /// `Latitude`, degrees.
    Latitude,
    /// `Longitude`, degrees.
    Longitude,
}

/// A category among the RESO facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CategoryField {
    /// `PropertyType`.
    PropertyType,
    /// `PostalCode`.
    PostalCode,
}

/// What the market index says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MarketField {
    /// Weighted mean log price of the comparables, adjusted.
    LogPrice,
    /// Their median log price per square foot, adjusted.
    LogPricePerArea,
    /// Their weighted standard deviation.
    Spread,
    /// Their weighted mean distance, kilometres.
    Distance,
    /// Their weighted mean age, days.
    Age,
    /// Level of the whole market, log price per square foot.
    Level,
    /// Change of that level within 180 days.
    Trend,
    /// Adjusted log price at which the same home was sold before.
    EarlierLogPrice,
    /// Mean log price per square foot of the nearest 8 comparables, adjusted.
    NearLogPricePerArea,
    /// Level of the area around, against the whole market's.
    AreaLevel,
    /// Trend of that area.
    AreaTrend,
}

/// Where a feature's number comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeatureSource {
    /// A RESO number.
    Number(NumberField),
    /// A number among the attributes.
    NumberAttribute {
        /// Name of the attribute.
        name: String,
        /// Whether `ln(1 + x)` is taken: large, skewed quantities.
        log: bool,
    },
    /// A RESO category: the level's index.
    Category(CategoryField),
    /// A category among the attributes: the level's index.
    CategoryAttribute {
        /// Name of the attribute.
        name: String,
    },
    /// Years from `YearBuilt` to the event.
    AgeYears,
    /// Log of living area over lot size.
    BuildingRatio,
    /// Days since 1970-01-01.
    EventDay,
    /// Month of the year, 1 to 12.
    EventMonth,
    /// The market index.
    Market(MarketField),
    /// A RESO number, less its weighted mean over the comparables.
    Difference(NumberField),
    /// The same of a number among the attributes.
    DifferenceAttribute {
        /// Name of the attribute.
        name: String,
        /// Whether `ln(1 + x)` of both is taken.
        log: bool,
    },
    /// By how much a RESO category's text made homes dearer, as of the month: see
    /// [`MonthStatistics::category`](crate::market::MonthStatistics::category).
    TargetStatistic(CategoryField),
    /// The same of a category among the attributes.
    TargetStatisticAttribute {
        /// Name of the attribute.
        name: String,
    },
}

impl FeatureSource {
    /// Whether the feature is the natural logarithm of a quantity, or of one more than it.
    pub fn is_log(&self) -> bool {
        match self {
            Self::Number(field) => matches!(field, NumberField::LivingArea | NumberField::LotSize),
            Self::NumberAttribute { log, .. } => *log,
            Self::BuildingRatio => true,
            _ => false,
        }
    }
}

/// One feature: a name and how its number is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// Name, as explanations and drift reports show it.
    pub name: String,
    /// What it says of the home.
    pub group: FeatureGroup,
    /// Where its number comes from.
    pub source: FeatureSource,
    /// Names of the levels, in code order; empty for numbers.
    pub levels: Vec<String>,
}

/// Smallest and largest value seen in training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Smallest value.
    pub low: f64,
    /// Largest value.
    pub high: f64,
}

impl Range {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        values.fold(None, |range: Option<Self>, value| {
            Some(match range {
                None => Self { low: value, high: value },
                Some(range) => Self { low: range.low.min(value), high: range.high.max(value) },
            })
        })
    }
}

/// What homes the model has learned from: outside, a price would be a guess.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// Living area, square feet, when the model cannot do without it.
    pub living_area: Option<Range>,
    /// Latitude, degrees, when the model cannot do without a place.
    pub latitude: Option<Range>,
    /// Longitude, degrees, when the model cannot do without a place.
    pub longitude: Option<Range>,
    /// ISO 4217 code of every price learned from.
    pub currency: String,
}

/// The ordered features of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureSpec {
    /// The features, in the order of the feature vector.
    pub features: Vec<Feature>,
    /// What homes the model has learned from.
    pub domain: Domain,
}

impl FeatureSpec {
    /// The features that a set of sales offers: every RESO number and attribute that varies,
    /// every category with at least two frequent levels, and the derived ones they allow.
    /// The order is fixed; it does not depend on the order of the sales.
    ///
    /// `market` says which of the optional market features there are.
    pub fn discover(sales: &[&Sale], market: &MarketParams) -> Self {
        let mut features = Vec::new();
        for (name, field, group) in NUMBER_FIELDS {
            if varies(sales.iter().filter_map(|sale| encode::number(&sale.facts, field))) {
                features.push(numeric(name, group, FeatureSource::Number(field)));
            }
        }
        for name in attribute_names(sales, |value| matches!(value, Attribute::Number(_))) {
            let values = || sales.iter().filter_map(|sale| encode::attribute(&sale.facts, &name));
            if varies(values()) {
                let source =
                    FeatureSource::NumberAttribute { name: name.clone(), log: skewed(values()) };
                features.push(numeric(&name, FeatureGroup::Fact, source));
            }
        }
        for (name, field, group) in CATEGORY_FIELDS {
            let texts = sales.iter().filter_map(|sale| encode::category(&sale.facts, field));
            push_category(&mut features, name, group, FeatureSource::Category(field), texts);
        }
        for name in attribute_names(sales, |value| matches!(value, Attribute::Text(_))) {
            let texts = sales.iter().filter_map(|sale| encode::text(&sale.facts, &name));
            let source = FeatureSource::CategoryAttribute { name: name.clone() };
            push_category(&mut features, &name, FeatureGroup::Fact, source, texts);
        }
        let has =
            |field| features.iter().any(|f: &Feature| f.source == FeatureSource::Number(field));
        let (has_area, has_lot) = (has(NumberField::LivingArea), has(NumberField::LotSize));
        if has(NumberField::YearBuilt) {
            features.push(numeric("AgeYears", FeatureGroup::Fact, FeatureSource::AgeYears));
        }
        if has_area && has_lot {
            let source = FeatureSource::BuildingRatio;
            features.push(numeric("BuildingRatio", FeatureGroup::Fact, source));
        }
        features.push(numeric("EventDay", FeatureGroup::Time, FeatureSource::EventDay));
        features.push(numeric("EventMonth", FeatureGroup::Time, FeatureSource::EventMonth));
        let differences: Vec<Feature> = features.iter().filter_map(difference).collect();
        let areas = AREA_FIELDS.into_iter().filter(|_| market.area_statistics);
        let fields = MARKET_FIELDS.into_iter().chain(areas);
        for (name, field) in fields {
            features.push(numeric(name, FeatureGroup::Market, FeatureSource::Market(field)));
        }
        features.extend(differences);
        if market.target_statistics {
            let statistics: Vec<Feature> = features.iter().filter_map(target_statistic).collect();
            features.extend(statistics);
        }
        Self { features, domain: domain(sales) }
    }

    /// What each column of a feature matrix holds, shape `(len,)`.
    pub fn column_kinds(&self) -> Vec<ColumnKind> {
        self.features
            .iter()
            .map(|feature| match feature.levels.len() {
                0 => ColumnKind::Numeric,
                levels => ColumnKind::Categorical { levels: levels as u32 },
            })
            .collect()
    }

    /// Length of a feature vector.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Whether there is no feature.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// SHA-256 over names, sources, levels and domain, the first 16 hexadecimal digits. Two
    /// vectors can be compared only if their specs' hashes are equal.
    pub fn hash(&self) -> String {
        let bytes = postcard::to_stdvec(self).unwrap_or_default();
        hex::encode(Sha256::digest(bytes)).chars().take(16).collect()
    }
}

const NUMBER_FIELDS: [(&str, NumberField, FeatureGroup); 9] = [
    ("LivingArea", NumberField::LivingArea, FeatureGroup::Fact),
    ("LotSizeSquareFeet", NumberField::LotSize, FeatureGroup::Fact),
    ("BedroomsTotal", NumberField::BedroomsTotal, FeatureGroup::Fact),
    ("BathroomsFull", NumberField::BathroomsFull, FeatureGroup::Fact),
    ("BathroomsHalf", NumberField::BathroomsHalf, FeatureGroup::Fact),
    ("YearBuilt", NumberField::YearBuilt, FeatureGroup::Fact),
    ("Stories", NumberField::Stories, FeatureGroup::Fact),
    ("Latitude", NumberField::Latitude, FeatureGroup::Location),
    ("Longitude", NumberField::Longitude, FeatureGroup::Location),
];

const CATEGORY_FIELDS: [(&str, CategoryField, FeatureGroup); 2] = [
    ("PropertyType", CategoryField::PropertyType, FeatureGroup::Fact),
    ("PostalCode", CategoryField::PostalCode, FeatureGroup::Location),
];

const MARKET_FIELDS: [(&str, MarketField); 8] = [
    ("ComparablesLogPrice", MarketField::LogPrice),
    ("ComparablesLogPricePerArea", MarketField::LogPricePerArea),
    ("ComparablesSpread", MarketField::Spread),
    ("ComparablesDistance", MarketField::Distance),
    ("ComparablesAge", MarketField::Age),
    ("MarketLogPricePerArea", MarketField::Level),
    ("MarketTrend", MarketField::Trend),
    ("EarlierLogPrice", MarketField::EarlierLogPrice),
];

const AREA_FIELDS: [(&str, MarketField); 3] = [
    ("NearestLogPricePerArea", MarketField::NearLogPricePerArea),
    ("AreaPriceLevel", MarketField::AreaLevel),
    ("AreaPriceTrend", MarketField::AreaTrend),
];

fn numeric(name: &str, group: FeatureGroup, source: FeatureSource) -> Feature {
    Feature { name: name.to_owned(), group, source, levels: Vec::new() }
}

/// A fact's difference from the comparables', as a feature of its own.
fn difference(fact: &Feature) -> Option<Feature> {
    let source = match &fact.source {
        FeatureSource::Number(field) if fact.group == FeatureGroup::Fact => {
            FeatureSource::Difference(*field)
        }
        FeatureSource::NumberAttribute { name, log } => {
            FeatureSource::DifferenceAttribute { name: name.clone(), log: *log }
        }
        _ => return None,
    };
    Some(numeric(&format!("AgainstComparables({})", fact.name), FeatureGroup::Market, source))
}

/// The statistic of a category, as a feature of its own.
fn target_statistic(category: &Feature) -> Option<Feature> {
    let source = match &category.source {
        FeatureSource::Category(field) => FeatureSource::TargetStatistic(*field),
        FeatureSource::CategoryAttribute { name } => {
            FeatureSource::TargetStatisticAttribute { name: name.clone() }
        }
        _ => return None,
    };
    Some(numeric(&format!("PriceLevel({})", category.name), FeatureGroup::Market, source))
}

fn attribute_names(sales: &[&Sale], wanted: impl Fn(&Attribute) -> bool) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for sale in sales {
        for (name, value) in &sale.facts.attributes {
            if wanted(value) && !names.contains(name) {
                names.insert(name.clone());
            }
        }
    }
    names
}

fn varies(values: impl Iterator<Item = f64>) -> bool {
    Range::of(values).is_some_and(|range| range.low < range.high)
}

/// Whether a quantity is large and long-tailed, so that its log says more to linear models:
/// nothing negative, at least 100 in its upper quarter, and mean well above the median.
fn skewed(values: impl Iterator<Item = f64>) -> bool {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((share * values.len() as f64) as usize).copied();
    let (Some(lowest), Some(middle), Some(upper), Some(tail)) =
        (values.first(), at(0.5), at(0.75), at(0.99))
    else {
        return false;
    };
    *lowest >= 0.0 && upper >= 100.0 && tail > 2.0 * upper && middle > 0.0
}

fn push_category<'a>(
    features: &mut Vec<Feature>,
    name: &str,
    group: FeatureGroup,
    source: FeatureSource,
    texts: impl Iterator<Item = &'a str>,
) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    let mut frequent: Vec<(&str, usize)> =
        counts.into_iter().filter(|(_, count)| *count >= MIN_LEVEL_COUNT).collect();
    frequent.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    frequent.truncate(MAX_LEVELS);
    if frequent.len() < 2 {
        return;
    }
    let mut levels: Vec<String> = frequent.into_iter().map(|(text, _)| text.to_owned()).collect();
    levels.sort();
    features.push(Feature { name: name.to_owned(), group, source, levels });
}

fn domain(sales: &[&Sale]) -> Domain {
    let enough = |known: usize| known as f64 >= REQUIRED_SHARE * sales.len() as f64;
    let required = |value: fn(&Facts) -> Option<f64>| {
        let known = sales.iter().filter_map(|sale| value(&sale.facts));
        if enough(known.clone().count()) { Range::of(known) } else { None }
    };
    Domain {
        living_area: required(|facts| facts.living_area),
        latitude: required(|facts| facts.latitude),
        longitude: required(|facts| facts.longitude),
        currency: sales.first().map(|sale| sale.currency.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
