//! The core: what happens between two commits, without knowing Kafka, Wasm or Avro.
//!
//! It sees the world through the traits in [`ports`]. Reading order: [`driver`] is the loop of a
//! worker; [`run`] takes one run of records through decode, invoke, encode and send; [`bisection`]
//! finds a record that breaks its batch; [`emit_order`] and [`outputs`] turn emissions into records.

pub mod backoff;
pub mod bisection;
pub mod cycle;
pub mod dead_letter;
pub mod driver;
pub mod emit_order;
pub mod gap;
pub mod header_copy;
pub mod observer;
pub mod outputs;
pub mod poison;
pub mod ports;
pub mod run;
pub mod seek;
pub mod sending;
pub mod start;
pub mod state_ports;
pub mod status;
pub mod task;

#[cfg(test)]
mod driver_tests;
#[cfg(test)]
mod fakes;
