//! The threads that restore state and let go of it: a bounded number for the whole host.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Condvar;
use parking_lot::Mutex;

type Job = Box<dyn FnOnce() + Send>;

/// Names a job that was given to a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobId(u64);

/// Runs jobs that wait for disks and brokers. Dropping it waits for those that have begun, and drops
/// those that have not.
pub struct RestorePool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// A job came in, or the pool is being dropped.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// As many as the host has tasks, at most: each task gives one at a time.
    jobs: VecDeque<(JobId, Job)>,
    next: u64,
    closed: bool,
}

impl RestorePool {
    /// # Errors
    /// When the system gives no thread.
    pub fn start(name: &str, threads: NonZeroUsize) -> std::io::Result<Self> {
        let mut pool = Self { shared: Arc::new(Shared::default()), threads: Vec::new() };
        for index in 0..threads.get() {
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new().name(format!("{name}-{index}"));
            pool.threads.push(thread.spawn(move || shared.work())?);
        }
        Ok(pool)
    }

    /// Gives a job to the first thread that is free.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) -> JobId {
        let mut queue = self.shared.queue.lock();
        let id = JobId(queue.next);
        queue.next += 1;
        queue.jobs.push_back((id, Box::new(job)));
        self.shared.changed.notify_one();
        id
    }

    /// Drops a job that has not begun; one that has goes on.
    pub fn take_back(&self, id: JobId) {
        self.shared.queue.lock().jobs.retain(|(queued, _)| *queued != id);
    }
}

impl Shared {
    fn work(&self) {
        while let Some(job) = self.next() {
            // A defect in one task's job must not take the threads of all; whoever gave it sees that
            // nothing comes back.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
                tracing::error!("a job of keyed state panicked");
            }
        }
    }

    /// Waits for a job; none at the end.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some((_, job)) = queue.jobs.pop_front() {
                return Some(job);
            }
            self.changed.wait(&mut queue);
        }
    }
}

impl Drop for RestorePool {
    fn drop(&mut self) {
        let dropped = {
            let mut queue = self.shared.queue.lock();
            queue.closed = true;
            std::mem::take(&mut queue.jobs)
        };
        drop(dropped);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of keyed state ended with a panic");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use crossbeam_channel::bounded;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn pool(threads: usize) -> RestorePool {
        RestorePool::start("test", NonZeroUsize::new(threads).expect("some")).expect("threads")
    }

    #[test]
    fn as_many_jobs_run_at_once_as_there_are_threads_and_all_are_done() {
        let pool = pool(2);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // Two jobs meet; a third that ran beside them would be counted.
        let meeting = Arc::new(Barrier::new(2));
        let (told, heard) = bounded(6);
        for _ in 0..6 {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            let (meeting, told) = (Arc::clone(&meeting), told.clone());
            pool.run(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                meeting.wait();
                running.fetch_sub(1, Ordering::SeqCst);
                meeting.wait();
                told.send(()).expect("heard");
            });
        }
        for _ in 0..6 {
            heard.recv_timeout(PATIENCE).expect("done");
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_job_that_panics_takes_no_thread_with_it() {
        let pool = pool(1);
        let (told, heard) = bounded(1);
        pool.run(|| panic!("told to"));
        pool.run(move || told.send(()).expect("heard"));
        heard.recv_timeout(PATIENCE).expect("the next job ran");
    }

    #[test]
    fn a_job_that_waits_can_be_taken_back_and_goes_with_the_pool() {
        let pool = pool(1);
        let (begun, has_begun) = bounded(1);
        let (go, wait) = bounded::<()>(1);
        pool.run(move || {
            begun.send(()).expect("heard");
            wait.recv().expect("told to go on");
        });
        has_begun.recv_timeout(PATIENCE).expect("begun");
        let (first, first_gone) = bounded::<()>(1);
        let (second, second_gone) = bounded::<()>(1);
        let id = pool.run(move || drop(first));
        pool.run(move || second.send(()).expect("never"));
        pool.take_back(id);
        first_gone.recv_timeout(PATIENCE).expect_err("dropped without a word");
        assert!(first_gone.is_empty() && second_gone.try_recv().is_err_and(|error| error.is_empty()));
        let dropping = std::thread::spawn(move || drop(pool));
        second_gone.recv_timeout(PATIENCE).expect_err("dropped without a word");
        go.send(()).expect("it waits");
        dropping.join().expect("the pool ends once the job that had begun has");
    }
}
