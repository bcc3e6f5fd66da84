//! The WIT records of `wasmill:transform/types`, as wasmtime copies them.
//!
//! Written by hand rather than generated: outgoing buffers are borrowed, incoming ones are read in
//! the guest's memory.

use wasmtime::component::ComponentType;
use wasmtime::component::Lift;
use wasmtime::component::Lower;
use wasmtime::component::WasmList;

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::wasm) struct ColumnOut<'a> {
    pub(in crate::wasm) buffers: &'a [&'a [u8]],
    pub(in crate::wasm) children: &'a [u32],
    #[component(name = "null-count")]
    pub(in crate::wasm) null_count: u32,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::wasm) struct RowsOut<'a> {
    pub(in crate::wasm) count: u32,
    pub(in crate::wasm) key: Option<u32>,
    pub(in crate::wasm) value: Option<u32>,
    pub(in crate::wasm) timestamp: Option<u32>,
    pub(in crate::wasm) headers: Option<u32>,
    pub(in crate::wasm) offset: Option<u32>,
    pub(in crate::wasm) columns: &'a [ColumnOut<'a>],
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::wasm) struct BatchOut<'a> {
    pub(in crate::wasm) port: u32,
    pub(in crate::wasm) partition: u32,
    pub(in crate::wasm) watermark: Option<i64>,
    pub(in crate::wasm) schema: Option<u32>,
    pub(in crate::wasm) rows: RowsOut<'a>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(in crate::wasm) struct ColumnIn {
    pub(in crate::wasm) buffers: WasmList<WasmList<u8>>,
    pub(in crate::wasm) children: WasmList<u32>,
    #[component(name = "null-count")]
    pub(in crate::wasm) null_count: u32,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(in crate::wasm) struct RowsIn {
    pub(in crate::wasm) count: u32,
    pub(in crate::wasm) key: Option<u32>,
    pub(in crate::wasm) value: Option<u32>,
    pub(in crate::wasm) timestamp: Option<u32>,
    pub(in crate::wasm) headers: Option<u32>,
    pub(in crate::wasm) offset: Option<u32>,
    pub(in crate::wasm) columns: WasmList<ColumnIn>,
}

/// What `process` returns in place of success.
#[derive(Debug, ComponentType, Lift)]
#[component(variant)]
pub(in crate::wasm) enum FailureIn {
    #[component(name = "retry")]
    Retry(String),
    #[component(name = "fatal")]
    Fatal(String),
}
