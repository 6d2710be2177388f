//! Hand-made events.

use model_core::listing::{Attribute, Facts, Listing, SQUARE_FEET_PER_SQUARE_METRE, Sale};
use schemas::{Codec, DecodeError, RecordKind};

use crate::examples::{self, day};

fn listing(json: &str) -> Result<Listing, DecodeError> {
    Codec::new().unwrap().decode_listing(json.as_bytes())
}

/// A listing with one more field, as JSON.
fn with(field: &str) -> String {
    format!(r#"{{"ListingKey": "1", "ListingContractDate": "1996-07-01", {field}}}"#)
}

#[test]
fn the_least_a_listing_needs() {
    let expected = Listing {
        key: "1".into(),
        listed_on: day("1996-07-01"),
        list_price: None,
        currency: "USD".into(),
        facts: Facts::default(),
    };
    for json in [
        r#"{"ListingKey": "1", "ListingContractDate": "1996-07-01"}"#,
        r#"{"ListingKey": "1", "ListingContractDate": 9678}"#,
        "\n {\"ListingKey\":\"1\",\"ListingContractDate\":9678,\"LivingArea\":null}\n",
        r#"{"ListingKey": "1", "ListingContractDate": 9678, "Currency": null, "attributes": null}"#,
        r#"{"ListingKey": "1", "ListingContractDate": 9678, "attributes": {"wall": null}}"#,
    ] {
        assert_eq!(listing(json).as_ref(), Ok(&expected), "{json}");
    }
}

#[test]
fn every_field_of_a_listing() {
    let json = r#"{
        "ListingKey": "LC-1042", "ListingContractDate": "1996-07-01", "ListPrice": 84900,
        "Currency": "USD", "LivingArea": 1436, "LivingAreaUnits": "Square Feet",
        "LotSizeSquareFeet": 6080.0, "BedroomsTotal": 3, "BathroomsFull": 1.0,
        "BathroomsHalf": 1, "YearBuilt": 1927, "Stories": 1.5, "PropertyType": "Residential",
        "PostalCode": "43606", "Latitude": 41.67, "Longitude": -83.61,
        "ModificationTimestamp": "1996-07-01T12:00:00Z",
        "attributes": {"garage_area": 360, "wall": "wdshngl"}
    }"#;
    assert_eq!(listing(json), Ok(examples::listing()));
}

#[test]
fn every_field_of_a_sale() {
    let json = r#"{
        "ListingKey": "1", "CloseDate": "1996-08-15", "ClosePrice": 82000, "Currency": "EUR",
        "ListPrice": 84900, "ListingContractDate": "1996-07-01", "LivingArea": 100,
        "LivingAreaUnits": "Square Meters", "ModificationTimestamp": 836222400000
    }"#;
    let living_area = Some(100.0 * SQUARE_FEET_PER_SQUARE_METRE);
    let expected = Sale {
        key: "1".into(),
        closed_on: day("1996-08-15"),
        price: 82_000.0,
        currency: "EUR".into(),
        facts: Facts { living_area, ..Facts::default() },
    };
    assert_eq!(Codec::new().unwrap().decode_sale(json.as_bytes()), Ok(expected));
}

#[test]
fn every_field_of_the_schema_can_be_written_by_hand() {
    let codec = Codec::new().unwrap();
    for kind in [RecordKind::Listing, RecordKind::Sale] {
        let schema: serde_json::Value = serde_json::from_str(kind.schema_json()).unwrap();
        for field in schema["fields"].as_array().unwrap() {
            let json = format!("{{{}: null}}", field["name"]);
            let error = match kind {
                RecordKind::Listing => codec.decode_listing(json.as_bytes()).unwrap_err(),
                _ => codec.decode_sale(json.as_bytes()).unwrap_err(),
            };
            assert_eq!(error.code(), "missing_field", "{kind} {json}: {error}");
        }
    }
}

