//! What people write: pipeline files and the settings of the host, read once into validated types.

pub mod pipeline_document;
pub mod pipeline_file;
pub mod pipeline_schema;
pub mod secret;
pub mod units;

mod bindings;
mod client_properties;
mod policies;
mod section;
mod suggest;
mod tree;
