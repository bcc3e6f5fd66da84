//! The time of the data path.

use std::time::Instant;
use std::time::SystemTime;

/// Time, so that tests can set it.
pub trait Clock: Send {
    fn now(&self) -> Instant;

    /// Processing time, in milliseconds since the Unix epoch.
    fn unix_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn unix_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}
