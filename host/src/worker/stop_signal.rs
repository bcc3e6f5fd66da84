//! The wish that a worker ends.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use parking_lot::Condvar;
use parking_lot::Mutex;

/// Shared by a pipeline's workers and whoever stops them. Once set it stays set.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    set: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl StopSignal {
    pub fn set(&self) {
        let _guard = self.0.lock.lock();
        self.0.set.store(true, Ordering::Release);
        self.0.changed.notify_all();
    }

    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// Sleeps for `wait`, or until the signal is set. True if it is.
    pub fn wait(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut guard = self.0.lock.lock();
        while !self.is_set() {
            if self.0.changed.wait_until(&mut guard, until).timed_out() {
                break;
            }
        }
        self.is_set()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_the_signal_is_set() {
        let signal = StopSignal::default();
        assert!(!signal.wait(Duration::from_millis(1)));
        let other = signal.clone();
        let thread = std::thread::spawn(move || other.wait(Duration::from_secs(60)));
        signal.set();
        assert!(thread.join().expect("no panic"));
    }
}
