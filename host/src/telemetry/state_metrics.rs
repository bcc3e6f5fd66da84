//! The metrics of keyed state, by partition.

use std::collections::BTreeMap;

use opentelemetry::KeyValue;
use parking_lot::Mutex;

use crate::telemetry::metric_names;
use crate::telemetry::metric_names::MetricName;

/// What a partition's state looks like now. What is not known has no value at a scrape.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StateGauges {
    pub memory_bytes: Option<f64>,
    pub unflushed_bytes: Option<f64>,
    pub disk_bytes: Option<f64>,
    pub checkpoint_bytes: Option<f64>,
    /// Since the last checkpoint was taken.
    pub checkpoint_age_seconds: Option<f64>,
    /// Of changelogs, while it is restored.
    pub restore_records_left: Option<f64>,
    /// Of a checkpoint, while it is fetched.
    pub restore_bytes_left: Option<f64>,
    /// The event watermark, seconds since the Unix epoch.
    pub event_watermark_seconds: Option<f64>,
    /// Since the state was opened here.
    pub checkpoints_written: u64,
    pub checkpoints_failed: u64,
}

/// By partition number.
pub(crate) type StatesByPartition = Mutex<BTreeMap<i32, StateGauges>>;

type Read = fn(&StateGauges) -> Option<f64>;

pub(crate) const GAUGES: [(MetricName, Read); 8] = [
    (metric_names::STATE_MEMORY, |state| state.memory_bytes),
    (metric_names::STATE_UNFLUSHED, |state| state.unflushed_bytes),
    (metric_names::STATE_DISK, |state| state.disk_bytes),
    (metric_names::CHECKPOINT_SIZE, |state| state.checkpoint_bytes),
    (metric_names::CHECKPOINT_AGE, |state| state.checkpoint_age_seconds),
    (metric_names::RESTORE_RECORDS_LEFT, |state| state.restore_records_left),
    (metric_names::RESTORE_BYTES_LEFT, |state| state.restore_bytes_left),
    (metric_names::EVENT_WATERMARK, |state| state.event_watermark_seconds),
];

/// The values of one gauge, with their partitions.
pub(crate) fn values(states: &StatesByPartition, read: Read) -> Vec<(KeyValue, f64)> {
    let value = |(partition, state): (&i32, &StateGauges)| {
        Some((KeyValue::new(metric_names::PARTITION, i64::from(*partition)), read(state)?))
    };
    states.lock().iter().filter_map(value).collect()
}
