//! How the index looks at the market.

use serde::{Deserialize, Serialize};
use thiserror::Error;

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
    /// Whether the price level of every category's texts becomes a feature.
    pub target_statistics: bool,
    /// Whether the price levels of the nearest sales and of the area around, and the area's
    /// trend, become features.
    pub area_statistics: bool,
}

impl Default for MarketParams {
    fn default() -> Self {
        Self {
            window_days: 1_095,
            candidates: 32,
            max_distance_km: 25.0,
            target_statistics: false,
            area_statistics: false,
        }
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
