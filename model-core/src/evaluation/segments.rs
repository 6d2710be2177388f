//! Labels of segments: postal codes or areas of a grid, kinds of homes, and bands of age.

use std::collections::BTreeMap;

use super::quantiles::quantile_sorted;
use crate::date::EventDate;
use crate::listing::Facts;

/// A home's labels in the dimensions `area`, `property_type` and `age_band`, by dimension;
/// what is not known of the home has no label.
///
/// The area is the postal code, or the cell of `grid` where there is none.
pub fn segments_of(
    facts: &Facts,
    sold_on: EventDate,
    grid: Option<&AreaGrid>,
) -> BTreeMap<String, String> {
    let cell = || {
        let (latitude, longitude) = facts.coordinates()?;
        grid?.label(latitude, longitude)
    };
    let age = facts.year_built.map(|built| age_band(built, sold_on.year()).to_owned());
    let labels = [
        ("area", facts.postal_code.clone().or_else(cell)),
        ("property_type", facts.property_type.clone()),
        ("age_band", age),
    ];
    let known = labels.into_iter().filter_map(|(name, label)| Some((name.to_owned(), label?)));
    known.collect()
}

/// A grid of areas that hold about equally many homes.
///
/// Homes are cut by quantiles of latitude into rows, and each row by quantiles of its own
/// longitudes into cells: town centres get small cells, the country gets large ones. Homes at
/// one place are always in one cell. The label `r2c3` is the third cell from the west in the
/// second row from the south.
#[derive(Clone, Debug, PartialEq)]
pub struct AreaGrid {
    /// Latitudes between rows, from south to north.
    rows: Vec<f64>,
    /// Longitudes between the cells of each row, from west to east.
    columns: Vec<Vec<f64>>,
}

impl AreaGrid {
    /// Most cells of a grid.
    pub const MAX_CELLS: usize = 10_000;

    /// A grid of about `cells` cells, 1 to [`Self::MAX_CELLS`] (brought into that range), for
    /// homes at `places`: latitude and longitude, degrees. Places that are not finite numbers
    /// are passed over. Away from the meridian of 180 degrees, which a cell does not cross.
    pub fn of(places: &[(f64, f64)], cells: usize) -> Self {
        let cells = cells.clamp(1, Self::MAX_CELLS);
        let rows = (cells as f64).sqrt().round().max(1.0) as usize;
        let per_row = (cells as f64 / rows as f64).round().max(1.0) as usize;
        let usable = |place: &&(f64, f64)| place.0.is_finite() && place.1.is_finite();
        let places: Vec<(f64, f64)> = places.iter().filter(usable).copied().collect();
        let row_cuts = cuts(places.iter().map(|place| place.0), rows);
        let mut longitudes = vec![Vec::new(); row_cuts.len() + 1];
        for (latitude, longitude) in places {
            if let Some(row) = longitudes.get_mut(position(&row_cuts, latitude)) {
                row.push(longitude);
            }
        }
        let columns = longitudes.into_iter().map(|row| cuts(row.into_iter(), per_row)).collect();
        Self { rows: row_cuts, columns }
    }

    /// The cell of a place; any place has one, `None` only for a number that is not finite.
    pub fn label(&self, latitude: f64, longitude: f64) -> Option<String> {
        if !(latitude.is_finite() && longitude.is_finite()) {
            return None;
        }
        let row = position(&self.rows, latitude);
        let column = position(self.columns.get(row)?, longitude);
        Some(format!("r{}c{}", row + 1, column + 1))
    }
}

/// The values between `parts` parts of about equally many values; fewer when values repeat.
fn cuts(values: impl Iterator<Item = f64>, parts: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut cuts: Vec<f64> = (1..parts)
        .filter_map(|part| quantile_sorted(&sorted, part as f64 / parts as f64))
        .collect();
    cuts.dedup();
    cuts
}

/// How many cuts lie below a value.
fn position(cuts: &[f64], value: f64) -> usize {
    cuts.partition_point(|cut| *cut < value)
}

/// The band of a home's age when it was sold: `00-09`, `10-24`, `25-49`, `50-74` or `75+` years.
/// Sold before the year it was built counts as new.
pub fn age_band(year_built: i32, year_sold: i32) -> &'static str {
    match year_sold.saturating_sub(year_built) {
        ..10 => "00-09",
        10..25 => "10-24",
        25..50 => "25-49",
        50..75 => "50-74",
        _ => "75+",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn four_corners_are_four_cells() {
        let places = [(0.0, 0.0), (0.0, 1.0), (1.0, 10.0), (1.0, 11.0)];
        let grid = AreaGrid::of(&places, 4);
        let labels = places.map(|(latitude, longitude)| grid.label(latitude, longitude).unwrap());
        assert_eq!(labels, ["r1c1", "r1c2", "r2c1", "r2c2"]);
        // Beyond the known places the outermost cells go on.
        assert_eq!(grid.label(-9.0, 99.0).as_deref(), Some("r1c2"));
        assert_eq!(grid.label(f64::NAN, 0.0), None);
    }

    #[test]
    fn homes_at_one_place_are_one_cell() {
        let grid = AreaGrid::of(&[(41.6, -83.5); 10], 9);
        assert_eq!(grid.label(41.6, -83.5).as_deref(), Some("r1c1"));
        assert_eq!(AreaGrid::of(&[], 9).label(1.0, 1.0).as_deref(), Some("r1c1"));
    }

    #[test]
    fn age_bands_cover_every_age() {
        let bands = [2005, 1995, 1990, 1960, 1940, 1900].map(|built| age_band(built, 2000));
        assert_eq!(bands, ["00-09", "00-09", "10-24", "25-49", "50-74", "75+"]);
    }

    #[test]
    fn a_home_is_in_the_area_of_its_postal_code_or_else_of_its_cell() {
        let sold_on = EventDate::from_ymd(2000, 5, 1).unwrap();
        let grid = AreaGrid::of(&[(0.0, 0.0), (0.0, 1.0)], 1);
        let mut facts = Facts {
            latitude: Some(0.0),
            longitude: Some(0.0),
            year_built: Some(1985),
            ..Facts::default()
        };
        let of = |facts: &Facts, grid| {
            let labels = segments_of(facts, sold_on, grid).into_iter();
            labels.map(|(name, label)| format!("{name}={label}")).collect::<Vec<_>>()
        };
        assert_eq!(of(&facts, Some(&grid)), ["age_band=10-24", "area=r1c1"]);
        assert_eq!(of(&facts, None), ["age_band=10-24"]);
        facts.postal_code = Some("43604".into());
        assert_eq!(of(&facts, Some(&grid)), ["age_band=10-24", "area=43604"]);
        assert!(of(&Facts::default(), Some(&grid)).is_empty());
    }

    proptest! {
        #[test]
        fn cells_hold_about_equally_many(
            places in prop::collection::vec((41.0..42.0_f64, -84.0..-83.0_f64), 200..400),
        ) {
            let grid = AreaGrid::of(&places, 16);
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for (latitude, longitude) in &places {
                *counts.entry(grid.label(*latitude, *longitude).unwrap()).or_default() += 1;
            }
            prop_assert_eq!(counts.len(), 16);
            let even = places.len() / 16;
            prop_assert!(counts.values().all(|count| count.abs_diff(even) <= 2), "{counts:?}");
        }
    }
}
