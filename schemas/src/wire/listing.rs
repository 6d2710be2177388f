//! `Listing` and `Sale`, in RESO names.

use std::borrow::Cow;

use model_core::date::EventDate;
use model_core::listing::{Facts, Listing, SQUARE_FEET_PER_SQUARE_METRE, Sale};
use serde::{Deserialize, Serialize};

use super::{Attributes, Wire};
use crate::error::{DecodeError, shorten};
use crate::json::Fields;
use crate::kind::RecordKind;

pub(crate) const SQUARE_FEET: &str = "Square Feet";
const SQUARE_METERS: &str = "Square Meters";
const DEFAULT_CURRENCY: &str = "USD";

/// Declares a record of its own fields followed by those that listings and sales share:
/// the struct, its way from the domain's facts and back, and its reading from JSON.
///
/// The shared fields stand flat in both records, as the schemas have them: nesting them and
/// flattening with serde would buffer every record.
macro_rules! record_with_facts {
    (
        $(#[$meta:meta])*
        $kind:ident as $wire:ident($name:literal) {
            $($field:ident: $ty:ty = $read:ident($reso:literal),)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Default, Serialize, Deserialize)]
        #[serde(rename = $name, rename_all = "PascalCase")]
        pub(crate) struct $wire<'a> {
            $($field: $ty,)+
            living_area: Option<f64>,
            living_area_units: Cow<'a, str>,
            lot_size_square_feet: Option<f64>,
            bedrooms_total: Option<i32>,
            bathrooms_full: Option<i32>,
            bathrooms_half: Option<i32>,
            year_built: Option<i32>,
            stories: Option<f64>,
            property_type: Option<Cow<'a, str>>,
            postal_code: Option<Cow<'a, str>>,
            latitude: Option<f64>,
            longitude: Option<f64>,
            modification_timestamp: Option<i64>,
            #[serde(rename = "attributes")]
            attributes: Attributes<'a>,
        }

        impl Wire for $wire<'static> {
            const KIND: RecordKind = RecordKind::$kind;
        }

        impl<'a> $wire<'a> {
            fn of_facts(facts: &'a Facts) -> Self {
                Self {
                    living_area: facts.living_area,
                    living_area_units: Cow::Borrowed(SQUARE_FEET),
                    lot_size_square_feet: facts.lot_size,
                    bedrooms_total: facts.bedrooms_total,
                    bathrooms_full: facts.bathrooms_full,
                    bathrooms_half: facts.bathrooms_half,
                    year_built: facts.year_built,
                    stories: facts.stories,
                    property_type: facts.property_type.as_deref().map(Cow::Borrowed),
                    postal_code: facts.postal_code.as_deref().map(Cow::Borrowed),
                    latitude: facts.latitude,
                    longitude: facts.longitude,
                    modification_timestamp: None,
                    attributes: Attributes(Cow::Borrowed(&facts.attributes)),
                    ..Self::default()
                }
            }

            fn take_facts(&mut self) -> Result<Facts, DecodeError> {
                Ok(Facts {
                    living_area: to_square_feet(self.living_area, &self.living_area_units)?,
                    lot_size: self.lot_size_square_feet,
                    bedrooms_total: self.bedrooms_total,
                    bathrooms_full: self.bathrooms_full,
                    bathrooms_half: self.bathrooms_half,
                    year_built: self.year_built,
                    stories: self.stories,
                    property_type: self.property_type.take().map(Cow::into_owned),
                    postal_code: self.postal_code.take().map(Cow::into_owned),
                    latitude: self.latitude,
                    longitude: self.longitude,
                    attributes: std::mem::take(self.attributes.0.to_mut()),
                })
            }

            /// Reads hand-made JSON.
            pub(crate) fn from_json(json: &[u8]) -> Result<Self, DecodeError> {
                const NAMES: &[&str] = &[
                    $($reso,)+
                    "LivingArea", "LivingAreaUnits", "LotSizeSquareFeet", "BedroomsTotal",
                    "BathroomsFull", "BathroomsHalf", "YearBuilt", "Stories", "PropertyType",
                    "PostalCode", "Latitude", "Longitude", "ModificationTimestamp", "attributes",
                ];
                let mut json = Fields::parse(RecordKind::$kind, NAMES, json)?;
                Ok(Self {
                    $($field: json.$read($reso)?,)+
                    living_area: json.number("LivingArea")?,
                    living_area_units: json
                        .text("LivingAreaUnits")?
                        .unwrap_or(Cow::Borrowed(SQUARE_FEET)),
                    lot_size_square_feet: json.number("LotSizeSquareFeet")?,
                    bedrooms_total: json.integer("BedroomsTotal")?,
                    bathrooms_full: json.integer("BathroomsFull")?,
                    bathrooms_half: json.integer("BathroomsHalf")?,
                    year_built: json.integer("YearBuilt")?,
                    stories: json.number("Stories")?,
                    property_type: json.text("PropertyType")?,
                    postal_code: json.text("PostalCode")?,
                    latitude: json.number("Latitude")?,
                    longitude: json.number("Longitude")?,
                    modification_timestamp: json.timestamp("ModificationTimestamp")?,
                    attributes: json.attributes("attributes")?,
                })
            }
        }
    };
}

