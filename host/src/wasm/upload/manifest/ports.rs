//! Input and output ports.

use std::collections::HashSet;

use serde_json::Map;
use serde_json::Value as Json;

use crate::model::avro_type::AvroType;
use crate::model::failure::Refusal;
use crate::model::manifest::Manifest;
use crate::model::manifest::PartType;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::upload::manifest::event_time;
use crate::wasm::upload::manifest::text::ITEMS_MAX;
use crate::wasm::upload::manifest::text::check_is_word;
use crate::wasm::upload::manifest::text::check_keys;
use crate::wasm::upload::manifest::text::invalid;
use crate::wasm::upload::manifest::text::list;
use crate::wasm::upload::manifest::text::object;
use crate::wasm::upload::manifest::text::typed;

const INPUT_KEYS: &[&str] =
    &["name", "description", "key", "value", "timestamp", "headers", "offset", "event_time"];
const OUTPUT_KEYS: &[&str] = &["name", "description", "key", "value"];
const TYPED_KEYS: &[&str] = &["kind", "schema"];
const UNTYPED_KEYS: &[&str] = &["kind"];
const KINDS: &[&str] = &["typed", "dynamic", "raw"];

/// Checks the JSON of the ports, before it is typed.
pub(super) fn check_text(root: &Map<String, Json>) -> Result<(), Refusal> {
    for (name, keys) in [("inputs", INPUT_KEYS), ("outputs", OUTPUT_KEYS)] {
        for (path, port) in list(root, name, ITEMS_MAX)? {
            check_keys(port, &path, keys)?;
            for part in ["key", "value"] {
                if let Some(json) = port.get(part) {
                    check_part(json, &format!("{path}.{part}"))?;
                }
            }
            event_time::check_text(port, &path)?;
        }
    }
    Ok(())
}

fn check_part(json: &Json, path: &str) -> Result<(), Refusal> {
    let part = object(json, path)?;
    let Some(kind) = part.get("kind") else {
        let expected = format!("one of {}", KINDS.join(", "));
        return Err(invalid(&format!("{path}.kind"), "the kind is missing", "nothing", &expected));
    };
    check_is_word(kind, &format!("{path}.kind"), KINDS)?;
    check_keys(part, path, if kind == "typed" { TYPED_KEYS } else { UNTYPED_KEYS })?;
    typed::<PartType>(json, path).map(|_| ())
}

/// Checks the ports.
pub(super) fn check(manifest: &Manifest) -> Result<(), Refusal> {
    if manifest.inputs.is_empty() {
        return Err(invalid(
            "manifest.inputs",
            "the transform has no input",
            "none",
            "at least one input port",
        ));
    }
    let mut names = HashSet::new();
    for (index, port) in manifest.inputs.iter().enumerate() {
        let path = format!("manifest.inputs[{index}]");
        check_name(&port.name, &path, &mut names)?;
        check_key(port.key.as_ref(), &path)?;
        let value = check_schema(port.value.as_ref(), &format!("{path}.value"))?;
        if let Some(event_time) = &port.event_time {
            event_time::check(event_time, value.as_ref(), &path)?;
        }
    }
    let mut names = HashSet::new();
    for (index, port) in manifest.outputs.iter().enumerate() {
        let path = format!("manifest.outputs[{index}]");
        check_name(&port.name, &path, &mut names)?;
        check_key(port.key.as_ref(), &path)?;
        check_schema(Some(&port.value), &format!("{path}.value"))?;
    }
    Ok(())
}

fn check_name<'a>(name: &'a str, path: &str, known: &mut HashSet<&'a str>) -> Result<(), Refusal> {
    let path = format!("{path}.name");
    let good = (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !good {
        return Err(invalid(
            &path,
            "this cannot name a port",
            &format!("`{name}`"),
            "1 to 63 characters of a-z, 0-9, `-` and `_`, beginning with a letter or a digit",
        ));
    }
    if !known.insert(name) {
        return Err(invalid(&path, "two ports have one name", &format!("`{name}` again"), "another name"));
    }
    Ok(())
}

fn check_key(key: Option<&PartType>, path: &str) -> Result<(), Refusal> {
    let path = format!("{path}.key");
    if key == Some(&PartType::Dynamic) {
        return Err(invalid(&path, "only values can be dynamic", "`dynamic`", "`typed` or `raw`"));
    }
    check_schema(key, &path).map(|_| ())
}

/// The type of a typed part.
fn check_schema(part: Option<&PartType>, path: &str) -> Result<Option<AvroType>, Refusal> {
    let Some(PartType::Typed { schema }) = part else {
        return Ok(None);
    };
    let avro = AvroType::parse(&schema.to_string(), &[]);
    let carried = avro.and_then(|avro| ColumnShape::typed(&avro).map(|_| avro));
    carried.map(Some).map_err(|error| {
        invalid(
            &format!("{path}.schema"),
            "the schema cannot be used",
            &error.to_string(),
            "an Avro schema that can be carried as columns",
        )
    })
}
