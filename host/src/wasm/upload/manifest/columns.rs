//! The columns of all schemas of a manifest together.

use serde_json::Value as Json;

use crate::model::arrow_type::columns;
use crate::model::arrow_type::data_type;
use crate::model::avro_type::AvroType;
use crate::model::failure::Refusal;
use crate::model::limits::MANIFEST_COLUMNS_MAX;
use crate::model::manifest::Manifest;
use crate::model::manifest::PartType;
use crate::wasm::upload::manifest::text::invalid;

/// Checks how many there are. Each schema is known to be good.
///
/// A schema that refers to one record often has many more columns than its text has bytes, so that
/// the length of the manifest does not bound them.
pub(super) fn check(manifest: &Manifest) -> Result<(), Refusal> {
    let inputs = manifest.inputs.iter().flat_map(|port| [port.key.as_ref(), port.value.as_ref()]).flatten();
    let outputs = manifest.outputs.iter().flat_map(|port| port.key.as_ref().into_iter().chain([&port.value]));
    let parts = inputs.chain(outputs).filter_map(|part| match part {
        PartType::Typed { schema } => Some(schema),
        PartType::Dynamic | PartType::Raw => None,
    });
    let schemas = parts.chain(manifest.state.iter().map(|store| &store.value));
    let found: usize = schemas.map(columns_of).sum();
    if found <= MANIFEST_COLUMNS_MAX {
        return Ok(());
    }
    Err(invalid(
        "manifest",
        "the schemas of all ports and state stores have too many columns together",
        &found.to_string(),
        &format!("at most {MANIFEST_COLUMNS_MAX}"),
    ))
}

fn columns_of(schema: &Json) -> usize {
    let avro = AvroType::parse(&schema.to_string(), &[]);
    avro.and_then(|avro| data_type(&avro)).map_or(0, |data_type| columns(&data_type))
}
