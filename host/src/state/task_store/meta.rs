//! What the meta store keeps for the task. It changes in memory, and is written to the overlay when
//! the cycle ends.

use std::collections::BTreeMap;

use crate::model::ids::PortIndex;
use crate::model::manifest::Manifest;
use crate::model::state::EventClock;
use crate::model::state::TimeDomain;
use crate::state::disk::Disk;
use crate::state::disk::DiskError;
use crate::state::format::GROUP_BYTES;
use crate::state::format::StoredValue;
use crate::state::host::TaskSpec;
use crate::state::layout::Family;
use crate::state::layout::Layout;
use crate::state::layout::StoreLayout;
use crate::state::meta::MetaKey;
use crate::state::meta::clock_body;
use crate::state::meta::parse_clock;
use crate::state::meta::parse_time;
use crate::state::task_store::TaskStore;
use crate::state::value_schema::ValueSchema;
use crate::state::value_schema::ValueSchemaError;

/// What the meta store holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct Seen {
    clocks: BTreeMap<String, EventClock>,
    /// By store and index.
    pub(in crate::state) schemas: BTreeMap<String, BTreeMap<u32, String>>,
    first_watermark: Option<i64>,
}

impl Seen {
    /// Takes an entry of the meta store, as stored; none when it is damaged. Keys of newer versions
    /// are passed over.
    pub(in crate::state) fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let body = StoredValue::parse(value).ok()?.body;
        match MetaKey::parse(key.get(GROUP_BYTES..)?) {
            Some(MetaKey::Clock { port }) => {
                self.clocks.insert(port.to_owned(), parse_clock(body)?);
            }
            Some(MetaKey::Schema { store, index }) => {
                let text = String::from_utf8(body.to_vec()).ok()?;
                self.schemas.entry(store.to_owned()).or_default().insert(index, text);
            }
            Some(MetaKey::FirstWatermark) => self.first_watermark = Some(parse_time(body)?),
            None => {}
        }
        Some(())
    }
}

/// Reads the meta store.
pub(super) fn read(disk: &Disk, layout: &Layout) -> Result<Seen, DiskError> {
    let mut seen = Seen::default();
    let mut entries = disk.iterate(Family::Store(layout.meta()), b"", None)?;
    while let Some((key, value)) = entries.item() {
        let taken = seen.take(key, value);
        taken.ok_or_else(|| {
            DiskError::Corrupt(format!("the meta store's entry `{}` is damaged", key.escape_ascii()))
        })?;
        entries.next();
    }
    entries.status()?;
    Ok(seen)
}

/// The schema of a store; none for the host's own.
pub(super) fn value_schema(
    task: &TaskSpec,
    index: usize,
    store: &StoreLayout,
    seen: &Seen,
) -> Result<Option<ValueSchema>, ValueSchemaError> {
    let Some(declared) = task.manifest.state.get(index) else { return Ok(None) };
    let none = BTreeMap::new();
    let seen = seen.schemas.get(&store.name).unwrap_or(&none);
    ValueSchema::new(&store.name, &declared.value, seen, &*task.schemas).map(Some)
}

/// A value as it is now and as it was committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cycled<T> {
    current: T,
    committed: T,
}

impl<T: Copy + PartialEq> Cycled<T> {
    fn new(committed: T) -> Self {
        Self { current: committed, committed }
    }

    fn is_changed(&self) -> bool {
        self.current != self.committed
    }
}

/// See the module.
pub(super) struct MetaState {
    /// By port; its name with it.
    clocks: Vec<(String, Cycled<EventClock>)>,
    first_watermark: Cycled<Option<i64>>,
    first_watermark_at_begin: Option<i64>,
    /// Whether a store expires by event time.
    needs_first_watermark: bool,
}

impl MetaState {
    pub(super) fn new(manifest: &Manifest, seen: &Seen) -> Self {
        let clock = |name: &String| Cycled::new(seen.clocks.get(name).copied().unwrap_or_default());
        let clocks = manifest.inputs.iter().map(|port| (port.name.clone(), clock(&port.name))).collect();
        let mut ttls = manifest.state.iter().filter_map(|store| store.ttl);
        Self {
            clocks,
            first_watermark: Cycled::new(seen.first_watermark),
            first_watermark_at_begin: seen.first_watermark,
            needs_first_watermark: ttls.any(|ttl| ttl.time == TimeDomain::Event),
        }
    }

    pub(super) fn clock(&self, port: PortIndex) -> EventClock {
        self.clocks.get(port.as_usize()).map(|(_, clock)| clock.current).unwrap_or_default()
    }

    pub(super) fn set_clock(&mut self, port: PortIndex, clock: EventClock) {
        if let Some((_, known)) = self.clocks.get_mut(port.as_usize()) {
            known.current = clock;
        }
    }

    /// The first watermark that there was, with that of an invocation that begins.
    pub(super) fn begin(&mut self, event_watermark: Option<i64>) -> Option<i64> {
        self.first_watermark_at_begin = self.first_watermark.current;
        if self.needs_first_watermark && self.first_watermark.current.is_none() {
            self.first_watermark.current = event_watermark;
        }
        self.first_watermark.current
    }

    pub(super) fn undo(&mut self) {
        self.first_watermark.current = self.first_watermark_at_begin;
    }

    pub(super) fn committed(&mut self) {
        for (_, clock) in &mut self.clocks {
            clock.committed = clock.current;
        }
        self.first_watermark.committed = self.first_watermark.current;
    }

    pub(super) fn aborted(&mut self) {
        for (_, clock) in &mut self.clocks {
            clock.current = clock.committed;
        }
        self.first_watermark.current = self.first_watermark.committed;
    }

    /// Whether anything is not committed as it is now.
    pub(super) fn is_changed(&self) -> bool {
        self.first_watermark.is_changed() || self.clocks.iter().any(|(_, clock)| clock.is_changed())
    }

    /// State keys and bodies of what is not committed as it is now.
    fn changed(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let clocks = self.clocks.iter().filter(|(_, clock)| clock.is_changed());
        let clocks = clocks
            .map(|(port, clock)| (MetaKey::Clock { port }.state_key(), clock_body(clock.current).to_vec()));
        let first = self.first_watermark.current.filter(|_| self.first_watermark.is_changed());
        let first = first.map(|first| (MetaKey::FirstWatermark.state_key(), first.to_be_bytes().to_vec()));
        clocks.chain(first).collect()
    }
}

impl TaskStore {
    /// Writes to the overlay what the meta store lacks. The same as often as one likes.
    pub(super) fn stage_meta(&mut self) {
        let mut writes = self.meta.changed();
        for store in &self.stores {
            let Some(schema) = store.schema.as_ref().filter(|schema| !schema.is_recorded) else { continue };
            if store.entries.touched_len() > 0 {
                let key = MetaKey::Schema { store: &store.layout.name, index: schema.index };
                writes.push((key.state_key(), schema.text.clone().into_bytes()));
            }
        }
        let Some(meta) = self.stores.get_mut(self.layout.meta()) else { return };
        for (key, body) in writes {
            let id = meta.entries.find_or_insert(&key);
            let old = meta.stage(id, Some(&body));
            let (more, less) = (meta.entries.overlay_cost(id), meta.entries.cost(id, &old));
            self.overlay_bytes = self.overlay_bytes.saturating_add(more).saturating_sub(less);
        }
    }
}
