//! The figures of tasks' states as metrics.

use std::collections::BTreeMap;

use crate::model::status::TaskStatus;
use crate::telemetry::state_metrics::StateGauges;

/// By partition number (`now_ms` is since the epoch): the inputs of a task share its state.
pub(super) fn state_gauges(tasks: &[TaskStatus], now_ms: i64) -> BTreeMap<i32, StateGauges> {
    let mut gauges = BTreeMap::new();
    for task in tasks {
        if task.state.is_some() || task.restore.is_some() || task.event_watermark.is_some() {
            gauges.insert(task.partition.partition.0, of_task(task, now_ms));
        }
    }
    gauges
}

fn of_task(task: &TaskStatus, now_ms: i64) -> StateGauges {
    let state = task.state.as_ref();
    let bytes = |bytes: u64| Some(bytes as f64);
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let checkpoints = state.and_then(|state| state.checkpoint.as_ref());
    let checkpoint = checkpoints.and_then(|checkpoints| checkpoints.last.as_ref());
    let restore = task.restore.as_ref();
    StateGauges {
        memory_bytes: state.and_then(|state| bytes(state.memory_bytes)),
        unflushed_bytes: state.and_then(|state| bytes(state.unflushed_bytes)),
        disk_bytes: state.and_then(|state| bytes(state.disk_bytes)),
        checkpoint_bytes: checkpoint.and_then(|checkpoint| bytes(checkpoint.bytes)),
        checkpoint_age_seconds: checkpoint
            .map(|checkpoint| seconds(now_ms.saturating_sub(checkpoint.taken_at).max(0))),
        restore_records_left: restore.and_then(|restore| restore.records_left).and_then(bytes),
        restore_bytes_left: restore.and_then(|restore| bytes(restore.checkpoint_bytes_left)),
        event_watermark_seconds: task.event_watermark.map(seconds),
        checkpoints_written: checkpoints.map_or(0, |checkpoints| checkpoints.written),
        checkpoints_failed: checkpoints.map_or(0, |checkpoints| checkpoints.failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::Offset;
    use crate::model::position::Partition;
    use crate::model::position::TopicPartition;
    use crate::model::status::CheckpointFigures;
    use crate::model::status::CheckpointInfo;
    use crate::model::status::RestoreProgress;
    use crate::model::status::StateFigures;
    use crate::model::task_phase::TaskPhase;

    fn task(topic: &str, partition: i32) -> TaskStatus {
        TaskStatus {
            partition: TopicPartition { topic: topic.into(), partition: Partition(partition) },
            phase: TaskPhase::Running,
            position: Offset(0),
            committed: Offset(0),
            lag: None,
            last_timestamp: None,
            waiting: None,
            restore: None,
            state: None,
            event_watermark: None,
        }
    }

    #[test]
    fn inputs_of_a_partition_count_once_and_what_is_not_known_has_no_value() {
        let last = CheckpointInfo { name: "1-1".into(), taken_at: 4_000, bytes: 7, bytes_sent: 3 };
        let checkpoint = CheckpointFigures { written: 2, last: Some(last), ..CheckpointFigures::default() };
        let state = StateFigures { memory_bytes: 5, checkpoint: Some(checkpoint), ..StateFigures::default() };
        let running = |topic| TaskStatus { state: Some(state.clone()), ..task(topic, 0) };
        let progress = RestoreProgress { checkpoint_bytes_left: 9, ..RestoreProgress::default() };
        let restoring = TaskStatus { restore: Some(progress), ..task("a", 1) };
        let gauges = state_gauges(&[running("a"), running("b"), restoring, task("a", 2)], 10_000);
        assert_eq!(gauges.keys().copied().collect::<Vec<_>>(), [0, 1], "a task without state has no figures");
        assert_eq!((gauges[&0].memory_bytes, gauges[&0].checkpoint_age_seconds), (Some(5.0), Some(6.0)));
        assert_eq!((gauges[&0].checkpoints_written, gauges[&0].restore_bytes_left), (2, None));
        assert_eq!((gauges[&1].memory_bytes, gauges[&1].restore_bytes_left), (None, Some(9.0)));
        assert_eq!(gauges[&1].restore_records_left, None);
    }
}
