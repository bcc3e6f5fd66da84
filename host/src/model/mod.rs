//! Values that every part of the host shares. No IO.

pub mod arrow_type;
pub mod avro_type;
pub mod binaries;
pub mod fail_point;
pub mod failure;
pub mod ids;
pub mod limits;
pub mod manifest;
pub mod murmur2;
pub mod pipeline_spec;
pub mod pipeline_state;
pub mod position;
pub mod record_batch;
pub mod schema_table;
pub mod seek;
pub mod state;
pub mod state_key;
pub mod status;
pub mod task_phase;
