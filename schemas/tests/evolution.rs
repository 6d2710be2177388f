//! Schemas evolve BACKWARD: the current ones read everything that was ever released.
//!
//! To change a schema: edit it, copy it to `released/NAME.vN.avsc`, list that file in
//! `RecordKind::released` and, with the line that the failing test prints, in
//! `released/LOCK`. Released files and lines of the lock are never edited.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use schemas::RecordKind;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const LOCK: &str = include_str!("../released/LOCK");

/// The line of the lock for a released file: its fingerprint guards what is on the wire, the
/// digest of its text guards defaults and docs as well.
fn lock_line(file: &str, text: &str) -> String {
    let fingerprint = hex::encode(schemas::schema_fingerprint(text).unwrap());
    format!("{file} crc64-avro={fingerprint} sha256={}", hex::encode(Sha256::digest(text)))
}

/// Why the reader cannot read everything that the writer writes, if it cannot.
fn breaks(writer: &Schema, reader: &Schema) -> Option<String> {
    match SchemaCompatibility::can_read(writer, reader) {
        Ok(Compatibility::Full) => None,
        Ok(Compatibility::Partial) => Some("some values cannot be read".into()),
        Err(error) => Some(error.to_string()),
    }
}

#[test]
fn current_schemas_read_every_released_one() {
    for kind in RecordKind::ALL {
        let current = Schema::parse_str(kind.schema_json()).unwrap();
        for released in kind.released() {
            let schema = Schema::parse_str(released.json).unwrap();
            assert_eq!(breaks(&schema, &current), None, "{}", released.file);
        }
    }
}

#[test]
fn released_schemas_have_not_been_edited() {
    let locked: BTreeSet<_> = LOCK.lines().collect();
    let mut found = BTreeSet::new();
    for released in RecordKind::ALL.iter().flat_map(|kind| kind.released()) {
        let line = lock_line(released.file, released.json);
        assert!(locked.contains(line.as_str()), "not in released/LOCK:\n{line}");
        found.insert(line);
    }
    assert_eq!(locked.len(), found.len(), "a locked schema is no longer read");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/released");
    let files = std::fs::read_dir(folder).unwrap().filter_map(Result::ok);
    let schemas = files.filter(|file| file.path().extension().is_some_and(|end| end == "avsc"));
    assert_eq!(schemas.count(), found.len(), "a released schema is not listed");
}

/// A schema without its docs, which may be bettered at any time.
fn without_docs(json: &str) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(strip),
            Value::Object(object) => {
                object.retain(|key, value| key != "doc" || !value.is_string());
                object.values_mut().for_each(strip);
            }
            _ => {}
        }
    }
    let mut schema = serde_json::from_str(json).unwrap();
    strip(&mut schema);
    schema
}

#[test]
fn current_schemas_are_released() {
    for kind in RecordKind::ALL {
        let last = kind.released().last().unwrap();
        let (current, released) = (without_docs(kind.schema_json()), without_docs(last.json));
        assert_eq!(current, released, "{kind} is not released: it differs from {}", last.file);
    }
}

/// The schema with one change.
fn changed(kind: RecordKind, change: impl FnOnce(&mut Vec<Value>)) -> Schema {
    let mut schema: Value = serde_json::from_str(kind.schema_json()).unwrap();
    let Some(Value::Array(fields)) = schema.get_mut("fields") else { panic!("no fields") };
    change(fields);
    Schema::parse(&schema).unwrap()
}

fn field<'a>(fields: &'a mut [Value], name: &str) -> &'a mut Value {
    fields.iter_mut().find(|field| field["name"] == name).unwrap()
}

