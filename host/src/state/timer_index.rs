//! The order in which timers come due.
//!
//! Every registered timer has a place in the index at its time or before; that is all that holds. A
//! timer that is moved to a later time keeps its place, and a place whose timer was cancelled may
//! stay: when it comes due, the timer's value says what is true. So moving a timer forth, the usual
//! case, costs nothing here, and an undone or aborted write leaves at worst a place too many.
//!
//! Places lie on disk (the base); over them those that a flush is writing (frozen), and over these
//! what happened since (live). What is below `floors` in the base was taken already.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::state::TimeDomain;
use crate::state::disk::Batch;
use crate::state::disk::Disk;
use crate::state::disk::DiskError;
use crate::state::layout::Family;
use crate::state::timer_key::IndexKey;
use crate::state::timer_key::domain_byte;
use crate::state::timer_key::index_key_from;
use crate::state::timer_key::index_time;

/// Added and removed places.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    added: BTreeSet<IndexKey>,
    /// Of those below.
    removed: BTreeSet<IndexKey>,
    bytes: usize,
}

/// What a place costs beside its bytes.
const PLACE_BYTES: usize = size_of::<IndexKey>() + 16;

impl Places {
    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    fn add(&mut self, place: IndexKey) {
        let bytes = place.len() + PLACE_BYTES;
        if self.removed.remove(&place) {
            self.bytes -= bytes;
        }
        if self.added.insert(place) {
            self.bytes += bytes;
        }
    }

    /// Forgets an added place; whether there was one.
    fn forget(&mut self, place: &IndexKey) -> bool {
        let was_added = self.added.remove(place);
        if was_added {
            self.bytes -= place.len() + PLACE_BYTES;
        }
        was_added
    }

    /// Hides a place of those below.
    fn hide(&mut self, place: IndexKey) {
        let bytes = place.len() + PLACE_BYTES;
        if self.removed.insert(place) {
            self.bytes += bytes;
        }
    }

    fn show(&mut self, place: &IndexKey) {
        if self.removed.remove(place) {
            self.bytes -= place.len() + PLACE_BYTES;
        }
    }

    /// Adds them to a batch.
    pub(super) fn write(&self, batch: &mut Batch<'_>) {
        for place in &self.removed {
            batch.delete(Family::TimerIndex, place);
        }
        for place in &self.added {
            batch.put(Family::TimerIndex, place, &[]);
        }
    }

    /// The first added place of a domain from a place on.
    fn first_from(&self, domain: TimeDomain, from: &IndexKey) -> Option<&IndexKey> {
        self.added.range(from.clone()..).next().filter(|place| is_of(place, domain))
    }
}

fn is_of(place: &[u8], domain: TimeDomain) -> bool {
    place.first() == Some(&domain_byte(domain))
}

/// How a place stood before it was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Removal {
    place: IndexKey,
    /// Among the live ones.
    was_added: bool,
    /// In the base, where it is hidden now.
    is_hidden: bool,
}

/// For each domain a place before which the base holds none that was not taken; none when it holds
/// none at all.
type Floors = [Option<IndexKey>; 2];

/// See the module.
#[derive(Debug, Default)]
pub(super) struct TimerIndex {
    live: Places,
    frozen: Arc<Places>,
    floors: Floors,
    /// What the open cycle removed, to be put back if it is aborted.
    removals: Vec<Removal>,
    floors_committed: Floors,
    removals_at_begin: usize,
    floors_at_begin: Floors,
}

fn slot(domain: TimeDomain) -> usize {
    usize::from(domain_byte(domain))
}

impl TimerIndex {
    /// Reads where the base begins.
    pub(super) fn open(disk: &Disk) -> Result<Self, DiskError> {
        let mut index = Self::default();
        for domain in DOMAINS {
            let entries = disk.iterate(Family::TimerIndex, &start(domain), None)?;
            let first = entries.key().filter(|place| is_of(place, domain)).map(IndexKey::from_slice);
            entries.status()?;
            index.raise_floor(domain, first);
        }
        index.floors_committed.clone_from(&index.floors);
        Ok(index)
    }

    /// Bytes of the live places.
    pub(super) fn bytes(&self) -> usize {
        self.live.bytes
    }

    pub(super) fn has_live(&self) -> bool {
        !self.live.is_empty()
    }

    fn floor(&self, domain: TimeDomain) -> Option<&IndexKey> {
        self.floors.get(slot(domain)).and_then(Option::as_ref)
    }

    /// The earliest time at which a place may stand.
    pub(super) fn next_due(&self, domain: TimeDomain) -> Option<i64> {
        let live = self.live.first_from(domain, &start(domain));
        live.into_iter().chain(self.floor(domain)).min().and_then(|place| index_time(place))
    }

    pub(super) fn add(&mut self, place: IndexKey) {
        self.live.add(place);
    }

    /// Forgets a place if it is not in the base yet: its timer is gone.
    pub(super) fn forget(&mut self, place: IndexKey) {
        if self.live.forget(&place) {
            self.removals.push(Removal { place, was_added: true, is_hidden: false });
        }
    }

    /// Removes a place that was found.
    pub(super) fn remove(&mut self, DuePlace { place, in_base }: DuePlace) {
        let was_added = self.live.forget(&place);
        if in_base {
            self.live.hide(place.clone());
        }
        self.removals.push(Removal { place, was_added, is_hidden: in_base });
    }

