//! The state of one task, as the core has it.
//!
//! ```text
//! reads    get, and what it loads from disk
//! writes   put, delete
//! scan     ranges, merged from memory and disk
//! timers   registered, cancelled, taken when due
//! cycle    begin, keep, undo, changes, committed, aborted
//! meta     event clocks, schemas, the first watermark: written when the cycle ends
//! flush    from the cache to disk, in the background
//! sweep    deletes what has expired
//! checkpoints   copies for other hosts, in the background
//! ```

mod checkpoints;
mod cycle;
mod flush;
mod meta;
mod reads;
mod scan;
mod sweep;
mod timers;
mod writes;

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::model::binaries::BinariesBuf;
use crate::model::binaries::BinariesRef;
use crate::model::failure::Outage;
use crate::model::failure::Stop;
use crate::model::ids::PortIndex;
use crate::model::position::Offset;
use crate::model::state::EventClock;
use crate::model::state::FiredTimers;
use crate::model::state::Scan;
use crate::model::state::ScanPage;
use crate::model::state::StateTimes;
use crate::model::state::StoreIndex;
use crate::model::state::TimeDomain;
use crate::model::status::RestoreProgress;
use crate::model::status::StateFigures;
use crate::pipeline::state_ports::Change;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::TaskState;
use crate::state::directory::TaskFolder;
use crate::state::disk::Disk;
use crate::state::disk::DiskError;
use crate::state::entries::Id;
use crate::state::entries::Slot;
use crate::state::host::StateHost;
use crate::state::host::TaskSpec;
use crate::state::layout::Layout;
use crate::state::local_record::LocalRecord;
use crate::state::memory::Share;
use crate::state::store::LoadError;
use crate::state::store::Store;
use crate::state::task_store::checkpoints::Checkpoints;
use crate::state::task_store::flush::FlushState;
use crate::state::task_store::meta::MetaState;
use crate::state::timer_index::TimerIndex;
use crate::state::ttl::SweptUntil;
use crate::state::value_schema::UnreadableValue;

/// See the module.
pub(super) struct TaskStore {
    host: Arc<StateHost>,
    task: TaskSpec,
    layout: Arc<Layout>,
    /// The manifest's, then timers, then meta.
    stores: Vec<Store>,
    timers: TimerIndex,
    meta: MetaState,
    /// How far the committed state has come.
    record: LocalRecord,
    times: StateTimes,
    invocation: Invocation,
    /// Keys and values of the overlay.
    overlay_bytes: u64,
    flush: FlushState,
    /// None on a host without an object store.
    checkpoints: Option<Checkpoints>,
    restored: Arc<RestoreProgress>,
    share: Share,
    scratch: Scratch,
    /// None while it is opened anew after a failure.
    disk: Option<Arc<Disk>>,
    // After the disk, which it must outlive.
    folder: TaskFolder,
}

/// What the invocation that runs has written.
#[derive(Default)]
struct Invocation {
    undo: Vec<Undo>,
    /// Of each store, how many entries the cycle had touched before.
    touched: Vec<usize>,
    overlay_bytes: u64,
    written_bytes: u64,
    bytes_max: u64,
    /// The earliest time that an event timer was registered for.
    registered_event_min: Option<i64>,
}

/// An overlay value that was replaced.
struct Undo {
    store: u32,
    id: Id,
    old: Slot,
}

/// Buffers that calls use again.
#[derive(Default)]
struct Scratch {
    ids: Vec<Id>,
    /// Entries of the keys that were read last, and the store that they are of.
    read: Vec<Id>,
    read_of: usize,
    unknown: Vec<Id>,
    key: Vec<u8>,
}

/// What a restored folder hands over.
pub(super) struct Restored {
    pub(super) host: Arc<StateHost>,
    pub(super) task: TaskSpec,
    pub(super) layout: Arc<Layout>,
    pub(super) swept: Vec<SweptUntil>,
    pub(super) record: LocalRecord,
    pub(super) progress: RestoreProgress,
    pub(super) disk: Disk,
    pub(super) folder: TaskFolder,
}