#[test]
fn breaking_changes_are_refused() {
    type Change = fn(&mut Vec<Value>);
    let cases: [(&str, RecordKind, Change); 8] = [
        ("a new field without a default", RecordKind::Listing, |fields| {
            fields.push(json!({"name": "View", "type": "string"}));
        }),
        ("a required field renamed without an alias", RecordKind::Listing, |fields| {
            field(fields, "ListingKey")["name"] = "ListingId".into();
        }),
        ("a type changed", RecordKind::Listing, |fields| {
            field(fields, "PostalCode")["type"] = json!(["null", "int"]);
        }),
        ("a number narrowed", RecordKind::Sale, |fields| {
            field(fields, "ClosePrice")["type"] = "long".into();
        }),
        ("null no longer accepted", RecordKind::Sale, |fields| {
            *field(fields, "LivingArea") =
                json!({"name": "LivingArea", "type": "double", "default": 0.0});
        }),
        ("an attribute's type dropped", RecordKind::Listing, |fields| {
            field(fields, "attributes")["type"]["values"] = json!(["double"]);
        }),
        ("a symbol dropped", RecordKind::RegistryEvent, |fields| {
            field(fields, "action")["type"]["symbols"] = json!(["registered", "promoted"]);
        }),
        ("a nested field without a default", RecordKind::DriftReport, |fields| {
            let features = &mut field(fields, "features")["type"]["items"]["fields"];
            let Value::Array(features) = features else { panic!("no fields") };
            features.push(json!({"name": "power", "type": "double"}));
        }),
    ];
    for (what, kind, change) in cases {
        let reader = changed(kind, change);
        let broken = kind
            .released()
            .iter()
            .any(|released| breaks(&Schema::parse_str(released.json).unwrap(), &reader).is_some());
        assert!(broken, "{what} was accepted");
    }
}

#[test]
fn changes_that_break_nothing_are_accepted() {
    type Change = fn(&mut Vec<Value>);
    let cases: [Change; 4] = [
        |fields| {
            fields.push(json!({"name": "View", "type": ["null", "string"], "default": null}));
        },
        |fields| field(fields, "ListingKey")["doc"] = "Better words.".into(),
        |fields| fields.retain(|field| field["name"] != "Stories"),
        |fields| {
            field(fields, "ListPrice")["name"] = "AskingPrice".into();
            field(fields, "AskingPrice")["aliases"] = json!(["ListPrice"]);
        },
    ];
    for change in cases {
        let reader = changed(RecordKind::Listing, change);
        let released = Schema::parse_str(RecordKind::Listing.released()[0].json).unwrap();
        assert_eq!(breaks(&released, &reader), None);
    }
}

/// Calls `check` with the path and JSON of every record, field and enumeration.
fn walk(path: &str, schema: &Value, check: &mut dyn FnMut(&str, &Value)) {
    match schema {
        Value::Array(variants) => variants.iter().for_each(|variant| walk(path, variant, check)),
        Value::Object(object) => {
            if object.contains_key("name") {
                check(path, schema);
            }
            for key in ["type", "items", "values"] {
                if let Some(inner) = object.get(key) {
                    walk(path, inner, check);
                }
            }
            if let Some(Value::Array(fields)) = object.get("fields") {
                for field in fields {
                    let name = field["name"].as_str().unwrap();
                    walk(&format!("{path}.{name}"), field, check);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_record_field_and_enumeration_is_documented() {
    for kind in RecordKind::ALL {
        let mut seen = 0;
        let schema = serde_json::from_str(kind.schema_json()).unwrap();
        walk(kind.name(), &schema, &mut |path, part| {
            let doc = part["doc"].as_str().unwrap_or_default();
            assert!(doc.len() > 10 && doc.ends_with('.'), "{path} lacks a doc: {part}");
            seen += 1;
        });
        assert!(seen > 10, "{kind}: only {seen} parts seen");
    }
}

#[test]
fn every_field_beyond_the_required_has_a_default_and_null_comes_first() {
    let required = |kind| match kind {
        RecordKind::Listing => vec!["ListingKey", "ListingContractDate"],
        RecordKind::Sale => vec!["ListingKey", "CloseDate", "ClosePrice"],
        RecordKind::PriceEstimate => vec!["estimate_id", "ListingKey", "event_date", "status"],
        RecordKind::DriftReport => vec!["window_start", "window_end", "verdict"],
        RecordKind::RegistryEvent => vec!["event_id", "model", "version", "action", "event_date"],
    };
    for kind in RecordKind::ALL {
        let schema: Value = serde_json::from_str(kind.schema_json()).unwrap();
        let fields = schema["fields"].as_array().unwrap();
        let without: Vec<_> = fields
            .iter()
            .filter(|field| field.get("default").is_none())
            .map(|field| field["name"].as_str().unwrap())
            .collect();
        assert_eq!(without, required(kind), "{kind}");
        for field in fields.iter().filter(|field| field["type"].is_array()) {
            assert_eq!((&field["type"][0], &field["default"]), (&json!("null"), &Value::Null));
        }
    }
}
