//! State and timers of a test, kept as the host keeps them.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::binaries::Binaries;
use crate::manifest::Declaration;
use crate::state::declaration::StateStore;
use crate::state::keys;
use crate::state::limits::STATE_KEY_BYTES_MAX;
use crate::state::limits::STATE_VALUE_BYTES_MAX;
use crate::state::limits::TIMER_TAG_BYTES_MAX;
use crate::state::link::Refusal;
use crate::state::link::ScanPage;
use crate::state::link::ScanRange;
use crate::timers::Fired;
use crate::timers::TimeDomain;

/// Most timers of one invocation.
const TIMERS_PER_CALL_MAX: usize = 1000;
/// Most entries of a page.
const SCAN_ENTRIES_MAX: u32 = 10_000;

/// What one invocation writes at most, where a pipeline does not say it: keys, values and tags.
const BATCH_BYTES_MAX: u64 = 16 << 20;

/// Key and suffix.
type EntryKey = (Vec<u8>, Vec<u8>);
/// Key and tag, of a domain.
type TimerKey = (TimeDomain, Vec<u8>, Vec<u8>);

/// The stores and timers of one task.
#[derive(Debug, Default)]
pub(crate) struct StateModel {
    stores: Vec<Store>,
    timers: BTreeMap<TimerKey, i64>,
    domains: Vec<TimeDomain>,
    undo: Vec<Undo>,
    watermark: Option<i64>,
    first_watermark: Option<i64>,
    processing_time: i64,
    /// What the invocation has written.
    bytes: u64,
    /// The earliest time for which the invocation has registered an event timer, be it moved or
    /// cancelled since.
    registered_event_min: Option<i64>,
}

#[derive(Debug)]
struct Store {
    declared: &'static StateStore,
    entries: BTreeMap<EntryKey, Entry>,
}

/// A value and when it was written: none before the first event watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) body: Vec<u8>,
    written_at: Option<i64>,
}

/// What an invocation replaced.
#[derive(Debug)]
enum Undo {
    Entry(usize, EntryKey, Option<Entry>),
    Timer(TimerKey, Option<i64>),
}

fn invalid<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Invalid(why.into()))
}

impl StateModel {
    pub(crate) fn new(declaration: &Declaration) -> Self {
        let (stores, domains) = match &declaration.state {
            Some(state) => (state.stores.to_vec(), state.timers.to_vec()),
            None => (Vec::new(), Vec::new()),
        };
        let store = |declared| Store { declared, entries: BTreeMap::new() };
        Self { stores: stores.into_iter().map(store).collect(), domains, ..Self::default() }
    }

    /// Begins an invocation.
    pub(crate) fn begin(&mut self, watermark: Option<i64>, processing_time: i64) {
        self.undo.clear();
        self.watermark = watermark;
        self.first_watermark = self.first_watermark.or(watermark);
        self.processing_time = processing_time;
        self.bytes = 0;
        self.registered_event_min = None;
    }

    /// Counts what the invocation writes.
    fn count(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.bytes += bytes as u64;
        if self.bytes > BATCH_BYTES_MAX { Err(Refusal::Limit(BATCH_BYTES_MAX)) } else { Ok(()) }
    }

