//! Wasmill runs transforms, compiled to WebAssembly components, on Kafka streams.
//!
//! ```text
//! Kafka partition
//!   -> source   librdkafka, batch consume, byte-bounded
//!   -> codec    bytes -> Arrow columns, projected
//!   -> wasm     one component call per batch
//!   -> pipeline stages what was emitted, per batch
//!   -> codec    columns -> bytes
//!   -> sink     transactional producer: outputs and dead letters
//!   -> commit   offsets and outputs in one Kafka transaction; state joins the committed cache
//!   -> state    the cache flushed to RocksDB, by bytes or age
//! ```
//!
//! Modules in reading order. What may import what is in `ARCHITECTURE.md`; `cargo xtask tidy` checks it.

// The data path never panics on input. A proven invariant says `#[expect(..., reason = "...")]`.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

pub mod model;
pub mod pipeline;

pub mod codec;
pub mod kafka;
pub mod sink;
pub mod source;
pub mod state;
pub mod wasm;

pub mod api;
pub mod config;
pub mod control;
pub mod telemetry;
pub mod worker;

pub mod app;
pub mod cli;
