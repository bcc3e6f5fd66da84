//! A manifest's JSON, checked rule by rule.

use std::collections::HashSet;

use serde::de::DeserializeOwned;
use serde_json::Map;
use serde_json::Value as Json;

use crate::model::avro_type::AvroType;
use crate::model::failure::Refusal;
use crate::model::manifest::MANIFEST_VERSION;
use crate::model::manifest::Manifest;
use crate::model::manifest::PartType;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::upload::refusal::refuse;

const MANIFEST_KEYS: &[&str] =
    &["manifest_version", "name", "description", "sdk", "inputs", "outputs", "config"];
const SDK_KEYS: &[&str] = &["language", "version"];
const INPUT_KEYS: &[&str] = &["name", "description", "key", "value", "timestamp", "headers", "offset"];
const OUTPUT_KEYS: &[&str] = &["name", "description", "key", "value"];
const TYPED_KEYS: &[&str] = &["kind", "schema"];
const UNTYPED_KEYS: &[&str] = &["kind"];
const KINDS: &[&str] = &["typed", "dynamic", "raw"];
const CONFIG_KEYS: &[&str] = &["key", "description", "required", "default"];

/// Most ports of each direction, and most config keys.
const ITEMS_MAX: usize = 256;

/// Parses and checks a manifest.
///
/// # Errors
/// `manifest-newer` when it was written for a newer host, else `manifest-invalid`, with the path of
/// what is wrong.
pub fn parse(text: &str) -> Result<Manifest, Refusal> {
    let json: Json = serde_json::from_str(text).map_err(|error| {
        invalid("manifest", "the manifest is no JSON", &error.to_string(), "a JSON object")
    })?;
    let root = object(&json, "manifest")?;
    check_version(root)?;
    check_keys(root, "manifest", MANIFEST_KEYS)?;
    if let Some(sdk) = root.get("sdk") {
        check_keys(object(sdk, "manifest.sdk")?, "manifest.sdk", SDK_KEYS)?;
    }
    for (list, keys) in [("inputs", INPUT_KEYS), ("outputs", OUTPUT_KEYS), ("config", CONFIG_KEYS)] {
        check_list(root, list, keys)?;
    }
    let manifest: Manifest = typed(&json, "manifest")?;
    check_ports(&manifest)?;
    check_config(&manifest)?;
    Ok(manifest)
}

fn check_version(root: &Map<String, Json>) -> Result<(), Refusal> {
    let field = "manifest.manifest_version";
    let expected = format!("a number from 1 to {MANIFEST_VERSION}");
    match root.get("manifest_version").map(|version| (version, version.as_u64())) {
        Some((_, Some(version))) if (1..=u64::from(MANIFEST_VERSION)).contains(&version) => Ok(()),
        Some((_, Some(version))) if version > u64::from(MANIFEST_VERSION) => Err(refuse(
            "manifest-newer",
            field,
            "the transform was built for a newer Wasmill",
            version.to_string(),
            expected,
            "Update the host, or build with the SDK that belongs to it.",
        )),
        Some((other, _)) => Err(invalid(field, "the version is none", &other.to_string(), &expected)),
        None => Err(invalid(field, "the version is missing", "nothing", &expected)),
    }
}

fn check_list(root: &Map<String, Json>, list: &str, keys: &[&str]) -> Result<(), Refusal> {
    let Some(items) = root.get(list) else {
        return Ok(());
    };
    let field = format!("manifest.{list}");
    let Some(items) = items.as_array() else {
        return Err(invalid(&field, "this is no list", kind_of(items), "a list"));
    };
    if items.len() > ITEMS_MAX {
        return Err(invalid(
            &field,
            "the list is too long",
            &items.len().to_string(),
            &format!("at most {ITEMS_MAX}"),
        ));
    }
    for (index, item) in items.iter().enumerate() {
        let field = format!("{field}[{index}]");
        let item = object(item, &field)?;
        check_keys(item, &field, keys)?;
        if list == "config" {
            continue;
        }
        for part in ["key", "value"] {
            if let Some(json) = item.get(part) {
                check_part(json, &format!("{field}.{part}"))?;
            }
        }
    }
    Ok(())
}

