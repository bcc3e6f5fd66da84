//! Everything between two commits.

use std::time::Duration;
use std::time::Instant;

use crate::model::pipeline_spec::CommitPolicy;

/// What the current commit cycle holds, and when it is due.
#[derive(Debug)]
pub struct Cycle {
    policy: CommitPolicy,
    /// When the first record of the cycle was dealt with; none while there is nothing to commit.
    began: Option<Instant>,
    records: u64,
    bytes: u64,
}

impl Cycle {
    #[must_use]
    pub fn new(policy: CommitPolicy) -> Self {
        Self { policy, began: None, records: 0, bytes: 0 }
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        self.began.is_some()
    }

    pub fn open(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    pub fn add(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bytes += bytes;
    }

    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.began.is_some_and(|began| {
            now.saturating_duration_since(began) >= self.policy.interval
                || self.records >= self.policy.records_max
                || self.bytes >= self.policy.bytes_max
        })
    }

    /// Time left until the cycle is due; none while it holds nothing.
    #[must_use]
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        let began = self.began?;
        Some((began + self.policy.interval).saturating_duration_since(now))
    }

    pub fn close(&mut self) {
        self.began = None;
        self.records = 0;
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_due_by_time_records_or_bytes() {
        let policy = CommitPolicy { interval: Duration::from_millis(100), records_max: 10, bytes_max: 1000 };
        let now = Instant::now();
        let mut cycle = Cycle::new(policy);
        assert!(!cycle.is_due(now + Duration::from_secs(9)), "nothing to commit");
        cycle.open(now);
        assert!(!cycle.is_due(now));
        assert_eq!(cycle.due_in(now), Some(Duration::from_millis(100)));
        assert!(cycle.is_due(now + Duration::from_millis(100)));
        cycle.add(10, 0);
        assert!(cycle.is_due(now));
        cycle.close();
        cycle.open(now);
        cycle.add(1, 1000);
        assert!(cycle.is_due(now));
    }
}
