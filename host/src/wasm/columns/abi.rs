//! The WIT records of `wasmill:transform/types`, as the canonical ABI lays them out.

use wasmtime::component::ComponentType;

/// Their types, for wasmtime to check against those of the guest.
#[expect(dead_code, reason = "only their types count; none is ever made")]
pub(super) mod types {
    use wasmtime::component::ComponentType;

    #[derive(ComponentType)]
    #[component(record)]
    pub(in crate::wasm::columns) struct Column {
        buffers: Vec<Vec<u8>>,
        children: Vec<u32>,
        #[component(name = "null-count")]
        null_count: u32,
    }

    #[derive(ComponentType)]
    #[component(record)]
    pub(in crate::wasm::columns) struct Rows {
        count: u32,
        key: Option<u32>,
        value: Option<u32>,
        timestamp: Option<u32>,
        headers: Option<u32>,
        offset: Option<u32>,
        columns: Vec<Column>,
    }

    #[derive(ComponentType)]
    #[component(record)]
    pub(in crate::wasm::columns) struct Batch {
        port: u32,
        partition: u32,
        watermark: Option<i64>,
        schema: Option<u32>,
        rows: Rows,
    }
}

/// Bytes of a `u32`.
pub(super) const U32: usize = 4;
/// Bytes of a list: pointer and length.
pub(super) const LIST: usize = 8;
/// Bytes of a `column`: two lists and a `u32`.
pub(super) const COLUMN: usize = 20;
/// Where the parts of a `column` stand in it.
pub(super) const COLUMN_BUFFERS: usize = 0;
pub(super) const COLUMN_CHILDREN: usize = 8;
pub(super) const COLUMN_NULL_COUNT: usize = 16;

const _: () = assert!(<types::Column as ComponentType>::SIZE32 == COLUMN);
