//! Components in this process, as a host has them.

use std::sync::Arc;

use anyhow::Context as _;
use wasmill::model::limits::Limits;
use wasmill::model::schema_table::SchemaTable;
use wasmill::wasm::compile::compiler::Compiler;
use wasmill::wasm::compiled::CompiledComponent;
use wasmill::wasm::engine::EngineSettings;
use wasmill::wasm::engine::HostEngine;
use wasmill::wasm::guest::GuestSpec;
use wasmill::wasm::guest::WasmGuest;
use wasmill::wasm::guest_log::NoGuestLogs;
use wasmill::wasm::loader::ComponentLoader;

/// The guest crate of this name, compiled.
///
/// # Errors
/// When it is not built, or the host refuses it.
pub fn load(name: &str) -> anyhow::Result<Arc<CompiledComponent>> {
    let engine = HostEngine::new(EngineSettings { instances_max: 4, ..EngineSettings::default() })
        .map_err(|error| anyhow::anyhow!("{error:#}"))?;
    let loader = ComponentLoader::new(engine, Compiler::in_process(), None);
    let path = wasmill_test_support::guest(name)?;
    loader.load_file(&path).with_context(|| format!("load {}", path.display()))
}

/// An instance with default limits and configuration.
///
/// # Errors
/// When it cannot be made.
pub fn instance(component: &Arc<CompiledComponent>) -> anyhow::Result<WasmGuest> {
    WasmGuest::new(GuestSpec {
        component: Arc::clone(component),
        config: Vec::new(),
        limits: Limits::default(),
        schemas: Arc::new(SchemaTable::default()),
        logs: Arc::new(NoGuestLogs),
    })
    .map_err(|error| anyhow::anyhow!("{error}"))
}
