//! Sums of log prices per area, by month, of every category and area.
//!
//! Sums are kept in fixed point: adding is exact, so they do not depend on the order of
//! recording, and a corrected sale is taken out without a trace.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::listing::{Attribute, Facts};

/// Units of the fixed point in 1.
const UNITS: f64 = (1_u64 << 32) as f64;
/// Width of an area's cell, kilometres: some hundred homes of a town.
const CELL_KM: f64 = 3.0;
/// Kilometres in a degree of latitude, mean radius.
const DEGREE_KM: f64 = 111.195;

/// A number and a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u32,
    units: i64,
}

impl Tally {
    /// Sum of the values.
    pub(super) fn sum(self) -> f64 {
        self.units as f64 / UNITS
    }
}

/// Tallies by [month number](crate::date::EventDate::month_number), none of them empty.
pub(super) type Months = BTreeMap<i32, Tally>;
/// What is known of each level of a category.
pub(super) type Levels<T> = BTreeMap<Arc<str>, T>;

/// Something of every level of every category.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Categories<T> {
    pub(super) property_type: Levels<T>,
    pub(super) postal_code: Levels<T>,
    pub(super) attributes: BTreeMap<Arc<str>, Levels<T>>,
}

impl<T> Default for Categories<T> {
    fn default() -> Self {
        Self {
            property_type: Levels::new(),
            postal_code: Levels::new(),
            attributes: BTreeMap::new(),
        }
    }
}

impl<T> Categories<T> {
    /// Makes something else of what is known of each level; what nothing comes of is left out.
    pub(super) fn filter_map<U>(&self, make: impl Fn(&T) -> Option<U>) -> Categories<U> {
        let levels = |levels: &Levels<T>| -> Levels<U> {
            levels.iter().filter_map(|(text, value)| Some((text.clone(), make(value)?))).collect()
        };
        let attributes = self.attributes.iter().map(|(name, known)| (name.clone(), levels(known)));
        Categories {
            property_type: levels(&self.property_type),
            postal_code: levels(&self.postal_code),
            attributes: attributes.filter(|(_, levels)| !levels.is_empty()).collect(),
        }
    }
}

/// A square of about [`CELL_KM`] on the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell(i32, i32);

impl Cell {
    /// The cell of a latitude and longitude, degrees.
    pub(super) fn of((latitude, longitude): (f64, f64)) -> Self {
        let height = CELL_KM / DEGREE_KM;
        let row = (latitude / height).floor();
        // All cells of a row are equally wide, whatever the latitude within it.
        let middle = (row + 0.5) * height;
        let width = height / middle.to_radians().cos().max(0.01);
        Self(row as i32, (longitude / width).floor() as i32)
    }
}

/// The texts of a sale, shared with the tallies.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    property_type: Option<Arc<str>>,
    postal_code: Option<Arc<str>>,
    attributes: Box<[(Arc<str>, Arc<str>)]>,
}

/// Sums of the log price per area of the sales of each month.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub(super) market: Months,
    pub(super) categories: Categories<Months>,
    pub(super) areas: BTreeMap<Cell, Months>,
}

impl Tallies {
    /// Counts a sale; returns what is needed to take it out again.
    pub(super) fn insert(&mut self, facts: &Facts, month: i32, value: f64) -> Texts {
        let add = |months: &mut Months| change(months, month, value, 1);
        add(&mut self.market);
        if let Some(place) = facts.coordinates() {
            add(self.areas.entry(Cell::of(place)).or_default());
        }
        let count = |levels: &mut Levels<Months>, text: &str| {
            let text = shared(levels, text);
            add(levels.entry(text.clone()).or_default());
            text
        };
        let categories = &mut self.categories;
        let property_type =
            facts.property_type.as_deref().map(|text| count(&mut categories.property_type, text));
        let postal_code =
            facts.postal_code.as_deref().map(|text| count(&mut categories.postal_code, text));
        let mut attributes = Vec::new();
        for (name, attribute) in &facts.attributes {
            if let Attribute::Text(text) = attribute {
                let name = shared(&categories.attributes, name);
                let levels = categories.attributes.entry(name.clone()).or_default();
                attributes.push((name, count(levels, text)));
            }
        }
        Texts { property_type, postal_code, attributes: attributes.into() }
    }

    /// Takes a sale out.
    pub(super) fn remove(
        &mut self,
        place: Option<(f64, f64)>,
        texts: &Texts,
        month: i32,
        value: f64,
    ) {
        let less = |months: &mut Months| change(months, month, value, -1);
        less(&mut self.market);
        if let Some(months) = place.and_then(|place| self.areas.get_mut(&Cell::of(place))) {
            less(months);
        }
        let discount = |levels: &mut Levels<Months>, text: &Option<Arc<str>>| {
            if let Some(months) = text.as_ref().and_then(|text| levels.get_mut(text)) {
                less(months);
            }
        };
        discount(&mut self.categories.property_type, &texts.property_type);
        discount(&mut self.categories.postal_code, &texts.postal_code);
        for (name, text) in &texts.attributes {
            if let Some(months) =
                self.categories.attributes.get_mut(name).and_then(|levels| levels.get_mut(text))
            {
                less(months);
            }
        }
    }

    /// Drops the months before one, and what is then empty.
    pub(super) fn drop_before(&mut self, month: i32) {
        let keep = |months: &mut Months| {
            *months = months.split_off(&month);
            !months.is_empty()
        };
        keep(&mut self.market);
        self.areas.retain(|_, months| keep(months));
        let categories = &mut self.categories;
        categories.property_type.retain(|_, months| keep(months));
        categories.postal_code.retain(|_, months| keep(months));
        categories.attributes.retain(|_, levels| {
            levels.retain(|_, months| keep(months));
            !levels.is_empty()
        });
    }
}

/// The map's own copy of a key, or a new one.
fn shared<T>(map: &BTreeMap<Arc<str>, T>, key: &str) -> Arc<str> {
    map.get_key_value(key).map_or_else(|| Arc::from(key), |(key, _)| key.clone())
}

fn change(months: &mut Months, month: i32, value: f64, sign: i32) {
    let tally = months.entry(month).or_default();
    let units = i64::from(sign).wrapping_mul((value * UNITS).round() as i64);
    tally.units = tally.units.wrapping_add(units);
    tally.count = tally.count.saturating_add_signed(sign);
    if tally.count == 0 {
        months.remove(&month);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out_leaves_no_trace() {
        let mut months = Months::new();
        change(&mut months, 3, 0.1, 1);
        let before = months.clone();
        change(&mut months, 3, 1e6, 1);
        change(&mut months, 4, 0.2, 1);
        change(&mut months, 3, 1e6, -1);
        change(&mut months, 4, 0.2, -1);
        assert_eq!(months, before);
        assert!((before[&3].sum() - 0.1).abs() < 1e-9);
    }

    #[test]
    fn a_cell_is_about_three_kilometres_wide() {
        let home = Cell::of((47.5, -122.3));
        assert_eq!(home, Cell::of((47.505, -122.305)), "half a kilometre away");
        let (north, east) = (Cell::of((47.6, -122.3)), Cell::of((47.5, -122.2)));
        assert_eq!((north.0 - home.0).abs(), 4, "11.1 km of 3");
        assert!((2..=3).contains(&(east.1 - home.1).abs()), "7.5 km of 3: {east:?} {home:?}");
        let _ = (Cell::of((90.0, 180.0)), Cell::of((f64::NAN, f64::INFINITY)));
    }
}
