//! What the integration suites share: a real Kafka, a real schema registry, built guests, and short ways
//! to write, read and look at them.
//!
//! `cargo xtask test` starts one Kafka and one registry for the whole run. A test binary started by hand
//! starts its own when a test asks for one. Suites share them, so every test names its topics, groups and
//! subjects with [`unique_name`]. A test that breaks its servers starts private ones: [`Broker`], [`Registry`].
//! Every server dies with the process that started it, however that ends.
//!
//! Helpers return [`anyhow::Result`]; a test says `.expect("why")`.

pub mod avro;
mod broker;
mod certificates;
pub mod checkpointed;
// Private to the host, and wanted here: its own tests and these ones feed the same values. It names
// `crate::model`.
#[path = "../../../host/src/codec/testing/generate.rs"]
#[allow(dead_code, reason = "schemas that evolve are for the host's own tests")]
mod generate;
mod guests;
pub mod http;
pub mod jobs;
mod kafka_client;
mod kafka_consume;
mod kafka_produce;
mod names;
pub mod payments;
pub mod payments_filter;
pub mod probe;
mod python;
mod random_avro;
mod record;
mod registry;
mod running_totals;
mod s3;
mod secure_broker;
mod seed;
mod sidecar;
mod test_pipeline;
pub mod watch;

pub use broker::Broker;
pub use broker::shared_broker;
pub use guests::guest;
pub use kafka_client::KafkaClient;
pub use names::free_port;
pub use names::unique_name;
pub use python::python;
pub use python::run_python;
pub use random_avro::RandomAvro;
pub use random_avro::RandomAvroSchema;
pub use record::ConsumedRecord;
pub use record::TestRecord;
pub use registry::Registry;
pub use registry::RegistryApi;
pub use registry::shared_registry;
pub use running_totals::Histories;
pub use running_totals::RunningTotals;
pub use running_totals::Totals;
pub use s3::S3;
pub use secure_broker::SecureBroker;
pub use seed::seed;
pub use sidecar::Sidecar;
pub use sidecar::SidecarPlan;
pub use sidecar::binary;
pub use sidecar::wasmill;
pub use sidecar::wasmill_in;
pub use test_pipeline::DONE_MAX;
pub use test_pipeline::DRAIN_MAX;
pub use test_pipeline::TestPipeline;

use wasmill::model;
