//! Kafka out: outputs and dead letters, with the input offsets in one transaction.
//!
//! [`kafka_sink::KafkaSink`] implements the core's port [`crate::pipeline::ports::Sink`].

pub mod dead_letter;
pub mod kafka_sink;
pub mod router;
pub mod sink_settings;
mod suspects;
mod transaction;
mod trouble;
