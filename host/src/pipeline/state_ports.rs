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

    /// The earliest time at which a timer may be due; none without timers. May be too early, never
    /// too late. Cheap: asked for every batch.
    fn next_due(&self, domain: TimeDomain) -> Option<i64>;

    /// Takes timers due at `until` (included), ordered by time, key and tag, at most
    /// [`crate::model::state::TIMERS_PER_CALL_MAX`]. To be called after `begin`.
    ///
    /// # Errors
    /// See [`StateFailure`].
    fn take_due(
        &mut self,
        domain: TimeDomain,
        until: i64,
        fired: &mut FiredTimers,
    ) -> Result<(), StateFailure>;

    /// Progress of event time of an input of this task, as committed or kept since.
    fn event_clock(&self, port: PortIndex) -> EventClock;

    /// Sets it, in the overlay.
    fn set_event_clock(&mut self, port: PortIndex, clock: EventClock);

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
    /// See [`StateFailure`].
    fn tick(&mut self) -> Result<(), StateFailure>;
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

/// The state of a task while the core has it; empty while it is lent to a guest.
pub type StateSlot = Option<Box<dyn TaskState>>;

/// Makes the states of tasks and takes them back. Lives on the worker's thread; its work runs beside.
pub trait StateKeeper: Send {
    /// Begins to restore the state of a partition. `committed` are the group's stable offsets of the
    /// task's inputs, read before this call.
    fn open(&mut self, partition: Partition, committed: &[(PortIndex, Offset)]);

    /// What has ended since the last call. Never waits.
    fn restored(&mut self) -> Vec<(Partition, Result<Box<dyn TaskState>, StateFailure>)>;

    /// How far a restore has come; none when none runs.
    fn progress(&self, partition: Partition) -> Option<RestoreProgress>;

    /// Takes a state back: whatever is committed is flushed, the folder is kept. Also ends a restore
    /// that runs.
    fn close(&mut self, partition: Partition, state: StateSlot);
}

/// How far a restore has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreProgress {
    pub records: u64,
    pub bytes: u64,
    /// Records of the changelogs still to come, at most; none while it is not known.
    pub records_left: Option<u64>,
}
