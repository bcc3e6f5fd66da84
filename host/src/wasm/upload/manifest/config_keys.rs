//! Config keys.

use std::collections::HashSet;

use serde_json::Map;
use serde_json::Value as Json;

use crate::model::failure::Refusal;
use crate::model::manifest::Manifest;
use crate::wasm::upload::manifest::text::ITEMS_MAX;
use crate::wasm::upload::manifest::text::check_keys;
use crate::wasm::upload::manifest::text::invalid;
use crate::wasm::upload::manifest::text::list;

const KEYS: &[&str] = &["key", "description", "required", "default"];

/// Checks the JSON of the keys, before it is typed.
pub(super) fn check_text(root: &Map<String, Json>) -> Result<(), Refusal> {
    for (path, key) in list(root, "config", ITEMS_MAX)? {
        check_keys(key, &path, KEYS)?;
    }
    Ok(())
}

/// Checks the keys.
pub(super) fn check(manifest: &Manifest) -> Result<(), Refusal> {
    let mut known = HashSet::new();
    for (index, key) in manifest.config.iter().enumerate() {
        let path = format!("manifest.config[{index}].key");
        let key = key.key.as_str();
        if key.is_empty() || key.len() > 128 {
            return Err(invalid(&path, "this cannot name a key", &format!("`{key}`"), "1 to 128 bytes"));
        }
        if !known.insert(key) {
            return Err(invalid(&path, "two keys have one name", &format!("`{key}` again"), "another name"));
        }
    }
    Ok(())
}
