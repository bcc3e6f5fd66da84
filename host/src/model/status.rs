//! What is known of a running pipeline, for the API and the metrics.

use std::time::SystemTime;

use serde::Serialize;

use crate::model::failure::Code;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::model::task_phase::TaskPhase;

/// Why a task waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    pub since: SystemTime,
    pub code: Code,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStatus {
    pub partition: TopicPartition,
    pub phase: TaskPhase,
    pub position: Offset,
    pub committed: Offset,
    /// Records up to the last stable offset, as last known.
    pub lag: Option<u64>,
    /// Timestamp of the last record dealt with, milliseconds.
    pub last_timestamp: Option<i64>,
    pub waiting: Option<Waiting>,
    /// How far the restore of its state has come, while it is restored.
    pub restore: Option<RestoreProgress>,
}

/// How far a restore has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreProgress {
    pub records: u64,
    pub bytes: u64,
    /// Records of the changelogs still to come, at most; none while it is not known.
    pub records_left: Option<u64>,
}

/// Something that went wrong and was dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastError {
    pub at: SystemTime,
    pub code: Code,
    pub message: String,
}

/// A worker as last seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerStatus {
    pub tasks: Vec<TaskStatus>,
    /// Oldest first, a bounded number.
    pub errors: Vec<PastError>,
    /// What the whole worker waits for, such as a broker that is away.
    pub waiting: Option<Waiting>,
}
