//! What timers go by, and that a transform with timers can be called.

use serde_json::Map;
use serde_json::Value as Json;

use crate::model::failure::Refusal;
use crate::model::manifest::Manifest;
use crate::model::state::TimeDomain;
use crate::wasm::upload::manifest::text::bare_list;
use crate::wasm::upload::manifest::text::check_is_word;
use crate::wasm::upload::manifest::text::invalid;
use crate::wasm::upload::refusal::refuse;

pub(super) const DOMAINS: &[&str] = &["event", "processing"];

/// Checks the JSON of the list, before it is typed.
pub(super) fn check_text(root: &Map<String, Json>) -> Result<(), Refusal> {
    let domains = bare_list(root, "timers", DOMAINS.len())?;
    for (index, domain) in domains.iter().enumerate() {
        let path = format!("manifest.timers[{index}]");
        check_is_word(domain, &path, DOMAINS)?;
        if domains.iter().take(index).any(|known| known == domain) {
            return Err(invalid(&path, "this is listed already", &domain.to_string(), "each at most once"));
        }
    }
    Ok(())
}

/// Checks that timers by event time can fire.
pub(super) fn check(manifest: &Manifest) -> Result<(), Refusal> {
    let has_event_time = manifest.inputs.iter().any(|port| port.event_time.is_some());
    match manifest.timers.iter().position(|domain| *domain == TimeDomain::Event) {
        Some(index) if !has_event_time => Err(refuse(
            "manifest-invalid",
            format!("manifest.timers[{index}]"),
            "timers go by event time, but no input has event time, so that none would ever fire",
            "`event`",
            "an input with `event_time`, or `processing`",
            "Give an input `event_time`, or let the timers go by processing time.",
        )),
        _ => Ok(()),
    }
}

/// Checks that the manifest lists timers if and only if the component can be called with them.
///
/// # Errors
/// `timers-not-exported`, `timers-not-declared`.
pub(in crate::wasm) fn check_export(manifest: &Manifest, has_timer_handler: bool) -> Result<(), Refusal> {
    match (manifest.timers.is_empty(), has_timer_handler) {
        (true, false) | (false, true) => Ok(()),
        (false, false) => Err(refuse(
            "timers-not-exported",
            "component.exports",
            "the manifest lists timers, but the component cannot be called with them",
            "no export of `timer-handler`",
            "an export of `wasmill:transform/timer-handler`",
            "Implement the world `timed-transform` of `wit/world.wit`, or leave `timers` out of the manifest.",
        )),
        (true, true) => Err(refuse(
            "timers-not-declared",
            "manifest.timers",
            "the component exports `timer-handler`, but the manifest does not say what its timers go by",
            "no timers",
            "a list of `event`, `processing` or both",
            "List them in the manifest, or do not export `timer-handler`.",
        )),
    }
}
