//! What people write: pipeline files and the settings of the host, read once into validated types.

#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod pipeline_document;
pub mod pipeline_file;
pub mod pipeline_schema;
pub mod secret;
pub mod seek_document;
pub mod settings;
pub mod units;

pub(crate) mod bindings;
mod event_time;
pub(crate) mod policies;
mod section;
mod settings_connections;
mod settings_keys;
mod settings_layers;
mod settings_reader;
mod settings_state;
mod suggest;
mod tree;
