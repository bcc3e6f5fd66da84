//! Timers: values of a store of their own, and places in the order of due times.

use crate::model::binaries::BinariesRef;
use crate::model::state::FiredTimers;
use crate::model::state::STATE_KEY_BYTES_MAX;
use crate::model::state::TIMER_TAG_BYTES_MAX;
use crate::model::state::TIMERS_PER_CALL_MAX;
use crate::model::state::TimeDomain;
use crate::pipeline::state_ports::StateFailure;
use crate::state::entries::Id;
use crate::state::entries::Visible;
use crate::state::meta::parse_time;
use crate::state::task_store::TaskStore;
use crate::state::timer_index::DuePlace;
use crate::state::timer_key::IndexKey;
use crate::state::timer_key::TimerPlace;
use crate::state::timer_key::index_key;
use crate::state::timer_key::parse_index_key;
use crate::state::timer_key::write_timer_key;

/// What a timer takes beside its key and its tag: lengths and its time.
const TIMER_BYTES: usize = 16;

impl TaskStore {
    pub(super) fn register(
        &mut self,
        domain: TimeDomain,
        keys: BinariesRef<'_>,
        tags: BinariesRef<'_>,
        times: &[i64],
    ) -> Result<(), StateFailure> {
        if times.len() != keys.len() {
            let (found, expected) = (times.len(), keys.len());
            return Err(StateFailure::Timers(format!("found {found} times for {expected} keys")));
        }
        let ids = self.timer_entries(domain, keys, tags)?;
        if domain == TimeDomain::Event {
            let earliest = &mut self.invocation.registered_event_min;
            *earliest = earliest.iter().chain(times).copied().min();
        }
        for ((id, time), (key, tag)) in ids.iter().zip(times).zip(pairs(keys, tags)) {
            // A place at the old time or before is there; a later time is found out when that is due.
            let keeps_its_place = self.timer_time(*id).is_some_and(|old| old <= *time);
            if !keeps_its_place {
                self.timers.add(index_key(domain, *time, key, tag));
            }
            self.stage_own(self.layout.timers(), *id, Some(&time.to_be_bytes()));
        }
        self.scratch.ids = ids;
        Ok(())
    }

    pub(super) fn cancel(
        &mut self,
        domain: TimeDomain,
        keys: BinariesRef<'_>,
        tags: BinariesRef<'_>,
    ) -> Result<(), StateFailure> {
        let ids = self.timer_entries(domain, keys, tags)?;
        for (id, (key, tag)) in ids.iter().zip(pairs(keys, tags)) {
            if let Some(time) = self.timer_time(*id) {
                self.timers.forget(index_key(domain, time, key, tag));
                self.stage_own(self.layout.timers(), *id, None);
            }
        }
        self.scratch.ids = ids;
        Ok(())
    }

    /// The entries of timers, read from disk where need be.
    fn timer_entries(
        &mut self,
        domain: TimeDomain,
        keys: BinariesRef<'_>,
        tags: BinariesRef<'_>,
    ) -> Result<Vec<Id>, StateFailure> {
        if !self.task.manifest.timers.contains(&domain) {
            let why = format!("the manifest does not list timers by {domain:?} time").to_lowercase();
            return Err(StateFailure::Timers(why));
        }
        let bytes = check_timers(keys, tags).map_err(StateFailure::Timers)?;
        self.make_room();
        self.may_write(bytes as u64)?;
        let index = self.layout.timers();
        let mut ids = std::mem::take(&mut self.scratch.ids);
        let mut unknown = std::mem::take(&mut self.scratch.unknown);
        ids.clear();
        unknown.clear();
        if let Some(store) = self.stores.get_mut(index) {
            for (key, tag) in pairs(keys, tags) {
                self.scratch.key.clear();
                write_timer_key(domain, key, tag, &mut self.scratch.key);
                let id = store.entries.find_or_insert(&self.scratch.key);
                if store.entries.visible(id) == Visible::Unknown {
                    unknown.push(id);
                }
                ids.push(id);
            }
        }
        self.load(index, &unknown)?;
        self.scratch.unknown = unknown;
        Ok(ids)
    }

    /// The time that a timer is registered for.
    fn timer_time(&self, id: Id) -> Option<i64> {
        parse_time(self.stores.get(self.layout.timers())?.body(id)?)
    }

