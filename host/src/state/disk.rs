//! The RocksDB of one task.
//!
//! Without a write-ahead log: the changelog is one. What makes a write durable is a memtable flush of
//! all column families at once, so that values and the offsets they stand for never part.

use std::path::Path;
use std::sync::Arc;

use rocksdb::ColumnFamily;
use rocksdb::ColumnFamilyDescriptor;
use rocksdb::DBPinnableSlice;
use rocksdb::DBRawIteratorWithThreadMode;
use rocksdb::DBWithThreadMode;
use rocksdb::ErrorKind;
use rocksdb::FlushOptions;
use rocksdb::ReadOptions;
use rocksdb::SingleThreaded;
use rocksdb::WriteBatch;
use rocksdb::WriteOptions;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::properties::LIVE_SST_FILES_SIZE;

use crate::model::failure::Outage;
use crate::state::disk_options;
use crate::state::disk_options::Use;
use crate::state::layout::Family;
use crate::state::layout::Layout;
use crate::state::local_record::LocalRecord;
use crate::state::memory::Memory;
use crate::state::ttl::SweptUntil;

/// All families are made when the database is opened, so that using them takes no lock.
type Database = DBWithThreadMode<SingleThreaded>;

/// An iterator over a part of one column family.
pub(super) type DiskIterator<'a> = DBRawIteratorWithThreadMode<'a, Database>;

/// Why the disk did not do its work.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DiskError {
    /// Another process, or another task of this one, has the folder.
    #[error("it is locked: {0}")]
    Locked(String),
    /// What lies there is damaged.
    #[error("it is damaged: {0}")]
    Corrupt(String),
    /// Reading or writing failed: full, read-only, gone.
    #[error("{0}")]
    Io(String),
}

impl DiskError {
    /// The stable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked(_) => "state-locked",
            Self::Corrupt(_) => "state-corrupt",
            Self::Io(_) => "state-disk",
        }
    }

    pub(super) fn io(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::Io(format!("cannot {doing} {}: {error}", path.display()))
    }
}

impl From<rocksdb::Error> for DiskError {
    fn from(error: rocksdb::Error) -> Self {
        let kind = error.kind();
        let text = error.into_string();
        match kind {
            ErrorKind::IOError if text.contains("lock hold") || text.contains("lock file") => {
                Self::Locked(text)
            }
            ErrorKind::Corruption => Self::Corrupt(text),
            // A file that the database counts on is gone: it does not come back by itself.
            ErrorKind::IOError if text.contains("No such file") => Self::Corrupt(text),
            _ => Self::Io(text),
        }
    }
}

