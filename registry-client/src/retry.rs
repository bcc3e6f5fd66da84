use std::time::Duration;

/// How a direct call is repeated while the registry is unavailable.
///
/// Only calls that may be carried out twice without harm are repeated: reads, checks, lookups,
/// registration (the same schema gets the same id) and settings. A deletion is repeated only when it
/// certainly did not arrive. What counts as unavailable: no connection, timeout, a broken answer,
/// statuses 408, 429 and 5xx (not 501 and 505).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often the list of base URLs is gone through; each pass tries every URL once, without a wait
    /// between them. At least 1. Default 3.
    pub passes_max: u32,
    /// Ceiling of the wait after the first pass; it doubles with each pass. The wait itself is drawn
    /// evenly from zero to the ceiling (full jitter). Default 100 ms.
    pub backoff_min: Duration,
    /// The ceiling never grows beyond this. Default 5 s.
    pub backoff_max: Duration,
    /// A server's `Retry-After` lengthens the wait, up to this. Default 30 s.
    pub retry_after_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            passes_max: 3,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            retry_after_max: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// One pass over the URLs and no wait.
    #[must_use]
    pub fn never() -> Self {
        Self { passes_max: 1, ..Self::default() }
    }

    /// How long to wait after `passes` failed passes (1 = the first), given what the server asked for.
    pub(crate) fn wait(&self, passes: u32, retry_after: Option<Duration>) -> Duration {
        let asked = retry_after.unwrap_or_default().min(self.retry_after_max);
        jittered(self.ceiling(passes)).max(asked)
    }

    fn ceiling(&self, passes: u32) -> Duration {
        let doublings = passes.saturating_sub(1).min(31);
        self.backoff_min.saturating_mul(1 << doublings).min(self.backoff_max)
    }
}

fn jittered(ceiling: Duration) -> Duration {
    let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rand::random_range(0..=nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceiling_doubles_up_to_its_bound() {
        let policy = RetryPolicy::default();
        let ceilings: Vec<u128> = (1..=8).map(|pass| policy.ceiling(pass).as_millis()).collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(policy.ceiling(u32::MAX), policy.backoff_max);
    }

    #[test]
    fn jitter_spreads_over_the_whole_range() {
        let policy = RetryPolicy::default();
        let waits: Vec<Duration> = (0..1000).map(|_| policy.wait(7, None)).collect();
        let (low, high) = (Duration::from_secs(1), Duration::from_secs(4));
        assert!(waits.iter().any(|wait| *wait < low) && waits.iter().any(|wait| *wait > high));
        assert!(waits.iter().all(|wait| *wait <= policy.backoff_max));
    }

    #[test]
    fn retry_after_lengthens_the_wait_within_its_bound() {
        let policy = RetryPolicy::default();
        assert!(policy.wait(1, Some(Duration::from_secs(2))) >= Duration::from_secs(2));
        assert_eq!(policy.wait(1, Some(Duration::from_secs(3600))), policy.retry_after_max);
    }
}
