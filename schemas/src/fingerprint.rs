//! CRC-64-AVRO fingerprints, as the other implementations of Avro compute them.
//!
//! The Avro library has fingerprints too, but its parsing canonical form keeps
//! `{"type":"int"}` where a logical type was stripped (avro-rs issue 61), while Java and
//! Python write `"int"`. Records marked with those fingerprints could be read by nobody else,
//! so they are computed here; the library's are accepted as well, because programs that use
//! it write them.

use serde_json::Value;

/// CRC-64-AVRO of an empty text, and the polynomial.
const EMPTY: u64 = 0xC15D_213A_A4D7_A795;

/// Attributes that the canonical form keeps, in its order; `type` and `name` are handled apart.
const KEPT: [&str; 5] = ["fields", "symbols", "items", "values", "size"];

const PRIMITIVES: [&str; 8] =
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// CRC-64-AVRO fingerprint of a schema (JSON): the 8 bytes that stand in single-object
/// encoding, little-endian. `None` for a text that is no schema.
pub fn schema_fingerprint(json: &str) -> Option<[u8; 8]> {
    canonical_form(json).map(|form| crc64(form.as_bytes()).to_le_bytes())
}

/// A schema's parsing canonical form: names in full, nothing but what parsing data needs.
fn canonical_form(json: &str) -> Option<String> {
    let mut form = String::with_capacity(json.len());
    write_schema(&serde_json::from_str(json).ok()?, "", &mut form)?;
    Some(form)
}

fn write_schema(schema: &Value, namespace: &str, form: &mut String) -> Option<()> {
    match schema {
        Value::String(name) if PRIMITIVES.contains(&name.as_str()) => write_text(name, form),
        Value::String(name) => write_text(&full_name(name, namespace), form),
        Value::Array(variants) => {
            write_list(variants, form, |variant, form| write_schema(variant, namespace, form))
        }
        Value::Object(object) => match object.get("type")? {
            Value::String(kind) if PRIMITIVES.contains(&kind.as_str()) => write_text(kind, form),
            Value::String(kind) if object.contains_key("name") => {
                write_named(object, kind, namespace, form)
            }
            Value::String(kind) if kind == "array" || kind == "map" => {
                form.push_str("{\"type\":");
                write_text(kind, form)?;
                write_kept(object, namespace, form)?;
                form.push('}');
                Some(())
            }
            // `{"type": X}` is X.
            inner => write_schema(inner, namespace, form),
        },
        _ => None,
    }
}

type Object = serde_json::Map<String, Value>;

fn write_named(object: &Object, kind: &str, namespace: &str, form: &mut String) -> Option<()> {
    let given = object.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
    let name = full_name(object.get("name")?.as_str()?, given);
    form.push_str("{\"name\":");
    write_text(&name, form)?;
    form.push_str(",\"type\":");
    write_text(kind, form)?;
    let inner = name.rsplit_once('.').map_or("", |(namespace, _)| namespace);
    write_kept(object, inner, form)?;
    form.push('}');
    Some(())
}

fn write_kept(object: &Object, namespace: &str, form: &mut String) -> Option<()> {
    for (key, value) in KEPT.iter().filter_map(|key| object.get_key_value(*key)) {
        form.push(',');
        write_text(key, form)?;
        form.push(':');
        match (key.as_str(), value) {
            ("fields", Value::Array(fields)) => write_list(fields, form, |field, form| {
                form.push_str("{\"name\":");
                write_text(field.get("name")?.as_str()?, form)?;
                form.push_str(",\"type\":");
                write_schema(field.get("type")?, namespace, form)?;
                form.push('}');
                Some(())
            })?,
            ("symbols", Value::Array(symbols)) => {
                write_list(symbols, form, |symbol, form| write_text(symbol.as_str()?, form))?;
            }
            ("size", Value::Number(size)) => form.push_str(&size.as_u64()?.to_string()),
            ("items" | "values", inner) => write_schema(inner, namespace, form)?,
            _ => return None,
        }
    }
    Some(())
}

fn write_list(
    items: &[Value],
    form: &mut String,
    write: impl Fn(&Value, &mut String) -> Option<()>,
) -> Option<()> {
    form.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            form.push(',');
        }
        write(item, form)?;
    }
    form.push(']');
    Some(())
}

/// Names and symbols of Avro need no escapes.
fn write_text(text: &str, form: &mut String) -> Option<()> {
    form.push('"');
    form.push_str(text);
    form.push('"');
    Some(())
}

fn full_name(name: &str, namespace: &str) -> String {
    match name.strip_prefix('.') {
        Some(root) => root.to_owned(),
        None if name.contains('.') || namespace.is_empty() => name.to_owned(),
        None => format!("{namespace}.{name}"),
    }
}

fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |crc, byte| {
        let mut low = (crc ^ u64::from(*byte)) & 0xFF;
        for _ in 0..8 {
            low = (low >> 1) ^ (EMPTY & (low & 1).wrapping_neg());
        }
        (crc >> 8) ^ low
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::RecordKind;

    #[test]
    fn fingerprints_are_those_of_avros_own_test_data() {
        // share/test/data/schema-tests.txt of Apache Avro
        for (json, fingerprint) in [
            (r#""null""#, 7_195_948_357_588_979_594_i64),
            (r#"{"type": "boolean"}"#, -6_970_731_678_124_411_036),
            (
                r#"{"type": "fixed", "name": "foo", "doc": "x", "size": 15}"#,
                1_756_455_273_707_447_556,
            ),
            (
                r#"{"type": "record", "name": "PigValue", "fields": [
                    {"name": "value", "type": ["null", "int", "long", "PigValue"]}]}"#,
                -1_759_257_747_318_642_341,
            ),
        ] {
            assert_eq!(schema_fingerprint(json), Some(fingerprint.to_le_bytes()), "{json}");
        }
    }

    #[test]
    fn fingerprints_are_those_that_another_implementation_computes() {
        // fastavro 1.13: fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
        let theirs = [
            "34d227034f122701",
            "5014cb6882279c38",
            "0ae65b1972321a20",
            "b7c24d412c8f9bf6",
            "6fb994628f8cb50b",
        ];
        let ours = RecordKind::ALL
            .map(|kind| schema_fingerprint(kind.released()[0].json).map(hex::encode).unwrap());
        assert_eq!(ours, theirs);
    }

    #[test]
    fn canonical_forms_follow_the_specification() {
        for (json, form) in [
            (r#"{"type": "long", "logicalType": "timestamp-millis"}"#, r#""long""#),
            (
                r#"{"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}"#,
                r#""bytes""#,
            ),
            (r#"{"type": {"type": "map", "values": "int"}}"#, r#"{"type":"map","values":"int"}"#),
            (
                r#"{"name": "a.b.C", "namespace": "ignored", "type": "record", "doc": "d",
                    "fields": [{"default": "x", "type": {"type": "enum", "name": "E",
                        "symbols": ["x", "y"]}, "name": "e"},
                        {"name": "f", "type": ["null", "E"], "aliases": ["g"]}]}"#,
                r#"{"name":"a.b.C","type":"record","fields":[{"name":"e","type":{"name":"a.b.E","type":"enum","symbols":["x","y"]}},{"name":"f","type":["null","a.b.E"]}]}"#,
            ),
        ] {
            assert_eq!(canonical_form(json).as_deref(), Some(form));
        }
        for broken in ["", "7", "{}", r#"{"type": "record", "name": "A", "fields": 7}"#] {
            assert_eq!(canonical_form(broken), None, "{broken}");
        }
    }
}
