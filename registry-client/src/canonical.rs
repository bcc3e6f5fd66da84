//! Whether two schema texts say the same.
//!
//! Stricter than Avro's parsing canonical form, which drops defaults, aliases, docs and logical types:
//! here only what carries no meaning is levelled out, so that a schema which really differs still makes
//! a new version.

use serde_json::Map;
use serde_json::Value;

use crate::schema::Schema;
use crate::schema::SchemaType;

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// One spelling for all Avro texts that differ only in formatting: white space, order of attributes,
/// `{"type": "int"}` for `"int"`, `namespace` + `name` for a full name, a name in its own namespace
/// with or without it, and attributes that state their default (`"order": "ascending"`, `"aliases": []`).
///
/// # Errors
/// When the text is not JSON. Whether it is valid Avro is not checked.
pub fn canonical_avro(text: &str) -> Result<String, serde_json::Error> {
    let mut out = String::with_capacity(text.len());
    write_sorted(&avro(&serde_json::from_str(text)?, None), &mut out);
    Ok(out)
}

/// Whether both say the same, up to formatting: see [`canonical_avro`]; for JSON Schema white space and
/// order of keys, for Protobuf line ends and white space at either end. References must be the same.
#[must_use]
pub fn same_schema(one: &Schema, other: &Schema) -> bool {
    one.schema_type == other.schema_type
        && sorted_references(one) == sorted_references(other)
        && same_text(one, other)
}

fn same_text(one: &Schema, other: &Schema) -> bool {
    if one.text == other.text {
        return true;
    }
    match one.schema_type {
        SchemaType::Avro => match (canonical_avro(&one.text), canonical_avro(&other.text)) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        },
        SchemaType::Json => {
            let parsed = |text: &str| serde_json::from_str::<Value>(text);
            matches!((parsed(&one.text), parsed(&other.text)), (Ok(one), Ok(other)) if one == other)
        }
        SchemaType::Protobuf | SchemaType::Other(_) => {
            one.text.trim().lines().map(str::trim_end).eq(other.text.trim().lines().map(str::trim_end))
        }
    }
}

fn sorted_references(schema: &Schema) -> Vec<&crate::schema::Reference> {
    let mut references: Vec<_> = schema.references.iter().collect();
    references.sort();
    references.dedup();
    references
}

fn avro(schema: &Value, namespace: Option<&str>) -> Value {
    match schema {
        Value::String(name) => Value::String(full_name(name, namespace)),
        Value::Array(branches) => {
            Value::Array(branches.iter().map(|branch| avro(branch, namespace)).collect())
        }
        Value::Object(attributes) => avro_object(attributes, namespace),
        other => other.clone(),
    }
}

fn avro_object(attributes: &Map<String, Value>, namespace: Option<&str>) -> Value {
    let Some(kind) = attributes.get("type") else {
        return Value::Object(attributes.clone());
    };
    match kind.as_str() {
        Some("record" | "error" | "enum" | "fixed") => named(attributes, namespace),
        // A complex type without further attributes, or a primitive spelled as an object.
        _ if attributes.len() == 1 && kind.as_str() != Some("array") && kind.as_str() != Some("map") => {
            avro(kind, namespace)
        }
        _ => Value::Object(
            attributes
                .iter()
                .map(|(key, value)| {
                    let value = match (key.as_str(), kind.as_str()) {
                        ("items", Some("array")) | ("values", Some("map")) => avro(value, namespace),
                        ("type", Some("array" | "map")) => value.clone(),
                        ("type", _) => avro(value, namespace),
                        _ => value.clone(),
                    };
                    (key.clone(), value)
                })
                .collect(),
        ),
    }
}

