//! The figures of tasks' states as metrics.

use std::collections::BTreeMap;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use crate::model::status::TaskStatus;
use crate::telemetry::state_metrics::StateGauges;

/// By partition number: the inputs of a task share its state.
pub(super) fn state_gauges(tasks: &[TaskStatus]) -> BTreeMap<i32, StateGauges> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
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
