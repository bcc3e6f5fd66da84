//! Bytes to columns and back.
//!
//! ```text
//! avro      schema resolution, decoding, encoding
//! json      the same for JSON
//! formats   which port types go through which format
//! decode    the decoder of an input port
//! encode    the encoder of an output port's key or value
//! columns   builders that survive a bad row
//! check     what can be said of schemas before any record is read
//! state_values  the bodies of keyed state
//! registry  writer schemas from the schema registry
//! ```

pub mod avro;
pub mod check;
mod columns;
pub mod decode;
pub mod encode;
pub mod fault;
pub mod formats;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod json;
// A fuzz target is built without the registry's client.
#[cfg(not(fuzzing))]
pub mod registry;
pub mod state_values;
#[cfg(test)]
mod testing;
pub mod wire_format;
pub mod writer_schemas;
