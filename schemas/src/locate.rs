//! Where in a datum reading stopped: the field that a person should look at.
//!
//! The Avro library says *that* bytes are no datum, not *where*. This walks the schema over
//! the bytes, on the error path only, and names the first field that cannot be read.

use serde_json::Value;

/// Deepest nesting followed; our schemas have 5.
const MAX_DEPTH: usize = 32;

/// The path of the first field that cannot be read, such as `attributes` or
/// `comparables.ClosePrice`; `None` when every field can be.
pub(crate) fn unreadable_field(schema_json: &str, datum: &[u8]) -> Option<String> {
    let schema: Value = serde_json::from_str(schema_json).ok()?;
    let mut walk = Walk { root: &schema, rest: datum, path: Vec::new() };
    match walk.value(&schema, 0) {
        Ok(()) => None,
        Err(Unreadable) => Some(walk.path.join(".")),
    }
}

/// How many fields of a record can be read before the first that cannot.
pub(crate) fn readable_fields(schema_json: &str, datum: &[u8]) -> usize {
    let Ok(schema) = serde_json::from_str::<Value>(schema_json) else { return 0 };
    let mut walk = Walk { root: &schema, rest: datum, path: Vec::new() };
    let mut readable = 0;
    for field in schema.get("fields").and_then(Value::as_array).into_iter().flatten() {
        match field.get("type").map(|kind| walk.value(kind, 1)) {
            Some(Ok(())) => readable += 1,
            Some(Err(Unreadable)) | None => break,
        }
    }
    readable
}

/// The bytes are no value of the type.
struct Unreadable;

struct Walk<'a> {
    root: &'a Value,
    rest: &'a [u8],
    path: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, schema: &'a Value, depth: usize) -> Result<(), Unreadable> {
        if depth > MAX_DEPTH {
            return Err(Unreadable);
        }
        match schema {
            Value::String(name) => self.named(name, depth),
            Value::Array(branches) => {
                let index = usize::try_from(self.long()?).map_err(|_| Unreadable)?;
                self.value(branches.get(index).ok_or(Unreadable)?, depth + 1)
            }
            Value::Object(parts) => match parts.get("type").and_then(Value::as_str) {
                Some("record") => {
                    let fields = parts.get("fields").and_then(Value::as_array);
                    for field in fields.into_iter().flatten() {
                        self.path.push(field.get("name").and_then(Value::as_str).unwrap_or("?"));
                        self.value(field.get("type").ok_or(Unreadable)?, depth + 1)?;
                        self.path.pop();
                    }
                    Ok(())
                }
                Some("enum") => {
                    let symbols = parts.get("symbols").and_then(Value::as_array);
                    let count = symbols.map_or(0, Vec::len) as i64;
                    if (0..count).contains(&self.long()?) { Ok(()) } else { Err(Unreadable) }
                }
                Some("array") => {
                    let items = parts.get("items").ok_or(Unreadable)?;
                    self.blocks(|walk| walk.value(items, depth + 1))
                }
                Some("map") => {
                    let values = parts.get("values").ok_or(Unreadable)?;
                    self.blocks(|walk| {
                        walk.text()?;
                        walk.value(values, depth + 1)
                    })
                }
                Some(name) => self.named(name, depth),
                None => self.value(parts.get("type").ok_or(Unreadable)?, depth + 1),
            },
            _ => Err(Unreadable),
        }
    }

    fn named(&mut self, name: &str, depth: usize) -> Result<(), Unreadable> {
        match name {
            "null" => Ok(()),
            "boolean" => match self.take(1)? {
                [0 | 1] => Ok(()),
                _ => Err(Unreadable),
            },
            "int" => i32::try_from(self.long()?).map(drop).map_err(|_| Unreadable),
            "long" => self.long().map(drop),
            "float" => self.take(4).map(drop),
            "double" => self.take(8).map(drop),
            "bytes" => {
                let length = usize::try_from(self.long()?).map_err(|_| Unreadable)?;
                self.take(length).map(drop)
            }
            "string" => self.text(),
            other => {
                let short = other.rsplit('.').next().unwrap_or(other);
                let definition = definition(self.root, short).ok_or(Unreadable)?;
                self.value(definition, depth + 1)
            }
        }
    }

    fn blocks(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.long()?;
            }
            // Each of our items takes a byte at least.
            if count.unsigned_abs() > self.rest.len() as u64 {
                return Err(Unreadable);
            }
            for _ in 0..count.unsigned_abs() {
                item(self)?;
            }
        }
    }

    fn text(&mut self) -> Result<(), Unreadable> {
        let length = usize::try_from(self.long()?).map_err(|_| Unreadable)?;
        std::str::from_utf8(self.take(length)?).map(drop).map_err(|_| Unreadable)
    }

    /// A zigzag varint of at most ten bytes.
    fn long(&mut self) -> Result<i64, Unreadable> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = *self.take(1)?.first().ok_or(Unreadable)?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(Unreadable)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Unreadable)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// The definition of a named type, wherever it stands in the schema.
fn definition<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    match schema {
        Value::Object(parts) => {
            if parts.get("name").and_then(Value::as_str) == Some(name) && parts.contains_key("type")
            {
                let defines = matches!(
                    parts.get("type").and_then(Value::as_str),
                    Some("record" | "enum" | "fixed")
                );
                if defines {
                    return Some(schema);
                }
            }
            parts.values().find_map(|part| definition(part, name))
        }
        Value::Array(parts) => parts.iter().find_map(|part| definition(part, name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type": "record", "name": "R", "fields": [
        {"name": "key", "type": "string"},
        {"name": "area", "type": ["null", "double"]},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["a", "b"]}},
        {"name": "facts", "type": {"type": "map", "values": ["double", "string"]}},
        {"name": "other", "type": ["null", "K"]}
    ]}"#;

    /// key "x", area 1.0, kind b, facts {"y": "z"}, other a.
    const GOOD: [u8; 22] =
        [2, b'x', 2, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 2, 2, 2, b'y', 2, 2, b'z', 0, 2, 0, 99];

    #[test]
    fn the_first_unreadable_field_is_named() {
        let at = |bytes: &[u8]| unreadable_field(SCHEMA, bytes);
        assert_eq!(at(&GOOD), None);
        let cuts = [
            (0, "key"),
            (1, "key"),
            (2, "area"),
            (10, "area"),
            (11, "kind"),
            (12, "facts"),
            (17, "facts"),
            (18, "facts"),
            (19, "other"),
            (20, "other"),
        ];
        for (cut, field) in cuts {
            assert_eq!(at(&GOOD[..cut]).as_deref(), Some(field), "cut at {cut}");
        }
        assert_eq!(at(&GOOD[..21]), None);
    }

    #[test]
    fn values_out_of_range_are_named() {
        let with = |index: usize, byte: u8| {
            let mut bytes = GOOD;
            bytes[index] = byte;
            unreadable_field(SCHEMA, &bytes)
        };
        assert_eq!(with(2, 4).as_deref(), Some("area"), "no such union branch");
        assert_eq!(with(11, 8).as_deref(), Some("kind"), "no such symbol");
        assert_eq!(with(1, 0xff).as_deref(), Some("key"), "not UTF-8");
        assert_eq!(with(0, 1).as_deref(), Some("key"), "a negative length");
        assert_eq!(with(12, 0x7e).as_deref(), Some("facts"), "more entries than bytes");
    }
}