#[test]
fn numbers_keep_every_bit() {
    for number in [0.1 + 0.2, 1e-300, 123_456_789.123_456_79] {
        let json = with(&format!(r#""attributes": {{"x": {number:?}}}"#));
        assert_eq!(listing(&json).unwrap().facts.attributes["x"], Attribute::Number(number));
    }
}

#[test]
fn every_fault_names_its_field_and_what_is_expected() {
    let cases = [
        (
            with(r#""list_price": 1"#),
            "unknown_field",
            "list_price is not a field of Listing; did you mean ListPrice?",
        ),
        (
            with(r#""BedroomTotal": 1"#),
            "unknown_field",
            "BedroomTotal is not a field of Listing; did you mean BedroomsTotal?",
        ),
        (
            with(r#""ClosePrice": 82000"#),
            "unknown_field",
            "ClosePrice is not a field of Listing; did you mean ListPrice?",
        ),
        (
            with(r#""Wall": "brick""#),
            "unknown_field",
            "Wall is not a field of Listing; facts it has no field for go in attributes",
        ),
        (with(r#""ListingKey": "2""#), "duplicate_field", "ListingKey appears twice"),
        (
            with(r#""attributes": {"wall": 1, "wall": 2}"#),
            "duplicate_field",
            "attributes.wall appears twice",
        ),
        (
            with(r#""PostalCode": 43606"#),
            "wrong_type",
            "PostalCode is the number 43606, expected a text",
        ),
        (
            with(r#""LivingArea": "1436""#),
            "wrong_type",
            "LivingArea is the text '1436', expected a number",
        ),
        (
            with(r#""YearBuilt": true"#),
            "wrong_type",
            "YearBuilt is true or false, expected a whole number of at most 32 bits",
        ),
        (
            with(r#""attributes": {"rooms": [1, 2]}"#),
            "wrong_type",
            "attributes.rooms is an array, expected a number or a text",
        ),
        (
            with(r#""attributes": 7"#),
            "wrong_type",
            "attributes is the number 7, expected an object",
        ),
        (
            with(r#""BedroomsTotal": 2.5"#),
            "invalid_value",
            "BedroomsTotal is '2.5', expected a whole number of at most 32 bits",
        ),
        (
            with(r#""YearBuilt": 99999999999"#),
            "invalid_value",
            "YearBuilt is '99999999999', expected a whole number of at most 32 bits",
        ),
        (
            with(r#""LivingAreaUnits": "acres""#),
            "unsupported_unit",
            "LivingAreaUnits is 'acres', expected 'Square Feet' or 'Square Meters'",
        ),
        (
            r#"{"ListingKey": "1", "ListingContractDate": "1996-02-30"}"#.to_owned(),
            "invalid_value",
            "ListingContractDate is '1996-02-30', expected a date such as \"1996-07-01\" or whole \
             days since 1970-01-01",
        ),
        (r#"{"ListingKey": "1"}"#.to_owned(), "missing_field", "ListingContractDate is missing"),
        (
            r#"{"ListingKey": null, "ListingContractDate": 1}"#.to_owned(),
            "missing_field",
            "ListingKey is missing",
        ),
        (
            r#"{"ListingKey": "1", "#.to_owned(),
            "invalid_json",
            "record begins with '{' but is not valid JSON: EOF while parsing a value at line 1 \
             column 20",
        ),
        (
            r#"{"ListingKey": "1", "ListingContractDate": 1} {}"#.to_owned(),
            "invalid_json",
            "record begins with '{' but is not valid JSON: trailing characters at line 1 column 47",
        ),
    ];
    for (json, code, message) in cases {
        let error = listing(&json).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, message));
        assert!(DecodeError::CODES.contains(&code));
        assert_eq!(error.field().is_some(), code != "invalid_json");
    }
}

#[test]
fn only_listings_and_sales_may_be_hand_made() {
    let error = Codec::new().unwrap().decode_price(b"{\"estimate\": 1}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "record begins with bytes 7b22657374696d61, expected Avro single-object encoding (c3 01)"
    );
}

#[test]
fn messages_stay_short_and_printable_whatever_was_sent() {
    let long = "x\u{7}".repeat(100_000);
    for json in [
        with(&format!("{:?}: 1", long.replace('\u{7}', "y"))),
        with(&format!(r#""PostalCode": {{{:?}: 1}}"#, "z".repeat(100_000))),
        with(&format!(r#""LivingAreaUnits": {}"#, serde_json::Value::from(long.as_str()))),
        with(&format!(r#""ListPrice": {}"#, serde_json::Value::from(long.as_str()))),
    ] {
        let message = listing(&json).unwrap_err().to_string();
        assert!(message.len() < 600 && !message.contains('\u{7}'), "{message}");
    }
}