impl TaskStore {
    /// Reads what a task needs at once: schemas, clocks, where timers begin.
    pub(super) fn open(restored: Restored) -> Result<Self, StateFailure> {
        let Restored { host, task, layout, swept, record, progress, disk, folder } = restored;
        let failed = |error: DiskError| {
            folder.failed(&error);
            storage(&task, error)
        };
        let seen = meta::read(&disk, &layout).map_err(failed)?;
        let mut stores = Vec::with_capacity(layout.stores.len());
        for (index, (store, swept)) in layout.stores.iter().zip(swept).enumerate() {
            let schema = meta::value_schema(&task, index, store, &seen).map_err(Stop::from)?;
            stores.push(Store::new(store.clone(), index, schema, swept));
        }
        let timers = TimerIndex::open(&disk).map_err(failed)?;
        let share = Share::new(&host.memory);
        let now = host.clock.now();
        let flush = FlushState::new(now, disk.bytes());
        let meta_log = layout.stores.get(layout.meta()).and_then(|meta| record.changelogs.get(&meta.name));
        let checkpoints = host.checkpoints.as_ref().zip(meta_log).map(|(parts, meta_log)| {
            Checkpoints::new(Arc::clone(&parts.store), &task, meta_log.topic_id.clone(), &folder, now)
        });
        let meta = MetaState::new(&task.manifest, &seen);
        let invocation = Invocation { touched: vec![0; stores.len()], ..Invocation::default() };
        Ok(Self {
            host,
            task,
            layout,
            stores,
            timers,
            meta,
            record,
            times: StateTimes::default(),
            invocation,
            overlay_bytes: 0,
            flush,
            checkpoints,
            restored: Arc::new(progress),
            share,
            scratch: Scratch::default(),
            disk: Some(Arc::new(disk)),
            folder,
        })
    }

    /// The place of a store of the manifest.
    fn user_store(&self, store: StoreIndex) -> Result<usize, StateFailure> {
        let index = store.as_usize();
        if index < self.layout.user_stores() { Ok(index) } else { Err(StateFailure::UnknownStore(store.0)) }
    }

    fn disk(&self) -> Result<Arc<Disk>, StateFailure> {
        self.disk.clone().ok_or_else(|| {
            let message =
                "the folder is being opened anew after a failure; what is not in memory cannot be read";
            let outage = Outage::new("state-disk", message);
            StateFailure::Storage { partition: self.task.partition, outage }
        })
    }

    /// Reads what disk holds of entries that do not know it.
    fn load(&mut self, store: usize, ids: &[Id]) -> Result<(), StateFailure> {
        if ids.is_empty() {
            return Ok(());
        }
        let disk = self.disk()?;
        let loaded = self.stores.get_mut(store).map_or(Ok(()), |store| store.load(&disk, ids));
        loaded.map_err(|error| self.load_failed(error))
    }

    fn load_failed(&self, error: LoadError) -> StateFailure {
        match error {
            LoadError::Disk(error) => self.disk_failed(error),
            LoadError::Value(error) => unreadable(&error).into(),
        }
    }

    fn disk_failed(&self, error: DiskError) -> StateFailure {
        self.folder.failed(&error);
        storage(&self.task, error)
    }

    /// Bytes of memory.
    fn bytes(&self) -> usize {
        self.stores.iter().map(Store::bytes).sum::<usize>() + self.timers.bytes()
    }

    /// Gives memory back when there is too much. Not while ids are held that may be evicted.
    fn make_room(&mut self) {
        let mut over = usize::try_from(self.share.holds(self.bytes() as u64)).unwrap_or(usize::MAX);
        if over == 0 {
            return;
        }
        // A little more, so that not every call has to.
        over = over.saturating_add(self.bytes() / 32);
        for store in &mut self.stores {
            over = over.saturating_sub(store.entries.evict(over));
        }
    }
}

