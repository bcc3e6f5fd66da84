//! Developer tasks, and what the test suites share with them: built guests and real servers.

pub mod cache;
pub mod checkout;
pub mod command;
pub mod guests;
pub mod licences;
pub mod servers;
pub mod setup;
pub mod suite;
pub mod tally;
pub mod task;
pub mod tidy;
pub mod wasm_target;
