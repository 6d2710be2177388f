//! Where listings and sales come from.
//!
//! A [`source::Source`] yields raw [`row::Row`]s (a file; later a database or an API). A
//! [`mapping::Mapping`], one TOML file per source, says which column is which RESO field.
//! [`load`] puts the two together and checks every record; [`replay`] orders loaded sales
//! into the events of a market that is replayed; [`garbage`] makes hostile records for tests.
//!
//! Everything here is data in, data out: reading files is the only I/O, and no source knows
//! any particular market.

pub mod columns;
pub mod error;
mod facts;
pub mod garbage;
pub mod load;
pub mod mapping;
mod publish;
pub mod replay;
pub mod row;
pub mod source;
mod suggest;

pub use error::{ReadError, RowError, SourceError};
pub use facts::{FactRows, read_facts};
pub use garbage::{
    GARBAGE_KEY_PREFIX, GarbageKind, GarbageRecord, Garbler, OVERSIZED_BYTES, parse_share,
    plan_garbage,
};
pub use load::{LoadError, LoadedListings, LoadedSales, load_listings, load_sales};
pub use mapping::{Mapping, MappingError};
pub use publish::Records;
pub use replay::{ReplayEvent, ReplayPlan, plan_replay};