    /// What the invocation wrote stays.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// What the invocation wrote, timers taken for it included, is undone.
    pub(crate) fn undo(&mut self) {
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Entry(store, key, old) => {
                    if let Some(store) = self.stores.get_mut(store) {
                        match old {
                            Some(entry) => store.entries.insert(key, entry),
                            None => store.entries.remove(&key),
                        };
                    }
                }
                Undo::Timer(key, Some(time)) => _ = self.timers.insert(key, time),
                Undo::Timer(key, None) => _ = self.timers.remove(&key),
            }
        }
    }

    /// Whether the time to live of an entry has passed.
    fn expired(&self, store: &Store, entry: &Entry) -> bool {
        let Some(ttl) = store.declared.ttl else {
            return false;
        };
        let (now, written_at) = match ttl.time {
            // Before the first event watermark nothing expires, and what was written then counts as
            // written at it.
            TimeDomain::Event => (self.watermark, entry.written_at.or(self.first_watermark)),
            TimeDomain::Processing => (Some(self.processing_time), entry.written_at),
        };
        let until = now.map(|now| now.saturating_sub_unsigned(ttl.ms));
        matches!((until, written_at), (Some(until), Some(written_at)) if written_at <= until)
    }

    fn store(&self, store: u32) -> Result<&Store, Refusal> {
        let found = self.stores.get(store as usize);
        found.map_or_else(|| invalid("the transform declares no such store"), Ok)
    }

    fn parse(store: &Store, state_key: Option<&[u8]>) -> Result<EntryKey, Refusal> {
        let Some(state_key) = state_key else {
            return invalid("a key is absent");
        };
        let (key, suffix) = keys::split(state_key);
        let mut again = Vec::new();
        keys::put_len(key.len(), &mut again);
        again.extend_from_slice(key);
        again.extend_from_slice(suffix);
        if again != state_key || state_key.len() > STATE_KEY_BYTES_MAX {
            return invalid(format!("{state_key:?} is no state key of at most {STATE_KEY_BYTES_MAX} bytes"));
        }
        if store.declared.partition && !key.is_empty() {
            return invalid("the store belongs to the partition, but its key is not empty");
        }
        Ok((key.to_vec(), suffix.to_vec()))
    }

    pub(crate) fn get_many(&self, store: u32, keys: &Binaries) -> Result<Binaries, Refusal> {
        let store = self.store(store)?;
        let mut values = Binaries::default();
        for key in keys.iter() {
            let entry = store.entries.get(&Self::parse(store, key)?);
            let entry = entry.filter(|entry| !self.expired(store, entry));
            values.push(entry.map(|entry| entry.body.as_slice()));
        }
        Ok(values)
    }

    pub(crate) fn put_many(&mut self, store: u32, keys: &Binaries, values: &Binaries) -> Result<(), Refusal> {
        let declared = self.store(store)?;
        if keys.len() != values.len() {
            return invalid(format!("{} values for {} keys", values.len(), keys.len()));
        }
        let parsed: Vec<_> = keys.iter().map(|key| Self::parse(declared, key)).collect::<Result<_, _>>()?;
        if values.iter().flatten().any(|value| value.len() > STATE_VALUE_BYTES_MAX) {
            return invalid(format!("a value is longer than {STATE_VALUE_BYTES_MAX} bytes"));
        }
        let time = declared.declared.ttl.map_or(TimeDomain::Processing, |ttl| ttl.time);
        let written_at = match time {
            TimeDomain::Event => self.watermark,
            TimeDomain::Processing => Some(self.processing_time),
        };
        self.count(keys.data.len() + values.data.len())?;
        let index = store as usize;
        for (key, value) in parsed.into_iter().zip(values.iter()) {
            let entry = value.map(|value| Entry { body: value.to_vec(), written_at });
            let Some(store) = self.stores.get_mut(index) else { continue };
            let old = match entry {
                Some(entry) => store.entries.insert(key.clone(), entry),
                None => store.entries.remove(&key),
            };
            self.undo.push(Undo::Entry(index, key, old));
        }
        Ok(())
    }

    pub(crate) fn scan(
        &self,
        store: u32,
        range: &ScanRange,
        limit: u32,
        cursor: Option<&[u8]>,
    ) -> Result<ScanPage, Refusal> {
        let store = self.store(store)?;
        if !store.declared.scan {
            return invalid("the store is not declared with scan");
        }
        if !(1..=SCAN_ENTRIES_MAX).contains(&limit) {
            return invalid(format!("a limit of {limit}; expected 1 to {SCAN_ENTRIES_MAX}"));
        }
        let after = match cursor {
            Some(cursor) => Bound::Excluded((range.key.clone(), cursor.to_vec())),
            None => Bound::Included((range.key.clone(), range.start.clone().unwrap_or_default())),
        };
        let mut page = ScanPage::default();
        for ((key, suffix), entry) in store.entries.range((after, Bound::Unbounded)) {
            if *key != range.key || range.end.as_ref().is_some_and(|end| suffix >= end) {
                break;
            }
            if !suffix.starts_with(&range.prefix) || self.expired(store, entry) {
                continue;
            }
            if page.suffixes.count == limit {
                page.cursor = page.suffixes.get(limit as usize - 1).map(<[u8]>::to_vec);
                break;
            }
            page.suffixes.push(Some(suffix));
            page.values.push(Some(&entry.body));
        }
        Ok(page)
    }

    fn timer_keys(
        &self,
        domain: TimeDomain,
        keys: &Binaries,
        tags: &Binaries,
    ) -> Result<Vec<TimerKey>, Refusal> {
        if !self.domains.contains(&domain) {
            return invalid(format!("no timers by {} time are declared", domain.name()));
        }
        if keys.len() != tags.len() {
            return invalid(format!("{} tags for {} keys", tags.len(), keys.len()));
        }
        let timers = keys.iter().zip(tags.iter()).map(|(key, tag)| match (key, tag) {
            (Some(key), Some(tag))
                if key.len() <= STATE_KEY_BYTES_MAX && tag.len() <= TIMER_TAG_BYTES_MAX =>
            {
                Ok((domain, key.to_vec(), tag.to_vec()))
            }
            _ => invalid("a key or a tag is absent, or too long"),
        });
        timers.collect()
    }

    pub(crate) fn register(
        &mut self,
        domain: TimeDomain,
        keys: &Binaries,
        tags: &Binaries,
        times: &[u8],
    ) -> Result<(), Refusal> {
        let timers = self.timer_keys(domain, keys, tags)?;
        let (times, rest) = times.as_chunks::<8>();
        if times.len() != timers.len() || !rest.is_empty() {
            return invalid(format!("{} times for {} timers", times.len(), timers.len()));
        }
        self.count(keys.data.len() + tags.data.len())?;
        for (timer, time) in timers.into_iter().zip(times) {
            let time = i64::from_le_bytes(*time);
            if domain == TimeDomain::Event {
                let earliest = self.registered_event_min.map_or(time, |earliest| earliest.min(time));
                self.registered_event_min = Some(earliest);
            }
            let old = self.timers.insert(timer.clone(), time);
            self.undo.push(Undo::Timer(timer, old));
        }
        Ok(())
    }

    pub(crate) fn cancel(
        &mut self,
        domain: TimeDomain,
        keys: &Binaries,
        tags: &Binaries,
    ) -> Result<(), Refusal> {
        for timer in self.timer_keys(domain, keys, tags)? {
            let old = self.timers.remove(&timer);
            self.undo.push(Undo::Timer(timer, old));
        }
        Ok(())
    }

    /// Whether the invocation has registered an event timer for a time up to this.
    pub(crate) fn has_registered_until(&self, time: Option<i64>) -> bool {
        self.registered_event_min.is_some() && self.registered_event_min <= time
    }

    /// Takes the timers of a domain that are due at `until`, ordered by time, key and tag: at most `max`,
    /// and as many as one invocation gets. To be called after [`Self::begin`].
    pub(crate) fn take_due(
        &mut self,
        domain: TimeDomain,
        until: i64,
        partition: u32,
        max: usize,
    ) -> Option<Fired> {
        let of_domain = self.timers.iter().filter(|((of, ..), time)| *of == domain && **time <= until);
        let mut due: Vec<_> =
            of_domain.map(|((_, key, tag), time)| (*time, key.clone(), tag.clone())).collect();
        due.sort_unstable();
        due.truncate(max.min(TIMERS_PER_CALL_MAX));
        let mut fired = Fired {
            partition,
            watermark: self.watermark,
            domain,
            keys: Binaries::default(),
            tags: Binaries::default(),
            times: Vec::new(),
        };
        for (time, key, tag) in due {
            fired.keys.push(Some(&key));
            fired.tags.push(Some(&tag));
            fired.times.extend(time.to_le_bytes());
            let timer = (domain, key, tag);
            let old = self.timers.remove(&timer);
            self.undo.push(Undo::Timer(timer, old));
        }
        (!fired.times.is_empty()).then_some(fired)
    }

    /// The entries of a store that are not expired, with their key and suffix.
    pub(crate) fn entries(&self, store: usize) -> impl Iterator<Item = (&EntryKey, &Entry)> {
        let store = self.stores.get(store);
        store
            .into_iter()
            .flat_map(move |store| store.entries.iter().filter(move |(_, entry)| !self.expired(store, entry)))
    }

    /// The timers that are registered: domain, key, tag and time.
    pub(crate) fn timers(&self) -> impl Iterator<Item = (&TimerKey, &i64)> {
        self.timers.iter()
    }

    /// The index and declaration of a store.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &'static StateStore)> {
        let mut stores = self.stores.iter().map(|store| store.declared).enumerate();
        stores.find(|(_, store)| store.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::declaration::TimeToLive;

    static STORE: StateStore = StateStore {
        name: "store",
        description: "",
        value: || "\"bytes\"".to_owned(),
        partition: false,
        scan: true,
        ttl: Some(TimeToLive { ms: 100, time: TimeDomain::Event }),
    };

    fn model() -> StateModel {
        let store = Store { declared: &STORE, entries: BTreeMap::new() };
        StateModel { stores: vec![store], domains: vec![TimeDomain::Event], ..StateModel::default() }
    }

    fn one(bytes: &[u8]) -> Binaries {
        [Some(bytes)].into_iter().collect()
    }

    fn put(model: &mut StateModel, key: &[u8], value: &[u8]) {
        model.put_many(0, &one(key), &one(value)).expect("accepted");
    }

    fn get(model: &StateModel, key: &[u8]) -> Option<Vec<u8>> {
        model.get_many(0, &one(key)).expect("accepted").get(0).map(<[u8]>::to_vec)
    }

    #[test]
    fn an_invocation_is_kept_or_undone() {
        let mut model = model();
        model.begin(None, 0);
        put(&mut model, b"\x01a", b"1");
        model.keep();
        model.begin(None, 0);
        put(&mut model, b"\x01a", b"2");
        put(&mut model, b"\x01b", b"3");
        model.register(TimeDomain::Event, &one(b"a"), &one(b"t"), &7_i64.to_le_bytes()).expect("accepted");
        model.undo();
        assert_eq!(get(&model, b"\x01a").as_deref(), Some(b"1".as_slice()));
        assert_eq!(get(&model, b"\x01b"), None);
        assert_eq!(model.timers().count(), 0);
    }

    #[test]
    fn entries_expire_by_the_event_watermark() {
        let mut model = model();
        model.begin(None, 0);
        put(&mut model, b"\x01a", b"1");
        model.begin(Some(1000), 0);
        put(&mut model, b"\x01b", b"2");
        model.begin(Some(1099), 0);
        assert!(get(&model, b"\x01a").is_some() && get(&model, b"\x01b").is_some());
        model.begin(Some(1100), 0);
        assert!(get(&model, b"\x01a").is_none() && get(&model, b"\x01b").is_none());
    }

    #[test]
    fn scans_go_page_by_page_in_the_order_of_the_suffixes() {
        let mut model = model();
        model.begin(None, 0);
        for suffix in [b'd', b'a', b'c', b'b', b'e'] {
            put(&mut model, &[1, b'k', suffix], &[suffix]);
        }
        put(&mut model, b"\x01lz", b"of another key");
        let range = ScanRange { key: b"k".to_vec(), start: Some(b"b".to_vec()), ..ScanRange::default() };
        let page = model.scan(0, &range, 3, None).expect("accepted");
        assert_eq!(page.suffixes.data, b"bcd");
        let page = model.scan(0, &range, 3, page.cursor.as_deref()).expect("accepted");
        assert_eq!((page.suffixes.data.as_slice(), page.cursor), (b"e".as_slice(), None));
        let range = ScanRange { key: b"k".to_vec(), end: Some(b"c".to_vec()), ..ScanRange::default() };
        assert_eq!(model.scan(0, &range, 10, None).expect("accepted").values.data, b"ab");
        assert!(model.scan(0, &range, 0, None).is_err());
    }

    #[test]
    fn timers_fire_in_order_and_once() {
        let mut model = model();
        model.begin(None, 0);
        for (key, tag, time) in
            [(b"b", b"x", 5_i64), (b"a", b"y", 5), (b"a", b"x", 5), (b"c", b"x", 4), (b"d", b"x", 6)]
        {
            model.register(TimeDomain::Event, &one(key), &one(tag), &time.to_le_bytes()).expect("accepted");
        }
        model.register(TimeDomain::Event, &one(b"c"), &one(b"x"), &3_i64.to_le_bytes()).expect("moved");
        model.begin(Some(5), 0);
        let fired = model.take_due(TimeDomain::Event, 5, 0, 9).expect("some are due");
        assert_eq!(
            (fired.keys.data.as_slice(), fired.tags.data.as_slice()),
            (b"caab".as_slice(), b"xxyx".as_slice())
        );
        assert!(model.take_due(TimeDomain::Event, 5, 0, 9).is_none());
        model.undo();
        assert!(model.take_due(TimeDomain::Event, 5, 0, 9).is_some(), "they are registered again");
    }

    #[test]
    fn what_a_host_refuses_is_refused() {
        let mut model = model();
        let refused = |result: Result<(), Refusal>| assert!(matches!(result, Err(Refusal::Invalid(_))));
        refused(model.put_many(1, &one(b"\x00"), &one(b"")));
        refused(model.put_many(0, &one(b"\x02a"), &one(b"")));
        refused(model.put_many(0, &one(b"\x00"), &Binaries::default()));
        refused(model.cancel(TimeDomain::Processing, &one(b"a"), &one(b"t")));
        refused(model.register(TimeDomain::Event, &one(b"a"), &one(b"t"), &[0; 7]));
    }
}
