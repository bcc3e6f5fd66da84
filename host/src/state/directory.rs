//! The folder of a task: `<data>/<tenant>/<pipeline>/<partition>/`.
//!
//! ```text
//! lock            held while anyone works on the folder
//! identity.json   whose state this is
//! db/             RocksDB
//! checkpoints/    copies on their way to the object store
//! ```
//!
//! A folder is a cache: whatever speaks against it, the changelogs can fill it anew. It is trusted
//! only when nothing does; see [`UntrustedError`].

use std::fs::File;
use std::fs::TryLockError;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::model::ids::PipelineId;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::pipeline::state_ports::ChangelogIndex;
use crate::state::checkpoint::CheckpointName;
use crate::state::disk::DiskError;
use crate::state::layout::Layout;
use crate::state::local_record::LocalRecord;

/// The format of a folder as a whole.
const FOLDER_FORMAT: u32 = 1;

/// What a changelog partition holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangelogBounds {
    pub changelog: ChangelogIndex,
    /// Identity of the topic, so that one of the same name made anew is told apart.
    pub topic_id: String,
    /// The first offset that is still there.
    pub start: Offset,
    /// The high watermark.
    pub end: Offset,
    /// The topic's `delete.retention.ms`: so long it tells of deleted keys.
    pub delete_retention: Duration,
}

/// Why the state in a folder or checkpoint is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UntrustedError {
    #[error("it has format {0}, expected {FOLDER_FORMAT}")]
    Format(u32),
    #[error("it says that it is of {0}")]
    Identity(String),
    #[error("the changelog of `{store}` was made anew since")]
    OtherTopic { store: String },
    #[error("its offset {next} in the changelog of `{store}` is not within the log, {start} to {end}")]
    OutsideOfLog { store: String, next: Offset, start: Offset, end: Offset },
    #[error(
        "it was level with its changelogs {age_s} s ago; keys deleted since may no longer be told by them, which keep that for {retention_s} s"
    )]
    TooOld { age_s: u64, retention_s: u64 },
}

/// Whether a record can be brought up to date by the changelogs.
pub(super) fn trust(
    record: &LocalRecord,
    layout: &Layout,
    bounds: &[ChangelogBounds],
    now_ms: i64,
) -> Result<(), UntrustedError> {
    for bound in bounds {
        let Some(store) = layout.stores.get(bound.changelog.0 as usize).map(|store| &store.name) else {
            continue;
        };
        // A store that it does not know yet is read from the start of its log.
        let Some(position) = record.changelogs.get(store) else { continue };
        if position.topic_id != bound.topic_id {
            return Err(UntrustedError::OtherTopic { store: store.clone() });
        }
        if position.next < bound.start || position.next > bound.end {
            let (start, end) = (bound.start, bound.end);
            return Err(UntrustedError::OutsideOfLog {
                store: store.clone(),
                next: position.next,
                start,
                end,
            });
        }
        is_young(record, bound.delete_retention, now_ms)?;
    }
    Ok(())
}

/// Whether the changelogs still tell of all keys that were deleted since a record was level with them.
pub(super) fn is_young(record: &LocalRecord, retention: Duration, now_ms: i64) -> Result<(), UntrustedError> {
    let age_ms = now_ms.saturating_sub(record.level_at.unwrap_or(0)).max(0);
    let age = Duration::from_millis(age_ms.unsigned_abs());
    if age < retention {
        return Ok(());
    }
    Err(UntrustedError::TooOld { age_s: age.as_secs(), retention_s: retention.as_secs() })
}

/// Whose state a folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    format: u32,
    group: String,
    partition: i32,
    /// The checkpoint that the folder was filled from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoint: Option<CheckpointName>,
}

/// A folder whose lock is held.
#[derive(Debug)]
pub(super) struct TaskFolder {
    path: PathBuf,
    identity: Identity,
    /// Unlocked when it is closed.
    _lock: File,
}

impl TaskFolder {
    /// Makes the folder if need be and takes its lock. Waits for nobody.
    pub(super) fn lock(data: &Path, pipeline: &PipelineId, partition: Partition) -> Result<Self, DiskError> {
        let path =
            data.join(pipeline.tenant.as_str()).join(pipeline.pipeline.as_str()).join(partition.to_string());
        std::fs::create_dir_all(&path).map_err(|error| DiskError::io("make the folder", &path, &error))?;
        let lock_path = path.join("lock");
        let lock = File::options().create(true).append(true).open(&lock_path);
        let lock = lock.map_err(|error| DiskError::io("open", &lock_path, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = format!("{} is held by another process or task", lock_path.display());
                return Err(DiskError::Locked(what));
            }
            Err(TryLockError::Error(error)) => return Err(DiskError::io("lock", &lock_path, &error)),
        }
        let group = pipeline.group();
        let identity = Identity { format: FOLDER_FORMAT, group, partition: partition.0, checkpoint: None };
        Ok(Self { path, identity, _lock: lock })
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join("db")
    }

    /// Where copies stand on their way to and from the object store.
    pub(super) fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Whether there is state that says it is this task's; false where there is none at all.
    pub(super) fn identify(&self) -> Result<bool, UntrustedError> {
        let Some(found) = self.signature()? else { return Ok(false) };
        if found.format != self.identity.format {
            return Err(UntrustedError::Format(found.format));
        }
        if (&found.group, found.partition) != (&self.identity.group, self.identity.partition) {
            return Err(UntrustedError::Identity(format!(
                "partition {} of {}",
                found.partition, found.group
            )));
        }
        Ok(true)
    }

    fn signature(&self) -> Result<Option<Identity>, UntrustedError> {
        let Ok(text) = std::fs::read(self.path.join("identity.json")) else { return Ok(None) };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| UntrustedError::Identity(format!("nobody: its identity is damaged ({error})")))
    }

    /// The checkpoint that the folder says it was filled from.
    pub(super) fn origin(&self) -> Option<CheckpointName> {
        self.signature().ok().flatten()?.checkpoint
    }

    /// Says that what lies here is this task's state, and from which checkpoint it was filled.
    pub(super) fn sign(&self, checkpoint: Option<CheckpointName>) -> Result<(), DiskError> {
        let identity = Identity { checkpoint, ..self.identity.clone() };
        let path = self.path.join("identity.json");
        let write = || -> std::io::Result<()> {
            let new = self.path.join("identity.json.new");
            std::fs::write(&new, serde_json::to_vec(&identity)?)?;
            File::open(&new)?.sync_all()?;
            std::fs::rename(&new, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| DiskError::io("write", &path, &error))
    }

    /// What lies on disk cannot be trusted once a part of it was found damaged.
    pub(super) fn failed(&self, error: &DiskError) {
        if matches!(error, DiskError::Corrupt(_)) {
            self.distrust();
        }
    }

    /// Says that what lies here is not to be used again.
    pub(super) fn distrust(&self) {
        if let Err(error) = remove(&self.path.join("identity.json")) {
            tracing::warn!(%error, "a folder of damaged state could not be marked as such");
        }
    }

    /// Removes everything but the lock. The identity goes first: what is left half-way is nobody's.
    pub(super) fn wipe(&self) -> Result<(), DiskError> {
        remove(&self.path.join("identity.json"))?;
        remove(&self.database())?;
        remove(&self.checkpoints())
    }
}

/// Removes a file or a folder, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), DiskError> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(DiskError::io("remove", path, &error))
        }
        _ => Ok(()),
    }
}
