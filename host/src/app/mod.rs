//! The composition root: the only place that names the concrete adapters.

pub mod contract;
pub mod deploy;
pub mod factory;
pub mod guest_log_sink;
pub mod host_id;
pub mod observer;
pub mod registry;
pub mod runner;
pub mod subjects;
