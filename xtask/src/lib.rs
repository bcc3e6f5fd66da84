//! Developer tasks, and what the test suites share with them: built guests and real servers.

pub mod cache;
pub mod checkout;
pub mod command;
pub mod servers;