fn check_part(json: &Json, field: &str) -> Result<(), Refusal> {
    let part = object(json, field)?;
    let expected = format!("one of {}", KINDS.join(", "));
    match part.get("kind").and_then(Json::as_str) {
        Some("typed") => check_keys(part, field, TYPED_KEYS)?,
        Some("dynamic" | "raw") => check_keys(part, field, UNTYPED_KEYS)?,
        Some(other) => {
            return Err(refuse(
                "manifest-invalid",
                format!("{field}.kind"),
                "there is no such kind of port",
                format!("`{other}`"),
                expected,
                nearest(other, KINDS).map_or_else(remedy, |kind| format!("Did you mean `{kind}`?")),
            ));
        }
        None => {
            return Err(invalid(&format!("{field}.kind"), "the kind is missing", "nothing", &expected));
        }
    }
    typed::<PartType>(json, field).map(|_| ())
}

fn check_ports(manifest: &Manifest) -> Result<(), Refusal> {
    if manifest.name.is_empty() || manifest.name.len() > 128 {
        return Err(invalid(
            "manifest.name",
            "the name is none",
            &format!("`{}`", manifest.name),
            "1 to 128 bytes",
        ));
    }
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
        let field = format!("manifest.inputs[{index}]");
        check_port_name(&port.name, &field, &mut names)?;
        check_key(port.key.as_ref(), &field)?;
        check_schema(port.value.as_ref(), &format!("{field}.value"))?;
    }
    let mut names = HashSet::new();
    for (index, port) in manifest.outputs.iter().enumerate() {
        let field = format!("manifest.outputs[{index}]");
        check_port_name(&port.name, &field, &mut names)?;
        check_key(port.key.as_ref(), &field)?;
        check_schema(Some(&port.value), &format!("{field}.value"))?;
    }
    Ok(())
}

fn check_port_name<'a>(name: &'a str, field: &str, known: &mut HashSet<&'a str>) -> Result<(), Refusal> {
    let field = format!("{field}.name");
    let good = (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !good {
        return Err(invalid(
            &field,
            "this cannot name a port",
            &format!("`{name}`"),
            "1 to 63 characters of a-z, 0-9, `-` and `_`, beginning with a letter or a digit",
        ));
    }
    if !known.insert(name) {
        return Err(invalid(&field, "two ports have one name", &format!("`{name}` again"), "another name"));
    }
    Ok(())
}

fn check_key(key: Option<&PartType>, field: &str) -> Result<(), Refusal> {
    let field = format!("{field}.key");
    if key == Some(&PartType::Dynamic) {
        return Err(invalid(&field, "only values can be dynamic", "`dynamic`", "`typed` or `raw`"));
    }
    check_schema(key, &field)
}

fn check_schema(part: Option<&PartType>, field: &str) -> Result<(), Refusal> {
    let Some(PartType::Typed { schema }) = part else {
        return Ok(());
    };
    AvroType::parse(&schema.to_string(), &[]).and_then(|avro| ColumnShape::typed(&avro)).map(|_| ()).map_err(
        |error| {
            invalid(
                &format!("{field}.schema"),
                "the schema cannot be used",
                &error.to_string(),
                "an Avro schema that can be carried as columns",
            )
        },
    )
}

fn check_config(manifest: &Manifest) -> Result<(), Refusal> {
    let mut known = HashSet::new();
    for (index, key) in manifest.config.iter().enumerate() {
        let field = format!("manifest.config[{index}].key");
        if key.key.is_empty() || key.key.len() > 128 {
            return Err(invalid(
                &field,
                "this cannot name a key",
                &format!("`{}`", key.key),
                "1 to 128 bytes",
            ));
        }
        if !known.insert(key.key.as_str()) {
            return Err(invalid(
                &field,
                "two keys have one name",
                &format!("`{}` again", key.key),
                "another name",
            ));
        }
    }
    Ok(())
}

fn check_keys(object: &Map<String, Json>, field: &str, known: &[&str]) -> Result<(), Refusal> {
    for key in object.keys() {
        if !known.contains(&key.as_str()) {
            return Err(refuse(
                "manifest-invalid",
                format!("{field}.{key}"),
                "there is no such key in manifests of version 1",
                format!("`{key}`"),
                format!("one of {}", known.join(", ")),
                nearest(key, known).map_or_else(remedy, |key| format!("Did you mean `{key}`?")),
            ));
        }
    }
    Ok(())
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3 + 1)
        .min()
        .map(|(_, candidate)| candidate)
}

