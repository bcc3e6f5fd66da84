//! Of guest execution, what needs no wasmtime.

#[path = "../../../host/src/wasm/columns/mod.rs"]
pub mod columns;
