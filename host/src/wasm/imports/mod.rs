//! What a guest can ask of the host: one capability per file, and nothing else.
//!
//! An ordinary failure is a value of the WIT result, never a trap.

use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::wasm::state::GuestState;

pub mod clock;
pub mod config;
mod lending;
pub mod log;
pub mod output;
pub mod rejects;
pub mod schemas;
pub mod state;
pub mod timers;

/// The version of `wasmill:transform` that this host implements.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// Every interface that a component may import.
pub const INTERFACES: [&str; 9] =
    ["output", "rejects", "schemas", "log", "config", "clock", "state", "timers", "types"];

/// Links every capability.
pub(in crate::wasm) fn linker(engine: &Engine) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    output::link(&mut linker)?;
    rejects::link(&mut linker)?;
    schemas::link(&mut linker)?;
    log::link(&mut linker)?;
    config::link(&mut linker)?;
    clock::link(&mut linker)?;
    state::link(&mut linker)?;
    timers::link(&mut linker)?;
    Ok(linker)
}

/// The full name of an interface of the contract.
pub(in crate::wasm) fn interface(name: &str) -> String {
    format!("wasmill:transform/{name}@{CONTRACT_VERSION}")
}
