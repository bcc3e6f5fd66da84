//! Keyed state in memory, for tests and measurements: the contract of [`TaskState`] in its simplest
//! form. Nothing of it is quick, and nothing outlives the process.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use parking_lot::Mutex;

use crate::model::binaries::BinariesBuf;
use crate::model::binaries::BinariesRef;
use crate::model::ids::PortIndex;
use crate::model::manifest::Manifest;
use crate::model::manifest::TimeToLive;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::state::EventClock;
use crate::model::state::FiredTimers;
use crate::model::state::SCAN_BYTES_MAX;
use crate::model::state::Scan;
use crate::model::state::ScanPage;
use crate::model::state::StateTimes;
use crate::model::state::StoreIndex;
use crate::model::state::TimeDomain;
use crate::model::state_key::StateKey;
use crate::pipeline::memory_layers::Layers;
use crate::pipeline::memory_layers::Step;
use crate::pipeline::state_ports::Change;
use crate::pipeline::state_ports::ChangelogIndex;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::TaskState;

/// The state of one task. A clone is the same state, so that a test can look into what it has given
/// away.
#[derive(Debug, Clone)]
pub struct MemoryState(Arc<Mutex<Inner>>);

/// A timer as a test sees it: domain, key, tag, time.
pub type Timer = (TimeDomain, Vec<u8>, Vec<u8>, i64);

type TimerKey = (TimeDomain, Vec<u8>, Vec<u8>);

#[derive(Debug)]
struct Inner {
    partition: Partition,
    stores: Vec<Store>,
    timers: Layers<TimerKey, i64>,
    clocks: Layers<PortIndex, EventClock>,
    offsets: BTreeMap<PortIndex, Offset>,
    times: StateTimes,
    /// When a value counts as written that was written before it.
    first_watermark: Option<i64>,
    /// Of the invocation that runs.
    registered_event_min: Option<i64>,
    bytes_left: u64,
    bytes_max: u64,
    failure: Option<StateFailure>,
    wait: Duration,
}

#[derive(Debug)]
struct Store {
    name: String,
    schema: Schema,
    scan: bool,
    ttl: Option<TimeToLive>,
    entries: Layers<Vec<u8>, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    value: Vec<u8>,
    /// By the clock of the store's time-to-live; none before a first event watermark.
    written: Option<i64>,
}

impl Store {
    /// The time that its time-to-live counts by.
    fn now(&self, times: StateTimes) -> Option<i64> {
        match self.ttl.map(|ttl| ttl.time) {
            Some(TimeDomain::Event) => times.event_watermark,
            Some(TimeDomain::Processing) | None => Some(times.processing_time),
        }
    }

    fn is_live(&self, entry: &Entry, times: StateTimes, first_watermark: Option<i64>) -> bool {
        let written = entry.written.or(first_watermark);
        let (Some(ttl), Some(now), Some(written)) = (self.ttl, self.now(times), written) else {
            return true;
        };
        now.saturating_sub(written) < i64::try_from(ttl.ms).unwrap_or(i64::MAX)
    }

    /// Why bytes are no value of the store.
    fn fault(&self, mut body: &[u8]) -> Option<String> {
        let reader = GenericDatumReader::builder(&self.schema).build();
        match reader.and_then(|reader| reader.read_value(&mut body)) {
            Ok(_) if body.is_empty() => None,
            Ok(_) => Some(format!("{} bytes follow its end", body.len())),
            Err(error) => Some(error.to_string()),
        }
    }
}

impl MemoryState {
    /// The empty state of a partition, for the stores of a manifest.
    ///
    /// # Errors
    /// When the schema of a store is none.
    pub fn new(manifest: &Manifest, partition: Partition) -> Result<Self, String> {
        let store = |store: &crate::model::manifest::StateStore| {
            Ok(Store {
                name: store.name.clone(),
                schema: Schema::parse(&store.value).map_err(|error| format!("{}: {error}", store.name))?,
                scan: store.scan,
                ttl: store.ttl,
                entries: Layers::new(),
            })
        };
        Ok(Self(Arc::new(Mutex::new(Inner {
            partition,
            stores: manifest.state.iter().map(store).collect::<Result<_, String>>()?,
            timers: Layers::new(),
            clocks: Layers::new(),
            offsets: BTreeMap::new(),
            times: StateTimes::default(),
            first_watermark: None,
            registered_event_min: None,
            bytes_left: u64::MAX,
            bytes_max: u64::MAX,
            failure: None,
            wait: Duration::ZERO,
        }))))
    }

