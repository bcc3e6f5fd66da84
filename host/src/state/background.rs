//! Threads that do for the tasks what waits for disks. Owned by the host, joined when it goes.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::Receiver;
use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::Sender;
use crossbeam_channel::TryRecvError;
use crossbeam_channel::TrySendError;
use crossbeam_channel::bounded;

use crate::state::disk::DiskError;

/// Jobs that wait at most. A task never has more than a few at once.
const JOBS_MAX: usize = 4096;

type Job = Box<dyn FnOnce() + Send>;

/// See the module.
pub(super) struct Background {
    /// None only while it is dropped.
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Background {
    /// Starts so many threads.
    pub(super) fn start(name: &str, threads: usize) -> std::io::Result<Self> {
        let (jobs, queue) = bounded::<Job>(JOBS_MAX);
        let start = |number: usize| {
            let queue = queue.clone();
            std::thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
                while let Ok(job) = queue.recv() {
                    // A job that panics tells its owner by dying; the thread is needed by others.
                    if catch_unwind(AssertUnwindSafe(job)).is_err() {
                        tracing::error!("a background job of keyed state panicked");
                    }
                }
            })
        };
        let threads = (0..threads).map(start).collect::<std::io::Result<Vec<_>>>()?;
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Runs a job soon; none when too many wait already.
    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Pending<T>> {
        let (sender, result) = bounded(1);
        let job: Job = Box::new(move || {
            // Nobody may be waiting any more.
            let _ = sender.send(job());
        });
        match self.jobs.as_ref()?.try_send(job) {
            Ok(()) => Some(Pending { result }),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a background thread of keyed state panicked");
            }
        }
    }
}

/// A job that was handed over.
pub(super) struct Pending<T> {
    result: Receiver<T>,
}

impl<T> Pending<Result<T, DiskError>> {
    /// Its result, if it has ended.
    pub(super) fn poll(&self) -> Option<Result<T, DiskError>> {
        match self.result.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(died())),
        }
    }

    /// Waits for its result.
    pub(super) fn wait(&self) -> Result<T, DiskError> {
        self.result.recv().unwrap_or_else(|_| Err(died()))
    }

    /// Waits a while for its result.
    pub(super) fn wait_for(&self, timeout: Duration) -> Option<Result<T, DiskError>> {
        match self.result.recv_timeout(timeout) {
            Ok(result) => Some(result),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(died())),
        }
    }
}

fn died() -> DiskError {
    DiskError::Io("the background job ended without a result".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_panics_is_told_to_its_owner_and_harms_no_other() {
        let background = Background::start("test", 1).expect("a thread");
        let bad = background.run(|| -> Result<(), DiskError> { panic!("on purpose") }).expect("accepted");
        let good = background.run(|| Ok(7)).expect("accepted");
        assert!(matches!(bad.wait(), Err(DiskError::Io(_))));
        assert_eq!(good.wait().expect("ran"), 7);
    }
}
