//! Bringing a task's state up to date: the best source that is at hand, then the changelogs' tails.
//!
//! ```text
//! RestoreTarget::open      own folder if it can be trusted, else a checkpoint, else nothing
//! RestoreTarget::next      where to read a changelog on from
//! RestoreTarget::apply     its records, in order, in as many calls as one likes
//! RestoreTarget::finish    the state, ready for work
//! RestoreTarget::close     or: keep how far it came, for another time
//! ```
//!
//! All of it waits for disks: it belongs on a thread of its own.

use std::sync::Arc;
use std::time::Duration;

use crate::model::fail_point::FailPoint;
use crate::model::failure::Stop;
use crate::model::position::Offset;
use crate::model::status::RestoreSource;
use crate::pipeline::state_ports::ChangelogIndex;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::TaskState;
use crate::state::checkpoint::CheckpointName;
use crate::state::directory::ChangelogBounds;
use crate::state::directory::TaskFolder;
use crate::state::directory::is_young;
use crate::state::directory::trust;
use crate::state::disk::Batch;
use crate::state::disk::Disk;
use crate::state::disk::DiskError;
use crate::state::format::GROUP_BYTES;
use crate::state::format::StoredValue;
use crate::state::host::StateHost;
use crate::state::host::TaskSpec;
use crate::state::layout::Family;
use crate::state::layout::Layout;
use crate::state::local_record::ChangelogPosition;
use crate::state::local_record::LocalRecord;
use crate::state::meta::parse_time;
use crate::state::restore_checkpoint::CheckpointSearch;
use crate::state::restore_checkpoint::Fetched;
use crate::state::restore_meter::RestoreMeter;
use crate::state::task_store::Restored;
use crate::state::task_store::TaskStore;
use crate::state::timer_key::IndexKey;
use crate::state::timer_key::index_key;
use crate::state::timer_key::split_timer_key;
use crate::state::ttl::SweptUntil;

/// A batch is written when it has grown to this.
const BATCH_BYTES: usize = 1 << 20;
/// From so many records of changelogs on, the database is opened for them alone first.
const FILL_RECORDS_MIN: i64 = 20_000;

/// A record of a changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangelogRecord<'a> {
    pub key: &'a [u8],
    /// None deletes.
    pub value: Option<&'a [u8]>,
}

/// A task's state on its way to being usable.
pub struct RestoreTarget {
    host: Arc<StateHost>,
    task: TaskSpec,
    layout: Arc<Layout>,
    bounds: Vec<ChangelogBounds>,
    source: RestoreSource,
    /// The checkpoint that it began with, if it did.
    origin: Option<CheckpointName>,
    meter: Arc<RestoreMeter>,
    swept: Vec<SweptUntil>,
    record: LocalRecord,
    /// Whether the database takes writes alone, and is opened anew in the end.
    fills: bool,
    // Before the folder, whose lock must outlive it.
    disk: Disk,
    folder: TaskFolder,
}

impl RestoreTarget {
    /// Opens the best source. `bounds` has every changelog of the task: the manifest's stores, the
    /// timers if it has any, meta.
    ///
    /// # Errors
    /// [`StateFailure::Storage`] when the folder is locked, or the disk failed.
    pub fn open(
        host: &Arc<StateHost>,
        task: TaskSpec,
        bounds: Vec<ChangelogBounds>,
        meter: Arc<RestoreMeter>,
    ) -> Result<Self, StateFailure> {
        let partition = task.partition;
        let opened = Self::open_best(host, task, bounds, meter);
        opened.map_err(|error| StateFailure::Storage { partition, outage: error.into() })
    }

