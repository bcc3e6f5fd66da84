//! From the cache to disk, in the background.
//!
//! ```text
//! idle -> draining -> ending -> idle
//!              \          \-> broken -> reopening -> idle
//! ```
//!
//! Freezing what is dirty takes no time. Draining then hands it over bit by bit, each time the core
//! calls, as batches that background jobs write; the last batch carries the offsets, and its job makes
//! everything durable. Should a crash come between, disk holds newer values than its offsets say, which
//! the changelog repeats. When a job fails nothing is lost: what was frozen is dirty again, the
//! database is opened anew (after a failed write RocksDB takes none any more), and the flush begins
//! again.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rocksdb::WriteBatch;

use crate::model::fail_point::FailPoint;
use crate::pipeline::backoff::Backoff;
use crate::pipeline::state_ports::StateFailure;
use crate::state::background::Pending;
use crate::state::disk::Batch;
use crate::state::disk::Disk;
use crate::state::disk::DiskError;
use crate::state::layout::Family;
use crate::state::local_record::LocalRecord;
use crate::state::store::Store;
use crate::state::sweep::Sweep;
use crate::state::task_store::TaskStore;
use crate::state::task_store::checkpoints::Checkpoints;
use crate::state::timer_index::Places;
use crate::state::ttl::SweptUntil;

/// Entries that one call drains at most: about two milliseconds.
const DRAIN_ENTRIES: usize = 16 << 10;
/// A batch of this size is written.
const BATCH_BYTES: usize = 1 << 20;
/// No more is drained into a batch of this size while the one before is being written.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Least unflushed bytes that start a flush before its time.
const DIRTY_BYTES_MIN: u64 = 512 << 10;
/// How long an invocation waits at most for a flush to make room.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(1);
/// Unflushed bytes that are let grow however small the share, beside an overlay of full size.
const UNFLUSHED_BYTES_MIN: u64 = 64 << 20;
/// Without any change the folder's record is written this often: it says when the state was level.
const RECORD_EVERY: Duration = Duration::from_secs(600);

/// See the module.
pub(super) struct FlushState {
    phase: Phase,
    /// When the first change was committed that no flush has; none without any.
    dirty_since: Option<Instant>,
    last: Instant,
    /// How many have ended well.
    pub(super) count: u64,
    /// Of the files on disk after the last one.
    pub(super) disk_bytes: u64,
    backoff: Backoff,
    error: Option<DiskError>,
    /// A failure that the core was not told of yet.
    unreported: Option<DiskError>,
}

enum Phase {
    Idle,
    Draining(Draining),
    Ending { job: Pending<Result<u64, DiskError>>, record: LocalRecord },
    Broken { retry_at: Instant },
    Reopening(Pending<Result<Disk, DiskError>>),
}

struct Draining {
    writes: WriteBatch,
    job: Option<Pending<Result<(), DiskError>>>,
    places: Arc<Places>,
    record: LocalRecord,
}

/// How far one call may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Waits for nothing.
    Some,
    /// Waits for jobs until this time.
    Until(Instant),
    /// Waits for jobs as long as they take.
    All,
}

impl FlushState {
    /// Of a folder that was flushed just now.
    pub(super) fn new(now: Instant, disk_bytes: u64) -> Self {
        Self {
            phase: Phase::Idle,
            dirty_since: None,
            last: now,
            count: 0,
            disk_bytes,
            backoff: Backoff::for_outage(),
            error: None,
            unreported: None,
        }
    }

