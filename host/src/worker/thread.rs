//! The life of one worker thread.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::SystemTime;

use crate::model::failure::Stop;
use crate::model::ids::WorkerIndex;
use crate::model::status::Waiting;
use crate::pipeline::backoff::Backoff;
use crate::pipeline::driver::Driver;
use crate::pipeline::driver::DriverFailure;
use crate::pipeline::status::StatusBoard;
use crate::worker::factory::WorkerFactory;
use crate::worker::stop_signal::StopSignal;

/// Runs a worker until it is told to stop or cannot go on.
///
/// # Errors
/// Why it cannot go on. A panic is such a reason: it is a mistake in Wasmill, and takes neither the
/// process nor another pipeline with it.
pub fn run<F: WorkerFactory>(
    factory: &Arc<F>,
    worker: WorkerIndex,
    stop: &StopSignal,
    status: &StatusBoard,
) -> Result<(), Stop> {
    let outcome =
        std::panic::catch_unwind(AssertUnwindSafe(|| attempts(factory.as_ref(), worker, stop, status)));
    outcome.unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(Stop::new(
            "internal-panic",
            format!("worker {} panicked: {message}", worker.0),
            "This is a mistake in Wasmill: please report it with the log; then resume the pipeline. Nothing was lost",
        ))
    })
}

/// One driver after another: each lives until an outage makes its clients unusable.
fn attempts<F: WorkerFactory>(
    factory: &F,
    worker: WorkerIndex,
    stop: &StopSignal,
    status: &StatusBoard,
) -> Result<(), Stop> {
    let mut backoff = Backoff::for_outage();
    let mut since = None;
    while !stop.is_set() {
        let failure = match attempt(factory, worker, stop, status, &mut backoff) {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        match failure {
            DriverFailure::Stop(stop) => {
                status.error(stop.code, stop.message.clone());
                return Err(stop);
            }
            DriverFailure::Rebuild { code, reason } => {
                if backoff.attempts() == 0 {
                    since = None;
                }
                let wait = backoff.next_wait();
                let since = *since.get_or_insert_with(SystemTime::now);
                tracing::warn!(%code, reason, worker = worker.0, wait_ms = wait.as_millis() as u64, "worker starts again");
                status.error(code, reason.clone());
                status.waiting(Some(Waiting { since, code, reason }));
                stop.wait(wait);
            }
        }
    }
    Ok(())
}

fn attempt<F: WorkerFactory>(
    factory: &F,
    worker: WorkerIndex,
    stop: &StopSignal,
    status: &StatusBoard,
    backoff: &mut Backoff,
) -> Result<(), DriverFailure> {
    let parts = factory.build(worker)?;
    let mut driver = Driver::join(parts.source, parts.lane, parts.settings, status.clone())?;
    status.waiting(None);
    while !stop.is_set() {
        if let Err(failure) = driver.turn() {
            if driver.has_committed() {
                *backoff = Backoff::for_outage();
            }
            driver.abandon();
            return Err(failure);
        }
    }
    driver.drain()
}
