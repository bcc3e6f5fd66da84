//! Deletes what sweeps have found, with the open cycle.

use crate::state::entries::Visible;
use crate::state::format::GROUP_BYTES;
use crate::state::sweep::Sweep;
use crate::state::task_store::TaskStore;

/// Least number of expired keys that a cycle deletes, if there are so many.
const KEYS_MIN: usize = 256;

impl TaskStore {
    /// Lets the overlay delete expired keys: twice as many as the cycle changed, so that the sweep
    /// keeps up with whatever is written.
    pub(super) fn stage_sweep(&mut self) {
        let flushes = self.flush.count;
        for store in &mut self.stores {
            let count = KEYS_MIN.max(store.entries.touched_len() * 2);
            let Some(mut sweep) = store.sweep.take() else { continue };
            for key in sweep.take(count, flushes) {
                let id = store.entries.find_or_insert(key.get(GROUP_BYTES..).unwrap_or_default());
                let is_expired = match store.entries.visible(id) {
                    // Memory has let it go, so that it is as it was found on disk.
                    Visible::Unknown => true,
                    Visible::Absent => false,
                    Visible::Stored(bytes) => store.expiry.living(bytes).is_none(),
                };
                if is_expired {
                    store.stage(id, None);
                    self.overlay_bytes += store.entries.overlay_cost(id);
                }
            }
            store.sweep = Some(sweep);
        }
    }

    pub(super) fn sweep_committed(&mut self) {
        self.stores.iter_mut().filter_map(|store| store.sweep.as_mut()).for_each(Sweep::committed);
    }

    pub(super) fn sweep_aborted(&mut self) {
        self.stores.iter_mut().filter_map(|store| store.sweep.as_mut()).for_each(Sweep::aborted);
    }

    /// Begins and ends searches for what has expired.
    pub(super) fn advance_sweep(&mut self) {
        let Some(disk) = &self.disk else { return };
        for store in &mut self.stores {
            if let Some(sweep) = &mut store.sweep {
                sweep.advance(store.family, disk, &self.host.flushing, self.flush.count);
            }
        }
    }
}