impl From<DiskError> for Outage {
    fn from(error: DiskError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// An open database.
pub(super) struct Disk {
    database: Database,
    layout: Arc<Layout>,
}

impl Disk {
    /// Opens the database in a folder, or makes one, for the stores of the layout: others are dropped.
    /// `swept` has one entry a store.
    pub(super) fn open(
        path: &Path,
        layout: &Arc<Layout>,
        memory: &Memory,
        swept: &[SweptUntil],
    ) -> Result<Self, DiskError> {
        Self::open_for(Use::Work, path, layout, memory, swept)
    }

    /// Likewise for writes alone, until it is opened anew: it takes them several times as fast, and
    /// reads would go through all that was written.
    pub(super) fn open_to_fill(
        path: &Path,
        layout: &Arc<Layout>,
        memory: &Memory,
        swept: &[SweptUntil],
    ) -> Result<Self, DiskError> {
        Self::open_for(Use::Fill, path, layout, memory, swept)
    }

    fn open_for(
        purpose: Use,
        path: &Path,
        layout: &Arc<Layout>,
        memory: &Memory,
        swept: &[SweptUntil],
    ) -> Result<Self, DiskError> {
        let options = disk_options::database(memory, purpose);
        let exists =
            path.join("CURRENT").try_exists().map_err(|error| DiskError::io("look into", path, &error))?;
        let found = if exists { Database::list_cf(&options, path)? } else { Vec::new() };
        let surplus: Vec<&String> =
            found.iter().filter(|name| !layout.families().any(|family| family == *name)).collect();
        let table = disk_options::table(memory);
        let stores = layout.stores.iter().enumerate().map(|(index, store)| {
            let swept = swept.get(index).filter(|_| store.ttl.is_some());
            ColumnFamilyDescriptor::new(&store.family, disk_options::family(&table, swept, purpose))
        });
        let own = [Family::TimerIndex, Family::Local].into_iter().filter_map(|family| {
            let options = disk_options::family(&table, None, purpose);
            Some(ColumnFamilyDescriptor::new(layout.family(family)?, options))
        });
        let dropped = surplus
            .iter()
            .map(|name| ColumnFamilyDescriptor::new(*name, disk_options::family(&table, None, purpose)));
        let families: Vec<ColumnFamilyDescriptor> = stores.chain(own).chain(dropped).collect();
        let database = Database::open_cf_descriptors(&options, path, families)?;
        let mut disk = Self { database, layout: layout.clone() };
        if exists {
            disk.forget_all_but(&found)?;
        }
        for name in surplus {
            tracing::info!(family = name, path = %path.display(), "dropping a store that the manifest no longer declares");
            disk.database.drop_cf(name)?;
        }
        Ok(disk)
    }

    /// Forgets how far the stores have come that are not both in the layout and among the families
    /// found: before they are dropped or made, since afterwards nobody could tell.
    fn forget_all_but(&self, found: &[String]) -> Result<(), DiskError> {
        let mut record = LocalRecord::read(self)?;
        let kept = |name: &String| {
            self.layout.stores.iter().any(|store| store.name == *name && found.contains(&store.family))
        };
        let gone: Vec<String> =
            record.changelogs.keys().chain(record.swept.keys()).filter(|name| !kept(name)).cloned().collect();
        if gone.is_empty() {
            return Ok(());
        }
        let mut batch = self.batch();
        for store in gone {
            record.forget(&store, &mut batch);
        }
        batch.write()?;
        self.flush()
    }

    #[expect(clippy::expect_used, reason = "it was opened with every family of its layout")]
    fn family(&self, family: Family) -> &ColumnFamily {
        let name = self.layout.family(family);
        name.and_then(|name| self.database.cf_handle(name)).expect("a column family of the layout")
    }

    pub(super) fn get(&self, family: Family, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, DiskError> {
        Ok(self.database.get_pinned_cf(self.family(family), key)?)
    }

    /// One entry a key, in their order.
    pub(super) fn get_many<'k>(
        &self,
        family: Family,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<DBPinnableSlice<'_>>>, DiskError> {
        let values = self.database.batched_multi_get_cf(self.family(family), keys, false);
        values.into_iter().map(|value| value.map_err(DiskError::from)).collect()
    }

    /// An iterator over the keys from `from` (included) to `until` (excluded).
    pub(super) fn iterate(
        &self,
        family: Family,
        from: &[u8],
        until: Option<&[u8]>,
    ) -> Result<DiskIterator<'_>, DiskError> {
        let mut options = ReadOptions::default();
        if let Some(until) = until {
            options.set_iterate_upper_bound(until);
        }
        let mut iterator = self.database.raw_iterator_cf_opt(self.family(family), options);
        iterator.seek(from);
        Ok(iterator)
    }

    /// Like [`Self::iterate`], for a walk over everything: it leaves the block cache alone.
    pub(super) fn iterate_once(&self, family: Family, from: &[u8]) -> Result<DiskIterator<'_>, DiskError> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        let mut iterator = self.database.raw_iterator_cf_opt(self.family(family), options);
        iterator.seek(from);
        Ok(iterator)
    }

    pub(super) fn batch(&self) -> Batch<'_> {
        Batch { disk: self, writes: WriteBatch::default() }
    }

    /// Writes to memory alone: durable once [`Self::flush`] has returned.
    pub(super) fn write(&self, batch: WriteBatch) -> Result<(), DiskError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        Ok(self.database.write_opt(batch, &options)?)
    }

    /// Makes durable what was written, all families together. Waits until it is.
    pub(super) fn flush(&self) -> Result<(), DiskError> {
        let families: Vec<&ColumnFamily> =
            self.layout.families().filter_map(|name| self.database.cf_handle(name)).collect();
        let mut options = FlushOptions::default();
        options.set_wait(true);
        Ok(self.database.flush_cfs_opt(&families, &options)?)
    }

    /// Bytes of the files that hold what is there now.
    pub(super) fn bytes(&self) -> u64 {
        let families = self.layout.families().filter_map(|name| self.database.cf_handle(name));
        let bytes = families.map(|family| self.database.property_int_value_cf(family, LIVE_SST_FILES_SIZE));
        // A figure for people: a family that cannot say counts as empty.
        bytes.map(|bytes| bytes.ok().flatten().unwrap_or(0)).sum()
    }

    /// Links the files, as they are once all is flushed, under a new folder of the same file system.
    pub(super) fn link_files(&self, folder: &Path) -> Result<(), DiskError> {
        Ok(Checkpoint::new(&self.database)?.create_checkpoint(folder)?)
    }
}

/// Writes that go to the disk together.
pub(super) struct Batch<'a> {
    disk: &'a Disk,
    writes: WriteBatch,
}

impl<'a> Batch<'a> {
    /// Adds to writes that there are already.
    pub(super) fn of(disk: &'a Disk, writes: WriteBatch) -> Self {
        Self { disk, writes }
    }

    pub(super) fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.writes.put_cf(self.disk.family(family), key, value);
    }

    pub(super) fn delete(&mut self, family: Family, key: &[u8]) {
        self.writes.delete_cf(self.disk.family(family), key);
    }

    /// Puts, or deletes where there is no value.
    pub(super) fn set(&mut self, family: Family, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => self.put(family, key, value),
            None => self.delete(family, key),
        }
    }

    pub(super) fn len_bytes(&self) -> usize {
        self.writes.size_in_bytes()
    }

    pub(super) fn into_writes(self) -> WriteBatch {
        self.writes
    }

    pub(super) fn write(self) -> Result<(), DiskError> {
        self.disk.write(self.writes)
    }
}
