//! The fields that log events carry, by one name each.
//!
//! Events say what happened; fields say where. A worker opens [`worker_span`] once and every event
//! below carries its fields. Payloads are never logged.

use tracing::Span;

use crate::model::ids::PipelineId;
use crate::model::ids::WorkerIndex;

/// Owner of a pipeline.
pub const TENANT: &str = "tenant";
/// Name of a pipeline.
pub const PIPELINE: &str = "pipeline";
/// Index of a worker among those of its pipeline on this host.
pub const WORKER: &str = "worker";
/// Topic of a record.
pub const TOPIC: &str = "topic";
/// Partition of a record.
pub const PARTITION: &str = "partition";
/// Offset of a record.
pub const OFFSET: &str = "offset";
/// Stable name of a kind of failure.
pub const CODE: &str = "code";
/// Text of an error.
pub const ERROR: &str = "error";

/// The span of everything that concerns one pipeline.
#[must_use]
pub fn pipeline_span(id: &PipelineId) -> Span {
    tracing::info_span!("pipeline", tenant = %id.tenant, pipeline = %id.pipeline)
}

/// The span of one worker thread.
#[must_use]
pub fn worker_span(id: &PipelineId, worker: WorkerIndex) -> Span {
    tracing::info_span!("worker", tenant = %id.tenant, pipeline = %id.pipeline, worker = worker.0)
}
