//! What the core needs of keyed state. `state` implements these; `wasm` calls the guest's half.
//!
//! Writes pass three stages: **staged** by the invocation that runs ([`TaskState::begin`] to
//! [`TaskState::keep`] or [`TaskState::undo`]), **kept** in the open cycle (the overlay), and
//! **committed** once the Kafka transaction is ([`TaskState::committed`]; before that
//! [`TaskState::aborted`] drops the overlay). Reads see all three, newest first.

use std::ops::ControlFlow;

use crate::model::binaries::BinariesBuf;
use crate::model::binaries::BinariesRef;
use crate::model::failure::Outage;
use crate::model::failure::Stop;
use crate::model::ids::PortIndex;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::state::EventClock;
use crate::model::state::FiredTimers;
use crate::model::state::Scan;
use crate::model::state::ScanPage;
use crate::model::state::StateTimes;
use crate::model::state::StoreIndex;
use crate::model::state::TimeDomain;
pub use crate::model::status::RestoreProgress;
use crate::model::status::StateFigures;

/// Keyed state and timers of one task. Owned by the worker's thread; lent to the guest for a call.
pub trait TaskState: Send {
    // For the guest, between `begin` and `keep` or `undo`.

    /// Appends one entry a key to `values`: what stands under it, or absent.
    ///
    /// # Errors
    /// See [`StateFailure`].
    fn get_many(
        &mut self,
        store: StoreIndex,
        keys: BinariesRef<'_>,
        values: &mut BinariesBuf,
    ) -> Result<(), StateFailure>;

    /// Writes one value a key; an absent value deletes. Of equal keys the last one counts.
    ///
    /// # Errors
    /// See [`StateFailure`]; nothing of the call is written then.
    fn put_many(
        &mut self,
        store: StoreIndex,
        keys: BinariesRef<'_>,
        values: BinariesRef<'_>,
    ) -> Result<(), StateFailure>;

