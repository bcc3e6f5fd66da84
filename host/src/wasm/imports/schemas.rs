//! `wasmill:transform/schemas`.

use wasmtime::component::ComponentType;
use wasmtime::component::Linker;
use wasmtime::component::Lower;
use wasmtime::component::WasmStr;

use crate::model::ids::SchemaId;
use crate::wasm::imports::interface;
use crate::wasm::state::GuestState;

/// Longest schema text, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;

#[derive(ComponentType, Lower)]
#[component(variant)]
enum SchemaErrorOut {
    #[component(name = "unknown-id")]
    UnknownId,
    #[component(name = "invalid")]
    Invalid(String),
}

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut schemas = linker.instance(&interface("schemas"))?;
    schemas.func_wrap("text", |store, (id,): (u32,)| {
        let entry = store.data().context.schemas.get(SchemaId(id));
        Ok((entry.map(|entry| entry.text.clone()).ok_or(SchemaErrorOut::UnknownId),))
    })?;
    schemas.func_wrap("declare", |store, (text,): (WasmStr,)| {
        let text = text.to_str(&store)?;
        if text.len() > TEXT_BYTES_MAX {
            return Ok((Err(SchemaErrorOut::Invalid(format!(
                "the text has {} bytes; expected at most {TEXT_BYTES_MAX}",
                text.len()
            ))),));
        }
        let declared = store.data().context.schemas.declare(&text);
        Ok((declared.map(|id| id.0).map_err(|error| SchemaErrorOut::Invalid(error.to_string())),))
    })
}
