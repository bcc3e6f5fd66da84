//! From a component to native code, at arm's length.
//!
//! Compiling what a stranger wrote can take any amount of memory and time, so it runs in a child
//! process under limits. The result is kept on disk; since it is native code, only files that this
//! host itself sealed are loaded.

pub mod cache;
pub(in crate::wasm) mod compatibility;
pub mod compiler;
pub mod process;
pub(in crate::wasm) mod seal;
