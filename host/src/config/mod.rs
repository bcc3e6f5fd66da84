//! What people write: pipeline files and the settings of the host, read once into validated types.

pub mod pipeline_document;
pub mod pipeline_file;
pub mod pipeline_schema;
pub mod secret;
pub mod settings;
pub mod units;

mod bindings;
mod event_time;
mod policies;
mod section;
mod settings_connections;
mod settings_keys;
mod settings_layers;
mod settings_reader;
mod settings_state;
mod suggest;
mod tree;
