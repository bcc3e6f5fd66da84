//! `wasmill:transform/log`.

use std::time::Instant;

use wasmtime::component::Linker;
use wasmtime::component::WasmStr;

use crate::model::limits::LOG_LINE_BYTES_MAX;
use crate::wasm::cut::cut;
use crate::wasm::guest_log::LogLevel;
use crate::wasm::imports::interface;
use crate::wasm::state::GuestState;

/// Longest target that is kept, in bytes.
const TARGET_BYTES_MAX: usize = 256;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut log = linker.instance(&interface("log"))?;
    log.func_wrap("log", |mut store, (level, target, message): (LogLevel, WasmStr, WasmStr)| {
        if !store.data_mut().log.admit(level, Instant::now()) {
            return Ok(());
        }
        let target = target.to_str(&store)?;
        let message = message.to_str(&store)?;
        store.data().log.line(level, cut(&target, TARGET_BYTES_MAX), cut(&message, LOG_LINE_BYTES_MAX));
        Ok(())
    })?;
    log.func_wrap("max-level", |store, (): ()| Ok((store.data().log.level_min(),)))
}
