//! The entries of one store in memory: for each key the committed value and, over it, the value
//! that the open cycle wrote.
//!
//! One look-up finds both; a commit moves the one over the other and looks nothing up. An entry is
//! **clean** when disk has its committed value, and may be evicted then; **dirty** when not yet.
//! Dirty entries belong to the **live** generation, or to the **frozen** one that is being flushed:
//! freezing swaps two lists, and an entry that is written again before it was handed to the flush
//! hands over its old value first.

mod eviction;
mod generations;
mod places;
mod slot;
mod together;

use ahash::RandomState;

pub(super) use slot::Slot;

use crate::state::entries::places::Places;
use crate::state::entries::slot::Key;
use crate::state::format::GROUP_BYTES;
use crate::state::format::key_group;
use crate::state::format::split_key;

/// Entries are allocated in slabs of this, so that growing moves none of them.
const SLAB: usize = 1024;
/// What an entry takes beside what its key and values have on the heap: itself, and its place in
/// the table at the table's usual load.
const ENTRY_BYTES: usize = size_of::<Entry>() + 14;

/// An entry's place. Stays the same until the entry is evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(u32);

#[derive(Debug)]
struct Entry {
    key: Key,
    committed: Slot,
    overlay: Slot,
    hash: u32,
    /// The generation in which the committed value last changed; 0 when it came from disk.
    dirty: u32,
    /// Of a frozen entry: the flush has its value.
    drained: bool,
    /// Used since the clock's hand last passed.
    referenced: bool,
    vacant: bool,
}

/// What an entry holds for readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visible<'a> {
    /// Disk must be asked.
    Unknown,
    Absent,
    Stored(&'a [u8]),
}

/// See the module.
pub(super) struct Entries {
    table: Places,
    slabs: Vec<Vec<Entry>>,
    vacant: Vec<Id>,
    hasher: RandomState,
    /// Of keys and values of all entries.
    heap_bytes: usize,
    /// Entries with an overlay value, in the order in which they got it.
    touched: Vec<Id>,
    /// Number of the live generation.
    live: u32,
    /// Entries of this generation and before are clean.
    flushed: u32,
    dirty: Vec<Id>,
    dirty_bytes: usize,
    frozen: Vec<Id>,
    frozen_bytes: usize,
    /// How many of the frozen entries were looked at by the flush.
    drained: usize,
    /// Where the clock's hand stands.
    hand: usize,
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            table: Places::default(),
            slabs: Vec::new(),
            vacant: Vec::new(),
            hasher: RandomState::new(),
            heap_bytes: 0,
            touched: Vec::new(),
            live: 1,
            flushed: 0,
            dirty: Vec::new(),
            dirty_bytes: 0,
            frozen: Vec::new(),
            frozen_bytes: 0,
            drained: 0,
            hand: 0,
        }
    }
}

