//! Filling in what a listing does not say, from elsewhere.

use super::{Attribute, Facts, InvalidRecord, MAX_ATTRIBUTES, check_facts};

/// A fact by its name: a field of the dictionary, or an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactField {
    /// `LivingArea`, square feet.
    LivingArea,
    /// `LotSizeSquareFeet`.
    LotSize,
    /// `BedroomsTotal`.
    BedroomsTotal,
    /// `BathroomsFull`.
    BathroomsFull,
    /// `BathroomsHalf`.
    BathroomsHalf,
    /// `YearBuilt`.
    YearBuilt,
    /// `Stories`.
    Stories,
    /// `PropertyType`.
    PropertyType,
    /// `PostalCode`.
    PostalCode,
    /// `Latitude`, degrees.
    Latitude,
    /// `Longitude`, degrees.
    Longitude,
    /// A fact that the dictionary lacks.
    Attribute(String),
}

impl FactField {
    /// The fields of the dictionary, by their names there.
    pub const DICTIONARY: [(&str, Self); 11] = [
        ("LivingArea", Self::LivingArea),
        ("LotSizeSquareFeet", Self::LotSize),
        ("BedroomsTotal", Self::BedroomsTotal),
        ("BathroomsFull", Self::BathroomsFull),
        ("BathroomsHalf", Self::BathroomsHalf),
        ("YearBuilt", Self::YearBuilt),
        ("Stories", Self::Stories),
        ("PropertyType", Self::PropertyType),
        ("PostalCode", Self::PostalCode),
        ("Latitude", Self::Latitude),
        ("Longitude", Self::Longitude),
    ];

    /// The field of the dictionary with this name.
    pub fn in_dictionary(name: &str) -> Option<Self> {
        Self::DICTIONARY.into_iter().find(|(known, _)| *known == name).map(|(_, field)| field)
    }

    fn name(&self) -> String {
        match self {
            Self::Attribute(name) => format!("attributes.{name}"),
            field => Self::DICTIONARY
                .into_iter()
                .find(|(_, known)| known == field)
                .map_or_else(String::new, |(name, _)| name.to_owned()),
        }
    }
}

impl Facts {
    /// Fills a fact in if it is not known; one that is known stays as it is. Whether it was
    /// filled in.
    ///
    /// # Errors
    /// [`InvalidRecord`] when no home can have this value; the fact stays not known.
    pub fn fill(&mut self, field: &FactField, value: &Attribute) -> Result<bool, InvalidRecord> {
        if self.knows(field) {
            return Ok(false);
        }
        if matches!(field, FactField::Attribute(_)) && self.attributes.len() >= MAX_ATTRIBUTES {
            return Err(InvalidRecord::TooLong { field: field.name(), limit: MAX_ATTRIBUTES });
        }
        let mut alone = Self::default();
        alone.set(field, value)?;
        check_facts(&alone)?;
        self.set(field, value)?;
        Ok(true)
    }

    fn knows(&self, field: &FactField) -> bool {
        match field {
            FactField::LivingArea => self.living_area.is_some(),
            FactField::LotSize => self.lot_size.is_some(),
            FactField::BedroomsTotal => self.bedrooms_total.is_some(),
            FactField::BathroomsFull => self.bathrooms_full.is_some(),
            FactField::BathroomsHalf => self.bathrooms_half.is_some(),
            FactField::YearBuilt => self.year_built.is_some(),
            FactField::Stories => self.stories.is_some(),
            FactField::PropertyType => self.property_type.is_some(),
            FactField::PostalCode => self.postal_code.is_some(),
            FactField::Latitude => self.latitude.is_some(),
            FactField::Longitude => self.longitude.is_some(),
            FactField::Attribute(name) => self.attributes.contains_key(name),
        }
    }

    fn set(&mut self, field: &FactField, value: &Attribute) -> Result<(), InvalidRecord> {
        match field {
            FactField::LivingArea => self.living_area = Some(number(field, value)?),
            FactField::LotSize => self.lot_size = Some(number(field, value)?),
            FactField::BedroomsTotal => self.bedrooms_total = Some(whole(field, value)?),
            FactField::BathroomsFull => self.bathrooms_full = Some(whole(field, value)?),
            FactField::BathroomsHalf => self.bathrooms_half = Some(whole(field, value)?),
            FactField::YearBuilt => self.year_built = Some(whole(field, value)?),
            FactField::Stories => self.stories = Some(number(field, value)?),
            FactField::PropertyType => self.property_type = Some(text(value)),
            FactField::PostalCode => self.postal_code = Some(text(value)),
            FactField::Latitude => self.latitude = Some(number(field, value)?),
            FactField::Longitude => self.longitude = Some(number(field, value)?),
            FactField::Attribute(name) => {
                self.attributes.insert(name.clone(), value.clone());
            }
        }
        Ok(())
    }
}

