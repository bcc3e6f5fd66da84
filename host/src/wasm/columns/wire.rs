//! The WIT records of `wasmill:transform/types` that come from the guest, as wasmtime reads them.
//!
//! Written by hand rather than generated: columns are read in the guest's memory.

use wasmtime::component::ComponentType;
use wasmtime::component::Lift;

use crate::wasm::columns::columns_in::ColumnsIn;

#[derive(ComponentType, Lift)]
#[component(record)]
pub(in crate::wasm) struct RowsIn {
    pub(in crate::wasm) count: u32,
    pub(in crate::wasm) key: Option<u32>,
    pub(in crate::wasm) value: Option<u32>,
    pub(in crate::wasm) timestamp: Option<u32>,
    pub(in crate::wasm) headers: Option<u32>,
    pub(in crate::wasm) offset: Option<u32>,
    pub(in crate::wasm) columns: ColumnsIn,
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