fn storage(task: &TaskSpec, error: DiskError) -> StateFailure {
    StateFailure::Storage { partition: task.partition, outage: error.into() }
}

fn unreadable(error: &UnreadableValue) -> Stop {
    Stop::new(
        "state-value-unreadable",
        error.to_string(),
        "Run the version of the transform, or of Wasmill, that wrote it; the value is untouched",
    )
}

impl TaskState for TaskStore {
    fn get_many(
        &mut self,
        store: StoreIndex,
        keys: BinariesRef<'_>,
        values: &mut BinariesBuf,
    ) -> Result<(), StateFailure> {
        self.get(store, keys, values)
    }

    fn put_many(
        &mut self,
        store: StoreIndex,
        keys: BinariesRef<'_>,
        values: BinariesRef<'_>,
    ) -> Result<(), StateFailure> {
        self.put(store, keys, Some(values))
    }

    fn delete_many(&mut self, store: StoreIndex, keys: BinariesRef<'_>) -> Result<(), StateFailure> {
        self.put(store, keys, None)
    }

    fn scan(&mut self, store: StoreIndex, scan: &Scan<'_>, page: &mut ScanPage) -> Result<(), StateFailure> {
        self.scan_page(store, scan, page)
    }

    fn register_timers(
        &mut self,
        domain: TimeDomain,
        keys: BinariesRef<'_>,
        tags: BinariesRef<'_>,
        times: &[i64],
    ) -> Result<(), StateFailure> {
        self.register(domain, keys, tags, times)
    }

    fn cancel_timers(
        &mut self,
        domain: TimeDomain,
        keys: BinariesRef<'_>,
        tags: BinariesRef<'_>,
    ) -> Result<(), StateFailure> {
        self.cancel(domain, keys, tags)
    }

    fn begin(&mut self, times: StateTimes, bytes_max: u64) {
        self.begin_invocation(times, bytes_max);
    }

    fn keep(&mut self) {
        self.keep_invocation();
    }

    fn undo(&mut self) {
        self.undo_invocation();
    }

    fn next_due(&self, domain: TimeDomain) -> Option<i64> {
        self.timers.next_due(domain)
    }

    fn has_notes(&self) -> bool {
        self.meta.is_changed()
    }

    fn registered_event_min(&self) -> Option<i64> {
        self.invocation.registered_event_min
    }

    fn take_due(
        &mut self,
        domain: TimeDomain,
        until: i64,
        max: usize,
        fired: &mut FiredTimers,
    ) -> Result<(), StateFailure> {
        self.take_due_timers(domain, until, max, fired)
    }

    fn event_clock(&self, port: PortIndex) -> EventClock {
        self.meta.clock(port)
    }

    fn set_event_clock(&mut self, port: PortIndex, clock: EventClock) {
        self.meta.set_clock(port, clock);
    }

    fn overlay_bytes(&self) -> u64 {
        self.overlay_bytes
    }

    fn changes(&mut self, visit: &mut dyn FnMut(Change<'_>) -> ControlFlow<()>) {
        self.visit_changes(visit);
    }

    fn committed(&mut self, offsets: &[(PortIndex, Offset)]) {
        self.commit_cycle(offsets);
    }

    fn aborted(&mut self) {
        self.abort_cycle();
    }

    fn tick(&mut self) -> Result<(), StateFailure> {
        self.upkeep()
    }

    fn figures(&self) -> StateFigures {
        StateFigures {
            memory_bytes: self.bytes() as u64,
            unflushed_bytes: self.unflushed_bytes(),
            disk_bytes: self.flush.disk_bytes,
            checkpoint: self.checkpoints.as_ref().map(|checkpoints| checkpoints.figures.clone()),
            restored: Arc::clone(&self.restored),
        }
    }

    fn close(self: Box<Self>) -> Result<(), StateFailure> {
        self.close_folder()
    }
}
