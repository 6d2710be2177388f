//! The part of the world that a deployment knows.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::listing::Facts;

/// A box of latitudes and longitudes, degrees, WGS 84. A deployment that prices one region
/// leaves sales outside it out of its index and its trainings, which bounds their memory.
/// One that crosses the 180th meridian has `west` greater than `east`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// Southern border, -90 to 90.
    pub south: f64,
    /// Western border, -180 to 180.
    pub west: f64,
    /// Northern border, -90 to 90.
    pub north: f64,
    /// Eastern border, -180 to 180.
    pub east: f64,
}

/// An area that no home can lie in.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("area.{name} is {value}, expected {expected}")]
pub struct InvalidArea {
    /// Name of the setting.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// The accepted range.
    pub expected: &'static str,
}

impl Area {
    /// Checks the borders.
    ///
    /// # Errors
    /// The first border outside its range.
    pub fn check(&self) -> Result<(), InvalidArea> {
        let borders = [
            ("south", self.south, 90.0, "-90 to 90"),
            ("north", self.north, 90.0, "-90 to 90"),
            ("west", self.west, 180.0, "-180 to 180"),
            ("east", self.east, 180.0, "-180 to 180"),
        ];
        for (name, value, limit, expected) in borders {
            if !(-limit..=limit).contains(&value) {
                return Err(InvalidArea { name, value, expected });
            }
        }
        if self.north <= self.south {
            let expected = "a latitude north of area.south";
            return Err(InvalidArea { name: "north", value: self.north, expected });
        }
        Ok(())
    }

    /// Whether a home lies inside, its borders included; one without coordinates does.
    pub fn contains(&self, facts: &Facts) -> bool {
        let Some((latitude, longitude)) = facts.coordinates() else { return true };
        let between = self.west <= longitude && longitude <= self.east;
        let across = longitude >= self.west || longitude <= self.east;
        (self.south..=self.north).contains(&latitude)
            && if self.west <= self.east { between } else { across }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLEDO: Area = Area { south: 41.4, west: -84.0, north: 41.8, east: -83.2 };

    fn at(latitude: f64, longitude: f64) -> Facts {
        Facts { latitude: Some(latitude), longitude: Some(longitude), ..Facts::default() }
    }

    #[test]
    fn homes_inside_and_homes_without_coordinates_are_contained() {
        assert!(TOLEDO.contains(&at(41.65, -83.5)));
        assert!(TOLEDO.contains(&at(41.4, -84.0)));
        assert!(!TOLEDO.contains(&at(41.9, -83.5)));
        assert!(!TOLEDO.contains(&at(41.65, -83.1)));
        assert!(TOLEDO.contains(&Facts::default()));
    }

    #[test]
    fn an_area_may_cross_the_date_line() {
        let fiji = Area { south: -21.0, west: 176.0, north: -12.0, east: -178.0 };
        assert_eq!(fiji.check(), Ok(()));
        assert!(fiji.contains(&at(-17.0, 178.0)) && fiji.contains(&at(-17.0, -179.0)));
        assert!(!fiji.contains(&at(-17.0, 0.0)));
    }

    #[test]
    fn borders_outside_the_world_or_turned_round_are_refused() {
        assert_eq!(TOLEDO.check(), Ok(()));
        let error = Area { south: f64::NAN, ..TOLEDO }.check().unwrap_err();
        assert_eq!(error.name, "south");
        let error = Area { north: 41.0, ..TOLEDO }.check().unwrap_err();
        assert_eq!(error.to_string(), "area.north is 41, expected a latitude north of area.south");
    }
}
