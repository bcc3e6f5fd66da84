//! What is known of a running pipeline, for the API and the metrics.

use std::time::SystemTime;

use serde::Serialize;

use crate::model::failure::Code;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::model::task_phase::TaskPhase;

/// Why a task waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    pub since: SystemTime,
    pub code: Code,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStatus {
    pub partition: TopicPartition,
    pub phase: TaskPhase,
    pub position: Offset,
    pub committed: Offset,
    /// Records up to the last stable offset, as last known.
    pub lag: Option<u64>,
    /// Timestamp of the last record dealt with, milliseconds.
    pub last_timestamp: Option<i64>,
    pub waiting: Option<Waiting>,
    /// How far the restore of its state has come, while it is restored.
    pub restore: Option<RestoreProgress>,
}

impl TaskStatus {
    /// Age in milliseconds of the last record dealt with, while there is lag; 0 when there is none. None
    /// while the lag is not known, or no record was dealt with yet. `now_ms` is since the epoch.
    #[must_use]
    pub fn lag_age_ms(&self, now_ms: i64) -> Option<i64> {
        match self.lag? {
            0 => Some(0),
            _ => self.last_timestamp.map(|last| now_ms.saturating_sub(last).max(0)),
        }
    }
}

/// How far a restore has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreProgress {
    pub records: u64,
    pub bytes: u64,
    /// Records of the changelogs still to come, at most; none while it is not known.
    pub records_left: Option<u64>,
}

/// Something that went wrong and was dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastError {
    pub at: SystemTime,
    pub code: Code,
    pub message: String,
}

/// A worker as last seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerStatus {
    pub tasks: Vec<TaskStatus>,
    /// Oldest first, a bounded number.
    pub errors: Vec<PastError>,
    /// What the whole worker waits for, such as a broker that is away.
    pub waiting: Option<Waiting>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::Partition;

    #[test]
    fn the_age_of_a_lag_is_told_only_where_it_is_known() {
        let age = |lag, last_timestamp| {
            let partition = TopicPartition { topic: "t".into(), partition: Partition(0) };
            let (position, committed) = (Offset(0), Offset(0));
            let phase = TaskPhase::Running;
            let (waiting, restore) = (None, None);
            TaskStatus { partition, phase, position, committed, lag, last_timestamp, waiting, restore }
                .lag_age_ms(1_000)
        };
        assert_eq!(age(Some(3), Some(400)), Some(600));
        assert_eq!(age(Some(3), Some(2_000)), Some(0), "clocks differ");
        assert_eq!(age(Some(0), Some(400)), Some(0));
        assert_eq!(age(Some(0), None), Some(0));
        assert_eq!(age(Some(3), None), None, "nothing was dealt with since the start");
        assert_eq!(age(None, Some(400)), None);
    }
}
