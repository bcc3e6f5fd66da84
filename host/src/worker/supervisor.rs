//! The workers of one pipeline as a whole.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use parking_lot::Mutex;

use crate::model::failure::Stop;
use crate::model::ids::PipelineId;
use crate::model::ids::WorkerIndex;
use crate::model::status::WorkerStatus;
use crate::pipeline::status::StatusBoard;
use crate::worker::factory::WorkerFactory;
use crate::worker::stop_signal::StopSignal;
use crate::worker::thread;

/// Running workers. Owns their threads.
#[derive(Debug)]
pub struct Workers {
    stop: StopSignal,
    threads: Vec<JoinHandle<()>>,
    boards: Vec<StatusBoard>,
    failure: Arc<Mutex<Option<Stop>>>,
}

/// Workers that did not end in time. Their transactions are still open; only the end of the process
/// settles them at once, and otherwise the broker's transaction timeout does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{count} workers did not drain within {} ms", .deadline.as_millis())]
pub struct DrainTimeout {
    pub count: usize,
    pub deadline: Duration,
}

impl Workers {
    /// Starts the threads of a pipeline.
    ///
    /// # Errors
    /// When the system gives no thread; those already started are told to stop.
    pub fn start<F: WorkerFactory>(id: &PipelineId, count: u32, factory: F) -> std::io::Result<Self> {
        let factory = Arc::new(factory);
        let mut workers = Self {
            stop: StopSignal::default(),
            threads: Vec::new(),
            boards: Vec::new(),
            failure: Arc::default(),
        };
        for index in (0..count).map(WorkerIndex) {
            let board = StatusBoard::default();
            workers.boards.push(board.clone());
            let (factory, stop, failure) = (factory.clone(), workers.stop.clone(), workers.failure.clone());
            let id = id.clone();
            let body = move || {
                if let Err(reason) = thread::run(&factory, index, &stop, &board) {
                    tracing::error!(pipeline = %id, code = %reason.code, error = %reason, "pipeline stopped");
                    // One worker that cannot go on ends the pipeline: its partitions would only
                    // move to its siblings and end them too.
                    failure.lock().get_or_insert(reason);
                    stop.set();
                }
            };
            let spawned = std::thread::Builder::new().name(format!("worker-{}", index.0)).spawn(body);
            match spawned {
                Ok(thread) => workers.threads.push(thread),
                Err(error) => {
                    workers.stop.set();
                    return Err(error);
                }
            }
        }
        Ok(workers)
    }

    /// Why the pipeline stopped by itself, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<Stop> {
        self.failure.lock().clone()
    }

    /// Whether every thread has ended.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Each worker as last seen.
    #[must_use]
    pub fn status(&self) -> Vec<WorkerStatus> {
        self.boards.iter().map(StatusBoard::read).collect()
    }

    /// Tells the workers to drain, without waiting.
    pub fn signal(&self) {
        self.stop.set();
    }

    /// Drains: each worker finishes its cycle, commits and ends. Blocks.
    ///
    /// # Errors
    /// When a worker does not end within the deadline; its thread is left behind.
    pub fn drain(self, deadline: Duration) -> Result<(), DrainTimeout> {
        self.stop.set();
        let until = Instant::now() + deadline;
        while !self.ended() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut late = 0;
        for thread in self.threads {
            if thread.is_finished() {
                // A panic inside is caught and reported by the thread itself.
                let _ = thread.join();
            } else {
                late += 1;
            }
        }
        if late == 0 { Ok(()) } else { Err(DrainTimeout { count: late, deadline }) }
    }
}
