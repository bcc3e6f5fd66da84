//! What the tasks of a process share: the data folder, the byte budget, background threads, time.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use parking_lot::Mutex;

use crate::model::ids::PipelineId;
use crate::model::manifest::Manifest;
use crate::model::pipeline_spec::Delivery;
use crate::model::position::Partition;
use crate::pipeline::state_ports::ValueSchemas;
use crate::state::background::Background;
use crate::state::checkpoint::CheckpointName;
use crate::state::checkpoint::CheckpointStore;
use crate::state::memory::Memory;

/// Settings of the process.
#[derive(Debug, Clone)]
pub struct StateSettings {
    /// Where tasks have their folders.
    pub folder: PathBuf,
    /// Bytes for the state of all tasks: entries, block cache, memtables. Default 256 MiB.
    pub memory_bytes: u64,
    /// What is committed reaches the disk after so long at the latest. Default 10 s.
    pub flush_age: Duration,
}

impl StateSettings {
    /// The defaults, in a folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, memory_bytes: 256 << 20, flush_age: Duration::from_secs(10) }
    }
}

/// Time, so that tests can set it.
pub trait StateClock: Send + Sync {
    fn now(&self) -> Instant;

    /// Milliseconds since the Unix epoch.
    fn unix_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemStateClock;

impl StateClock for SystemStateClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn unix_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Whose state it is, and what it consists of.
#[derive(Clone)]
pub struct TaskSpec {
    pub pipeline: PipelineId,
    pub partition: Partition,
    pub manifest: Arc<Manifest>,
    pub delivery: Delivery,
    /// Time between two checkpoints, where the host has an object store.
    pub checkpoint_interval: Duration,
    pub schemas: Arc<dyn ValueSchemas>,
}

/// See the module. One for the process.
pub struct StateHost {
    pub(super) settings: StateSettings,
    pub(super) memory: Arc<Memory>,
    pub(super) clock: Arc<dyn StateClock>,
    /// Writes caches to disk. Its jobs hold no host: the last one would wait for itself.
    pub(super) flushing: Background,
    /// None without an object store.
    pub(super) checkpoints: Option<CheckpointParts>,
    /// Checkpoints from which damaged state was restored, by task. Lost with the process, which then
    /// finds out again.
    suspects: Mutex<HashSet<(PipelineId, Partition, CheckpointName)>>,
}

/// What checkpoints need.
pub(super) struct CheckpointParts {
    pub(super) store: Arc<CheckpointStore>,
    pub(super) uploads: Background,
}

/// Threads that flush. A flush mostly waits for the disk.
const FLUSH_THREADS: usize = 3;
/// Checkpoints that are uploaded at once.
const UPLOAD_THREADS: usize = 2;
/// Suspects that are remembered: a machine that damages more needs other help.
const SUSPECTS_MAX: usize = 1024;

impl StateHost {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the machine gives no thread.
    pub fn start(
        settings: StateSettings,
        clock: Arc<dyn StateClock>,
        checkpoints: Option<Arc<CheckpointStore>>,
    ) -> std::io::Result<Arc<Self>> {
        let memory = Arc::new(Memory::new(settings.memory_bytes));
        let flushing = Background::start("state-flush", FLUSH_THREADS)?;
        let parts = |store| {
            let uploads = Background::start("state-upload", UPLOAD_THREADS)?;
            std::io::Result::Ok(CheckpointParts { store, uploads })
        };
        let checkpoints = checkpoints.map(parts).transpose()?;
        Ok(Arc::new(Self { settings, memory, clock, flushing, checkpoints, suspects: Mutex::default() }))
    }

    /// What was restored from this checkpoint turned out to be damaged: it is not used again.
    pub(super) fn suspect(&self, task: &TaskSpec, name: CheckpointName) {
        let mut suspects = self.suspects.lock();
        if suspects.len() < SUSPECTS_MAX {
            suspects.insert((task.pipeline.clone(), task.partition, name));
        }
    }

    pub(super) fn is_suspect(&self, task: &TaskSpec, name: CheckpointName) -> bool {
        self.suspects.lock().contains(&(task.pipeline.clone(), task.partition, name))
    }
}