fn text(value: &Attribute) -> String {
    match value {
        Attribute::Number(number) => number.to_string(),
        Attribute::Text(text) => text.clone(),
    }
}

fn number(field: &FactField, value: &Attribute) -> Result<f64, InvalidRecord> {
    let number = match value {
        Attribute::Number(number) => Some(*number),
        Attribute::Text(text) => text.trim().parse().ok(),
    };
    number.ok_or_else(|| wrong(field, value, "a number"))
}

fn whole(field: &FactField, value: &Attribute) -> Result<i32, InvalidRecord> {
    let number = number(field, value)?;
    if number.fract() != 0.0 || number.abs() > f64::from(i32::MAX) {
        return Err(wrong(field, value, "a whole number"));
    }
    Ok(number as i32)
}

fn wrong(field: &FactField, value: &Attribute, expected: &str) -> InvalidRecord {
    InvalidRecord::OutOfRange {
        field: field.name(),
        value: text(value).chars().take(64).collect(),
        expected: expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64) -> Attribute {
        Attribute::Number(value)
    }

    #[test]
    fn what_is_known_stays_and_what_is_not_is_filled_in() {
        let mut facts = Facts { living_area: Some(1_200.0), ..Facts::default() };
        assert_eq!(facts.fill(&FactField::LivingArea, &number(900.0)), Ok(false));
        assert_eq!(facts.living_area, Some(1_200.0));
        let cases = [
            (FactField::BedroomsTotal, number(3.0)),
            (FactField::YearBuilt, Attribute::Text("1987".into())),
            (FactField::PostalCode, number(43_604.0)),
            (FactField::Latitude, number(41.6)),
            (FactField::Attribute("flood".into()), Attribute::Text("AE".into())),
        ];
        for (field, value) in &cases {
            assert_eq!(facts.fill(field, value), Ok(true), "{field:?}");
            assert_eq!(facts.fill(field, &number(1.0)), Ok(false), "{field:?}");
        }
        let filled = Facts {
            living_area: Some(1_200.0),
            bedrooms_total: Some(3),
            year_built: Some(1987),
            postal_code: Some("43604".into()),
            latitude: Some(41.6),
            attributes: [("flood".to_owned(), Attribute::Text("AE".into()))].into(),
            ..Facts::default()
        };
        assert_eq!(facts, filled);
    }

    #[test]
    fn what_no_home_can_have_is_refused_and_named() {
        let cases = [
            (FactField::LivingArea, number(-5.0), "LivingArea is -5"),
            (FactField::LotSize, Attribute::Text("large".into()), "expected a number"),
            (FactField::BedroomsTotal, number(2.5), "expected a whole number"),
            (FactField::BathroomsFull, number(1e12), "expected a whole number"),
            (FactField::YearBuilt, number(f64::NAN), "YearBuilt"),
            (FactField::Latitude, number(95.0), "Latitude is 95"),
            (FactField::Attribute("x".into()), number(f64::INFINITY), "attributes.x"),
            (FactField::PropertyType, Attribute::Text("x".repeat(2_000)), "PropertyType"),
        ];
        for (field, value, told) in cases {
            let mut facts = Facts::default();
            let error = facts.fill(&field, &value).unwrap_err().to_string();
            assert!(error.contains(told), "{field:?}: {error}");
            assert_eq!(facts, Facts::default());
        }
        let mut full = Facts::default();
        for i in 0..MAX_ATTRIBUTES {
            full.attributes.insert(i.to_string(), number(0.0));
        }
        assert!(full.fill(&FactField::Attribute("one more".into()), &number(0.0)).is_err());
    }

    #[test]
    fn every_field_of_the_dictionary_can_be_filled() {
        let mut facts = Facts::default();
        for (name, field) in FactField::DICTIONARY {
            assert_eq!(FactField::in_dictionary(name), Some(field.clone()));
            let value = if name == "YearBuilt" { 1_990.0 } else { 1.0 };
            assert_eq!(facts.fill(&field, &number(value)), Ok(true), "{name}");
            assert!(facts.knows(&field), "{name}");
        }
        assert_eq!(FactField::in_dictionary("living_area"), None);
    }
}