    /// The first places that are due at `until`, at most `count`, in order.
    pub(super) fn due(
        &self,
        disk: &Disk,
        domain: TimeDomain,
        until: i64,
        count: usize,
    ) -> Result<Due, DiskError> {
        let end = match until.checked_add(1) {
            Some(after) => index_key_from(domain, after),
            None => IndexKey::from_slice(&[domain_byte(domain) + 1]),
        };
        let mut live = self.live.added.range(start(domain)..end.clone()).peekable();
        let Some(floor) = self.floor(domain).filter(|floor| **floor < end) else {
            let places = live.take(count).map(|place| DuePlace { place: place.clone(), in_base: false });
            return Ok(Due { places: places.collect(), rest: self.floor(domain).cloned() });
        };
        let mut frozen =
            self.frozen.added.range(floor.clone()..).take_while(|place| is_of(place, domain)).peekable();
        let mut on_disk = disk.iterate(Family::TimerIndex, floor, None)?;
        let mut places = Vec::new();
        loop {
            on_disk.status()?;
            let next_live = live.peek().copied().map(|place| &place[..]);
            let next_frozen = frozen.peek().copied().map(|place| &place[..]);
            let next_on_disk = on_disk.key().filter(|place| is_of(place, domain));
            let next_in_base = next_frozen.into_iter().chain(next_on_disk).min();
            let next = next_live.into_iter().chain(next_in_base).min().filter(|place| *place < &end[..]);
            let Some(next) = next.filter(|_| places.len() < count) else {
                return Ok(Due { places, rest: next_in_base.map(IndexKey::from_slice) });
            };
            let place = IndexKey::from_slice(next);
            let (is_live, is_frozen) = (next_live == Some(&place[..]), next_frozen == Some(&place[..]));
            let is_on_disk = next_on_disk == Some(&place[..]);
            let in_base = is_frozen || is_on_disk;
            if is_live {
                live.next();
            }
            if is_frozen {
                frozen.next();
            }
            if is_on_disk {
                on_disk.next();
            }
            let is_hidden =
                self.live.removed.contains(&place) || (!is_frozen && self.frozen.removed.contains(&place));
            if is_live || !is_hidden {
                places.push(DuePlace { place, in_base });
            }
        }
    }

    /// Everything in the base before this was taken.
    pub(super) fn raise_floor(&mut self, domain: TimeDomain, floor: Option<IndexKey>) {
        if let Some(at) = self.floors.get_mut(slot(domain)) {
            *at = floor;
        }
    }

    pub(super) fn begin(&mut self) {
        self.removals_at_begin = self.removals.len();
        self.floors_at_begin.clone_from(&self.floors);
    }

    pub(super) fn undo(&mut self) {
        self.put_back(self.removals_at_begin);
        self.floors.clone_from(&self.floors_at_begin);
    }

    pub(super) fn committed(&mut self) {
        self.removals.clear();
        self.removals_at_begin = 0;
        self.floors_committed.clone_from(&self.floors);
    }

    pub(super) fn aborted(&mut self) {
        self.put_back(0);
        self.removals_at_begin = 0;
        self.floors.clone_from(&self.floors_committed);
    }

    /// Undoes removals from the last one back.
    fn put_back(&mut self, until: usize) {
        while self.removals.len() > until {
            let Some(Removal { place, was_added, is_hidden }) = self.removals.pop() else { break };
            if is_hidden {
                self.live.show(&place);
            }
            if was_added {
                self.live.add(place);
            }
        }
    }

    /// Hands what is live to a flush. Between cycles.
    pub(super) fn freeze(&mut self) -> Arc<Places> {
        self.frozen = Arc::new(std::mem::take(&mut self.live));
        for domain in DOMAINS {
            let first = self.frozen.first_from(domain, &start(domain));
            let floor = self.floor(domain).into_iter().chain(first).min().cloned();
            self.raise_floor(domain, floor);
        }
        self.floors_committed.clone_from(&self.floors);
        self.frozen.clone()
    }

    /// What was frozen is on disk. Gives it, to be dropped elsewhere.
    pub(super) fn flushed(&mut self) -> Arc<Places> {
        std::mem::take(&mut self.frozen)
    }

    /// The flush failed: what was frozen joins what is live, which counts more.
    pub(super) fn thaw(&mut self) {
        let frozen = std::mem::take(&mut self.frozen);
        for removal in &mut self.removals {
            // The disk did not get it: an abort brings it back to what is live.
            removal.was_added |= frozen.added.contains(&removal.place);
        }
        for place in &frozen.added {
            if !self.live.removed.contains(place) {
                self.live.add(place.clone());
            }
        }
        for place in &frozen.removed {
            if !self.live.added.contains(place) {
                self.live.hide(place.clone());
            }
        }
    }
}

/// What [`TimerIndex::due`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) places: Vec<DuePlace>,
    /// Where the base goes on after them.
    pub(super) rest: Option<IndexKey>,
}

/// A place at which a timer may be due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DuePlace {
    pub(super) place: IndexKey,
    in_base: bool,
}

const DOMAINS: [TimeDomain; 2] = [TimeDomain::Event, TimeDomain::Processing];

/// Before all places of a domain.
fn start(domain: TimeDomain) -> IndexKey {
    index_key_from(domain, i64::MIN)
}
