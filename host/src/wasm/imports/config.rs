//! `wasmill:transform/config`.

use wasmtime::component::Linker;
use wasmtime::component::WasmStr;

use crate::wasm::imports::interface;
use crate::wasm::state::GuestState;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.instance(&interface("config"))?.func_wrap("get", |store, (key,): (WasmStr,)| {
        let key = key.to_str(&store)?;
        let config = &store.data().context.config;
        Ok((config.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone()),))
    })
}
