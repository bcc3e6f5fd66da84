//! How much a host keeps. Fixed: whoever needs more needs more hosts.

use std::time::Duration;

/// Transforms of one tenant.
pub const TRANSFORMS_MAX: usize = 1_000;
/// Versions of one transform. None is ever removed: a pipeline may run it.
pub const VERSIONS_MAX: usize = 1_000;
/// Pipelines of one tenant. Each has at least one thread on every host.
pub const PIPELINES_MAX: usize = 500;
/// Items of one page of a list.
pub const PAGE_ITEMS_MAX: usize = 200;
/// Largest file of the catalog, in bytes. A longer one is not ours.
pub(crate) const RECORD_BYTES_MAX: u64 = 16 << 20;
/// Records of all versions, in bytes: they are held in memory. A usual manifest has some KiB.
pub const VERSION_RECORDS_BYTES_MAX: usize = 64 << 20;
/// Records of all pipelines, in bytes: they are held in memory.
pub const PIPELINE_RECORDS_BYTES_MAX: usize = 64 << 20;
/// Components of all versions, in bytes on the disk.
pub const COMPONENTS_BYTES_MAX: u64 = 20 << 30;
/// Records of one page of a list, in bytes; a larger one comes alone.
pub const PAGE_BYTES_MAX: usize = 8 << 20;
/// How long a deletion is waited for before it goes on by itself.
pub(crate) const DELETE_WAIT: Duration = Duration::from_secs(30);

/// How fast the state of pipelines is brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How often a running pipeline is looked at. Default 1 s.
    pub poll: Duration,
    /// Before a start that failed by an outage is tried again. Default 1 s, doubled each time, with
    /// jitter.
    pub backoff_initial: Duration,
    /// Default 30 s.
    pub backoff_max: Duration,
    /// How long a pipeline may take to finish its cycle, commit and stop. Default 25 s.
    pub drain_deadline: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            backoff_initial: Duration::from_secs(1),
            backoff_max: Duration::from_secs(30),
            drain_deadline: Duration::from_secs(25),
        }
    }
}

impl Pace {
    /// How long to wait after that many failures in a row: half of it is certain, half is chance, so
    /// that pipelines that failed together do not come back together.
    pub(crate) fn backoff(&self, failures: u32) -> Duration {
        let doubled = self.backoff_initial.saturating_mul(1 << failures.saturating_sub(1).min(20));
        doubled.min(self.backoff_max).mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_ceiling() {
        let pace = Pace::default();
        let within = |failures, ms: u64| {
            let wait = pace.backoff(failures);
            assert!(
                wait >= Duration::from_millis(ms / 2) && wait <= Duration::from_millis(ms),
                "{failures}: {wait:?}"
            );
        };
        within(1, 1_000);
        within(2, 2_000);
        within(4, 8_000);
        within(6, 30_000);
        within(u32::MAX, 30_000);
    }
}