    /// The next call that can fail fails with this.
    pub fn fail_next(&self, failure: StateFailure) {
        self.0.lock().failure = Some(failure);
    }

    /// Every call takes this long from now on, as on a slow disk.
    pub fn answer_after(&self, wait: Duration) {
        self.0.lock().wait = wait;
    }

    /// What is committed in a store, expired entries included: state keys and values.
    #[must_use]
    pub fn committed_entries(&self, store: StoreIndex) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let inner = self.0.lock();
        let entries = inner.stores.get(store.as_usize()).map(|store| store.entries.committed.iter());
        entries.into_iter().flatten().map(|(key, entry)| (key.clone(), entry.value.clone())).collect()
    }

    /// Committed timers, in the order of domain, key and tag.
    #[must_use]
    pub fn committed_timers(&self) -> Vec<Timer> {
        let inner = self.0.lock();
        let timers = inner.timers.committed.iter();
        timers.map(|((domain, key, tag), time)| (*domain, key.clone(), tag.clone(), *time)).collect()
    }

    /// The offsets of the last commit, by input.
    #[must_use]
    pub fn committed_offsets(&self) -> BTreeMap<PortIndex, Offset> {
        self.0.lock().offsets.clone()
    }
}

impl Inner {
    fn scripted(&mut self) -> Result<(), StateFailure> {
        std::thread::sleep(self.wait);
        self.failure.take().map_or(Ok(()), Err)
    }

    fn store(&self, index: StoreIndex) -> Result<&Store, StateFailure> {
        self.stores.get(index.as_usize()).ok_or(StateFailure::UnknownStore(index.0))
    }

    fn store_mut(&mut self, index: StoreIndex) -> Result<&mut Store, StateFailure> {
        self.stores.get_mut(index.as_usize()).ok_or(StateFailure::UnknownStore(index.0))
    }

    fn take_room(&mut self, bytes: usize) -> Result<(), StateFailure> {
        let left = self.bytes_left.checked_sub(bytes as u64);
        self.bytes_left = left.ok_or(StateFailure::Limit { limit_bytes: self.bytes_max })?;
        Ok(())
    }

    fn apply(&mut self, step: Step) {
        self.stores.iter_mut().for_each(|store| store.entries.apply(step));
        self.timers.apply(step);
        self.clocks.apply(step);
    }

    /// Whether an invocation has begun that was neither kept nor undone.
    fn has_staged(&self) -> bool {
        let stores = self.stores.iter().any(|store| !store.entries.staged.is_empty());
        stores || !self.timers.staged.is_empty()
    }

    /// As of [`TaskState::changes`], keys and values without the framing of a real changelog. A
    /// timer's key is its state key in the store of timers, its value the time; a clock's value is
    /// its largest event time and its watermark.
    fn visit_overlay(&self, visit: &mut dyn FnMut(Change<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        let timers = ChangelogIndex(self.stores.len() as u32);
        let meta = ChangelogIndex(timers.0 + 1);
        for (changelog, store) in (0..).map(ChangelogIndex).zip(&self.stores) {
            for (key, entry) in &store.entries.kept {
                let value = entry.as_ref().map(|entry| entry.value.as_slice());
                visit(Change { changelog, key, value })?;
            }
        }
        for ((domain, key, tag), time) in &self.timers.kept {
            let suffix = [&[u8::from(*domain == TimeDomain::Processing)], tag.as_slice()].concat();
            let mut timer = Vec::new();
            StateKey { key, suffix: &suffix }.append_to(&mut timer);
            let time = time.map(i64::to_be_bytes);
            let value = time.as_ref().map(<[u8; 8]>::as_slice);
            visit(Change { changelog: timers, key: &timer, value })?;
        }
        for (port, clock) in &self.clocks.kept {
            let key = format!("clock/{}", port.0);
            let value = clock.map(|clock| {
                let times = [clock.event_time_max, clock.event_watermark];
                times.map(|time| time.unwrap_or(i64::MIN).to_be_bytes()).concat()
            });
            visit(Change { changelog: meta, key: key.as_bytes(), value: value.as_deref() })?;
        }
        ControlFlow::Continue(())
    }
}

/// The state keys, checked.
fn state_keys(keys: BinariesRef<'_>) -> Result<Vec<&[u8]>, StateFailure> {
    let checked = keys.iter().enumerate().map(|(at, key)| {
        let key = key.ok_or_else(|| StateFailure::Keys(format!("key {at} is absent")))?;
        match StateKey::parse(key) {
            Ok(_) => Ok(key),
            Err(error) => Err(StateFailure::Keys(format!("key {at} is no state key: {error}"))),
        }
    });
    checked.collect()
}

impl TaskState for MemoryState {
    fn get_many(
        &mut self,
        store: StoreIndex,
        keys: BinariesRef<'_>,
        values: &mut BinariesBuf,
    ) -> Result<(), StateFailure> {
        let mut inner = self.0.lock();
        inner.scripted()?;
        let (store, times, first) = (inner.store(store)?, inner.times, inner.first_watermark);
        for key in state_keys(keys)? {
            let entry = store.entries.get(&key.to_vec()).filter(|entry| store.is_live(entry, times, first));
            values.push(entry.map(|entry| entry.value.as_slice()));
        }
        Ok(())
    }

