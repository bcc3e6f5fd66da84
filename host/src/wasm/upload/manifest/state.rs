//! State stores.

use std::collections::HashSet;

use serde_json::Map;
use serde_json::Value as Json;

use crate::model::avro_type::AvroType;
use crate::model::failure::Refusal;
use crate::model::limits::TIME_SPAN_MS_MAX;
use crate::model::manifest::Manifest;
use crate::model::manifest::StateStore;
use crate::model::state::STORES_MAX;
use crate::model::state::TimeDomain;
use crate::wasm::upload::manifest::text::check_keys;
use crate::wasm::upload::manifest::text::check_number;
use crate::wasm::upload::manifest::text::check_word;
use crate::wasm::upload::manifest::text::invalid;
use crate::wasm::upload::manifest::text::list;
use crate::wasm::upload::manifest::text::object;
use crate::wasm::upload::manifest::timers::DOMAINS;
use crate::wasm::upload::refusal::refuse;

const STORE_KEYS: &[&str] = &["name", "description", "value", "scope", "scan", "ttl"];
const TTL_KEYS: &[&str] = &["ms", "time"];
const SCOPES: &[&str] = &["key", "partition"];
/// Stores of the host itself, which have changelogs of these names.
const RESERVED: &[&str] = &["timers", "meta"];

/// Checks the JSON of the stores, before it is typed.
pub(super) fn check_text(root: &Map<String, Json>) -> Result<(), Refusal> {
    for (path, store) in list(root, "state", STORES_MAX)? {
        check_keys(store, &path, STORE_KEYS)?;
        check_word(store, "scope", &path, SCOPES)?;
        if let Some(ttl) = store.get("ttl") {
            let path = format!("{path}.ttl");
            let ttl = object(ttl, &path)?;
            check_keys(ttl, &path, TTL_KEYS)?;
            check_number(ttl, "ms", &path, 1, TIME_SPAN_MS_MAX)?;
            check_word(ttl, "time", &path, DOMAINS)?;
        }
    }
    Ok(())
}

/// Checks the stores.
pub(super) fn check(manifest: &Manifest) -> Result<(), Refusal> {
    let has_event_time = manifest.inputs.iter().any(|port| port.event_time.is_some());
    let mut names = HashSet::new();
    for (index, store) in manifest.state.iter().enumerate() {
        let path = format!("manifest.state[{index}]");
        check_name(&store.name, &format!("{path}.name"), &mut names)?;
        check_value(store, &format!("{path}.value"))?;
        if store.ttl.is_some_and(|ttl| ttl.time == TimeDomain::Event) && !has_event_time {
            return Err(refuse(
                "manifest-invalid",
                format!("{path}.ttl.time"),
                "the store's entries expire by event time, but no input has event time",
                "`event`",
                "an input with `event_time`, or `processing`",
                "Give an input `event_time`, or let the entries expire by processing time.",
            ));
        }
    }
    Ok(())
}

fn check_name<'a>(name: &'a str, path: &str, known: &mut HashSet<&'a str>) -> Result<(), Refusal> {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=63).contains(&name.len()) || !name.bytes().all(legal) {
        let expected = "1 to 63 characters of a-z, 0-9 and `-`: the name is part of a topic's";
        return Err(invalid(path, "this cannot name a state store", &format!("`{name}`"), expected));
    }
    if RESERVED.contains(&name) {
        let expected = format!("another name than {}", RESERVED.join(" and "));
        return Err(invalid(
            path,
            "the host has a store of this name itself",
            &format!("`{name}`"),
            &expected,
        ));
    }
    if !known.insert(name) {
        return Err(invalid(
            path,
            "two state stores have one name",
            &format!("`{name}` again"),
            "another name",
        ));
    }
    Ok(())
}

fn check_value(store: &StateStore, path: &str) -> Result<(), Refusal> {
    AvroType::parse(&store.value.to_string(), &[]).map(|_| ()).map_err(|error| {
        let expected = "an Avro schema that is not recursive";
        invalid(path, "the schema of the values cannot be used", &error.to_string(), expected)
    })
}
