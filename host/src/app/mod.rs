//! The composition root: the only place that names the concrete adapters.
//!
//! [`serve`], [`run_sidecar`] and [`dev`] are the three ways to run. All of them assemble a
//! [`runner::PipelineHost`] from the settings.

pub mod assembly;
pub mod changelogs;
pub mod check;
pub mod client_settings;
mod clouds;
pub mod contract;
pub mod contract_state;
pub mod deploy;
pub mod dev;
pub mod factory;
mod group;
pub mod guest_log_sink;
pub mod host_id;
pub mod instances;
pub mod notices;
pub mod object_store;
pub mod observer;
pub mod refused;
pub mod registry;
pub mod restore;
pub mod restore_pool;
pub mod runner;
pub mod seek;
pub mod serve;
pub mod sidecar;
pub mod signals;
pub mod spec_check;
mod state_check;
mod state_figures;
pub mod state_keeper;
pub mod state_note;
pub mod state_root;
pub mod steering;
pub mod subjects;
pub mod tools;
pub mod topics;

pub use check::CheckReport;
pub use check::check_component;
pub use check::check_pipeline;
pub use dev::DevAddresses;
pub use dev::DevOptions;
pub use dev::DevTopic;
pub use dev::dev;
pub use refused::Refused;
pub use serve::serve;
pub use sidecar::SidecarPipeline;
pub use sidecar::run_sidecar;
pub use tools::compile_component;
pub use tools::componentize;
pub use tools::openapi;
