//! Checkpoints of the task, beside its work.
//!
//! ```text
//! idle -> flushing -> taking -> uploading -> idle
//! ```
//!
//! Taking one links the database's files under another folder, so that they stay while RocksDB goes on;
//! that and the upload are background jobs. When one fails the task only has an older checkpoint: it is
//! tried again with growing pauses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::model::status::CheckpointFigures;
use crate::model::status::CheckpointInfo;
use crate::pipeline::backoff::Backoff;
use crate::state::background::Background;
use crate::state::background::Pending;
use crate::state::checkpoint::CheckpointError;
use crate::state::checkpoint::CheckpointStore;
use crate::state::checkpoint::Snapshot;
use crate::state::checkpoint::Uploader;
use crate::state::checkpoint::Written;
use crate::state::directory::TaskFolder;
use crate::state::directory::remove;
use crate::state::disk::Disk;
use crate::state::disk::DiskError;
use crate::state::host::TaskSpec;
use crate::state::layout::Layout;
use crate::state::local_record::LocalRecord;
use crate::state::task_store::TaskStore;
use crate::state::task_store::meta;

/// After a failure the next attempt waits for so long at first, and at most.
const RETRY_MIN: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(300);

/// See the module.
pub(super) struct Checkpoints {
    store: Arc<CheckpointStore>,
    incarnation: String,
    interval: Duration,
    phase: Phase,
    due: Instant,
    backoff: Backoff,
    /// Ends the upload that runs.
    cancel: CancellationToken,
    /// None while it is at work.
    uploader: Option<Box<Uploader>>,
    /// Where snapshots stand until they are uploaded.
    folder: PathBuf,
    pub(super) figures: CheckpointFigures,
}

enum Phase {
    Idle,
    /// Until so many flushes have ended.
    Flushing {
        flushes: u64,
    },
    Taking(Pending<Result<Snapshot, DiskError>>),
    Uploading {
        job: Pending<Result<Uploaded, DiskError>>,
        waiting: Waiting,
    },
}

/// An upload that no thread has begun yet. Whoever takes it out has it.
type Waiting = Arc<Mutex<Option<(Box<Uploader>, Snapshot)>>>;

/// The uploader comes back with what it came to.
type Uploaded = (Box<Uploader>, Result<Written, CheckpointError>);

impl Checkpoints {
    pub(super) fn new(
        store: Arc<CheckpointStore>,
        task: &TaskSpec,
        incarnation: String,
        folder: &TaskFolder,
        now: Instant,
    ) -> Self {
        Self {
            store,
            incarnation,
            interval: task.checkpoint_interval,
            phase: Phase::Idle,
            due: now + task.checkpoint_interval,
            backoff: Backoff::new(RETRY_MIN, RETRY_MAX),
            cancel: CancellationToken::new(),
            uploader: None,
            folder: folder.checkpoints(),
            figures: CheckpointFigures::default(),
        }
    }

    /// Whether a job has the database.
    pub(super) fn is_taking(&self) -> bool {
        matches!(self.phase, Phase::Taking(_))
    }

    fn uploader(&mut self, task: &TaskSpec) -> Box<Uploader> {
        self.uploader.take().unwrap_or_else(|| {
            let place = self.store.task(&task.pipeline, &self.incarnation, task.partition);
            Box::new(Uploader::new(place, task.pipeline.group(), task.partition))
        })
    }

    fn take(
        &mut self,
        disk: &Arc<Disk>,
        layout: &Arc<Layout>,
        threads: &Background,
        (now, taken_at): (Instant, i64),
    ) {
        let (disk, layout, folder) = (Arc::clone(disk), Arc::clone(layout), self.folder.join("snapshot"));
        let job = threads.run(move || {
            remove(&folder)?;
            if let Some(parent) = folder.parent() {
                std::fs::create_dir_all(parent)
                    .map_err(|error| DiskError::io("make the folder", parent, &error))?;
            }
            // Read before the files are linked, so that they hold at least what it says.
            let record = LocalRecord::read(&disk)?;
            let schemas = meta::read(&disk, &layout)?.schemas;
            disk.link_files(&folder)?;
            Ok(Snapshot { folder, record, schemas, taken_at })
        });
        match job {
            Some(job) => self.phase = Phase::Taking(job),
            None => self.failed(too_many_jobs(), now),
        }
    }

    fn upload(&mut self, snapshot: Snapshot, task: &TaskSpec, threads: &Background, now: Instant) {
        let cancel = self.cancel.clone();
        let waiting = Arc::new(Mutex::new(Some((self.uploader(task), snapshot))));
        let taken = Arc::clone(&waiting);
        let job = threads.run(move || {
            let Some((mut uploader, snapshot)) = taken.lock().take() else {
                return Err(DiskError::Io("the upload was called off".to_owned()));
            };
            let outcome = uploader.upload(&snapshot, &cancel);
            // As long as it is there, its files take space that the database may have given up.
            remove(&snapshot.folder)?;
            Ok((uploader, outcome))
        });
        match job {
            Some(job) => self.phase = Phase::Uploading { job, waiting },
            None => self.failed(too_many_jobs(), now),
        }
    }

