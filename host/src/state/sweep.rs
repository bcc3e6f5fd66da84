//! The sweep of a store whose values expire: it finds what has expired and has it deleted, so that
//! the changelog does not keep it for ever.
//!
//! ```text
//! resting -> scanning a part -> found keys, deleted over some cycles -> next part ... -> resting
//! ```
//!
//! A pass deletes what was written up to a time that it fixes when a flush begins; what is written
//! later is younger. So everything it must find is on disk once that flush has ended, and a
//! background thread can look for it. What it found stands for what memory holds too, until another
//! flush ends: then memory may have let go of a newer value, and the part is looked at again.

use std::sync::Arc;

use crate::model::manifest::TimeToLive;
use crate::state::background::Background;
use crate::state::background::Pending;
use crate::state::disk::Disk;
use crate::state::disk::DiskError;
use crate::state::format::BEFORE_EVENT_TIME;
use crate::state::format::StoredValue;
use crate::state::layout::Family;
use crate::state::ttl::Expiry;
use crate::state::ttl::SweptUntil;

/// Values that one job looks at.
const LOOKS_MAX: usize = 64 << 10;
/// Keys that one job gives.
const KEYS_MAX: usize = 4096;
/// Passes in the time that values live.
const PASSES_PER_LIFE: i64 = 8;

/// See the module.
pub(super) struct Sweep {
    ttl_ms: i64,
    /// What compaction may drop.
    swept: SweptUntil,
    /// What the passes that have ended have found everything of.
    done: Option<i64>,
    /// The pass that runs, or that the flush that runs will begin.
    pass: Option<Pass>,
    phase: Phase,
}

/// What a pass looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pass {
    /// Values written after this, if any pass has ended.
    after: Option<i64>,
    /// Up to this.
    until: i64,
    first_watermark: Option<i64>,
}

enum Phase {
    Resting,
    /// Looks at what comes from `from` on.
    Scanning {
        from: Vec<u8>,
        job: Option<Pending<Result<Part, DiskError>>>,
        flushes: u64,
    },
    /// Found keys of which the first `committed` are deleted, and as many more as the open cycle took.
    Deleting {
        from: Vec<u8>,
        part: Part,
        committed: usize,
        taken: usize,
        flushes: u64,
    },
}

/// What a job found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Part {
    /// Stored keys.
    keys: Vec<Vec<u8>>,
    /// Where the next part begins; none at the end of the store.
    next: Option<Vec<u8>>,
}

impl Pass {
    fn is_wanted(&self, write_time: i64) -> bool {
        let time = if write_time == BEFORE_EVENT_TIME { self.first_watermark } else { Some(write_time) };
        time.is_some_and(|time| time <= self.until && self.after.is_none_or(|after| time > after))
    }
}

impl Sweep {
    pub(super) fn new(ttl: TimeToLive, swept: SweptUntil) -> Self {
        let ttl_ms = i64::try_from(ttl.ms).unwrap_or(i64::MAX);
        Self { ttl_ms, done: swept.get(), swept, pass: None, phase: Phase::Resting }
    }

    /// The earliest time that a new value may count as written at: later than what a pass deletes.
    pub(super) fn write_time_min(&self) -> i64 {
        let until = self.pass.map(|pass| pass.until).or(self.done);
        until.map_or(i64::MIN, |until| until.saturating_add(1))
    }

    /// What compaction may drop, for a database that is opened anew.
    pub(super) fn swept(&self) -> SweptUntil {
        self.swept.clone()
    }

    /// How far the store is swept, for the folder's record.
    pub(super) fn done(&self) -> Option<i64> {
        self.done
    }

    /// A flush begins: what it leaves behind is everything up to now.
    pub(super) fn flush_begins(&mut self, expiry: &Expiry) {
        if self.pass.is_some() {
            return;
        }
        let Some(until) = expiry.written_until else { return };
        let step = (self.ttl_ms / PASSES_PER_LIFE).max(1);
        let is_due = self.done.is_none_or(|done| until.saturating_sub(done) >= step);
        if is_due {
            self.pass = Some(Pass { after: self.done, until, first_watermark: expiry.first_watermark });
        }
    }