    pub(super) fn take_due_timers(
        &mut self,
        domain: TimeDomain,
        until: i64,
        max: usize,
        fired: &mut FiredTimers,
    ) -> Result<(), StateFailure> {
        fired.partition = self.task.partition;
        fired.event_watermark = self.times.event_watermark;
        fired.domain = domain;
        fired.keys.clear();
        fired.tags.clear();
        fired.times.clear();
        let max = max.min(TIMERS_PER_CALL_MAX);
        while fired.len() < max && self.next_place_is_due(domain, until) {
            let disk = self.disk()?;
            self.make_room();
            let room = max - fired.len();
            let due = self.timers.due(&disk, domain, until, room).map_err(|error| self.disk_failed(error))?;
            let rest = self.take_places(domain, due.places, fired)?;
            self.timers.raise_floor(domain, rest.into_iter().chain(due.rest).min());
        }
        Ok(())
    }

    fn next_place_is_due(&self, domain: TimeDomain, until: i64) -> bool {
        self.timers.next_due(domain).is_some_and(|due| due <= until)
    }

    /// Takes places in their order: fires the timers that are due, moves on those that were moved.
    /// Stops before a place that comes after one that was moved on, and gives it.
    fn take_places(
        &mut self,
        domain: TimeDomain,
        places: Vec<DuePlace>,
        fired: &mut FiredTimers,
    ) -> Result<Option<IndexKey>, StateFailure> {
        let index = self.layout.timers();
        let mut timers = Vec::with_capacity(places.len());
        let mut unknown = Vec::new();
        for place in places {
            let timer = parse_index_key(&place.place);
            let Some((store, timer)) = self.stores.get_mut(index).zip(timer) else {
                // Damaged, so that no timer can be found by it.
                self.timers.remove(place);
                continue;
            };
            self.scratch.key.clear();
            write_timer_key(domain, &timer.key, &timer.tag, &mut self.scratch.key);
            let id = store.entries.find_or_insert(&self.scratch.key);
            if store.entries.visible(id) == Visible::Unknown {
                unknown.push(id);
            }
            timers.push((place, timer, id));
        }
        self.load(index, &unknown)?;
        let mut moved: Option<IndexKey> = None;
        for (place, timer, id) in timers {
            if moved.as_ref().is_some_and(|moved| *moved < place.place) {
                return Ok(Some(place.place));
            }
            let TimerPlace { time: due, key, tag, .. } = timer;
            match self.timer_time(id) {
                Some(time) if time > due => {
                    let later = index_key(domain, time, &key, &tag);
                    self.timers.add(later.clone());
                    moved = moved.into_iter().chain([later]).min();
                }
                Some(time) => {
                    self.stage_own(index, id, None);
                    fired.keys.push(Some(&key));
                    fired.tags.push(Some(&tag));
                    fired.times.push(time);
                }
                // Cancelled.
                None => {}
            }
            self.timers.remove(place);
        }
        Ok(None)
    }
}

/// Keys and tags of checked timers.
fn pairs<'a>(keys: BinariesRef<'a>, tags: BinariesRef<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    keys.iter().zip(tags.iter()).map(|(key, tag)| (key.unwrap_or_default(), tag.unwrap_or_default()))
}

/// Checks keys and tags; gives the bytes that they take as timers.
fn check_timers(keys: BinariesRef<'_>, tags: BinariesRef<'_>) -> Result<usize, String> {
    if tags.len() != keys.len() {
        return Err(format!("found {} tags for {} keys", tags.len(), keys.len()));
    }
    let mut bytes = 0;
    for (at, (key, tag)) in keys.iter().zip(tags.iter()).enumerate() {
        let key = key.ok_or_else(|| format!("key {at} is absent"))?;
        let tag = tag.ok_or_else(|| format!("tag {at} is absent"))?;
        if key.len() > STATE_KEY_BYTES_MAX {
            return Err(format!("key {at} has {} bytes, expected at most {STATE_KEY_BYTES_MAX}", key.len()));
        }
        if tag.len() > TIMER_TAG_BYTES_MAX {
            return Err(format!("tag {at} has {} bytes, expected at most {TIMER_TAG_BYTES_MAX}", tag.len()));
        }
        bytes += key.len() + tag.len() + TIMER_BYTES;
    }
    Ok(bytes)
}