    /// Runs `commit` with a taker of frozen values that are about to be replaced.
    pub(super) fn taking<T>(
        &mut self,
        disk: Option<&Disk>,
        family: Family,
        commit: impl FnOnce(&mut dyn FnMut(&[u8], Option<&[u8]>)) -> T,
    ) -> T {
        let (Phase::Draining(draining), Some(disk)) = (&mut self.phase, disk) else {
            return commit(&mut |_, _| {});
        };
        draining.fill(disk, |batch| commit(&mut |key, value| batch.set(family, key, value)))
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// What went wrong last, in words.
    pub(super) fn trouble(&self) -> String {
        match &self.error {
            Some(error) => format!("the last flush failed: {error}"),
            None => "the disk is too slow".to_owned(),
        }
    }
}

impl Draining {
    fn fill<T>(&mut self, disk: &Disk, add: impl FnOnce(&mut Batch<'_>) -> T) -> T {
        let mut batch = Batch::of(disk, std::mem::take(&mut self.writes));
        let result = add(&mut batch);
        self.writes = batch.into_writes();
        result
    }
}

impl TaskStore {
    /// How many flushes have ended well.
    #[cfg(test)]
    pub(in crate::state) fn flushes(&self) -> u64 {
        self.flush.count
    }

    /// Bytes that disk does not have.
    pub(super) fn unflushed_bytes(&self) -> u64 {
        self.stores.iter().map(|store| store.entries.unflushed_bytes() as u64).sum()
    }

    /// Whether there is no memory for more that disk does not have.
    pub(super) fn is_full(&self) -> bool {
        self.unflushed_bytes() > self.share.fair_bytes().max(UNFLUSHED_BYTES_MIN)
    }

