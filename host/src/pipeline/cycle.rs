//! Everything between two commits.

use std::time::Duration;
use std::time::Instant;

use crate::model::pipeline_spec::CommitPolicy;
use crate::pipeline::backoff::Backoff;

/// What the current commit cycle holds, and when it is due.
#[derive(Debug)]
pub struct Cycle {
    policy: CommitPolicy,
    /// When the first record of the cycle was dealt with; none while there is nothing to commit.
    began: Option<Instant>,
    records: u64,
    bytes: u64,
    /// Not due before, after a commit that could not be made.
    postponed: Option<Instant>,
    backoff: Backoff,
}

impl Cycle {
    #[must_use]
    pub fn new(policy: CommitPolicy) -> Self {
        let backoff = Backoff::for_outage();
        Self { policy, began: None, records: 0, bytes: 0, postponed: None, backoff }
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

    /// The commit could not be made: it is tried again after a while, longer each time in a row.
    pub fn postpone(&mut self, now: Instant) {
        self.postponed = Some(now + self.backoff.next_wait());
    }

    /// Whether a commit that could not be made is not to be tried again yet.
    #[must_use]
    pub fn is_postponed(&self, now: Instant) -> bool {
        self.postponed.is_some_and(|until| now < until)
    }

    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        !self.is_postponed(now) && self.is_full(now)
    }

    fn is_full(&self, now: Instant) -> bool {
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
        let due = self.postponed.unwrap_or(began + self.policy.interval);
        Some(due.saturating_duration_since(now))
    }

    pub fn close(&mut self) {
        self.began = None;
        self.records = 0;
        self.bytes = 0;
        self.postponed = None;
        self.backoff = Backoff::for_outage();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_could_not_be_made_is_tried_again_after_a_while() {
        let policy = CommitPolicy { interval: Duration::from_millis(100), records_max: 10, bytes_max: 1000 };
        let mut now = Instant::now();
        let mut cycle = Cycle::new(policy);
        cycle.open(now);
        cycle.add(10, 0);
        for bound_ms in [100, 200, 400] {
            assert!(cycle.is_due(now));
            cycle.postpone(now);
            assert!(cycle.is_postponed(now) && !cycle.is_due(now));
            let wait = cycle.due_in(now).expect("open");
            assert!(wait >= Duration::from_millis(bound_ms / 2), "{wait:?}");
            now += wait;
        }
        cycle.close();
        cycle.open(now);
        assert_eq!(cycle.due_in(now), Some(Duration::from_millis(100)), "the next cycle is as any");
    }

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
