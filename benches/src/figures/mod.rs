//! One file for what is measured together.

pub mod boundary;
pub mod checkpoint;
pub mod codec;
pub mod count;
pub mod idle;
pub mod inprocess;
pub mod large_state;
pub mod latency;
pub mod state_update;
pub mod throughput;
pub mod timers;
pub mod upload;
