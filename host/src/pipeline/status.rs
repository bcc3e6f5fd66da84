//! Where a worker tells of its tasks.

use std::sync::Arc;
use std::time::SystemTime;

use crate::model::failure::Code;
use crate::model::status::PastError;
use crate::model::status::TaskStatus;
use crate::model::status::Waiting;
use crate::model::status::WorkerStatus;
use parking_lot::Mutex;

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
