//! `wasmill:transform/clock`.

use wasmtime::component::Linker;

use crate::wasm::imports::interface;
use crate::wasm::state::GuestState;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut clock = linker.instance(&interface("clock"))?;
    clock.func_wrap("watermark", |store, (): ()| Ok((store.data().invocation.event_watermark,)))?;
    clock.func_wrap("processing-time", |store, (): ()| Ok((store.data().invocation.processing_time,)))
}