fn object<'a>(json: &'a Json, field: &str) -> Result<&'a Map<String, Json>, Refusal> {
    json.as_object().ok_or_else(|| invalid(field, "this is no object", kind_of(json), "an object"))
}

fn typed<T: DeserializeOwned>(json: &Json, field: &str) -> Result<T, Refusal> {
    T::deserialize(json).map_err(|error| {
        invalid(
            field,
            "a value is missing or of another type",
            &error.to_string(),
            "see `wit/manifest.schema.json`",
        )
    })
}

fn kind_of(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

fn remedy() -> String {
    "Correct what `describe` returns; the SDKs write it themselves.".to_owned()
}

fn invalid(field: &str, message: &str, found: &str, expected: &str) -> Refusal {
    refuse("manifest-invalid", field, message, found, expected, remedy())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"manifest_version":1,"name":"t",
        "inputs":[{"name":"in","value":{"kind":"typed","schema":"string"}}],
        "outputs":[{"name":"out","key":{"kind":"raw"},"value":{"kind":"dynamic"}}],
        "config":[{"key":"threshold","default":"3"}]}"#;

    fn refused(text: &str) -> Refusal {
        parse(text).expect_err(text)
    }

    #[test]
    fn a_good_manifest_is_taken() {
        let manifest = parse(GOOD).expect("good");
        assert_eq!(manifest.inputs[0].name, "in");
        assert_eq!(manifest.outputs[0].value, PartType::Dynamic);
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest_known_one() {
        let refusal = refused(&GOOD.replace("\"config\"", "\"confg\""));
        assert_eq!((refusal.code.0, refusal.field.as_str()), ("manifest-invalid", "manifest.confg"));
        assert_eq!(refusal.remedy, "Did you mean `config`?");
        let refusal = refused(&GOOD.replace("\"schema\"", "\"shema\""));
        assert_eq!(refusal.field, "manifest.inputs[0].value.shema");
        assert_eq!(refusal.remedy, "Did you mean `schema`?");
        let refusal = refused(&GOOD.replace("\"raw\"", "\"row\""));
        assert_eq!(refusal.field, "manifest.outputs[0].key.kind");
        assert_eq!(refusal.remedy, "Did you mean `raw`?");
    }

    #[test]
    fn a_newer_manifest_says_so_even_when_its_keys_are_unknown() {
        let text = GOOD.replace("\"manifest_version\":1", "\"manifest_version\":2,\"state\":[]");
        let refusal = refused(&text);
        assert_eq!((refusal.code.0, refusal.found.as_str()), ("manifest-newer", "2"));
    }

    #[test]
    fn every_rule_names_the_path_of_what_breaks_it() {
        for (from, to, field) in [
            ("\"manifest_version\":1,", "", "manifest.manifest_version"),
            ("\"manifest_version\":1", "\"manifest_version\":\"1\"", "manifest.manifest_version"),
            ("\"name\":\"t\"", "\"name\":\"\"", "manifest.name"),
            ("\"name\":\"in\"", "\"name\":\"In\"", "manifest.inputs[0].name"),
            ("\"string\"", "\"strin\"", "manifest.inputs[0].value.schema"),
            ("{\"kind\":\"raw\"}", "{\"kind\":\"dynamic\"}", "manifest.outputs[0].key"),
            ("{\"kind\":\"raw\"}", "3", "manifest.outputs[0].key"),
            ("\"key\":\"threshold\"", "\"key\":\"\"", "manifest.config[0].key"),
            ("\"name\":\"in\"", "\"name\":7", "manifest"),
        ] {
            let refusal = refused(&GOOD.replacen(from, to, 1));
            assert_eq!((refusal.code.0, refusal.field.as_str()), ("manifest-invalid", field), "{refusal}");
        }
        assert_eq!(refused("{").field, "manifest");
        let twice = GOOD.replace(
            "{\"name\":\"in\",\"value\":{\"kind\":\"typed\",\"schema\":\"string\"}}",
            "{\"name\":\"in\"},{\"name\":\"in\"}",
        );
        assert_eq!(refused(&twice).field, "manifest.inputs[1].name");
    }
}
