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
/// Numbers of a sale that are kept in place: those, and the first attributes ever seen.
const INLINE: usize = 12;

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

/// The numbers of a sale: a candidate's are read at each view, so most of them lie together.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    /// NaN where not known. The facts come first, then attributes by column.
    inline: [f64; INLINE],
    /// By column: attributes for which there is no place.
    further: Option<Box<Further>>,
}

#[derive(Clone, Debug)]
struct Further(Box<[(u32, f64)]>);

impl Numbers {
    /// A number among the facts.
    pub(super) fn fact(&self, number: FactNumber) -> Option<f64> {
        let value = self.inline[number as usize];
        (!value.is_nan()).then_some(value)
    }
}

impl Columns {
    /// The numbers of a home.
    pub(super) fn numbers(&mut self, facts: &Facts) -> Numbers {
        let known = [
            facts.living_area.map(f64::ln),
            facts.lot_size.map(f64::ln),
            facts.bedrooms_total.map(f64::from),
            facts.bathrooms_full.map(f64::from),
            facts.bathrooms_half.map(f64::from),
            facts.year_built.map(f64::from),
            facts.stories,
        ];
        let mut inline = [f64::NAN; INLINE];
        for (place, number) in inline.iter_mut().zip(known) {
            *place = number.unwrap_or(f64::NAN);
        }
        let mut further = Vec::new();
        for (name, attribute) in &facts.attributes {
            if let Attribute::Number(value) = attribute {
                let next = self.0.len() as u32;
                let column = match self.0.get(name.as_str()) {
                    Some(column) => *column,
                    None => *self.0.entry(Arc::from(name.as_str())).or_insert(next),
                };
                match inline.get_mut(NUMBERS + column as usize) {
                    Some(place) => *place = *value,
                    None => further.push((column, *value)),
                }
            }
        }
        let further = (!further.is_empty()).then(|| Box::new(Further(further.into())));
        Numbers { inline, further }
    }

    /// Starts a mean.
    pub(super) fn sums(&self) -> Sums {
        let further = (NUMBERS + self.0.len()).saturating_sub(INLINE);
        Sums { weights: [0.0; INLINE], sums: [0.0; INLINE], further: vec![Sum::default(); further] }
    }

    /// Ends a mean.
    pub(super) fn means(&self, sums: &Sums) -> FactMeans {
        let mean = |(name, column): (&Arc<str>, &u32)| {
            Some((name.clone(), sums.mean(NUMBERS + *column as usize)?))
        };
        FactMeans {
            numbers: std::array::from_fn(|place| sums.mean(place)),
            attributes: self.0.iter().filter_map(mean).collect(),
        }
    }
}

/// Means in the making.
pub(super) struct Sums {
    weights: [f64; INLINE],
    sums: [f64; INLINE],
    further: Vec<Sum>,
}

impl Sums {
    pub(super) fn add(&mut self, weight: f64, numbers: &Numbers) {
        for place in 0..INLINE {
            let value = numbers.inline[place];
            // Adding 0 changes nothing, and takes no branch.
            let known = !value.is_nan();
            self.weights[place] += if known { weight } else { 0.0 };
            self.sums[place] += if known { weight * value } else { 0.0 };
        }
        for (column, value) in numbers.further.iter().flat_map(|further| &further.0) {
            if let Some(sum) = self.further.get_mut(NUMBERS + *column as usize - INLINE) {
                sum.add(weight, *value);
            }
        }
    }

    fn mean(&self, place: usize) -> Option<f64> {
        match (self.weights.get(place), self.sums.get(place)) {
            (Some(&weight), Some(&sum)) => Sum { weight, sum }.mean(),
            _ => self.further.get(place - INLINE)?.mean(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn home(attributes: &[(&str, f64)]) -> Facts {
        let number = |(name, value): &(&str, f64)| (name.to_string(), Attribute::Number(*value));
        let attributes = attributes.iter().map(number).collect();
        Facts { stories: Some(2.0), attributes, ..Facts::default() }
    }

    #[test]
    fn attributes_beyond_those_kept_in_place_are_averaged_alike() {
        let names: Vec<String> = (0..2 * INLINE).map(|i| format!("n{i:02}")).collect();
        let numbers = |value: f64| -> Vec<(&str, f64)> {
            names.iter().map(|name| (name.as_str(), value)).collect()
        };
        let mut columns = Columns::default();
        let homes = [home(&numbers(1.0)), home(&numbers(4.0)), home(&[])];
        let homes = homes.map(|facts| columns.numbers(&facts));
        let mut sums = columns.sums();
        for (weight, numbers) in [2.0, 1.0, 5.0].into_iter().zip(&homes) {
            sums.add(weight, numbers);
        }
        let means = columns.means(&sums);
        for name in &names {
            assert_eq!(means.attribute(name), Some(2.0), "{name}");
        }
        assert_eq!(means.number(FactNumber::Stories), Some(2.0));
        assert_eq!(means.number(FactNumber::YearBuilt), None);
    }
}
