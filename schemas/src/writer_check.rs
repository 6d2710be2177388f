//! Checks of schemas that others write with.
//!
//! Bytes read with a strange schema must not exhaust the stack or the memory: a schema that
//! contains itself lets a short record nest without end, and a type whose values take no
//! bytes lets an array claim any number of them.

use apache_avro::Schema;
use apache_avro::schema::Name;

/// What makes a schema unsafe to read strange bytes with, if anything does.
pub(crate) fn fault(schema: &Schema) -> Option<String> {
    walk(schema, &mut Vec::new())
}

fn walk<'s>(schema: &'s Schema, open: &mut Vec<&'s Name>) -> Option<String> {
    match schema {
        Schema::Ref { name } if open.contains(&name) => Some(format!("{name} contains itself")),
        Schema::Array(array) if matches!(*array.items, Schema::Null) => {
            Some("an array has items that take no bytes".to_owned())
        }
        Schema::Array(array) => walk(&array.items, open),
        Schema::Map(map) => walk(&map.types, open),
        Schema::Union(union) => union.variants().iter().find_map(|variant| walk(variant, open)),
        Schema::Fixed(fixed) if fixed.size == 0 => Some(format!("{} takes no bytes", fixed.name)),
        Schema::Record(record)
            if record.fields.iter().all(|field| matches!(field.schema, Schema::Null)) =>
        {
            Some(format!("{} takes no bytes", record.name))
        }
        Schema::Record(record) => {
            open.push(&record.name);
            let fault = record.fields.iter().find_map(|field| walk(&field.schema, open));
            open.pop();
            fault
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::RecordKind;

    #[test]
    fn own_schemas_are_safe_and_dangerous_ones_are_named() {
        for kind in RecordKind::ALL {
            assert_eq!(fault(&Schema::parse_str(kind.schema_json()).unwrap()), None);
        }
        for (json, reason) in [
            (
                r#"{"type":"record","name":"A","fields":[{"name":"next","type":["null","A"]}]}"#,
                "contains itself",
            ),
            (
                r#"{"type":"record","name":"A","fields":[
                    {"name":"x","type":{"type":"array","items":"null"}}]}"#,
                "no bytes",
            ),
            (
                r#"{"type":"record","name":"A","fields":[{"name":"k","type":"string"},
                    {"name":"x","type":{"type":"record","name":"E","fields":[]}}]}"#,
                "E takes no bytes",
            ),
        ] {
            let found = fault(&Schema::parse_str(json).unwrap()).unwrap();
            assert!(found.contains(reason), "{found}");
        }
    }
}