    fn uploaded(&mut self, written: Written, now: Instant) {
        self.backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        self.due = now + self.interval;
        self.figures.written += 1;
        self.figures.failure = None;
        self.figures.last = Some(CheckpointInfo {
            name: written.name.to_string().into(),
            taken_at: written.taken_at,
            bytes: written.bytes,
            bytes_sent: written.bytes_sent,
        });
    }

    fn failed(&mut self, error: CheckpointError, now: Instant) {
        self.phase = Phase::Idle;
        self.figures.failed += 1;
        self.figures.failure = Some(error.to_string().into());
        let wait = match error {
            // Whoever of the two owns the task goes on in a generation of its own; the other is closed
            // soon.
            CheckpointError::Superseded { .. } => {
                self.uploader = None;
                self.interval
            }
            _ => self.backoff.next_wait().min(self.interval.max(RETRY_MIN)),
        };
        self.due = now + wait;
    }

    /// Ends whatever runs and waits for it: soon, since no request to the object store is waited for.
    pub(super) fn rest(&mut self) {
        self.cancel.cancel();
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle | Phase::Flushing { .. } => {}
            Phase::Taking(job) => drop(job.wait()),
            Phase::Uploading { job, waiting } => {
                // One that waits behind those of others is not waited for.
                if waiting.lock().take().is_none() {
                    drop(job.wait());
                }
            }
        }
        if let Err(error) = remove(&self.folder) {
            tracing::debug!(%error, "a snapshot was not removed");
        }
    }
}

#[cfg(test)]
impl TaskStore {
    pub(in crate::state) fn is_uploading(&self) -> bool {
        self.checkpoints
            .as_ref()
            .is_some_and(|checkpoints| matches!(checkpoints.phase, Phase::Uploading { .. }))
    }
}

impl TaskStore {
    /// Takes the next step of a checkpoint, if it is time. Waits for nothing.
    pub(super) fn advance_checkpoint(&mut self) {
        let Some(mut checkpoints) = self.checkpoints.take() else { return };
        self.advance(&mut checkpoints);
        self.checkpoints = Some(checkpoints);
    }

    fn advance(&mut self, checkpoints: &mut Checkpoints) {
        let host = Arc::clone(&self.host);
        let Some(uploads) = host.checkpoints.as_ref().map(|parts| &parts.uploads) else { return };
        let now = self.host.clock.now();
        match std::mem::replace(&mut checkpoints.phase, Phase::Idle) {
            Phase::Idle if now < checkpoints.due => {}
            // What is committed since the last flush belongs into it too.
            Phase::Idle => {
                let flushes = self.flush.count + u64::from(self.is_dirty() || !self.flush.is_idle());
                checkpoints.phase = Phase::Flushing { flushes };
            }
            Phase::Flushing { flushes } if self.flush.count < flushes => {
                self.flush_soon();
                checkpoints.phase = Phase::Flushing { flushes };
            }
            Phase::Flushing { flushes } => match self.disk.clone() {
                Some(disk) => {
                    let times = (now, self.host.clock.unix_ms());
                    checkpoints.take(&disk, &self.layout, &self.host.flushing, times);
                }
                None => checkpoints.phase = Phase::Flushing { flushes },
            },
            Phase::Taking(job) => match job.poll() {
                None => checkpoints.phase = Phase::Taking(job),
                Some(Ok(snapshot)) => checkpoints.upload(snapshot, &self.task, uploads, now),
                Some(Err(error)) => self.checkpoint_failed(checkpoints, error.into()),
            },
            Phase::Uploading { job, waiting } => match job.poll() {
                None => checkpoints.phase = Phase::Uploading { job, waiting },
                Some(Ok((uploader, outcome))) => {
                    checkpoints.uploader = Some(uploader);
                    match outcome {
                        Ok(written) => self.checkpoint_written(checkpoints, written),
                        Err(error) => self.checkpoint_failed(checkpoints, error),
                    }
                }
                Some(Err(error)) => self.checkpoint_failed(checkpoints, error.into()),
            },
        }
    }

    fn checkpoint_written(&self, checkpoints: &mut Checkpoints, written: Written) {
        tracing::info!(
            pipeline = %self.task.pipeline, partition = %self.task.partition, checkpoint = %written.name,
            bytes = written.bytes, bytes_sent = written.bytes_sent, "checkpoint written"
        );
        checkpoints.uploaded(written, self.host.clock.now());
    }

    fn checkpoint_failed(&self, checkpoints: &mut Checkpoints, error: CheckpointError) {
        tracing::warn!(
            pipeline = %self.task.pipeline, partition = %self.task.partition, %error,
            "no checkpoint was written; the task goes on, and it is tried again"
        );
        checkpoints.failed(error, self.host.clock.now());
    }
}

fn too_many_jobs() -> CheckpointError {
    DiskError::Io("too many checkpoints wait for a thread".to_owned()).into()
}
