//! A store with any number of entries under a key.

use std::rc::Rc;

use crate::binaries::Binaries;
use crate::body::BodyError;
use crate::error::Error;
use crate::error::Result;
use crate::state::cells::Cells;
use crate::state::cells::Found;
use crate::state::declaration::StateStore;
use crate::state::index;
use crate::state::index::Index;
use crate::state::keys;
use crate::state::limits::SCAN_ENTRIES;
use crate::state::limits::STATE_KEY_BYTES_MAX;
use crate::state::link;
use crate::state::link::ScanRange;
use crate::state::scope::Scope;

/// The entries that one batch has asked for, each by a suffix under the key at hand. A read that finds
/// nothing fetches every entry that is asked for and not known yet; what was written goes back at
/// once when the batch ends.
#[derive(Debug)]
pub(crate) struct Entries {
    index: u32,
    store: &'static StateStore,
    scope: Rc<Scope>,
    /// The state key of each entry.
    packed: Binaries,
    places: Index,
    cells: Cells,
    /// Entries that were asked for and never fetched. Some may have been written since.
    unknown: Vec<u32>,
    /// Entries under one key are chained, newest first: by key slot the newest, by entry the next.
    newest: Vec<Option<u32>>,
    older: Vec<Option<u32>>,
    state_key: Vec<u8>,
    slots: Vec<u32>,
    keys: Binaries,
    values: Binaries,
}

/// Entries under one key, in ascending order of their suffixes.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) suffixes: Binaries,
    pub(crate) values: Binaries,
}

/// What to look for among the entries under a key: suffixes from `start` (included) to `end`
/// (excluded), at most so many.
#[derive(Debug, Clone, Default)]
pub(crate) struct Range {
    pub(crate) start: Option<Vec<u8>>,
    pub(crate) end: Option<Vec<u8>>,
    pub(crate) limit: Option<usize>,
}

impl Entries {
    pub(crate) fn new(index: u32, store: &'static StateStore, scope: &Rc<Scope>) -> Self {
        Self {
            index,
            store,
            scope: Rc::clone(scope),
            packed: Binaries::default(),
            places: Index::default(),
            cells: Cells::default(),
            unknown: Vec::new(),
            newest: Vec::new(),
            older: Vec::new(),
            state_key: Vec::new(),
            slots: Vec::new(),
            keys: Binaries::default(),
            values: Binaries::default(),
        }
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(crate) fn name(&self) -> &'static str {
        self.store.name
    }

    /// The slot of the key at hand.
    #[inline]
    fn slot(&self) -> Result<u32> {
        if self.store.partition { Ok(0) } else { self.scope.slot(self.store.name) }
    }

    /// The entry with a suffix, which `suffix` appends. It may be one that nobody has asked for yet.
    #[inline]
    pub(crate) fn entry(&mut self, suffix: impl FnOnce(&mut Vec<u8>)) -> Result<u32> {
        let slot = self.slot()?;
        self.state_key.clear();
        if self.store.partition {
            keys::put_len(0, &mut self.state_key);
        } else {
            self.state_key.extend_from_slice(self.scope.keys().state_key(slot));
        }
        suffix(&mut self.state_key);
        if self.places.is_full() {
            self.rehash();
        }
        let hash = index::hash(&self.state_key);
        let (packed, state_key) = (&self.packed, &self.state_key);
        let same = |entry| packed.get(entry as usize).is_some_and(|known| known == state_key);
        match self.places.find(hash, same) {
            Ok(entry) => Ok(entry),
            Err(vacant) => {
                if self.state_key.len() > STATE_KEY_BYTES_MAX {
                    return Err(self.too_long());
                }
                let entry = self.packed.count;
                self.places.insert(vacant, entry);
                self.add(entry, slot);
                Ok(entry)
            }
        }
    }

    /// Takes the entry with the composed state key in.
    fn add(&mut self, entry: u32, slot: u32) {
        self.packed.push_part(&self.state_key, 0, self.state_key.len());
        self.cells.grow(entry as usize + 1);
        self.unknown.push(entry);
        let slot = slot as usize;
        if self.newest.len() <= slot {
            self.newest.resize(slot + 1, None);
        }
        self.older.push(self.newest.get_mut(slot).and_then(|newest| newest.replace(entry)));
    }

