//! Worker threads: one OS thread each, which builds its own clients, runs a driver, and rebuilds
//! after an outage.

pub mod factory;
pub mod stop_signal;
pub mod supervisor;
pub mod thread;
