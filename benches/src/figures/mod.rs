//! One file for what is measured together.

pub mod boundary;
pub mod codec;
pub mod idle;
pub mod inprocess;
pub mod latency;
pub mod throughput;
pub mod upload;
