//! Records across the boundary: Arrow arrays in the host, buffers as bytes in the guest.
//!
//! ```text
//! ArrayRef --lower--> borrowed buffers --wasmtime copies--> guest memory
//! guest memory --arena: one copy--> aligned Buffers --lift: checks--> ArrayRef
//! ```
//!
//! Nothing here knows wasmtime but [`abi`], [`batch_out`], [`columns_in`] and [`wire`]:
//! [`lift::lift`] takes plain byte slices, so that it can be tested with arbitrary bytes.

// Fuzz targets are built without wasmtime, and so without what knows it.
#[cfg(not(fuzzing))]
mod abi;
pub mod arena;
#[cfg(not(fuzzing))]
pub(in crate::wasm) mod batch_out;
mod bitmap;
pub mod column_error;
#[cfg(not(fuzzing))]
pub mod columns_in;
mod dead;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod lift;
pub mod lower;
mod primitive;
pub mod shape;
#[cfg(any(test, fuzzing))]
mod specimens;
#[cfg(not(fuzzing))]
pub(in crate::wasm) mod wire;

#[cfg(test)]
mod tests;