    fn open_best(
        host: &Arc<StateHost>,
        task: TaskSpec,
        bounds: Vec<ChangelogBounds>,
        meter: Arc<RestoreMeter>,
    ) -> Result<Self, DiskError> {
        let layout = Arc::new(Layout::new(&task.manifest));
        let folder = TaskFolder::lock(&host.settings.folder, &task.pipeline, task.partition)?;
        let swept: Vec<SweptUntil> = layout.stores.iter().map(|_| SweptUntil::default()).collect();
        let open = |folder: &TaskFolder| -> Result<(Disk, LocalRecord), DiskError> {
            let disk = Disk::open(&folder.database(), &layout, &host.memory, &swept)?;
            let record = LocalRecord::read(&disk)?;
            Ok((disk, record))
        };
        let now_ms = host.clock.unix_ms();
        let trusted = match folder.identify() {
            Ok(false) => None,
            Ok(true) => match open(&folder) {
                Ok((disk, record)) => match trust(&record, &layout, &bounds, now_ms) {
                    Ok(()) => Some((disk, record)),
                    Err(why) => distrusted(&task, &meter, &why),
                },
                Err(DiskError::Corrupt(why)) => distrusted(&task, &meter, &why),
                Err(error) => return Err(error),
            },
            Err(why) => distrusted(&task, &meter, &why),
        };
        let (source, origin, disk, mut record) = match trusted {
            Some((disk, record)) => (RestoreSource::Folder, folder.origin(), disk, record),
            None => {
                folder.wipe()?;
                let (layout, bounds) = (&layout, &*bounds);
                let search = CheckpointSearch {
                    host,
                    task: &task,
                    layout,
                    bounds,
                    swept: &swept,
                    folder: &folder,
                    meter: &meter,
                };
                let fetched = host.checkpoints.as_ref().map(|parts| search.run(&parts.store));
                let opened = match fetched.transpose()?.flatten() {
                    Some(Fetched { name, disk, record }) => {
                        (RestoreSource::Checkpoint, Some(name), disk, record)
                    }
                    None => {
                        let (disk, record) = open(&folder)?;
                        (RestoreSource::Empty, None, disk, record)
                    }
                };
                folder.sign(opened.1)?;
                opened
            }
        };
        meter.starts_from(source);
        // An empty store is level with a log of which nothing was read yet.
        record.level_at.get_or_insert(now_ms);
        for (store, swept) in layout.stores.iter().zip(&swept) {
            if let Some(until) = record.swept.get(&store.name) {
                swept.set(*until);
            }
        }
        let checkpoint = origin.filter(|_| source == RestoreSource::Checkpoint).map(tracing::field::display);
        tracing::info!(
            pipeline = %task.pipeline, partition = %task.partition, ?source, checkpoint, "restoring state"
        );
        let fills = records_behind(&record, &layout, &bounds) >= FILL_RECORDS_MIN;
        let disk = if fills {
            drop(disk);
            Disk::open_to_fill(&folder.database(), &layout, &host.memory, &swept)?
        } else {
            disk
        };
        FailPoint::FolderOpened.reach();
        let host = host.clone();
        Ok(Self { host, task, layout, bounds, source, origin, meter, swept, record, fills, disk, folder })
    }

    /// Where the restore began.
    #[must_use]
    pub fn source(&self) -> RestoreSource {
        self.source
    }

    /// The offset to read a changelog on from; none to read it from its start.
    #[must_use]
    pub fn next(&self, changelog: ChangelogIndex) -> Option<Offset> {
        let store = self.layout.stores.get(changelog.0 as usize)?;
        Some(self.record.changelogs.get(&store.name)?.next)
    }

