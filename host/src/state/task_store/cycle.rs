//! From an invocation's first write to the commit of its cycle.

use std::ops::ControlFlow;

use crate::model::ids::PortIndex;
use crate::model::manifest::TimeToLive;
use crate::model::pipeline_spec::Delivery;
use crate::model::position::Offset;
use crate::model::state::StateTimes;
use crate::model::state::TimeDomain;
use crate::pipeline::state_ports::Change;
use crate::pipeline::state_ports::ChangelogIndex;
use crate::state::format::BEFORE_EVENT_TIME;
use crate::state::format::ValueHeader;
use crate::state::sweep::Sweep;
use crate::state::task_store::TaskStore;
use crate::state::ttl::Expiry;

impl TaskStore {
    pub(super) fn begin_invocation(&mut self, times: StateTimes, bytes_max: u64) {
        self.wait_for_room();
        self.times = times;
        let first_watermark = self.meta.begin(times.event_watermark);
        for store in &mut self.stores {
            store.expiry = Expiry::new(store.layout.ttl, times, first_watermark);
            // Nothing new may look as if it had been swept already, even if a clock went back.
            let floor = store.sweep.as_ref().map_or(i64::MIN, Sweep::write_time_min);
            let time = write_time(store.layout.ttl, times);
            let time = if time == BEFORE_EVENT_TIME { time } else { time.max(floor) };
            let schema = store.schema.as_ref().map_or(0, |schema| schema.index);
            store.header = ValueHeader::new(schema, time);
        }
        self.timers.begin();
        let invocation = &mut self.invocation;
        invocation.undo.clear();
        invocation.touched.clear();
        invocation.touched.extend(self.stores.iter().map(|store| store.entries.touched_len()));
        invocation.overlay_bytes = self.overlay_bytes;
        invocation.written_bytes = 0;
        invocation.bytes_max = bytes_max;
        invocation.registered_event_min = None;
    }

    pub(super) fn keep_invocation(&mut self) {
        self.invocation.undo.clear();
        self.timers.begin();
    }

    pub(super) fn undo_invocation(&mut self) {
        while let Some(undo) = self.invocation.undo.pop() {
            if let Some(store) = self.stores.get_mut(undo.store as usize) {
                store.unstage(undo.id, undo.old);
            }
        }
        for (store, touched) in self.stores.iter_mut().zip(&self.invocation.touched) {
            store.entries.cut_touched(*touched);
        }
        self.overlay_bytes = self.invocation.overlay_bytes;
        self.timers.undo();
        self.meta.undo();
    }

    pub(super) fn visit_changes(&mut self, visit: &mut dyn FnMut(Change<'_>) -> ControlFlow<()>) {
        self.stage_sweep();
        self.stage_meta();
        for (index, store) in (0..).map(ChangelogIndex).zip(&self.stores) {
            let all = store
                .entries
                .changes(|key, value| visit(Change { changelog: index, key, value }).is_continue());
            if !all {
                return;
            }
        }
    }

    pub(super) fn commit_cycle(&mut self, offsets: &[(PortIndex, Offset)]) {
        self.stage_meta();
        self.invocation.undo.clear();
        // The end marker of the transaction takes an offset of its own in each log that it wrote to.
        let marker = match self.task.delivery {
            Delivery::ExactlyOnce => 1,
            Delivery::AtLeastOnce => 0,
        };
        let disk = self.disk.clone();
        for store in &mut self.stores {
            if let Some(schema) = &mut store.schema
                && store.entries.touched_len() > 0
            {
                schema.is_recorded = true;
            }
            let changed = self.flush.taking(disk.as_deref(), store.family, |emit| store.entries.commit(emit));
            store.committed_expiry = store.expiry;
            if changed > 0
                && let Some(position) = self.record.changelogs.get_mut(&store.layout.name)
            {
                position.next = Offset(position.next.0.saturating_add_unsigned(changed + marker));
            }
        }
        for (port, offset) in offsets {
            if let Some(port) = self.task.manifest.inputs.get(port.as_usize()) {
                self.record.inputs.insert(port.name.clone(), *offset);
            }
        }
        self.overlay_bytes = 0;
        self.invocation.overlay_bytes = 0;
        self.timers.committed();
        self.meta.committed();
        self.sweep_committed();
        self.flush_is_needed();
    }

    pub(super) fn abort_cycle(&mut self) {
        self.invocation.undo.clear();
        for store in &mut self.stores {
            store.entries.abort();
            store.expiry = store.committed_expiry;
        }
        self.overlay_bytes = 0;
        self.invocation.overlay_bytes = 0;
        self.timers.aborted();
        self.meta.aborted();
        self.sweep_aborted();
    }
}

/// What a value counts as written at.
fn write_time(ttl: Option<TimeToLive>, times: StateTimes) -> i64 {
    match ttl {
        Some(TimeToLive { time: TimeDomain::Event, .. }) => {
            times.event_watermark.unwrap_or(BEFORE_EVENT_TIME)
        }
        // Without a time-to-live too: a later version may declare one.
        Some(TimeToLive { time: TimeDomain::Processing, .. }) | None => times.processing_time,
    }
}
