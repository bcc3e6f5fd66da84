//! The modules of the host that fuzz targets need, compiled from its sources.
//!
//! The host as a whole brings RocksDB, librdkafka and wasmtime, which take half an hour to build with a
//! sanitizer. None of the targets needs them. The bodies of the targets are in `fuzz.rs` beside what they
//! test; property tests of the host run the same ones.

// The host uses the rest.
#![allow(dead_code, unused_imports)]

#[path = "../../host/src/codec/mod.rs"]
pub mod codec;
#[path = "../../host/src/config/mod.rs"]
pub mod config;
#[path = "../../host/src/model/mod.rs"]
pub mod model;
#[path = "../../host/src/pipeline/mod.rs"]
pub mod pipeline;
pub mod wasm;
