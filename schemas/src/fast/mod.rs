//! Listings, sales and price estimates without the general Avro library: the same bytes and the
//! same values, at a fraction of the cost.
//!
//! The general reader and writer look at the schema for every field. These know the current
//! schemas by heart. A reader accepts plain data only, as every known writer makes it, and
//! leaves all else (other units, unusual blocks, anything damaged) to the general reader, which
//! then accepts it or says what is wrong. Tests hold both against each other.

mod listing;
mod price;
mod reader;

pub(crate) use listing::{listing, sale};
pub(crate) use price::write_price;
