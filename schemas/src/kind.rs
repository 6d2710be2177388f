//! The records that have an Avro schema.

use std::fmt;

/// A record with an Avro schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// A home offered for sale.
    Listing,
    /// A closed, labelled outcome.
    Sale,
    /// The answer to one listing.
    PriceEstimate,
    /// What the monitor says of one closed window.
    DriftReport,
    /// One event of the model registry's log.
    RegistryEvent,
}

/// A schema that data may have been written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleasedSchema {
    /// File name in `schemas/released`.
    pub file: &'static str,
    /// The schema, JSON.
    pub json: &'static str,
}

macro_rules! released {
    ($($file:literal),+) => {
        &[$(ReleasedSchema {
            file: $file,
            json: include_str!(concat!("../released/", $file)),
        }),+]
    };
}

impl RecordKind {
    /// Every record.
    pub const ALL: [Self; 5] =
        [Self::Listing, Self::Sale, Self::PriceEstimate, Self::DriftReport, Self::RegistryEvent];

    /// Name of the record in its schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Listing => "Listing",
            Self::Sale => "Sale",
            Self::PriceEstimate => "PriceEstimate",
            Self::DriftReport => "DriftReport",
            Self::RegistryEvent => "RegistryEvent",
        }
    }

    /// The schema that this version writes, JSON.
    pub fn schema_json(self) -> &'static str {
        match self {
            Self::Listing => include_str!("../listing.avsc"),
            Self::Sale => include_str!("../sale.avsc"),
            Self::PriceEstimate => include_str!("../price_estimate.avsc"),
            Self::DriftReport => include_str!("../drift_report.avsc"),
            Self::RegistryEvent => include_str!("../registry_event.avsc"),
        }
    }

    /// Every schema ever released, oldest first. Data of all of them can be read.
    ///
    /// To release a change: copy the changed schema to `released/NAME.vN.avsc`, add it here
    /// and to `released/LOCK`. Released files are never edited.
    pub fn released(self) -> &'static [ReleasedSchema] {
        match self {
            Self::Listing => released!("listing.v1.avsc"),
            Self::Sale => released!("sale.v1.avsc"),
            Self::PriceEstimate => released!(
                "price_estimate.v1.avsc",
                "price_estimate.v2.avsc",
                "price_estimate.v3.avsc"
            ),
            Self::DriftReport => released!("drift_report.v1.avsc", "drift_report.v2.avsc"),
            Self::RegistryEvent => released!("registry_event.v1.avsc"),
        }
    }

    /// Whether hand-made JSON is accepted besides Avro.
    pub(crate) fn accepts_json(self) -> bool {
        matches!(self, Self::Listing | Self::Sale)
    }

    /// Accepted encodings, in words.
    pub(crate) fn accepted(self) -> &'static str {
        if self.accepts_json() {
            "Avro single-object encoding (c3 01) or a JSON object ('{')"
        } else {
            "Avro single-object encoding (c3 01)"
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