    /// A flush has ended. `recorded` is how far the folder's record says that the store is swept.
    pub(super) fn flush_ended(&mut self, recorded: Option<i64>, flushes: u64) {
        if let Some(until) = recorded {
            self.swept.set(until);
        }
        if self.pass.is_some() && matches!(self.phase, Phase::Resting) {
            self.phase = Phase::Scanning { from: Vec::new(), job: None, flushes };
        }
    }

    /// Begins and ends jobs.
    pub(super) fn advance(&mut self, family: Family, disk: &Arc<Disk>, threads: &Background, flushes: u64) {
        let Some(pass) = self.pass else { return };
        let Phase::Scanning { from, job, flushes: began } = &mut self.phase else { return };
        let Some(running) = job else {
            let (disk, start) = (disk.clone(), from.clone());
            *began = flushes;
            *job = threads.run(move || look(&disk, family, &start, pass));
            return;
        };
        let Some(result) = running.poll() else { return };
        let (from, began) = (std::mem::take(from), *began);
        self.phase = match result {
            Ok(part) => Phase::Deleting { from, part, committed: 0, taken: 0, flushes: began },
            Err(error) => {
                tracing::warn!(%error, "the sweep of expired state is tried again");
                Phase::Scanning { from, job: None, flushes: began }
            }
        };
        self.committed();
    }

    /// Keys for the open cycle to delete, at most `count`, if they are still what they were.
    pub(super) fn take(&mut self, count: usize, flushes: u64) -> &[Vec<u8>] {
        if let Phase::Deleting { from, flushes: began, .. } = &mut self.phase
            && *began != flushes
        {
            // What was deleted before stays so, and is not taken again.
            self.phase = Phase::Scanning { from: std::mem::take(from), job: None, flushes };
        }
        let Phase::Deleting { part, committed, taken, .. } = &mut self.phase else { return &[] };
        // The same ones again until the cycle has ended.
        if *taken == 0 {
            *taken = count.min(part.keys.len().saturating_sub(*committed));
        }
        part.keys.get(*committed..*committed + *taken).unwrap_or_default()
    }

    /// The cycle was committed: what it took is deleted.
    pub(super) fn committed(&mut self) {
        let Phase::Deleting { part, committed, taken, flushes, .. } = &mut self.phase else { return };
        *committed += std::mem::take(taken);
        if *committed < part.keys.len() {
            return;
        }
        match part.next.take() {
            Some(from) => self.phase = Phase::Scanning { from, job: None, flushes: *flushes },
            None => {
                self.done = self.pass.take().map(|pass| pass.until);
                self.phase = Phase::Resting;
            }
        }
    }

    /// The cycle was aborted.
    pub(super) fn aborted(&mut self) {
        if let Phase::Deleting { taken, .. } = &mut self.phase {
            *taken = 0;
        }
    }

    /// Waits until no job has the disk.
    pub(super) fn rest(&mut self) {
        if let Phase::Scanning { job, .. } = &mut self.phase
            && let Some(running) = job.take()
            && let Err(error) = running.wait()
        {
            tracing::debug!(%error, "the sweep that was given up had failed");
        }
    }

    /// Whether a job has the disk.
    pub(super) fn is_looking(&self) -> bool {
        matches!(&self.phase, Phase::Scanning { job: Some(_), .. })
    }
}

/// Looks for what a pass wants, from a stored key on.
fn look(disk: &Disk, family: Family, from: &[u8], pass: Pass) -> Result<Part, DiskError> {
    let mut part = Part::default();
    let mut entries = disk.iterate_once(family, from)?;
    for looks in 0.. {
        let Some((key, value)) = entries.item() else { break };
        if looks == LOOKS_MAX || part.keys.len() == KEYS_MAX {
            part.next = Some(key.to_vec());
            break;
        }
        if StoredValue::parse(value).is_ok_and(|value| pass.is_wanted(value.write_time)) {
            part.keys.push(key.to_vec());
        }
        entries.next();
    }
    entries.status()?;
    Ok(part)
}
