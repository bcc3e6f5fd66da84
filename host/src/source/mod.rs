//! Kafka in: records of the partitions that the group gives to this worker.
//!
//! [`kafka_source::KafkaSource`] implements the core's port [`crate::pipeline::ports::Source`].

pub mod changelog_reader;
pub mod flow_control;
mod gone_offsets;
pub mod kafka_source;
mod lag;
mod last_records;
mod partitions;
pub mod source_settings;
mod topic_check;