    #[cold]
    #[inline(never)]
    fn rehash(&mut self) {
        self.places.begin((self.packed.len() * 2).max(32));
        for entry in 0..self.packed.count {
            let key = self.packed.get(entry as usize).unwrap_or_default();
            if let Err(vacant) = self.places.find(index::hash(key), |_| false) {
                self.places.insert(vacant, entry);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn too_long(&self) -> Error {
        Error::reject(format!(
            "state `{}`: the record's key and the key of the entry have {} bytes together; {STATE_KEY_BYTES_MAX} is the most",
            self.store.name,
            self.state_key.len()
        ))
    }

    /// The bytes of an entry's value.
    #[inline]
    pub(crate) fn get(&mut self, entry: u32) -> Result<Option<&[u8]>> {
        if matches!(self.cells.get(entry), Found::Unknown) {
            self.fetch()?;
        }
        match self.cells.get(entry) {
            Found::Present(bytes) => Ok(Some(bytes)),
            Found::Absent | Found::Unknown => Ok(None),
        }
    }

    /// Gets the values of every entry that is asked for and not known.
    #[inline(never)]
    fn fetch(&mut self) -> Result<()> {
        self.keys.clear();
        let cells = &self.cells;
        self.unknown.retain(|entry| matches!(cells.get(*entry), Found::Unknown));
        for entry in &self.unknown {
            self.keys.push(self.packed.get(*entry as usize));
        }
        let values = link::get_many(self.index, self.store.name, &self.keys)?;
        self.cells.fill(self.unknown.drain(..), values);
        Ok(())
    }

    /// Writes what `encode` appends as an entry's value.
    #[inline]
    pub(crate) fn set(
        &mut self,
        entry: u32,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), BodyError>,
    ) -> Result<()> {
        self.cells.set(entry, self.scope.row(), encode)
    }

    pub(crate) fn delete(&mut self, entry: u32) {
        self.cells.delete(entry, self.scope.row());
    }

    /// The entries under the key at hand: what the host has, and over it what this batch has written.
    pub(crate) fn scan(&mut self, range: Range) -> Result<Snapshot> {
        if !self.store.scan {
            return Err(self.not_scanned());
        }
        let slot = self.slot()?;
        let key = if self.store.partition { Vec::new() } else { self.scope.keys().key(slot).to_vec() };
        let limit = range.limit.unwrap_or(usize::MAX);
        let written = self.written_under(slot, &range);
        let mut written = written.iter().copied().peekable();
        let range = ScanRange { key, prefix: Vec::new(), start: range.start, end: range.end };
        let mut found = Snapshot::default();
        let mut cursor = None;
        while found.suffixes.len() < limit {
            // Entries that were deleted since come on top of those that are wanted.
            let wanted = u32::try_from(limit - found.suffixes.len()).unwrap_or(u32::MAX);
            let page_limit = wanted.clamp(1, SCAN_ENTRIES);
            let page = link::scan(self.index, self.store.name, &range, page_limit, cursor.as_deref())?;
            for (suffix, value) in page.suffixes.iter().zip(page.values.iter()) {
                let suffix = suffix.unwrap_or_default();
                while let Some(entry) = written.next_if(|entry| self.suffix(*entry) < suffix) {
                    self.take(entry, &mut found);
                }
                match written.next_if(|entry| self.suffix(*entry) == suffix) {
                    Some(entry) => self.take(entry, &mut found),
                    None => {
                        found.suffixes.push(Some(suffix));
                        found.values.push(Some(value.unwrap_or_default()));
                    }
                }
            }
            cursor = page.cursor;
            if cursor.is_none() {
                written.by_ref().for_each(|entry| self.take(entry, &mut found));
                break;
            }
        }
        Ok(found)
    }

    /// The entries under a key, within a range, that differ from what the host has; in order.
    fn written_under(&self, slot: u32, range: &Range) -> Vec<u32> {
        let mut entries = Vec::new();
        let mut next = self.newest.get(slot as usize).copied().flatten();
        while let Some(entry) = next {
            let suffix = self.suffix(entry);
            let inside = range.start.as_deref().is_none_or(|start| suffix >= start)
                && range.end.as_deref().is_none_or(|end| suffix < end);
            if inside && self.cells.written(entry).is_some() {
                entries.push(entry);
            }
            next = self.older.get(entry as usize).copied().flatten();
        }
        entries.sort_unstable_by(|left, right| self.suffix(*left).cmp(self.suffix(*right)));
        entries
    }

    fn suffix(&self, entry: u32) -> &[u8] {
        keys::split(self.packed.get(entry as usize).unwrap_or_default()).1
    }

    /// Appends an entry, unless it is deleted.
    fn take(&self, entry: u32, found: &mut Snapshot) {
        if let Found::Present(value) = self.cells.get(entry) {
            found.suffixes.push(Some(self.suffix(entry)));
            found.values.push(Some(value));
        }
    }

    #[cold]
    #[inline(never)]
    fn not_scanned(&self) -> Error {
        Error::fatal(format!(
            "state `{}` is declared with `scan = false`, so its entries cannot be listed: leave that out",
            self.store.name
        ))
    }

    /// Deletes every entry under the key at hand within a range.
    pub(crate) fn delete_range(&mut self, range: Range) -> Result<()> {
        let found = self.scan(range)?;
        for suffix in found.suffixes.iter() {
            let entry = self.entry(|state_key| state_key.extend_from_slice(suffix.unwrap_or_default()))?;
            self.delete(entry);
        }
        Ok(())
    }

    pub(crate) fn begin(&mut self) {
        self.packed.clear();
        self.places.begin(0);
        self.cells.begin();
        self.unknown.clear();
        self.newest.clear();
        self.older.clear();
    }

    pub(crate) fn undo(&mut self) {
        self.cells.undo(self.scope.row());
    }

    pub(crate) fn finish(&mut self) -> Result<()> {
        if self.cells.is_clean() {
            return Ok(());
        }
        self.slots.clear();
        self.values.clear();
        self.keys.clear();
        self.cells.take_written(&mut self.slots, &mut self.values);
        for entry in &self.slots {
            self.keys.push(self.packed.get(*entry as usize));
        }
        if self.slots.is_empty() {
            return Ok(());
        }
        link::put_many(self.index, self.store.name, &self.keys, &self.values)
    }
}

impl Snapshot {
    /// Suffix and value of an entry.
    pub(crate) fn get(&self, entry: usize) -> Option<(&[u8], &[u8])> {
        Some((self.suffixes.get(entry)?, self.values.get(entry)?))
    }
}