    /// Takes records of a changelog, in their order. `next` is the offset to read on from after them:
    /// at the end of the log, the high watermark. There may be no records at all.
    ///
    /// # Errors
    /// [`StateFailure::Storage`] when the disk failed; [`StateFailure::Stop`] when a record is not one
    /// that this version of Wasmill can have written.
    pub fn apply<'r>(
        &mut self,
        changelog: ChangelogIndex,
        records: impl IntoIterator<Item = ChangelogRecord<'r>>,
        next: Offset,
    ) -> Result<(), StateFailure> {
        let index = changelog.0 as usize;
        let Some(name) = self.layout.stores.get(index).map(|store| store.name.clone()) else {
            return Err(
                unknown_record(&format!("changelog {index}"), "the manifest has no such store").into()
            );
        };
        let mut batch = self.disk.batch();
        let (mut count, mut bytes) = (0, 0);
        for record in records {
            let staged = self.stage(index, &record, &mut batch);
            staged.map_err(|why| unknown_record(&format!("the changelog of `{name}`"), &why))?;
            count += 1;
            bytes += record.key.len() + record.value.map_or(0, <[u8]>::len);
            if batch.len_bytes() >= BATCH_BYTES {
                let full = std::mem::replace(&mut batch, self.disk.batch());
                full.write().map_err(|error| self.storage(error))?;
            }
        }
        let topic_id = self.bounds.iter().find(|bound| bound.changelog == changelog);
        let topic_id = topic_id.map(|bound| bound.topic_id.clone()).unwrap_or_default();
        self.record.changelogs.insert(name, ChangelogPosition { topic_id, next });
        self.record.write(&mut batch);
        batch.write().map_err(|error| self.storage(error))?;
        FailPoint::ChangelogApplied.reach();
        self.meter.add(count, bytes as u64);
        Ok(())
    }

    fn stage(&self, index: usize, record: &ChangelogRecord<'_>, batch: &mut Batch<'_>) -> Result<(), String> {
        if record.key.len() <= GROUP_BYTES {
            return Err(format!("found a key of {} bytes", record.key.len()));
        }
        if let Some(value) = record.value {
            let value = StoredValue::parse(value).map_err(|error| error.to_string())?;
            if index == self.layout.timers() {
                // A deleted or moved timer leaves its old place behind, which is found out when it is due.
                let place = timer_place(record.key, value.body);
                let place = place.ok_or("found a damaged timer")?;
                batch.put(Family::TimerIndex, &place, &[]);
            }
        }
        batch.set(Family::Store(index), record.key, record.value);
        Ok(())
    }

    /// Everything was applied: the state is level with its changelogs.
    ///
    /// # Errors
    /// [`StateFailure::Storage`] when the disk failed, or the restore took so long that the changelogs
    /// may have forgotten deletions meanwhile: then it must begin anew. [`StateFailure::Stop`] when the
    /// manifest's schemas cannot read what is there.
    pub fn finish(self) -> Result<Box<dyn TaskState>, StateFailure> {
        Ok(Box::new(self.finish_store()?))
    }

    pub(super) fn finish_store(mut self) -> Result<TaskStore, StateFailure> {
        let now_ms = self.host.clock.unix_ms();
        for bound in &self.bounds {
            if let Some(store) = self.layout.stores.get(bound.changelog.0 as usize) {
                let start = || ChangelogPosition { topic_id: bound.topic_id.clone(), next: bound.start };
                self.record.changelogs.entry(store.name.clone()).or_insert_with(start);
            }
        }
        let retention = self.bounds.iter().map(|bound| bound.delete_retention).min().unwrap_or(Duration::MAX);
        if let Err(why) = is_young(&self.record, retention, now_ms) {
            self.folder.distrust();
            return Err(self.storage(DiskError::Io(format!("the restored state is not used: {why}"))));
        }
        self.record.level_at = Some(now_ms);
        let mut batch = self.disk.batch();
        self.record.write(&mut batch);
        batch.write().map_err(|error| self.storage(error))?;
        FailPoint::RestoreApplied.reach();
        self.disk.flush().map_err(|error| self.storage(error))?;
        FailPoint::Restored.reach();
        if self.fills {
            self = self.reopened()?;
        }
        let progress = self.meter.progress();
        let Self { host, task, layout, swept, record, origin, disk, folder, .. } = self;
        TaskStore::open(Restored { host, task, layout, swept, record, origin, progress, disk, folder })
    }

    /// With a database for reads too, which sees what has reached the disk.
    fn reopened(self) -> Result<Self, StateFailure> {
        let Self { host, task, layout, swept, disk, folder, .. } = self;
        drop(disk);
        let disk = Disk::open(&folder.database(), &layout, &host.memory, &swept);
        let partition = task.partition;
        let disk = disk.map_err(|error| StateFailure::Storage { partition, outage: error.into() })?;
        Ok(Self { host, task, layout, swept, disk, folder, ..self })
    }

    /// Keeps what was applied, so that a later restore goes on from there.
    ///
    /// # Errors
    /// [`StateFailure::Storage`] when the disk did not take it.
    pub fn close(self) -> Result<(), StateFailure> {
        self.disk.flush().map_err(|error| self.storage(error))
    }

    fn storage(&self, error: DiskError) -> StateFailure {
        self.folder.failed(&error);
        StateFailure::Storage { partition: self.task.partition, outage: error.into() }
    }
}

/// About how many records of the changelogs a database has not seen.
fn records_behind(record: &LocalRecord, layout: &Layout, bounds: &[ChangelogBounds]) -> i64 {
    let behind = |bound: &ChangelogBounds| {
        let store = layout.stores.get(bound.changelog.0 as usize);
        let known = store.and_then(|store| record.changelogs.get(&store.name));
        let next = known.map_or(bound.start, |position| position.next);
        bound.end.0.saturating_sub(next.0).max(0)
    };
    bounds.iter().map(behind).fold(0, i64::saturating_add)
}

fn unknown_record(of: &str, why: &str) -> Stop {
    Stop::new(
        "changelog-unreadable",
        format!("a record of {of} is not one that this version of Wasmill writes: {why}"),
        "Run the version of Wasmill that wrote it; nothing else may write to a changelog",
    )
}

fn timer_place(stored_key: &[u8], body: &[u8]) -> Option<IndexKey> {
    let (domain, key, tag) = split_timer_key(stored_key.get(GROUP_BYTES..)?)?;
    Some(index_key(domain, parse_time(body)?, key, tag))
}

fn distrusted(
    task: &TaskSpec,
    meter: &RestoreMeter,
    why: &dyn std::fmt::Display,
) -> Option<(Disk, LocalRecord)> {
    meter.pass_over(format!("the own disk: {why}"));
    tracing::warn!(pipeline = %task.pipeline, partition = %task.partition, %why, "the state on the own disk is not used");
    None
}
