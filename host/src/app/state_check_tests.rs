use indexmap::IndexMap;
use serde_json::Value as Json;
use serde_json::json;

use super::*;
use crate::app::state_note::StateNote;
use crate::config::pipeline_file;
use crate::config::pipeline_file::FileFormat;
use crate::model::ids::PipelineId;
use crate::model::ids::TenantName;

fn contract(store: Json, input: &str) -> Contract {
    let manifest = json!({
        "manifest_version": 1,
        "name": "counts",
        "inputs": [{ "name": "payments", "key": { "kind": "raw" }, "value": { "kind": "raw" } }],
        "state": [store],
    });
    let manifest = serde_json::from_value(manifest).expect("a manifest");
    let text = format!(
        "version: 1\nname: p\ntransform: {{ name: t }}\ninputs: {{ payments: {{ value: raw, {input} }} }}\n"
    );
    let spec = pipeline_file::parse(&text, FileFormat::Yaml, None).expect("a pipeline file");
    let id = PipelineId { tenant: TenantName::default_tenant(), pipeline: spec.name.clone() };
    let mut refusals = Vec::new();
    let contract = Contract::bind(&id, &spec, &IndexMap::new(), &manifest, &mut refusals);
    assert_eq!(refusals, [], "it fits");
    contract
}

fn total() -> Json {
    json!({ "name": "total", "value": "long" })
}

fn ids(of: &[(&str, &str)]) -> BTreeMap<String, Option<String>> {
    of.iter().map(|(store, id)| ((*store).to_owned(), Some((*id).to_owned()))).collect()
}

const IDS: [(&str, &str); 2] = [("total", "1"), ("meta", "2")];

fn recorded(of: &Contract, schema: &str) -> Recorded {
    let schemas = BTreeMap::from([(0, schema.to_owned())]);
    Recorded {
        note: Some(StateNote::of(of, &ids(&IDS))),
        schemas: BTreeMap::from([("total".to_owned(), schemas)]),
    }
}

fn refused(contract: &Contract, recorded: &Recorded, now: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let mut found = Deployed::default();
    check(contract, recorded, &ids(now), &mut found);
    found.refusals.into_iter().map(|refusal| (refusal.code.0, refusal.field)).collect()
}

#[test]
fn what_ran_before_runs_again_and_so_does_what_was_never_there() {
    let same = contract(total(), "topic: payments, key: text");
    assert_eq!(refused(&same, &recorded(&same, "\"long\""), &IDS), []);
    assert_eq!(refused(&same, &Recorded::default(), &[]), []);
    // A store that is new has no changelog yet, and one of an older cluster no id.
    let other = contract(json!({ "name": "seen", "value": "int" }), "topic: payments, key: text");
    assert_eq!(refused(&other, &recorded(&same, "\"long\""), &[("meta", "2")]), []);
    let mut without = recorded(&same, "\"long\"");
    let note = without.note.as_mut().expect("a note");
    note.stores.values_mut().for_each(|store| store.topic_id = None);
    assert_eq!(refused(&same, &without, &IDS), []);
}

#[test]
fn a_changelog_that_is_gone_or_made_anew_is_not_taken_for_an_empty_one() {
    let same = contract(total(), "topic: payments, key: text");
    let before = recorded(&same, "\"long\"");
    assert_eq!(refused(&same, &before, &[("meta", "2")]), [("changelog-missing", "state.total".to_owned())]);
    let replaced = [("total", "9"), ("meta", "2")];
    assert_eq!(refused(&same, &before, &replaced), [("changelog-replaced", "state.total".to_owned())]);
}

#[test]
fn values_that_cannot_be_read_are_refused_with_the_store() {
    let same = contract(total(), "topic: payments, key: text");
    assert_eq!(refused(&same, &recorded(&same, "\"int\""), &IDS), [], "an int is read as a long");
    let before = recorded(&same, "\"string\"");
    assert_eq!(
        refused(&same, &before, &IDS),
        [("state-schema-unresolvable", "state.total.value".to_owned())]
    );
}

#[test]
fn scope_topic_and_key_format_stay_what_they_were() {
    let before = recorded(&contract(total(), "topic: payments, key: text"), "\"long\"");
    let store = json!({ "name": "total", "value": "long", "scope": "partition" });
    let scoped = contract(store, "topic: payments, key: text");
    assert_eq!(refused(&scoped, &before, &IDS), [("state-scope-changed", "state.total.scope".to_owned())]);
    let elsewhere = contract(total(), "topic: other, key: text");
    assert_eq!(
        refused(&elsewhere, &before, &IDS),
        [("state-input-changed", "inputs.payments.topic".to_owned())]
    );
    let raw = contract(total(), "topic: payments, key: raw");
    assert_eq!(refused(&raw, &before, &IDS), [("state-key-changed", "inputs.payments.key".to_owned())]);
}
