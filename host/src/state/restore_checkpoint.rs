//! The second source of a restore: the newest checkpoint that can be used.

use std::sync::Arc;

use crate::model::fail_point::FailPoint;
use crate::state::checkpoint::CheckpointError;
use crate::state::checkpoint::CheckpointName;
use crate::state::checkpoint::CheckpointStore;
use crate::state::checkpoint::TaskPlace;
use crate::state::checkpoint::download;
use crate::state::directory::ChangelogBounds;
use crate::state::directory::TaskFolder;
use crate::state::directory::trust;
use crate::state::disk::Disk;
use crate::state::disk::DiskError;
use crate::state::host::StateHost;
use crate::state::host::TaskSpec;
use crate::state::layout::Layout;
use crate::state::local_record::LocalRecord;
use crate::state::restore_meter::RestoreMeter;
use crate::state::ttl::SweptUntil;

/// Checkpoints that one restore tries at most.
const TRIES_MAX: usize = 8;

/// What a search for a checkpoint needs.
pub(super) struct CheckpointSearch<'a> {
    pub(super) host: &'a StateHost,
    pub(super) task: &'a TaskSpec,
    pub(super) layout: &'a Arc<Layout>,
    pub(super) bounds: &'a [ChangelogBounds],
    pub(super) swept: &'a [SweptUntil],
    pub(super) folder: &'a TaskFolder,
    pub(super) meter: &'a RestoreMeter,
}

/// A database that was filled from a checkpoint.
pub(super) struct Fetched {
    pub(super) name: CheckpointName,
    pub(super) disk: Disk,
    pub(super) record: LocalRecord,
}

impl CheckpointSearch<'_> {
    /// Fills the folder, which is empty, from the newest checkpoint that the changelogs can bring up to
    /// date and whose files are whole. None when there is none. Why others were passed over is told to
    /// the meter.
    ///
    /// # Errors
    /// When the own disk failed, or the restore was called off.
    pub(super) fn run(&self, store: &Arc<CheckpointStore>) -> Result<Option<Fetched>, DiskError> {
        let meta = self.bounds.iter().find(|bound| bound.changelog.0 as usize == self.layout.meta());
        let Some(incarnation) = meta.map(|bound| &bound.topic_id) else { return Ok(None) };
        let place = store.task(&self.task.pipeline, incarnation, self.task.partition);
        let names = match place.newest_first(self.meter.cancellation()) {
            Ok(names) => names,
            Err(error) => {
                self.pass_over("the checkpoints", error)?;
                return Ok(None);
            }
        };
        let suspects = self.folder.suspects();
        for name in names.into_iter().take(TRIES_MAX) {
            if suspects.contains(&name.to_string()) {
                self.meter.pass_over(format!("checkpoint {name}: what was restored from it was damaged"));
                continue;
            }
            match self.fetch(&place, name) {
                Ok(fetched) => return Ok(Some(fetched)),
                Err(error) => {
                    self.pass_over(&format!("checkpoint {name}"), error)?;
                    self.folder.wipe()?;
                    self.meter.no_checkpoint();
                }
            }
        }
        Ok(None)
    }

    fn fetch(&self, place: &TaskPlace, name: CheckpointName) -> Result<Fetched, CheckpointError> {
        let cancel = self.meter.cancellation();
        let document = place.document(name, cancel)?;
        let untrusted = |why| CheckpointError::Untrusted { name: name.to_string(), why };
        if (document.group.as_str(), document.partition)
            != (self.task.pipeline.group().as_str(), self.task.partition.0)
        {
            let what =
                format!("it says that it is of partition {} of {}", document.partition, document.group);
            return Err(CheckpointError::Damaged(what));
        }
        let now_ms = self.host.clock.unix_ms();
        trust(&document.record(), self.layout, self.bounds, now_ms).map_err(untrusted)?;
        self.meter.fetches_checkpoint(name.to_string(), document.bytes());
        let database = self.folder.database();
        download(place, &document, &database, cancel, |bytes| self.meter.fetched(bytes))?;
        FailPoint::CheckpointFetched.reach();
        let opened = Disk::open(&database, self.layout, &self.host.memory, self.swept)
            .and_then(|disk| LocalRecord::read(&disk).map(|record| (disk, record)));
        let (disk, record) = match opened {
            Ok(opened) => opened,
            // Its files are as they were sent: they were damaged before.
            Err(DiskError::Corrupt(why)) => return Err(CheckpointError::Damaged(why)),
            Err(error) => return Err(error.into()),
        };
        trust(&record, self.layout, self.bounds, now_ms).map_err(untrusted)?;
        Ok(Fetched { name, disk, record })
    }

    fn pass_over(&self, what: &str, error: CheckpointError) -> Result<(), DiskError> {
        match error {
            CheckpointError::Disk(error) => return Err(error),
            CheckpointError::Cancelled => return Err(DiskError::Io("the restore was called off".to_owned())),
            error => {
                tracing::warn!(
                    pipeline = %self.task.pipeline, partition = %self.task.partition, %error,
                    "{what} cannot be used"
                );
                self.meter.pass_over(format!("{what}: {error}"));
            }
        }
        Ok(())
    }
}
