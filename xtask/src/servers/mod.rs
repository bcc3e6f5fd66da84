//! Real servers for the tests and for play: Apache Kafka and a schema registry, fetched once with Maven.

mod java;
mod kafka;
mod kafka_security;
mod kafka_streams;
mod maven;
mod port;
mod process;
mod registry;
mod scratch;

pub use java::program as java_program;
pub use kafka::KAFKA_VERSION;
pub use kafka::KafkaServer;
pub use kafka::install as install_kafka;
pub use kafka_security::KafkaSecurity;
pub use kafka_streams::install as install_kafka_streams;
pub use port::PortLease;
pub use registry::REGISTRY_VERSION;
pub use registry::RegistryServer;
pub use registry::install as install_registry;
pub use scratch::Scratch;
