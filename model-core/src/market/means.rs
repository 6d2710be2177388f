//! What the comparables are like on average, fact by fact: what a subject differs from.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::listing::{Attribute, Facts};

/// A number among the facts of a home, in the unit in which it is averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactNumber {
    /// Natural log of the living area, square feet.
    LogArea,
    /// Natural log of the lot size, square feet.
    LogLot,
    /// Bedrooms.
    Bedrooms,
    /// Full bathrooms.
    BathroomsFull,
    /// Half bathrooms.
    BathroomsHalf,
    /// Year built.
    YearBuilt,
    /// Stories.
    Stories,
}

const NUMBERS: usize = 7;

/// Weighted means over the comparables that know a fact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FactMeans {
    numbers: [Option<f64>; NUMBERS],
    /// By name, in order.
    attributes: Vec<(Arc<str>, f64)>,
}

impl FactMeans {
    /// Bytes held beside the struct itself.
    pub(super) fn bytes(&self) -> usize {
        self.attributes.len() * size_of::<(Arc<str>, f64)>()
    }

    /// Mean of a number; `None` when no comparable knows it.
    pub fn number(&self, number: FactNumber) -> Option<f64> {
        self.numbers.get(number as usize).copied().flatten()
    }

    /// Mean of a number among the attributes; likewise.
    pub fn attribute(&self, name: &str) -> Option<f64> {
        let place = self.attributes.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.attributes.get(place).map(|(_, mean)| *mean)
    }
}

/// Numbers of the attributes ever seen, each with a column.
#[derive(Debug, Default)]
pub(super) struct Columns(BTreeMap<Arc<str>, u32>);

/// The numbers of a sale.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    /// 0 where not known: it adds nothing.
    values: [f64; NUMBERS],
    /// 1 where known, else 0.
    known: [f64; NUMBERS],
    /// By column.
    attributes: Box<[(u32, f64)]>,
}

impl Columns {
    /// The numbers of a home.
    pub(super) fn numbers(&mut self, facts: &Facts) -> Numbers {
        let mut attributes = Vec::new();
        for (name, attribute) in &facts.attributes {
            if let Attribute::Number(value) = attribute {
                let next = self.0.len() as u32;
                let column = match self.0.get(name.as_str()) {
                    Some(column) => *column,
                    None => *self.0.entry(Arc::from(name.as_str())).or_insert(next),
                };
                attributes.push((column, *value));
            }
        }
        let numbers = [
            facts.living_area.map(f64::ln),
            facts.lot_size.map(f64::ln),
            facts.bedrooms_total.map(f64::from),
            facts.bathrooms_full.map(f64::from),
            facts.bathrooms_half.map(f64::from),
            facts.year_built.map(f64::from),
            facts.stories,
        ];
        Numbers {
            values: numbers.map(Option::unwrap_or_default),
            known: numbers.map(|number| if number.is_some() { 1.0 } else { 0.0 }),
            attributes: attributes.into(),
        }
    }

    /// Starts a mean.
    pub(super) fn sums(&self) -> Sums {
        Sums {
            weights: [0.0; NUMBERS],
            sums: [0.0; NUMBERS],
            attributes: vec![Sum::default(); self.0.len()],
        }
    }

    /// Ends a mean.
    pub(super) fn means(&self, sums: &Sums) -> FactMeans {
        let mean = |(name, column): (&Arc<str>, &u32)| {
            Some((name.clone(), sums.attributes.get(*column as usize)?.mean()?))
        };
        FactMeans {
            numbers: std::array::from_fn(|i| {
                Sum { weight: sums.weights[i], sum: sums.sums[i] }.mean()
            }),
            attributes: self.0.iter().filter_map(mean).collect(),
        }
    }
}

/// Means in the making.
pub(super) struct Sums {
    weights: [f64; NUMBERS],
    sums: [f64; NUMBERS],
    attributes: Vec<Sum>,
}

impl Sums {
    pub(super) fn add(&mut self, weight: f64, numbers: &Numbers) {
        for i in 0..NUMBERS {
            self.weights[i] += weight * numbers.known[i];
            self.sums[i] += weight * numbers.values[i];
        }
        for (column, value) in &numbers.attributes {
            if let Some(sum) = self.attributes.get_mut(*column as usize) {
                sum.add(weight, *value);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    weight: f64,
    sum: f64,
}

impl Sum {
    fn add(&mut self, weight: f64, value: f64) {
        self.weight += weight;
        self.sum += weight * value;
    }

    fn mean(self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}
