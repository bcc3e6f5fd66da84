//! Avro, straight between bytes and Arrow buffers.
//!
//! [`resolve`] compiles a pair of schemas into a [`plan`], [`decode`] runs it over a datum.
//! [`cells`] borrows a column, [`encode`] writes its rows.

pub(crate) mod cells;
pub(crate) mod cursor;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod plan;
pub(crate) mod promote;
pub(crate) mod resolve;
#[cfg(test)]
mod resolve_tests;
mod skip;
#[cfg(test)]
mod tests;

pub use resolve::ResolveError;
