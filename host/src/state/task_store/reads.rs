//! Reads by key.

use crate::model::binaries::BinariesBuf;
use crate::model::binaries::BinariesRef;
use crate::model::state::StoreIndex;
use crate::pipeline::state_ports::StateFailure;
use crate::state::entries::Visible;
use crate::state::task_store::TaskStore;

impl TaskStore {
    pub(super) fn get(
        &mut self,
        store: StoreIndex,
        keys: BinariesRef<'_>,
        values: &mut BinariesBuf,
    ) -> Result<(), StateFailure> {
        let index = self.user_store(store)?;
        self.make_room();
        let mut ids = std::mem::take(&mut self.scratch.read);
        let mut unknown = std::mem::take(&mut self.scratch.unknown);
        ids.clear();
        unknown.clear();
        let Some(store) = self.stores.get_mut(index) else { return Ok(()) };
        for (at, key) in keys.iter().enumerate() {
            let Some(key) = key else { return Err(StateFailure::Keys(format!("key {at} is absent"))) };
            store
                .check_key(key)
                .map_err(|why| StateFailure::Keys(format!("key {at} is malformed: {why}")))?;
        }
        store.entries.find_or_insert_all(keys.iter().flatten(), &mut ids);
        for id in &ids {
            if store.entries.visible(*id) == Visible::Unknown {
                unknown.push(*id);
            }
        }
        self.load(index, &unknown)?;
        if let Some(store) = self.stores.get(index) {
            for id in &ids {
                values.push(store.body(*id));
            }
        }
        self.scratch.read = ids;
        self.scratch.read_of = index;
        self.scratch.unknown = unknown;
        Ok(())
    }
}