    /// Something may have become dirty.
    pub(super) fn flush_is_needed(&mut self) {
        if self.flush.dirty_since.is_none() && self.is_dirty() {
            self.flush.dirty_since = Some(self.host.clock.now());
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.stores.iter().any(|store| store.entries.has_dirty()) || self.timers.has_live()
    }

    fn is_between_cycles(&self) -> bool {
        self.stores.iter().all(|store| store.entries.touched_len() == 0)
    }

    fn flush_is_due(&self, now: Instant) -> bool {
        let dirty: u64 = self.stores.iter().map(|store| store.entries.dirty_bytes() as u64).sum();
        let age = |since: Instant| now.saturating_duration_since(since);
        dirty >= (self.share.fair_bytes() / 4).max(DIRTY_BYTES_MIN)
            || self.flush.dirty_since.is_some_and(|since| age(since) >= self.host.settings.flush_age)
            || age(self.flush.last) >= RECORD_EVERY
    }

    /// Housekeeping; see the port.
    pub(super) fn upkeep(&mut self) -> Result<(), StateFailure> {
        let now = self.host.clock.now();
        if self.flush.is_idle() && self.flush_is_due(now) {
            self.start_flush();
        }
        self.advance_flush(Effort::Some);
        self.advance_checkpoint();
        self.advance_sweep();
        self.make_room();
        match self.flush.unreported.take() {
            Some(error) => Err(self.disk_failed(error)),
            None => Ok(()),
        }
    }

    /// Lets a flush that is behind catch up before more is written.
    pub(super) fn wait_for_room(&mut self) {
        let runs = matches!(self.flush.phase, Phase::Draining(_) | Phase::Ending { .. });
        if runs && self.unflushed_bytes() > self.share.fair_bytes().max(UNFLUSHED_BYTES_MIN) / 4 * 3 {
            self.advance_flush(Effort::Until(Instant::now() + ROOM_WAIT_MAX));
        }
    }

    /// Starts a flush before its time, as soon as none runs and no cycle is open.
    pub(super) fn flush_soon(&mut self) {
        if self.flush.is_idle() {
            self.start_flush();
        }
    }

    /// Freezes what is dirty, if no cycle is open.
    fn start_flush(&mut self) {
        if !self.is_between_cycles() || self.disk.is_none() {
            return;
        }
        self.record.level_at = Some(self.host.clock.unix_ms());
        for store in &mut self.stores {
            store.freeze();
            if let Some(sweep) = &mut store.sweep {
                sweep.flush_begins(&store.committed_expiry);
                let until = sweep.done().map(|until| (store.layout.name.clone(), until));
                self.record.swept.extend(until);
            }
        }
        let places = self.timers.freeze();
        let record = self.record.clone();
        self.flush.dirty_since = None;
        self.flush.phase =
            Phase::Draining(Draining { writes: WriteBatch::default(), job: None, places, record });
        FailPoint::FlushFrozen.reach();
    }

    /// Takes the flush that runs as far as the effort goes.
    fn advance_flush(&mut self, effort: Effort) {
        while self.advance_flush_once(effort) {}
    }

    /// Whether another step makes sense.
    fn advance_flush_once(&mut self, effort: Effort) -> bool {
        match std::mem::replace(&mut self.flush.phase, Phase::Idle) {
            Phase::Idle => false,
            Phase::Draining(draining) => self.drain(draining, effort),
            Phase::Ending { job, record } => match ended(&job, effort) {
                None => {
                    self.flush.phase = Phase::Ending { job, record };
                    false
                }
                Some(Ok(disk_bytes)) => {
                    self.flush.disk_bytes = disk_bytes;
                    self.flush_ended(&record);
                    false
                }
                Some(Err(error)) => self.flush_failed(error),
            },
            Phase::Broken { retry_at } => self.reopen(retry_at, effort),
            Phase::Reopening(job) => match ended(&job, effort) {
                None => {
                    self.flush.phase = Phase::Reopening(job);
                    false
                }
                Some(Ok(disk)) => {
                    self.disk = Some(Arc::new(disk));
                    self.start_flush();
                    true
                }
                Some(Err(error)) => self.flush_failed(error),
            },
        }
    }

    fn drain(&mut self, mut draining: Draining, effort: Effort) -> bool {
        let Some(disk) = self.disk.clone() else { return false };
        if let Some(job) = &draining.job {
            match ended(job, effort) {
                Some(Ok(())) => draining.job = None,
                Some(Err(error)) => return self.flush_failed(error),
                None => {}
            }
        }
        let mut budget = DRAIN_ENTRIES;
        draining.fill(&disk, |batch| {
            for Store { entries, family, .. } in &mut self.stores {
                while budget > 0 && batch.len_bytes() < BATCH_BYTES_MAX {
                    let looked =
                        entries.drain(budget.min(1024), &mut |key, value| batch.set(*family, key, value));
                    if looked == 0 {
                        break;
                    }
                    budget -= looked;
                }
            }
        });
        let is_drained = budget > 0 && draining.writes.size_in_bytes() < BATCH_BYTES_MAX;
        let is_idle = draining.job.is_none();
        if is_drained && is_idle {
            return self.end_flush(&disk, draining);
        }
        if draining.writes.size_in_bytes() >= BATCH_BYTES && is_idle {
            let writes = std::mem::take(&mut draining.writes);
            draining.job = self.host.flushing.run(move || disk.write(writes));
            if draining.job.is_none() {
                return self.flush_failed(too_many_jobs());
            }
        }
        self.flush.phase = Phase::Draining(draining);
        effort.goes_on()
    }

    /// The last batch, with the places of timers and the offsets.
    fn end_flush(&mut self, disk: &Arc<Disk>, draining: Draining) -> bool {
        let Draining { writes, places, record, .. } = draining;
        let (disk, written) = (disk.clone(), record.clone());
        let job = move || {
            let mut batch = Batch::of(&disk, writes);
            places.write(&mut batch);
            written.write(&mut batch);
            FailPoint::FlushEnding.reach();
            batch.write()?;
            FailPoint::FlushWritten.reach();
            disk.flush()?;
            FailPoint::FlushDurable.reach();
            Ok(disk.bytes())
        };
        match self.host.flushing.run(job) {
            Some(job) => {
                self.flush.phase = Phase::Ending { job, record };
                true
            }
            None => self.flush_failed(too_many_jobs()),
        }
    }

    fn flush_ended(&mut self, record: &LocalRecord) {
        self.flush.count += 1;
        self.flush.last = self.host.clock.now();
        self.flush.error = None;
        self.flush.backoff = Backoff::for_outage();
        for store in &mut self.stores {
            store.flushed();
            if let Some(sweep) = &mut store.sweep {
                sweep.flush_ended(record.swept.get(&store.layout.name).copied(), self.flush.count);
            }
        }
        self.timers.flushed();
    }

    /// Nothing is lost: what was frozen is dirty again. Gives that there is no next step now.
    fn flush_failed(&mut self, error: DiskError) -> bool {
        tracing::warn!(pipeline = %self.task.pipeline, partition = %self.task.partition, %error, "state was not flushed");
        for store in &mut self.stores {
            store.thaw();
        }
        self.timers.thaw();
        let now = self.host.clock.now();
        self.flush.dirty_since.get_or_insert(now);
        self.flush.phase = Phase::Broken { retry_at: now + self.flush.backoff.next_wait() };
        self.flush.error = Some(error.clone());
        self.flush.unreported = Some(error);
        false
    }

    /// Opens the database anew, once it is time and nobody else has it.
    fn reopen(&mut self, retry_at: Instant, effort: Effort) -> bool {
        let is_due = effort == Effort::All || self.host.clock.now() >= retry_at;
        let is_free = !self.stores.iter().any(|store| store.sweep.as_ref().is_some_and(Sweep::is_looking))
            && !self.checkpoints.as_ref().is_some_and(Checkpoints::is_taking);
        if !is_due || !is_free {
            self.flush.phase = Phase::Broken { retry_at };
            return false;
        }
        let old = self.disk.take();
        let swept: Vec<SweptUntil> = self.stores.iter().map(Store::swept).collect();
        let (path, layout, memory) = (self.folder.database(), self.layout.clone(), self.host.memory.clone());
        let job = self.host.flushing.run(move || {
            drop(old);
            Disk::open(&path, &layout, &memory, &swept)
        });
        match job {
            Some(job) => {
                self.flush.phase = Phase::Reopening(job);
                true
            }
            None => self.flush_failed(too_many_jobs()),
        }
    }

    /// Writes everything that is committed, and that the state is level with its changelogs now.
    pub(super) fn close_folder(mut self: Box<Self>) -> Result<(), StateFailure> {
        self.abort_cycle();
        FailPoint::Closing.reach();
        // What runs first, then what has become dirty meanwhile; and once more if the first failed.
        for _ in 0..3 {
            self.advance_flush(Effort::All);
            let flushes = self.flush.count;
            self.flush_soon();
            self.advance_flush(Effort::All);
            if self.flush.count > flushes && !self.is_dirty() {
                FailPoint::Closed.reach();
                return Ok(());
            }
        }
        let error = self.flush.error.take();
        let error = error.unwrap_or_else(|| DiskError::Io("the flush did not come to an end".to_owned()));
        Err(self.disk_failed(error))
    }
}

impl Drop for TaskStore {
    /// The folder is free when this returns: no job has it any more.
    fn drop(&mut self) {
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.rest();
        }
        for store in &mut self.stores {
            if let Some(sweep) = &mut store.sweep {
                sweep.rest();
            }
        }
        let job = match std::mem::replace(&mut self.flush.phase, Phase::Idle) {
            Phase::Draining(Draining { job, .. }) => job.map(|job| job.wait()),
            Phase::Ending { job, .. } => Some(job.wait().map(drop)),
            Phase::Reopening(job) => {
                // What it opened is closed again.
                drop(job.wait());
                None
            }
            Phase::Idle | Phase::Broken { .. } => None,
        };
        if let Some(Err(error)) = job {
            tracing::debug!(%error, "the flush that was given up had failed");
        }
    }
}

impl Effort {
    fn goes_on(self) -> bool {
        match self {
            Self::Some => false,
            Self::Until(until) => Instant::now() < until,
            Self::All => true,
        }
    }
}

/// The result of a job that has ended, or ends within the effort.
fn ended<T>(job: &Pending<Result<T, DiskError>>, effort: Effort) -> Option<Result<T, DiskError>> {
    match effort {
        Effort::Some => job.poll(),
        Effort::Until(until) => job.wait_for(until.saturating_duration_since(Instant::now())),
        Effort::All => Some(job.wait()),
    }
}

fn too_many_jobs() -> DiskError {
    DiskError::Io("too many flushes wait for a thread".to_owned())
}
