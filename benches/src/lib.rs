//! Micro-benchmarks and end-to-end comparisons. The method is in `README.md`.

pub mod bench;
pub mod bench_state;
pub mod cpu_clock;
pub mod figure;
pub mod figures;
pub mod guests;
pub mod host_process;
pub mod http;
pub mod kafka_work;
pub mod machine;
pub mod native_adapters;
mod native_calls;
pub mod native_count;
pub mod native_generator;
pub mod native_raw;
pub mod native_safe;
pub mod native_verifier;
pub mod native_workload;
pub mod payment_bytes;
pub mod progress;
pub mod servers;
pub mod streams;
pub mod wire_columns;
