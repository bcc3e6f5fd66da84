//! Giving memory back: clean entries that were not used lately go, by the clock algorithm.

use crate::state::entries::ENTRY_BYTES;
use crate::state::entries::Entries;
use crate::state::entries::Entry;
use crate::state::entries::Id;
use crate::state::entries::SLAB;
use crate::state::entries::Slot;
use crate::state::entries::slot::Key;

/// Most places that the hand passes in one call, so that no call takes long.
const STEPS_MAX: usize = 16 << 10;

impl Entries {
    /// Evicts clean entries until so many bytes are free, or as many as a short while allows. Gives
    /// the bytes.
    pub(in crate::state) fn evict(&mut self, bytes: usize) -> usize {
        let pinned = self.dirty.len() + self.frozen.len() + self.touched.len();
        // The hand would go round in vain. Entries in two of the lists only make this happen earlier.
        if self.table.len() <= pinned {
            return 0;
        }
        let mut freed = 0;
        for _ in 0..STEPS_MAX {
            if freed >= bytes {
                break;
            }
            freed += self.pass_hand();
        }
        freed
    }

    /// Moves the hand on by one place; gives the bytes that this freed.
    fn pass_hand(&mut self) -> usize {
        let at = self.hand;
        let Some(entry) = self.slabs.get_mut(at / SLAB).and_then(|slab| slab.get_mut(at % SLAB)) else {
            self.hand = 0;
            return 0;
        };
        self.hand = at + 1;
        let pinned = !entry.overlay.is_unset() || entry.dirty > self.flushed;
        if entry.vacant || pinned || std::mem::take(&mut entry.referenced) {
            return 0;
        }
        self.remove(Id::from_index(at))
    }

    fn remove(&mut self, id: Id) -> usize {
        let vacant = Entry {
            key: Key::new([0; 2], &[]),
            committed: Slot::Unset,
            overlay: Slot::Unset,
            hash: 0,
            dirty: 0,
            drained: false,
            referenced: false,
            vacant: true,
        };
        let entry = std::mem::replace(self.entry_mut(id), vacant);
        self.table.remove(entry.hash, id);
        let heap = entry.key.heap_bytes() + entry.committed.heap_bytes();
        self.heap_bytes -= heap;
        self.vacant.push(id);
        heap + ENTRY_BYTES
    }
}
