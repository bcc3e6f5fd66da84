//! What is known of a running pipeline, for the API and the metrics.

use std::sync::Arc;
use std::time::Duration;
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
    /// None while it has none, or its transform keeps nothing. Inputs of the same partition share it.
    pub state: Option<StateFigures>,
    /// Milliseconds; none before there is one, and where no input has event time.
    pub event_watermark: Option<i64>,
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

/// The keyed state of a task that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateFigures {
    /// Entries in memory, the open cycle's included.
    pub memory_bytes: u64,
    /// Of these, what the disk does not have yet.
    pub unflushed_bytes: u64,
    /// Files on disk, as of the last flush.
    pub disk_bytes: u64,
    /// None on a host without an object store.
    pub checkpoint: Option<CheckpointFigures>,
    /// What it was restored from.
    pub restored: Arc<RestoreProgress>,
}

/// The checkpoints of a task since it was opened here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckpointFigures {
    /// How many were written.
    pub written: u64,
    /// How many attempts failed.
    pub failed: u64,
    pub last: Option<CheckpointInfo>,
    /// Why the last attempt failed; none when it did not.
    pub failure: Option<Arc<str>>,
}

/// A checkpoint in the object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointInfo {
    /// Generation and sequence.
    pub name: Arc<str>,
    /// Milliseconds since the Unix epoch.
    pub taken_at: i64,
    /// Of all its files.
    pub bytes: u64,
    /// Of those that had to be sent for it.
    pub bytes_sent: u64,
}

/// What a restore began with, before it read the changelogs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreSource {
    /// The folder of this machine.
    Folder,
    /// A checkpoint of the object store.
    Checkpoint,
    /// Nothing: the changelogs are read from their start.
    Empty,
}

impl RestoreSource {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "disk",
            Self::Checkpoint => "checkpoint",
            Self::Empty => "changelog",
        }
    }
}

/// How far a restore has come, or what it came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreProgress {
    /// None while it is looked for, or fetched.
    pub source: Option<RestoreSource>,
    /// The checkpoint that is or was fetched.
    pub checkpoint: Option<String>,
    /// Bytes that were fetched of it, and those still to come.
    pub checkpoint_bytes: u64,
    pub checkpoint_bytes_left: u64,
    /// Read from the changelogs.
    pub records: u64,
    pub bytes: u64,
    /// Records of the changelogs still to come, at most; none while it is not known.
    pub records_left: Option<u64>,
    /// Until the end of this stage, at the pace so far; none before there is one.
    pub left: Option<Duration>,
    /// Why better sources were not used.
    pub passed_over: Vec<String>,
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
            let (waiting, restore, state, event_watermark) = (None, None, None, None);
            TaskStatus {
                partition,
                phase,
                position,
                committed,
                lag,
                last_timestamp,
                waiting,
                restore,
                state,
                event_watermark,
            }
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
