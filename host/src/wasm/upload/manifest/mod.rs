//! A manifest's JSON, checked rule by rule, a noun a file.

mod columns;
mod config_keys;
mod event_time;
mod ports;
mod state;
mod text;
mod timers;

use serde_json::Map;
use serde_json::Value as Json;

use crate::model::failure::Refusal;
use crate::model::manifest::MANIFEST_VERSION;
use crate::model::manifest::Manifest;
use crate::wasm::upload::manifest::text::check_keys;
use crate::wasm::upload::manifest::text::invalid;
use crate::wasm::upload::manifest::text::object;
use crate::wasm::upload::manifest::text::typed;
use crate::wasm::upload::refusal::refuse;

pub(in crate::wasm) use timers::check_export as check_timer_export;

const MANIFEST_KEYS: &[&str] =
    &["manifest_version", "name", "description", "sdk", "inputs", "outputs", "config", "state", "timers"];
const SDK_KEYS: &[&str] = &["language", "version"];

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
    ports::check_text(root)?;
    config_keys::check_text(root)?;
    state::check_text(root)?;
    timers::check_text(root)?;
    let manifest: Manifest = typed(&json, "manifest")?;
    check_name(&manifest.name)?;
    ports::check(&manifest)?;
    config_keys::check(&manifest)?;
    state::check(&manifest)?;
    columns::check(&manifest)?;
    timers::check(&manifest)?;
    Ok(manifest)
}

fn check_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.len() > 128 {
        let found = format!("`{name}`");
        return Err(invalid("manifest.name", "the name is none", &found, "1 to 128 bytes"));
    }
    Ok(())
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

#[cfg(test)]
mod tests;
