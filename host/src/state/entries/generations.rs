//! From the overlay to the committed value, and from there to disk.

use crate::state::entries::ENTRY_BYTES;
use crate::state::entries::Entries;
use crate::state::entries::Id;
use crate::state::entries::Slot;
use crate::state::entries::together::TOGETHER;

/// Takes a stored key and the value to write, none to delete.
pub(in crate::state) type Emit<'a> = &'a mut dyn FnMut(&[u8], Option<&[u8]>);

impl Entries {
    /// The keys that the open cycle changed, with their values. `visit` says whether to go on.
    pub(in crate::state) fn changes(&self, mut visit: impl FnMut(&[u8], Option<&[u8]>) -> bool) -> bool {
        self.touched.chunks(TOGETHER).all(|ids| {
            self.approach(ids);
            ids.iter().all(|id| {
                let entry = self.entry(*id);
                entry.is_unchanged() || visit(entry.key.bytes(), entry.overlay.bytes())
            })
        })
    }

    /// Makes the overlay's values the committed ones; gives how many changed. `emit` takes the old
    /// values of frozen entries that the flush does not have yet.
    pub(in crate::state) fn commit(&mut self, emit: Emit<'_>) -> u64 {
        let mut touched = std::mem::take(&mut self.touched);
        let mut changed = 0;
        for ids in touched.chunks(TOGETHER) {
            self.approach(ids);
            for id in ids {
                changed += u64::from(self.commit_entry(*id, emit));
            }
        }
        touched.clear();
        self.touched = touched;
        changed
    }

    /// Whether its value has changed.
    #[inline]
    fn commit_entry(&mut self, id: Id, emit: Emit<'_>) -> bool {
        let (live, flushed) = (self.live, self.flushed);
        let entry = self.entry_mut(id);
        if entry.is_unchanged() {
            entry.overlay = Slot::Unset;
            return false;
        }
        if entry.dirty > flushed && entry.dirty < live && !entry.drained {
            emit(entry.key.bytes(), entry.committed.bytes());
        }
        let new = std::mem::take(&mut entry.overlay);
        let old = std::mem::replace(&mut entry.committed, new);
        let (old_len, new_len) = (old.len(), entry.committed.len());
        let key_len = entry.key.bytes().len();
        let first = entry.dirty != live;
        entry.dirty = live;
        entry.drained = false;
        self.heap_bytes -= old.heap_bytes();
        if first {
            self.dirty.push(id);
            self.dirty_bytes += key_len + new_len;
        } else {
            self.dirty_bytes = (self.dirty_bytes + new_len).saturating_sub(old_len);
        }
        true
    }

    /// Drops the overlay's values.
    pub(in crate::state) fn abort(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            self.unstage(id, Slot::Unset);
        }
        self.touched = touched;
    }

    /// About the memory of what disk does not have.
    pub(in crate::state) fn unflushed_bytes(&self) -> usize {
        self.dirty_bytes() + self.frozen_bytes + self.frozen.len() * ENTRY_BYTES
    }

    /// The same without those that are being flushed.
    pub(in crate::state) fn dirty_bytes(&self) -> usize {
        self.dirty_bytes + self.dirty.len() * ENTRY_BYTES
    }

    pub(in crate::state) fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Begins a flush: what is dirty is frozen, and a new generation is live. Only when nothing is
    /// frozen, and between cycles.
    pub(in crate::state) fn freeze(&mut self) {
        std::mem::swap(&mut self.dirty, &mut self.frozen);
        self.frozen_bytes = std::mem::take(&mut self.dirty_bytes);
        self.drained = 0;
        self.live += 1;
    }

    /// Hands at most `count` frozen values to the flush; gives how many it looked at, 0 at the end.
    pub(in crate::state) fn drain(&mut self, count: usize, emit: Emit<'_>) -> usize {
        let frozen = std::mem::take(&mut self.frozen);
        let until = self.drained.saturating_add(count).min(frozen.len());
        let part = frozen.get(self.drained..until).unwrap_or_default();
        let live = self.live;
        for id in part {
            let entry = self.entry_mut(*id);
            // Written again since: its frozen value was handed over then.
            if entry.dirty < live && !entry.drained {
                emit(entry.key.bytes(), entry.committed.bytes());
                entry.drained = true;
            }
        }
        self.frozen = frozen;
        until - std::mem::replace(&mut self.drained, until)
    }

    /// The frozen generation is on disk.
    pub(in crate::state) fn flushed(&mut self) {
        self.flushed = self.live - 1;
        self.frozen.clear();
        self.frozen_bytes = 0;
    }

    /// The flush failed: what is frozen is dirty again.
    pub(in crate::state) fn thaw(&mut self) {
        let mut frozen = std::mem::take(&mut self.frozen);
        let live = self.live;
        for id in frozen.drain(..) {
            let entry = self.entry_mut(id);
            if entry.dirty < live {
                entry.dirty = live;
                entry.drained = false;
                let bytes = entry.key.bytes().len() + entry.committed.len();
                self.dirty.push(id);
                self.dirty_bytes += bytes;
            }
        }
        self.frozen = frozen;
        self.frozen_bytes = 0;
    }
}

impl super::Entry {
    /// Whether a commit has nothing to do: it was written and then undone, or deleted where nothing
    /// stood.
    fn is_unchanged(&self) -> bool {
        match self.overlay {
            Slot::Unset => true,
            Slot::Absent => matches!(self.committed, Slot::Absent),
            _ => false,
        }
    }
}

impl Id {
    /// Every id in use is below this.
    pub(super) fn from_index(index: usize) -> Self {
        Self(index as u32)
    }
}
