//! What a worker tells of its tasks, for the API and the metrics.

use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use serde::Serialize;

use crate::model::failure::Code;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::pipeline::phase::TaskPhase;

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
    /// Oldest first, at most [`StatusBoard::ERRORS_MAX`].
    pub errors: Vec<PastError>,
    /// What the whole worker waits for, such as a broker that is away.
    pub waiting: Option<Waiting>,
}

/// Where a worker publishes and others read. Written at commits and events, not per record.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard(Arc<Mutex<WorkerStatus>>);

impl StatusBoard {
    pub const ERRORS_MAX: usize = 20;

    #[must_use]
    pub fn read(&self) -> WorkerStatus {
        self.0.lock().clone()
    }

    pub fn tasks(&self, tasks: Vec<TaskStatus>) {
        self.0.lock().tasks = tasks;
    }

    pub fn waiting(&self, waiting: Option<Waiting>) {
        self.0.lock().waiting = waiting;
    }

    pub fn error(&self, code: Code, message: impl Into<String>) {
        let mut status = self.0.lock();
        if status.errors.len() >= Self::ERRORS_MAX {
            status.errors.remove(0);
        }
        status.errors.push(PastError { at: SystemTime::now(), code, message: message.into() });
    }
}
