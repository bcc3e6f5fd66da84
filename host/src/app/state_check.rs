//! What is about to run, held against what wrote the state that is there. No IO.

use std::collections::BTreeMap;

use crate::app::contract::Contract;
use crate::app::deploy::Deployed;
use crate::app::state_note::Recorded;
use crate::codec::state_values::StateValues;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::pipeline::state_ports::ValueSchemas;

/// Adds a refusal for whatever state could not be gone on with. `ids` has the changelogs that exist, by
/// store, with the ids of their topics.
pub(in crate::app) fn check(
    contract: &Contract,
    recorded: &Recorded,
    ids: &BTreeMap<String, Option<String>>,
    found: &mut Deployed,
) {
    schemas(contract, recorded, found);
    let Some(note) = &recorded.note else { return };
    for changelog in &contract.changelogs {
        let Some(noted) = note.stores.get(&changelog.store) else { continue };
        let field = format!("state.{}", changelog.store);
        let remedy = "Bring the topic back if you can. To start over with an empty state, delete the pipeline with its state and create it anew.";
        match (ids.get(&changelog.store), &noted.topic_id) {
            (None, _) => found.refusals.push(Refusal {
                code: Code("changelog-missing"),
                field,
                message: "a changelog that this pipeline's state was written to is gone".to_owned(),
                found: "no such topic".to_owned(),
                expected: format!("the changelog `{}`", changelog.topic),
                remedy: remedy.to_owned(),
            }),
            (Some(Some(id)), Some(noted)) if id != noted => found.refusals.push(Refusal {
                code: Code("changelog-replaced"),
                field,
                message: "a changelog that this pipeline's state was written to was deleted, and made anew"
                    .to_owned(),
                found: format!("the topic `{}` with the id {id}", changelog.topic),
                expected: format!("the one with the id {noted}"),
                remedy: remedy.to_owned(),
            }),
            _ => {}
        }
    }
    for store in &contract.stores {
        let Some(noted) = note.stores.get(&store.name).filter(|noted| noted.scope != store.scope) else {
            continue;
        };
        found.refusals.push(Refusal {
            code: Code("state-scope-changed"),
            field: format!("state.{}.scope", store.name),
            message: format!("what the store `{}` holds is kept by another scope", store.name),
            found: format!("{:?}", store.scope).to_lowercase(),
            expected: format!("{:?}", noted.scope).to_lowercase(),
            remedy: "Keep the scope, or declare a store of another name, which begins empty.".to_owned(),
        });
    }
    for input in &contract.inputs {
        let (port, binding) = (&input.port.name, &input.binding);
        let Some(noted) = note.inputs.get(port) else { continue };
        if *noted.topic != *binding.topic {
            found.refusals.push(Refusal {
                code: Code("state-input-changed"),
                field: format!("inputs.{port}.topic"),
                message: "the state was made of the records of another topic".to_owned(),
                found: format!("`{}`", binding.topic),
                expected: format!("`{}`", noted.topic),
                remedy: "Keep the topic, or read the other one with a pipeline of another name, whose state begins empty.".to_owned(),
            });
        }
        if noted.key != binding.key.format && input.port.key.is_some() {
            found.refusals.push(Refusal {
                code: Code("state-key-changed"),
                field: format!("inputs.{port}.key"),
                message: "the state is kept under keys of another format".to_owned(),
                found: format!("{:?}", binding.key.format).to_lowercase(),
                expected: format!("{:?}", noted.key).to_lowercase(),
                remedy: "Keep the format, or use a pipeline of another name, whose state begins empty."
                    .to_owned(),
            });
        }
    }
}

/// Every value that may be there must be readable.
fn schemas(contract: &Contract, recorded: &Recorded, found: &mut Deployed) {
    for store in &contract.stores {
        let Some(written) = recorded.schemas.get(&store.name) else { continue };
        let Ok(declared) = StateValues.canonical(&store.value) else { continue };
        for text in written.values().filter(|text| **text != declared) {
            if let Err(why) = StateValues.upgrade(text, &declared) {
                found.refusals.push(Refusal {
                    code: Code("state-schema-unresolvable"),
                    field: format!("state.{}.value", store.name),
                    message: format!("the store `{}` holds values that this version cannot read", store.name),
                    found: why,
                    expected: format!("a schema that reads values of {text}"),
                    remedy: "Give the new schema what Avro's schema resolution asks for (an alias, a default, a wider type), or declare a store of another name, which begins empty.".to_owned(),
                });
            }
        }
    }
}

#[cfg(test)]
#[path = "state_check_tests.rs"]
mod tests;
