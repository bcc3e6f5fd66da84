//! Waiting between attempts.

use std::time::Duration;

/// Exponential backoff with full jitter: each wait is random between half and all of a bound that
/// doubles up to its maximum.
#[derive(Debug, Clone)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    #[must_use]
    pub fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max, attempts: 0 }
    }

    /// For brokers and registries: 100 ms up to 10 s.
    #[must_use]
    pub fn for_outage() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(10))
    }

    /// How many waits were handed out.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let bound = self.initial.saturating_mul(1_u32.checked_shl(self.attempts.min(30)).unwrap_or(u32::MAX));
        let bound = bound.min(self.max);
        self.attempts = self.attempts.saturating_add(1);
        bound.mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for bound_ms in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next_wait();
            assert!(wait <= Duration::from_millis(bound_ms), "{wait:?} over {bound_ms} ms");
            assert!(wait >= Duration::from_millis(bound_ms / 2), "{wait:?} under half of {bound_ms} ms");
        }
        assert_eq!(backoff.attempts(), 6);
        for _ in 0..100 {
            assert!(backoff.next_wait() <= Duration::from_secs(1));
        }
    }
}