record_with_facts! {
    /// A listing on the wire.
    Listing as ListingWire("Listing") {
        listing_key: Cow<'a, str> = required_text("ListingKey"),
        listing_contract_date: i32 = required_date("ListingContractDate"),
        list_price: Option<f64> = number("ListPrice"),
        currency: Cow<'a, str> = currency("Currency"),
    }
}

record_with_facts! {
    /// A sale on the wire.
    Sale as SaleWire("Sale") {
        listing_key: Cow<'a, str> = required_text("ListingKey"),
        close_date: i32 = required_date("CloseDate"),
        close_price: f64 = required_number("ClosePrice"),
        currency: Cow<'a, str> = currency("Currency"),
        list_price: Option<f64> = number("ListPrice"),
        listing_contract_date: Option<i32> = date("ListingContractDate"),
    }
}

impl Fields {
    fn currency<'a>(&mut self, name: &'static str) -> Result<Cow<'a, str>, DecodeError> {
        Ok(self.text(name)?.unwrap_or(Cow::Borrowed(DEFAULT_CURRENCY)))
    }
}

impl<'a> From<&'a Listing> for ListingWire<'a> {
    fn from(listing: &'a Listing) -> Self {
        Self {
            listing_key: Cow::Borrowed(&listing.key),
            listing_contract_date: listing.listed_on.0,
            list_price: listing.list_price,
            currency: Cow::Borrowed(&listing.currency),
            ..Self::of_facts(&listing.facts)
        }
    }
}

impl TryFrom<ListingWire<'_>> for Listing {
    type Error = DecodeError;

    fn try_from(mut wire: ListingWire<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            facts: wire.take_facts()?,
            key: wire.listing_key.into_owned(),
            listed_on: EventDate(wire.listing_contract_date),
            list_price: wire.list_price,
            currency: wire.currency.into_owned(),
        })
    }
}

impl<'a> From<&'a Sale> for SaleWire<'a> {
    fn from(sale: &'a Sale) -> Self {
        Self {
            listing_key: Cow::Borrowed(&sale.key),
            close_date: sale.closed_on.0,
            close_price: sale.price,
            currency: Cow::Borrowed(&sale.currency),
            ..Self::of_facts(&sale.facts)
        }
    }
}

impl TryFrom<SaleWire<'_>> for Sale {
    type Error = DecodeError;

    fn try_from(mut wire: SaleWire<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            facts: wire.take_facts()?,
            key: wire.listing_key.into_owned(),
            closed_on: EventDate(wire.close_date),
            price: wire.close_price,
            currency: wire.currency.into_owned(),
        })
    }
}

/// An area in square feet. The unit is checked even where there is no area: a source that
/// names a unit unknown here is misconfigured.
fn to_square_feet(area: Option<f64>, units: &str) -> Result<Option<f64>, DecodeError> {
    match units {
        SQUARE_FEET => Ok(area),
        SQUARE_METERS => Ok(area.map(|metres| metres * SQUARE_FEET_PER_SQUARE_METRE)),
        other => {
            Err(DecodeError::UnsupportedUnit { field: "LivingAreaUnits", unit: shorten(other) })
        }
    }
}
