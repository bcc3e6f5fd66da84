//! A store with one entry a key.

use std::rc::Rc;

use crate::binaries::Binaries;
use crate::body::BodyError;
use crate::error::Result;
use crate::state::cells::Cells;
use crate::state::cells::Found;
use crate::state::declaration::StateStore;
use crate::state::keys::Keys;
use crate::state::link;
use crate::state::scope::Scope;

/// The entries of one batch, one for each of its keys. The first read fetches those of every key of
/// the batch at once; what was written goes back at once when the batch ends.
#[derive(Debug)]
pub(crate) struct Single {
    index: u32,
    store: &'static StateStore,
    scope: Rc<Scope>,
    cells: Cells,
    /// The key of the partition: in place of the batch's keys.
    partition: Keys,
    slots: Vec<u32>,
    keys: Binaries,
    values: Binaries,
}

impl Single {
    pub(crate) fn new(index: u32, store: &'static StateStore, scope: &Rc<Scope>) -> Self {
        let mut partition = Keys::default();
        partition.begin(1);
        partition.push(&[]);
        Self {
            index,
            store,
            scope: Rc::clone(scope),
            cells: Cells::default(),
            partition,
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

    #[inline(always)]
    fn slot(&self) -> Result<u32> {
        if self.store.partition { Ok(0) } else { self.scope.slot(self.store.name) }
    }

    /// The bytes of the value of the key at hand.
    #[inline(always)]
    pub(crate) fn get(&mut self) -> Result<Option<&[u8]>> {
        let slot = self.slot()?;
        if matches!(self.cells.get(slot), Found::Unknown) {
            self.fetch()?;
        }
        match self.cells.get(slot) {
            Found::Present(bytes) => Ok(Some(bytes)),
            Found::Absent | Found::Unknown => Ok(None),
        }
    }

    /// Gets the values of every key of the batch.
    #[cold]
    #[inline(never)]
    fn fetch(&mut self) -> Result<()> {
        let scoped = self.scope.keys();
        let keys = if self.store.partition { &self.partition } else { &*scoped };
        self.cells.grow(keys.len());
        let values = link::get_many(self.index, self.store.name, keys.packed())?;
        self.cells.fill(0..keys.len() as u32, values);
        Ok(())
    }

    /// Writes what `encode` appends as the value of the key at hand.
    #[inline(always)]
    pub(crate) fn set(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), BodyError>) -> Result<()> {
        let slot = self.slot()?;
        self.cells.grow(slot as usize + 1);
        self.cells.set(slot, self.scope.row(), encode)
    }

    /// Deletes the value of the key at hand.
    pub(crate) fn delete(&mut self) -> Result<()> {
        let slot = self.slot()?;
        self.cells.grow(slot as usize + 1);
        self.cells.delete(slot, self.scope.row());
        Ok(())
    }

    pub(crate) fn begin(&mut self) {
        self.cells.begin();
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
        self.cells.take_written(&mut self.slots, &mut self.values);
        if self.slots.is_empty() {
            return Ok(());
        }
        let scoped = self.scope.keys();
        let keys = if self.store.partition { &self.partition } else { &*scoped };
        // Where every key was written in its turn, the keys go out as they lie.
        let every = self.slots.len() == keys.len() && (0..).zip(&self.slots).all(|(at, slot)| at == *slot);
        let keys = if every {
            keys.packed()
        } else {
            self.keys.clear();
            for slot in &self.slots {
                self.keys.push(Some(keys.state_key(*slot)));
            }
            &self.keys
        };
        link::put_many(self.index, self.store.name, keys, &self.values)
    }
}
