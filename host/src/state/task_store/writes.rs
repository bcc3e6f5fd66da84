//! Writes by key, which the invocation can undo.

use crate::model::binaries::BinariesRef;
use crate::model::failure::Outage;
use crate::model::state::StoreIndex;
use crate::pipeline::state_ports::StateFailure;
use crate::state::entries::Id;
use crate::state::task_store::TaskStore;
use crate::state::task_store::Undo;

impl TaskStore {
    /// Writes one value a key, or deletes where there are none.
    pub(super) fn put(
        &mut self,
        store: StoreIndex,
        keys: BinariesRef<'_>,
        values: Option<BinariesRef<'_>>,
    ) -> Result<(), StateFailure> {
        let index = self.user_store(store)?;
        if let Some(values) = values
            && values.len() != keys.len()
        {
            let (found, expected) = (values.len(), keys.len());
            return Err(StateFailure::Values(format!("found {found} values for {expected} keys")));
        }
        self.make_room();
        self.check_put(index, keys, values)?;
        let Some(store) = self.stores.get_mut(index) else { return Ok(()) };
        let mut overlay = self.overlay_bytes;
        self.invocation.undo.reserve(keys.len());
        // What is written was read before, mostly, and in the same order.
        let read = if self.scratch.read_of == index { &*self.scratch.read } else { &[] };
        for (at, key) in keys.iter().enumerate() {
            let likely = read.get(at).copied();
            let id = store.entries.find_at_or_insert(likely, key.unwrap_or_default());
            let body = values.and_then(|values| values.get(at));
            let old = store.stage(id, body);
            overlay = overlay
                .saturating_add(store.entries.overlay_cost(id))
                .saturating_sub(store.entries.cost(id, &old));
            self.invocation.undo.push(Undo { store: index as u32, id, old });
        }
        self.overlay_bytes = overlay;
        Ok(())
    }

    /// Checks a call as a whole before any of it is done.
    fn check_put(
        &mut self,
        index: usize,
        keys: BinariesRef<'_>,
        values: Option<BinariesRef<'_>>,
    ) -> Result<(), StateFailure> {
        let Some(store) = self.stores.get_mut(index) else { return Ok(()) };
        let mut bytes = 0;
        for (at, key) in keys.iter().enumerate() {
            let Some(key) = key else { return Err(StateFailure::Keys(format!("key {at} is absent"))) };
            store
                .check_key(key)
                .map_err(|why| StateFailure::Keys(format!("key {at} is malformed: {why}")))?;
            bytes += key.len();
            if let Some(body) = values.and_then(|values| values.get(at)) {
                let checked = store.check_value(body);
                checked.map_err(|why| StateFailure::Values(format!("value {at} is refused: {why}")))?;
                bytes += body.len();
            }
        }
        self.may_write(bytes as u64)
    }

    /// Whether the invocation may write so much more.
    pub(super) fn may_write(&mut self, bytes: u64) -> Result<(), StateFailure> {
        let limit_bytes = self.invocation.bytes_max;
        if self.invocation.written_bytes.saturating_add(bytes) > limit_bytes {
            return Err(StateFailure::Limit { limit_bytes });
        }
        if self.is_full() {
            let message = format!(
                "{} bytes of state could not be written to disk and fill the memory that there is for them; {}",
                self.unflushed_bytes(),
                self.flush.trouble()
            );
            let outage = Outage::new("state-memory-full", message);
            return Err(StateFailure::Storage { partition: self.task.partition, outage });
        }
        self.invocation.written_bytes += bytes;
        Ok(())
    }

    /// Writes a value of one of the host's own stores, for the invocation.
    pub(super) fn stage_own(&mut self, index: usize, id: Id, body: Option<&[u8]>) {
        let Some(store) = self.stores.get_mut(index) else { return };
        let old = store.stage(id, body);
        let (more, less) = (store.entries.overlay_cost(id), store.entries.cost(id, &old));
        self.overlay_bytes = self.overlay_bytes.saturating_add(more).saturating_sub(less);
        self.invocation.undo.push(Undo { store: index as u32, id, old });
    }
}