fn named(attributes: &Map<String, Value>, enclosing: Option<&str>) -> Value {
    let name = attributes.get("name").and_then(Value::as_str).unwrap_or_default();
    let own = match (name.rsplit_once('.'), attributes.get("namespace").and_then(Value::as_str)) {
        (Some((namespace, _)), _) => Some(namespace),
        (None, Some(namespace)) => Some(namespace),
        (None, None) => enclosing,
    };
    let own = own.filter(|namespace| !namespace.is_empty());
    let mut out = Map::new();
    for (key, value) in attributes {
        let value = match (key.as_str(), value) {
            ("namespace", _) => continue,
            ("name", Value::String(name)) => Value::String(qualified(name, own)),
            ("aliases", Value::Array(aliases)) if aliases.is_empty() => continue,
            ("aliases", Value::Array(aliases)) => aliases
                .iter()
                .map(|alias| {
                    alias.as_str().map_or_else(|| alias.clone(), |alias| Value::String(qualified(alias, own)))
                })
                .collect(),
            ("fields", Value::Array(fields)) => fields.iter().map(|field| record_field(field, own)).collect(),
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    Value::Object(out)
}

fn record_field(field: &Value, namespace: Option<&str>) -> Value {
    let Value::Object(attributes) = field else {
        return field.clone();
    };
    let mut out = Map::new();
    for (key, value) in attributes {
        let value = match (key.as_str(), value) {
            ("type", schema) => avro(schema, namespace),
            ("order", Value::String(order)) if order == "ascending" => continue,
            ("aliases", Value::Array(aliases)) if aliases.is_empty() => continue,
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    Value::Object(out)
}

fn full_name(name: &str, namespace: Option<&str>) -> String {
    if PRIMITIVES.contains(&name) { name.to_owned() } else { qualified(name, namespace) }
}

fn qualified(name: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) if !name.contains('.') => format!("{namespace}.{name}"),
        _ => name.to_owned(),
    }
}

// Not left to serde_json: whether its maps are sorted depends on a feature any crate may turn on.
fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_sorted(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, item)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write_sorted(item, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        same_schema(&Schema::avro(one), &Schema::avro(other))
    }

    #[test]
    fn formatting_does_not_count() {
        let terse = r#"{"type":"record","name":"x.U","fields":[{"name":"a","type":"int"},{"name":"b","type":["null","x.E"]},
            {"name":"c","type":{"type":"array","items":{"type":"enum","name":"E","symbols":["A"]}}}]}"#;
        let wordy = r#" { "fields" : [ {"order":"ascending", "type": {"type":"int"}, "name":"a", "aliases": []},
            {"name":"b","type":["null", "E"]},
            {"type":{"items":{"symbols":["A"],"type":"enum","namespace":"x","name":"E"},"type":"array"},"name":"c"}],
            "namespace":"x", "aliases": [], "name":"U", "type":"record" } "#;
        assert!(same(terse, wordy));
    }

    #[test]
    fn meaning_counts() {
        let base = r#"{"type":"record","name":"U","fields":[{"name":"a","type":"int"}]}"#;
        for other in [
            r#"{"type":"record","name":"U","fields":[{"name":"a","type":"int","default":0}]}"#,
            r#"{"type":"record","name":"U","fields":[{"name":"a","type":"long"}]}"#,
            r#"{"type":"record","name":"x.U","fields":[{"name":"a","type":"int"}]}"#,
            r#"{"type":"record","name":"U","doc":"d","fields":[{"name":"a","type":"int"}]}"#,
            r#"{"type":"record","name":"U","fields":[{"name":"a","type":"int","order":"descending"}]}"#,
            r#"{"type":"record","name":"U","fields":[{"name":"a","type":{"type":"int","logicalType":"date"}}]}"#,
            r#"{"type":"record","name":"U","aliases":["V"],"fields":[{"name":"a","type":"int"}]}"#,
        ] {
            assert!(!same(base, other), "{other}");
        }
        let swapped = [r#""string""#, r#"["null","string"]"#, r#"["string","null"]"#];
        assert!(!same(swapped[0], swapped[1]) && !same(swapped[1], swapped[2]));
    }

    #[test]
    fn a_default_is_a_value_not_a_schema() {
        let with_default = |default: &str| {
            format!(
                r#"{{"type":"record","name":"x.U","fields":[{{"name":"a","type":"string","default":{default}}}]}}"#
            )
        };
        assert!(!same(&with_default(r#""E""#), &with_default(r#""x.E""#)));
        assert!(!same(&with_default("[1,2]"), &with_default("[2,1]")));
    }

    #[test]
    fn the_canonical_text_is_its_own_canonical_text() {
        let text = r#"{"namespace":"x","type":"record","name":"U","fields":[{"type":"V","name":"a"}]}"#;
        let once = canonical_avro(text).expect("JSON");
        assert_eq!(once, r#"{"fields":[{"name":"a","type":"x.V"}],"name":"x.U","type":"record"}"#);
        assert_eq!(canonical_avro(&once).expect("JSON"), once);
    }

    #[test]
    fn references_and_type_count() {
        let reference =
            |version| crate::schema::Reference { name: "x.A".into(), subject: "a".into(), version };
        let one = Schema::avro("\"x.A\"").with_references(vec![reference(1)]);
        assert!(!same_schema(&one, &Schema::avro("\"x.A\"").with_references(vec![reference(2)])));
        assert!(!same_schema(&Schema::avro("{}"), &Schema::json("{}")));
        assert!(same_schema(&Schema::json(r#"{"a":1,"b":2}"#), &Schema::json(r#"{"b": 2, "a": 1}"#)));
        assert!(same_schema(&Schema::protobuf("message A {}\r\n"), &Schema::protobuf("message A {}")));
        assert!(!same_schema(&Schema::protobuf("message A {}"), &Schema::protobuf("message B {}")));
    }
}
