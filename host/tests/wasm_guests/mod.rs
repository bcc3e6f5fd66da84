//! Guests written in WebAssembly's text format, and what every test of guests needs.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

pub mod attacks;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BinaryArray;
use wasmill::model::ids::PortIndex;
use wasmill::model::limits::Limits;
use wasmill::model::position::Partition;
use wasmill::model::record_batch::RecordBatch;
use wasmill::model::record_batch::Rows;
use wasmill::model::schema_table::SchemaTable;
use wasmill::model::state::FiredTimers;
use wasmill::model::state::StateTimes;
use wasmill::model::state::TimeDomain;
use wasmill::pipeline::memory_state::MemoryState;
use wasmill::pipeline::state_ports::StateSlot;
use wasmill::pipeline::state_ports::TaskState;
use wasmill::wasm::compile::compiler::Compiler;
use wasmill::wasm::compiled::CompiledComponent;
use wasmill::wasm::engine::EngineSettings;
use wasmill::wasm::engine::HostEngine;
use wasmill::wasm::guest::GuestSpec;
use wasmill::wasm::guest::WasmGuest;
use wasmill::wasm::guest_log::NoGuestLogs;
use wasmill::wasm::loader::ComponentLoader;
use wit_component::StringEncoding;
use wit_parser::Resolve;

/// One raw input, one raw output.
pub const RAW_MANIFEST: &str = r#"{"manifest_version":1,"name":"hostile","inputs":[{"name":"in","value":{"kind":"raw"}}],"outputs":[{"name":"out","value":{"kind":"raw"}}]}"#;

/// The ports of `state_probe.wat`, one store of texts, timers of both domains.
pub const PROBE_MANIFEST: &str = r#"{"manifest_version":1,"name":"probe","inputs":[
    {"name":"get","value":{"kind":"raw"}},
    {"name":"put","key":{"kind":"raw"},"value":{"kind":"raw"},"event_time":{}},
    {"name":"delete","value":{"kind":"raw"}},
    {"name":"scan","key":{"kind":"raw"},"value":{"kind":"raw"},"timestamp":true},
    {"name":"register","key":{"kind":"raw"},"value":{"kind":"raw"},"timestamp":true},
    {"name":"cancel","key":{"kind":"raw"},"value":{"kind":"raw"}},
    {"name":"later","key":{"kind":"raw"},"value":{"kind":"raw"},"timestamp":true}],
    "outputs":[{"name":"out","key":{"kind":"raw"},"value":{"kind":"raw"}}],
    "state":[{"name":"texts","value":"string","scan":true}],"timers":["event","processing"]}"#;

/// Asked of the environment: checkouts may share their build folder.
pub fn repository() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests")).join("..")
}

fn hostile(file: &str) -> String {
    let path = repository().join("guests/hostile").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A core module of the prelude, `fields`, and the defaults that they leave out.
pub fn core_module(fields: &str, manifest: &str) -> Vec<u8> {
    let mut text = format!("(module\n{}\n{fields}\n", hostile("prelude.wat"));
    for (export, file) in [
        ("\"cabi_realloc\"", "default_realloc.wat"),
        ("#describe\"", "default_describe.wat"),
        ("#open\"", "default_open.wat"),
        ("#process\"", "default_process.wat"),
    ] {
        if !fields.contains(export) {
            text.push_str(&hostile(file));
        }
    }
    let escaped: String = manifest.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    text.push_str(&format!(
        "(data (i32.const 1024) \"{escaped}\")\n(global $manifest_len i32 (i32.const {}))\n)",
        manifest.len()
    ));
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(repository().join("wit")).expect("the WIT files");
    let world = if fields.contains("timer-handler") { "timed-transform" } else { "transform" };
    let world = resolve.select_world(&[package], Some(world)).expect("the world");
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .expect("embedded");
    module
}

/// A hostile guest by name: a core module with component types, or what the file itself is.
pub fn hostile_guest(name: &str) -> Vec<u8> {
    let text = hostile(&format!("{name}.wat"));
    if text.starts_with("(component") || text.starts_with("(module") {
        return wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    }
    match text.lines().next().and_then(|line| line.strip_prefix(";; manifest: ")) {
        Some("state") => core_module(&text, &state_manifest("")),
        Some("timers") => core_module(&text, &state_manifest(r#","timers":["processing"]"#)),
        manifest => core_module(&text, manifest.unwrap_or(RAW_MANIFEST)),
    }
}

/// [`RAW_MANIFEST`] with two state stores, and what else it is to have.
fn state_manifest(more: &str) -> String {
    let stores = r#"[{"name":"blobs","value":"bytes","scan":true},{"name":"longs","value":"long"}]"#;
    let manifest = RAW_MANIFEST.strip_suffix('}').expect("an object");
    format!("{manifest},\"state\":{stores}{more}}}")
}

/// The guest that does with state and timers what its records say: see `state_probe.wat`.
pub fn state_probe() -> Vec<u8> {
    core_module(include_str!("state_probe.wat"), PROBE_MANIFEST)
}

/// An empty state for a guest, in the middle of an invocation at this time.
pub fn state(component: &CompiledComponent, times: StateTimes) -> MemoryState {
    let mut state = MemoryState::new(component.manifest(), Partition(3)).expect("a state");
    state.begin(times, Limits::default().state_bytes_per_batch_max);
    state
}

pub fn slot(state: &MemoryState) -> StateSlot {
    Some(Box::new(state.clone()))
}

/// Timers of processing time that are due, with empty tags.
pub fn fired(keys: &[&[u8]]) -> FiredTimers {
    FiredTimers {
        partition: Partition(3),
        event_watermark: None,
        domain: TimeDomain::Processing,
        keys: keys.iter().map(Some).collect(),
        tags: keys.iter().map(|_| Some(b"")).collect(),
        times: keys.iter().map(|_| 7).collect(),
    }
}

/// The guest that emits what it is given.
pub fn identity_guest(manifest: &str) -> Vec<u8> {
    core_module("", manifest)
}

pub fn engine() -> Arc<HostEngine> {
    let settings = EngineSettings { instances_max: 16, ..EngineSettings::default() };
    HostEngine::new(settings).expect("an engine")
}

pub fn loader() -> ComponentLoader {
    ComponentLoader::new(engine(), Compiler::in_process(), None)
}

pub fn spec(component: Arc<CompiledComponent>) -> GuestSpec {
    GuestSpec {
        component,
        config: Vec::new(),
        limits: Limits::default(),
        schemas: Arc::new(SchemaTable::default()),
        logs: Arc::new(NoGuestLogs),
    }
}

pub fn guest(component: Arc<CompiledComponent>) -> WasmGuest {
    WasmGuest::new(spec(component)).expect("a guest")
}

/// A batch of port 0 with this value column.
pub fn batch(value: ArrayRef) -> RecordBatch {
    RecordBatch {
        port: PortIndex(0),
        partition: Partition(3),
        event_watermark: None,
        schema: None,
        rows: Rows { count: value.len(), value: Some(value), ..Rows::default() },
    }
}

/// So many raw records.
pub fn raw_batch(count: usize) -> RecordBatch {
    let values: Vec<Vec<u8>> = (0..count).map(|row| format!("record {row}").into_bytes()).collect();
    batch(Arc::new(BinaryArray::from_iter_values(values)))
}
