//! What the keyed state of all pipelines of a host shares. Made when the first of them starts.

use std::num::NonZeroUsize;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::app::restore_pool::RestorePool;
use crate::config::settings::StateSettings;
use crate::kafka::admin::Admin;
use crate::kafka::settings::ClientSettings;
use crate::model::failure::Outage;
use crate::model::ids::PipelineId;
use crate::state::checkpoint::CheckpointStore;
use crate::state::host::StateHost;
use crate::state::host::SystemStateClock;

/// How long one question of a restore to the broker may take.
const BROKER_WAIT: Duration = Duration::from_secs(10);
/// Threads that flush states which are given back, so that no worker waits for the disk.
const CLOSING_THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

/// See the module.
pub struct StateRoot {
    pub host: Arc<StateHost>,
    pub kafka: ClientSettings,
    /// Asks for ends, ids and settings of changelogs.
    pub admin: Admin,
    /// The broker within this process has neither ids nor settings of topics.
    pub in_process: bool,
    pub restores: RestorePool,
    pub closings: RestorePool,
}

/// The root, once there is one.
pub struct StateCell {
    settings: StateSettings,
    folder: PathBuf,
    kafka: ClientSettings,
    in_process: bool,
    checkpoints: Option<Arc<CheckpointStore>>,
    root: Mutex<Option<Arc<StateRoot>>>,
}

impl StateCell {
    /// `folder` is where tasks have their folders. Nothing is made yet.
    #[must_use]
    pub fn new(
        settings: StateSettings,
        folder: PathBuf,
        kafka: ClientSettings,
        in_process: bool,
        checkpoints: Option<Arc<CheckpointStore>>,
    ) -> Self {
        Self { settings, folder, kafka, in_process, checkpoints, root: Mutex::new(None) }
    }

    /// Whether this host makes checkpoints.
    #[must_use]
    pub fn makes_checkpoints(&self) -> bool {
        self.checkpoints.is_some()
    }

    #[must_use]
    pub fn settings(&self) -> &StateSettings {
        &self.settings
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Deletes the checkpoints of a deleted pipeline; `incarnation` is the id of its meta changelog.
    pub fn forget_checkpoints(&self, id: &PipelineId, incarnation: &str) {
        let Some(checkpoints) = &self.checkpoints else { return };
        match checkpoints.forget(id, incarnation) {
            Ok(()) => tracing::info!(pipeline = %id, "checkpoints removed"),
            // Nobody can mistake them for those of another pipeline: only the space is lost.
            Err(error) => tracing::warn!(pipeline = %id, %error, "checkpoints were not removed"),
        }
    }

    /// Removes what a deleted pipeline has on this host's disk. Its workers have ended.
    pub fn forget(&self, id: &PipelineId) {
        let folder = self.folder.join(id.tenant.as_str()).join(id.pipeline.as_str());
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => tracing::info!(pipeline = %id, folder = %folder.display(), "state removed"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // Its identity would keep it from being used: only the space is lost.
            Err(error) => {
                tracing::warn!(pipeline = %id, folder = %folder.display(), %error, "state was not removed");
            }
        }
    }

    /// # Errors
    /// When the system gives no thread now.
    pub fn get(&self) -> Result<Arc<StateRoot>, Outage> {
        let mut root = self.root.lock();
        if let Some(root) = &*root {
            return Ok(Arc::clone(root));
        }
        let made = Arc::new(self.start()?);
        *root = Some(Arc::clone(&made));
        Ok(made)
    }

    fn start(&self) -> Result<StateRoot, Outage> {
        let no_thread = |error: std::io::Error| Outage::new("threads-exhausted", error.to_string());
        let settings = crate::state::host::StateSettings {
            folder: self.folder.clone(),
            memory_bytes: self.settings.memory_bytes_max,
            flush_age: self.settings.flush_interval,
        };
        let restores = usize::try_from(self.settings.restores_max).ok().and_then(NonZeroUsize::new);
        Ok(StateRoot {
            host: StateHost::start(settings, Arc::new(SystemStateClock), self.checkpoints.clone())
                .map_err(no_thread)?,
            kafka: self.kafka.clone(),
            admin: Admin::start(&self.kafka, BROKER_WAIT).map_err(|error| error.outage())?,
            in_process: self.in_process,
            restores: RestorePool::start("restore", restores.unwrap_or(NonZeroUsize::MIN))
                .map_err(no_thread)?,
            closings: RestorePool::start("state-close", CLOSING_THREADS).map_err(no_thread)?,
        })
    }
}