    fn put_many(
        &mut self,
        store: StoreIndex,
        keys: BinariesRef<'_>,
        values: BinariesRef<'_>,
    ) -> Result<(), StateFailure> {
        let mut inner = self.0.lock();
        inner.scripted()?;
        let checked = inner.store(store)?;
        let state_keys = state_keys(keys)?;
        for (at, value) in values.iter().enumerate() {
            if let Some(why) = value.and_then(|value| checked.fault(value)) {
                return Err(StateFailure::Values(format!(
                    "value {at} is none of the store `{}`: {why}",
                    checked.name
                )));
            }
        }
        inner.take_room(keys.data_len() + values.data_len())?;
        let times = inner.times;
        let store = inner.store_mut(store)?;
        let written = store.now(times);
        for (key, value) in state_keys.into_iter().zip(values.iter()) {
            let entry = value.map(|value| Entry { value: value.to_vec(), written });
            store.entries.stage(key.to_vec(), entry);
        }
        Ok(())
    }

    fn delete_many(&mut self, store: StoreIndex, keys: BinariesRef<'_>) -> Result<(), StateFailure> {
        let mut inner = self.0.lock();
        inner.scripted()?;
        inner.store(store)?;
        let state_keys = state_keys(keys)?;
        inner.take_room(keys.data_len())?;
        let store = inner.store_mut(store)?;
        for key in state_keys {
            store.entries.stage(key.to_vec(), None);
        }
        Ok(())
    }

    fn scan(&mut self, store: StoreIndex, scan: &Scan<'_>, page: &mut ScanPage) -> Result<(), StateFailure> {
        let mut inner = self.0.lock();
        inner.scripted()?;
        let (store, times, first) = (inner.store(store)?, inner.times, inner.first_watermark);
        if !store.scan {
            return Err(StateFailure::Scan(format!(
                "the store `{}` is not declared with `scan`",
                store.name
            )));
        }
        let in_range = |suffix: &[u8]| {
            suffix.starts_with(scan.prefix)
                && scan.start.is_none_or(|start| suffix >= start)
                && scan.end.is_none_or(|end| suffix < end)
        };
        if scan.cursor.is_some_and(|cursor| !in_range(cursor)) {
            return Err(StateFailure::Scan("the cursor is of no page of this range".to_owned()));
        }
        let (mut bytes, mut last) = (0, None);
        for (key, entry) in store.entries.all() {
            let Ok(StateKey { key, suffix }) = StateKey::parse(key) else { continue };
            let passed = scan.cursor.is_some_and(|cursor| suffix <= cursor);
            if key != scan.key || passed || !in_range(suffix) || !store.is_live(entry, times, first) {
                continue;
            }
            bytes += suffix.len() + entry.value.len();
            if page.suffixes.len() >= scan.limit as usize || bytes > SCAN_BYTES_MAX {
                page.cursor = last;
                break;
            }
            page.suffixes.push(Some(suffix));
            page.values.push(Some(&entry.value));
            last = Some(suffix.to_vec());
        }
        Ok(())
    }