    /// # Errors
    /// See [`StateFailure`].
    fn delete_many(&mut self, store: StoreIndex, keys: BinariesRef<'_>) -> Result<(), StateFailure>;

    /// Fills `page`, which is empty.
    ///
    /// # Errors
    /// See [`StateFailure`].
    fn scan(&mut self, store: StoreIndex, scan: &Scan<'_>, page: &mut ScanPage) -> Result<(), StateFailure>;

    /// Registers or moves timers. `times` has one entry a key and a tag, milliseconds.
    ///
    /// # Errors
    /// See [`StateFailure`]; nothing of the call is written then.
    fn register_timers(
        &mut self,
        domain: TimeDomain,
        keys: BinariesRef<'_>,
        tags: BinariesRef<'_>,
        times: &[i64],
    ) -> Result<(), StateFailure>;

    /// # Errors
    /// See [`StateFailure`].
    fn cancel_timers(
        &mut self,
        domain: TimeDomain,
        keys: BinariesRef<'_>,
        tags: BinariesRef<'_>,
    ) -> Result<(), StateFailure>;

    // For the core.

    /// Begins an invocation. `bytes_max` bounds what it may write, keys and values.
    fn begin(&mut self, times: StateTimes, bytes_max: u64);

    /// What was written since `begin` joins the overlay.
    fn keep(&mut self);

    /// What was written since `begin`, timers taken by [`Self::take_due`] included, is undone.
    fn undo(&mut self);

    /// The earliest time at which a timer may be due; none without timers. Never too late. May be too
    /// early, but not again after [`Self::take_due`] has found that no timer is due by then. Cheap:
    /// asked for every batch.
    fn next_due(&self, domain: TimeDomain) -> Option<i64>;

    /// The earliest time for which an event timer was registered since [`Self::begin`], also if it was
    /// moved or cancelled since: what came in between was to see it fire.
    fn registered_event_min(&self) -> Option<i64>;

    /// Takes the first timers due at `until` (included), ordered by time, key and tag: as many as
    /// there are, up to `max`. To be called after `begin`.
    ///
    /// # Errors
    /// See [`StateFailure`].
    fn take_due(
        &mut self,
        domain: TimeDomain,
        until: i64,
        max: usize,
        fired: &mut FiredTimers,
    ) -> Result<(), StateFailure>;

    /// Progress of event time of an input of this task, as committed or kept since.
    fn event_clock(&self, port: PortIndex) -> EventClock;

    /// Sets it, in the overlay.
    fn set_event_clock(&mut self, port: PortIndex, clock: EventClock);

    /// Whether something is to be written at the commit that [`Self::overlay_bytes`] does not count.
    fn has_notes(&self) -> bool {
        false
    }

    /// Bytes of the overlay. The cycle is committed early when they reach its limit.
    fn overlay_bytes(&self) -> u64;

    /// Every key that the overlay changed, once, with its last value, until `visit` breaks off. Store
    /// by store. The overlay stays as it is.
    fn changes(&mut self, visit: &mut dyn FnMut(Change<'_>) -> ControlFlow<()>);

    /// The transaction with the overlay's changes and these offsets is committed. The overlay
    /// becomes part of the cache.
    fn committed(&mut self, offsets: &[(PortIndex, Offset)]);

    /// The cycle was aborted: the overlay and whatever is staged are dropped.
    fn aborted(&mut self);

    /// Housekeeping between cycles: starts flushes, checkpoints and sweeps that are due, and
    /// reports how an earlier one ended. Never waits for a disk.
    ///
    /// # Errors
    /// [`StateFailure::Storage`] once for every flush that failed. The state stays usable: it holds
    /// what was not flushed and tries again by itself; when memory for that runs out, reads and writes
    /// fail with the same.
    fn tick(&mut self) -> Result<(), StateFailure>;

    /// For the status: cheap, and asked for about once a second.
    fn figures(&self) -> StateFigures {
        StateFigures::default()
    }

    /// Writes what is committed to disk, waits for it, and lets go of the folder. The overlay is
    /// dropped. A state that is dropped instead loses nothing either: the changelogs have it.
    ///
    /// # Errors
    /// [`StateFailure::Storage`] when the disk did not take it.
    fn close(self: Box<Self>) -> Result<(), StateFailure> {
        Ok(())
    }
}

/// One changed key, for the changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    pub changelog: ChangelogIndex,
    pub key: &'a [u8],
    /// None deletes.
    pub value: Option<&'a [u8]>,
}

/// Index of a changelog topic: the stores of the manifest in order, then timers, then meta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChangelogIndex(pub u32);

/// Why a call on the state failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateFailure {
    /// The manifest declares no such store.
    #[error("the manifest declares no state store {0}")]
    UnknownStore(u32),
    /// The guest's keys, values, timers or scan are wrong: which, and why.
    #[error("{0}")]
    Keys(String),
    #[error("{0}")]
    Values(String),
    #[error("{0}")]
    Timers(String),
    #[error("{0}")]
    Scan(String),
    /// The invocation would write more than it may.
    #[error("the transform wrote more than {limit_bytes} bytes of state for one batch")]
    Limit { limit_bytes: u64 },
    /// The disk, or what lies on it, failed: the task is restored anew, if need be from elsewhere.
    #[error("state of {partition}: {outage}")]
    Storage { partition: Partition, outage: Outage },
    #[error(transparent)]
    Stop(#[from] Stop),
}

/// What a restore came to.
pub type RestoredState = Result<Box<dyn TaskState>, StateFailure>;

/// The state of a task while the core has it; empty while it is lent to a guest.
pub type StateSlot = Option<Box<dyn TaskState>>;

/// Makes the states of tasks and takes them back. Lives on the worker's thread; its work runs beside.
pub trait StateKeeper: Send {
    /// Begins to restore the state of a partition. `committed` are the group's stable offsets of the
    /// task's inputs, read before this call.
    fn open(&mut self, partition: Partition, committed: &[(PortIndex, Offset)]);

    /// What has ended since the last call. A restore that was closed meanwhile never shows up. Never
    /// waits.
    fn restored(&mut self) -> Vec<(Partition, RestoredState)>;

    /// How far a restore has come; none when none runs.
    fn progress(&self, partition: Partition) -> Option<RestoreProgress>;

    /// Takes a state back: whatever is committed is flushed, the folder is kept. Also ends a restore
    /// that runs.
    fn close(&mut self, partition: Partition, state: StateSlot);
}

/// What the state needs to know of Avro. `codec` implements it.
pub trait ValueSchemas: Send + Sync {
    /// One text for one schema, however it was written.
    ///
    /// # Errors
    /// Why it is no schema that state can have.
    fn canonical(&self, schema: &serde_json::Value) -> Result<String, String>;

    /// Checks values of a schema.
    ///
    /// # Errors
    /// Why it is no schema that state can have.
    fn check(&self, schema: &str) -> Result<Box<dyn ValueCheck>, String>;

    /// Rewrites values of a writer's schema as values of a reader's.
    ///
    /// # Errors
    /// When not every value of the writer's can be read: the field, and the rule that is broken.
    fn upgrade(&self, writer: &str, reader: &str) -> Result<Box<dyn ValueUpgrade>, String>;
}

/// Whether bytes are one value of a schema.
pub trait ValueCheck: Send {
    /// # Errors
    /// What was found, where, what was expected.
    fn check(&mut self, body: &[u8]) -> Result<(), String>;
}

/// From one schema to another, by Avro's schema resolution.
pub trait ValueUpgrade: Send {
    /// Appends the body that stands for `body`.
    ///
    /// # Errors
    /// When `body` is no value of the writer's schema.
    fn upgrade(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), String>;
}
