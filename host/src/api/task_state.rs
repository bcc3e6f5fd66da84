//! The keyed state of a task, as the status shows it.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::status::CheckpointFigures;
use crate::model::status::CheckpointInfo;
use crate::model::status::RestoreProgress;
use crate::model::status::RestoreSource;
use crate::model::status::StateFigures;

/// The keyed state of a task. Inputs of the same partition share it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateView {
    /// Bytes of entries in memory.
    memory_bytes: u64,
    /// Of these, what the disk does not have yet.
    unflushed_bytes: u64,
    /// Bytes of files on the own disk, as of the last flush.
    disk_bytes: u64,
    /// None on a host without an object store.
    checkpoint: Option<CheckpointView>,
    /// What it was restored from.
    restored: RestoreView,
}

impl StateView {
    pub(crate) fn new(state: &StateFigures, now_ms: i64) -> Self {
        Self {
            memory_bytes: state.memory_bytes,
            unflushed_bytes: state.unflushed_bytes,
            disk_bytes: state.disk_bytes,
            checkpoint: state.checkpoint.as_ref().map(|figures| CheckpointView::new(figures, now_ms)),
            restored: RestoreView::new(&state.restored),
        }
    }
}

/// The checkpoints of a task since it was opened on this host.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckpointView {
    written: u64,
    failed: u64,
    /// Generation and sequence of the last one.
    last: Option<String>,
    /// Since the last one was taken, milliseconds.
    last_age_ms: Option<i64>,
    /// Bytes of all its files.
    last_bytes: Option<u64>,
    /// Bytes that had to be sent for it.
    last_bytes_sent: Option<u64>,
    /// Why the last attempt failed; none when it did not.
    failure: Option<String>,
}

impl CheckpointView {
    fn new(figures: &CheckpointFigures, now_ms: i64) -> Self {
        let last = figures.last.as_ref();
        let age = |last: &CheckpointInfo| now_ms.saturating_sub(last.taken_at).max(0);
        Self {
            written: figures.written,
            failed: figures.failed,
            last: last.map(|last| last.name.to_string()),
            last_age_ms: last.map(age),
            last_bytes: last.map(|last| last.bytes),
            last_bytes_sent: last.map(|last| last.bytes_sent),
            failure: figures.failure.as_ref().map(ToString::to_string),
        }
    }
}

/// A restore: how far it has come, or what it came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RestoreView {
    /// What it began with: `disk`, `checkpoint` or `changelog`. None while it is looked for or fetched.
    source: Option<&'static str>,
    /// The checkpoint that is or was fetched.
    checkpoint: Option<String>,
    /// Bytes that were fetched of it.
    checkpoint_bytes: u64,
    checkpoint_bytes_left: u64,
    /// Records that were read from changelogs.
    records: u64,
    /// Bytes of their keys and values.
    bytes: u64,
    /// At most; none while it is not known.
    records_left: Option<u64>,
    /// Until the end of this stage, at the pace so far.
    seconds_left: Option<u64>,
    /// Why better sources were not used.
    passed_over: Vec<String>,
}

impl RestoreView {
    pub(crate) fn new(progress: &RestoreProgress) -> Self {
        Self {
            source: progress.source.map(RestoreSource::as_str),
            checkpoint: progress.checkpoint.clone(),
            checkpoint_bytes: progress.checkpoint_bytes,
            checkpoint_bytes_left: progress.checkpoint_bytes_left,
            records: progress.records,
            bytes: progress.bytes,
            records_left: progress.records_left,
            seconds_left: progress.left.map(|left: Duration| left.as_secs()),
            passed_over: progress.passed_over.clone(),
        }
    }
}
