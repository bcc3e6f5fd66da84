//! The workers of one pipeline as a whole.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use parking_lot::Mutex;
use tracing::Dispatch;
use tracing::Span;
use tracing::dispatcher;

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
            let span = worker_span(id, index);
            // A thread logs where whoever started it does.
            let log = dispatcher::get_default(Dispatch::clone);
            let body = move || {
                dispatcher::with_default(&log, || {
                    let _entered = span.enter();
                    if let Err(reason) = thread::run(&factory, index, &stop, &board) {
                        tracing::error!(code = %reason.code, error = %reason, "pipeline stopped");
                        // One worker that cannot go on ends the pipeline: its partitions would only
                        // move to its siblings and end them too.
                        failure.lock().get_or_insert(reason);
                        stop.set();
                    }
                });
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

/// Names the tenant, the pipeline and the worker in every event of the worker's thread. As severe as
/// an event can be, so that no level of the log leaves the names out.
fn worker_span(id: &PipelineId, worker: WorkerIndex) -> Span {
    tracing::error_span!("worker", tenant = %id.tenant, pipeline = %id.pipeline, worker = worker.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PipelineName;
    use crate::model::ids::TenantName;
    use crate::pipeline::driver::DriverFailure;
    use crate::pipeline::fakes::sink::FakeSink;
    use crate::pipeline::fakes::source::FakeSource;
    use crate::telemetry::captured_log::CapturedLog;
    use crate::telemetry::init::LogOutput;
    use crate::worker::factory::WorkerParts;

    /// Has no parts: its workers stop at once.
    struct NoParts;

    impl WorkerFactory for NoParts {
        type Source = FakeSource;
        type Sink = FakeSink;

        fn build(&self, _: WorkerIndex) -> Result<WorkerParts<FakeSource, FakeSink>, DriverFailure> {
            tracing::warn!("building");
            Err(Stop::new("no-parts", "there are none", "Do not start it").into())
        }
    }

    #[test]
    fn every_event_of_a_worker_names_its_pipeline_at_any_level() {
        let pipeline = PipelineName::new("p").expect("a name");
        let id = PipelineId { tenant: TenantName::default_tenant(), pipeline };
        for (level, messages) in
            [("info", vec!["building", "pipeline stopped"]), ("error", vec!["pipeline stopped"])]
        {
            let log = CapturedLog::default();
            let workers =
                log.during(LogOutput::Json, level, || Workers::start(&id, 1, NoParts).expect("a thread"));
            let until = Instant::now() + Duration::from_secs(10);
            while !workers.ended() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(workers.failure().map(|stop| stop.code.0), Some("no-parts"));
            workers.drain(Duration::ZERO).expect("ended");
            let events = log.events();
            let told: Vec<&str> = events.iter().filter_map(|event| event["message"].as_str()).collect();
            assert_eq!(told, messages);
            for event in &events {
                let span = &event["spans"][0];
                assert_eq!((&span["tenant"], &span["pipeline"]), (&"default".into(), &"p".into()), "{event}");
                assert_eq!(span["worker"], 0, "{event}");
            }
        }
    }
}
