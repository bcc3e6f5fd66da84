//! The core: what happens between two commits, without knowing Kafka, Wasm or Avro.
//!
//! It sees the world through the traits in [`ports`].

pub mod ports;