    fn register_timers(
        &mut self,
        domain: TimeDomain,
        keys: BinariesRef<'_>,
        tags: BinariesRef<'_>,
        times: &[i64],
    ) -> Result<(), StateFailure> {
        let mut inner = self.0.lock();
        inner.scripted()?;
        inner.take_room(keys.data_len() + tags.data_len() + size_of_val(times))?;
        if domain == TimeDomain::Event {
            let earliest = inner.registered_event_min.into_iter().chain(times.iter().copied()).min();
            inner.registered_event_min = earliest;
        }
        for ((key, tag), time) in keys.iter().flatten().zip(tags.iter().flatten()).zip(times) {
            inner.timers.stage((domain, key.to_vec(), tag.to_vec()), Some(*time));
        }
        Ok(())
    }

    fn cancel_timers(
        &mut self,
        domain: TimeDomain,
        keys: BinariesRef<'_>,
        tags: BinariesRef<'_>,
    ) -> Result<(), StateFailure> {
        let mut inner = self.0.lock();
        inner.scripted()?;
        inner.take_room(keys.data_len() + tags.data_len())?;
        for (key, tag) in keys.iter().flatten().zip(tags.iter().flatten()) {
            inner.timers.stage((domain, key.to_vec(), tag.to_vec()), None);
        }
        Ok(())
    }

    fn begin(&mut self, times: StateTimes, bytes_max: u64) {
        let mut inner = self.0.lock();
        assert!(!inner.has_staged(), "the invocation before was neither kept nor undone");
        inner.times = times;
        inner.registered_event_min = None;
        inner.first_watermark = inner.first_watermark.or(times.event_watermark);
        inner.bytes_left = bytes_max;
        inner.bytes_max = bytes_max;
    }

    fn keep(&mut self) {
        self.0.lock().apply(Step::Keep);
    }

    fn undo(&mut self) {
        self.0.lock().apply(Step::Undo);
    }

    fn next_due(&self, domain: TimeDomain) -> Option<i64> {
        let inner = self.0.lock();
        let timers = inner.timers.all();
        timers.into_iter().filter(|((of, ..), _)| *of == domain).map(|(_, time)| *time).min()
    }

    fn registered_event_min(&self) -> Option<i64> {
        self.0.lock().registered_event_min
    }

    fn take_due(
        &mut self,
        domain: TimeDomain,
        until: i64,
        max: usize,
        fired: &mut FiredTimers,
    ) -> Result<(), StateFailure> {
        let mut inner = self.0.lock();
        inner.scripted()?;
        let mut due: Vec<(i64, TimerKey)> = Vec::new();
        for (timer, time) in inner.timers.all() {
            if timer.0 == domain && *time <= until {
                due.push((*time, timer.clone()));
            }
        }
        due.sort();
        due.truncate(max);
        fired.partition = inner.partition;
        fired.event_watermark = inner.times.event_watermark;
        fired.domain = domain;
        fired.keys.clear();
        fired.tags.clear();
        fired.times.clear();
        for (time, timer) in due {
            fired.keys.push(Some(&timer.1));
            fired.tags.push(Some(&timer.2));
            fired.times.push(time);
            inner.timers.stage(timer, None);
        }
        Ok(())
    }

    fn event_clock(&self, port: PortIndex) -> EventClock {
        self.0.lock().clocks.get(&port).copied().unwrap_or_default()
    }

    fn set_event_clock(&mut self, port: PortIndex, clock: EventClock) {
        self.0.lock().clocks.kept.insert(port, Some(clock));
    }

    fn overlay_bytes(&self) -> u64 {
        let mut bytes = 0;
        let _ = self.0.lock().visit_overlay(&mut |change| {
            bytes += (change.key.len() + change.value.map_or(0, <[u8]>::len)) as u64;
            ControlFlow::Continue(())
        });
        bytes
    }

    fn changes(&mut self, visit: &mut dyn FnMut(Change<'_>) -> ControlFlow<()>) {
        let _ = self.0.lock().visit_overlay(visit);
    }

    fn committed(&mut self, offsets: &[(PortIndex, Offset)]) {
        let mut inner = self.0.lock();
        assert!(!inner.has_staged(), "the last invocation was neither kept nor undone");
        inner.apply(Step::Commit);
        inner.offsets.extend(offsets.iter().copied());
    }

    fn aborted(&mut self) {
        self.0.lock().apply(Step::Abort);
    }

    fn tick(&mut self) -> Result<(), StateFailure> {
        self.0.lock().scripted()
    }
}

#[cfg(test)]
#[path = "memory_state_tests.rs"]
mod tests;
