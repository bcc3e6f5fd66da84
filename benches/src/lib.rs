//! Micro-benchmarks and end-to-end comparisons. The method is in `README.md`.

pub mod native_adapters;
pub mod native_generator;
pub mod native_raw;
pub mod native_safe;
pub mod native_verifier;
pub mod native_workload;
