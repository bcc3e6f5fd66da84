//! Time that a test sets.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use crate::pipeline::clock::Clock;

/// Begins at some time, and stands until it is moved.
#[derive(Debug, Clone)]
pub(crate) struct TestClock {
    began: Instant,
    passed_ms: Arc<AtomicI64>,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { began: Instant::now(), passed_ms: Arc::default() }
    }
}

impl TestClock {
    /// What [`Clock::unix_ms`] says at first.
    pub(crate) const EPOCH_MS: i64 = 1_000_000;

    pub(crate) fn pass(&self, ms: i64) {
        self.passed_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn now_ms(&self) -> i64 {
        Self::EPOCH_MS + self.passed_ms.load(Ordering::Relaxed)
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        let passed = self.passed_ms.load(Ordering::Relaxed).cast_unsigned();
        self.began + Duration::from_millis(passed)
    }

    fn unix_ms(&self) -> i64 {
        self.now_ms()
    }
}