impl Entries {
    #[expect(
        clippy::indexing_slicing,
        reason = "an id is only made for a place that there is, and no slab shrinks"
    )]
    #[inline]
    fn entry(&self, Id(id): Id) -> &Entry {
        &self.slabs[id as usize / SLAB][id as usize % SLAB]
    }

    #[expect(clippy::indexing_slicing, reason = "as above")]
    #[inline]
    fn entry_mut(&mut self, Id(id): Id) -> &mut Entry {
        &mut self.slabs[id as usize / SLAB][id as usize % SLAB]
    }

    /// Bytes of all entries.
    pub(super) fn bytes(&self) -> usize {
        self.table.len() * ENTRY_BYTES + self.heap_bytes
    }

    #[inline]
    fn hash(&self, state_key: &[u8]) -> u32 {
        self.hasher.hash_one(state_key) as u32
    }

    /// The entry of a state key, if it is in memory.
    #[inline]
    pub(super) fn find(&self, state_key: &[u8]) -> Option<Id> {
        let hash = self.hash(state_key);
        self.table.find(hash, |id| self.is_of(id, state_key))
    }

    #[inline]
    fn is_of(&self, id: Id, state_key: &[u8]) -> bool {
        self.entry(id).key.bytes().get(GROUP_BYTES..) == Some(state_key)
    }

    /// The entry of a state key; a new one knows nothing yet.
    #[inline]
    pub(super) fn find_or_insert(&mut self, state_key: &[u8]) -> Id {
        let hash = self.hash(state_key);
        match self.table.find(hash, |id| self.is_of(id, state_key)) {
            Some(id) => {
                let entry = self.entry_mut(id);
                if !entry.referenced {
                    entry.referenced = true;
                }
                id
            }
            None => self.insert(hash, state_key),
        }
    }

    #[inline(never)]
    fn insert(&mut self, hash: u32, state_key: &[u8]) -> Id {
        let key = split_key(state_key).map_or(state_key, |(key, _)| key);
        let entry = Entry {
            key: Key::new(key_group(key).to_be_bytes(), state_key),
            committed: Slot::Unset,
            overlay: Slot::Unset,
            hash,
            dirty: 0,
            drained: false,
            // What is read once goes before what is read twice.
            referenced: false,
            vacant: false,
        };
        self.heap_bytes += entry.key.heap_bytes();
        let id = match self.vacant.pop() {
            Some(id) => {
                *self.entry_mut(id) = entry;
                id
            }
            None => self.append(entry),
        };
        self.table.insert(hash, id);
        id
    }

    fn append(&mut self, entry: Entry) -> Id {
        let full = self.slabs.last().is_none_or(|slab| slab.len() == SLAB);
        if full {
            self.slabs.push(Vec::with_capacity(SLAB));
        }
        let before = self.slabs.len().saturating_sub(1) * SLAB;
        let slab = self.slabs.last_mut();
        let at = slab.map_or(0, |slab| {
            slab.push(entry);
            slab.len() - 1
        });
        Id((before + at) as u32)
    }

    /// The stored key.
    #[inline]
    pub(super) fn key(&self, id: Id) -> &[u8] {
        self.entry(id).key.bytes()
    }

    /// The newest value: the overlay's, else the committed one.
    #[inline]
    pub(super) fn visible(&self, id: Id) -> Visible<'_> {
        let entry = self.entry(id);
        let slot = if entry.overlay.is_unset() { &entry.committed } else { &entry.overlay };
        match slot {
            Slot::Unset => Visible::Unknown,
            slot => slot.bytes().map_or(Visible::Absent, Visible::Stored),
        }
    }

    /// Sets what disk holds. Not for entries that know better.
    pub(super) fn load(&mut self, id: Id, value: Slot) {
        let added = value.heap_bytes();
        let entry = self.entry_mut(id);
        if entry.committed.is_unset() {
            entry.committed = value;
            self.heap_bytes += added;
        }
    }

    /// Writes an overlay value and gives the one that it replaces.
    #[inline]
    pub(super) fn stage(&mut self, id: Id, value: Slot) -> Slot {
        let added = value.heap_bytes();
        let old = std::mem::replace(&mut self.entry_mut(id).overlay, value);
        self.heap_bytes = self.heap_bytes + added - old.heap_bytes();
        if old.is_unset() {
            self.touched.push(id);
        }
        old
    }

    /// Puts an overlay value back that [`Self::stage`] replaced. The caller cuts
    /// [`Self::touched_len`] to what it was.
    pub(super) fn unstage(&mut self, id: Id, old: Slot) {
        let added = old.heap_bytes();
        let new = std::mem::replace(&mut self.entry_mut(id).overlay, old);
        self.heap_bytes = self.heap_bytes + added - new.heap_bytes();
    }

    /// How many entries the open cycle wrote.
    pub(super) fn touched_len(&self) -> usize {
        self.touched.len()
    }

    pub(super) fn cut_touched(&mut self, len: usize) {
        self.touched.truncate(len);
    }

    /// Whether its committed value belongs to the live generation, or the open cycle wrote it.
    pub(super) fn is_live(&self, id: Id) -> bool {
        let entry = self.entry(id);
        !entry.overlay.is_unset() || entry.dirty == self.live
    }
}

impl Entries {
    /// Bytes of key and value that an entry's overlay value counts for.
    #[inline]
    pub(super) fn overlay_cost(&self, id: Id) -> u64 {
        self.cost(id, &self.entry(id).overlay)
    }

    /// Bytes of key and value that an overlay value of this entry counts for; none while unset.
    #[inline]
    pub(super) fn cost(&self, id: Id, value: &Slot) -> u64 {
        if value.is_unset() { 0 } else { (self.key(id).len() + value.len()) as u64 }
    }
}
