//! What an upload must be before any of its code runs, and what it says of itself.
//!
//! ```text
//! bytes -> structure -> componentize (core modules) -> allow_list -> compile -> describe -> manifest
//! ```
//! Each step refuses with a stable code, the part, what was found, what was expected and how to
//! mend it.

pub mod allow_list;
pub mod componentize;
pub mod describe;
pub mod manifest;
pub mod refusal;
pub mod structure;
