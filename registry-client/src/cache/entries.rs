use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use dashmap::DashMap;
use dashmap::Entry as Slot;
use tokio::sync::Semaphore;
use tokio::sync::watch;

use crate::cache::CacheLimits;
use crate::cache::Lookup;
use crate::cache::flight::Flight;
use crate::cache::flight::Progress;
use crate::error::RegistryError;
use crate::schema::RegisteredSchema;

/// Besides its text, roughly what an entry takes.
const ENTRY_BYTES: usize = 256;

enum Entry {
    Flying(Arc<Flight>),
    Ready { schema: Arc<RegisteredSchema>, used: AtomicU64 },
    Unknown { miss: Miss, used: AtomicU64 },
}

/// That the registry knows no usable schema of an id.
struct Miss {
    error: Arc<RegistryError>,
    /// When the request was sent: what was registered later, it does not tell of.
    asked: Instant,
    until: Instant,
    /// Not asked again before.
    pause_until: Instant,
}

enum MissIs {
    Good,
    /// To be asked again, though not yet.
    TooOld,
    Over,
}

impl Miss {
    fn judge(&self, received: Option<Instant>) -> MissIs {
        let now = Instant::now();
        let is_newer = received.is_none_or(|received| counts(self.asked, received));
        match is_newer && now < self.until {
            true => MissIs::Good,
            false if now < self.pause_until => MissIs::TooOld,
            false => MissIs::Over,
        }
    }
}

/// Whether a miss says something of a record that was received at that time.
pub(super) fn counts(asked: Instant, received: Instant) -> bool {
    asked >= received
}

pub(super) enum Found {
    /// Ready or unknown.
    Settled(Lookup),
    Flying(Arc<Flight>),
    /// Unknown by an answer that is too old, and it is too early for another.
    TooOld,
    Absent,
}

pub(super) enum TakeOff {
    Started { flight: Arc<Flight>, progress: watch::Sender<Progress> },
    Joined(Arc<Flight>),
    Refused,
}

/// The map behind the cache, shared with the fetches.
pub(super) struct Entries {
    by_id: DashMap<u32, Entry>,
    limits: CacheLimits,
    clock: AtomicU64,
    flights: AtomicUsize,
    text_bytes: AtomicUsize,
    born: Instant,
    pub(super) requests: Semaphore,
}

impl Entries {
    pub(super) fn new(limits: CacheLimits) -> Self {
        Self {
            by_id: DashMap::new(),
            limits,
            clock: AtomicU64::new(0),
            flights: AtomicUsize::new(0),
            text_bytes: AtomicUsize::new(0),
            born: Instant::now(),
            requests: Semaphore::new(limits.requests_max.max(1)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// With the time when a record was received, an older miss does not count.
    pub(super) fn find(&self, id: u32, received: Option<Instant>) -> Found {
        let Some(entry) = self.by_id.get(&id) else {
            return Found::Absent;
        };
        match entry.value() {
            Entry::Ready { schema, used } => {
                used.store(self.tick(), Ordering::Relaxed);
                Found::Settled(Lookup::Ready(Arc::clone(schema)))
            }
            Entry::Flying(flight) => {
                flight.asked(self.age());
                Found::Flying(Arc::clone(flight))
            }
            Entry::Unknown { miss, used } => {
                used.store(self.tick(), Ordering::Relaxed);
                match miss.judge(received) {
                    MissIs::Good => Found::Settled(Lookup::Unknown(Arc::clone(&miss.error))),
                    MissIs::TooOld => Found::TooOld,
                    MissIs::Over => Found::Absent,
                }
            }
        }
    }

    /// Makes the one flight of an id, unless there is one.
    pub(super) fn take_off(&self, id: u32, received: Option<Instant>) -> TakeOff {
        if self.flights.fetch_add(1, Ordering::Relaxed) >= self.limits.flights_max.max(1) {
            self.flights.fetch_sub(1, Ordering::Relaxed);
            return TakeOff::Refused;
        }
        let outcome = match self.by_id.entry(id) {
            Slot::Occupied(slot) => match slot.get() {
                Entry::Flying(flight) => TakeOff::Joined(Arc::clone(flight)),
                Entry::Unknown { miss, .. } if matches!(miss.judge(received), MissIs::Over) => {
                    let (flight, progress) = Flight::new(self.age());
                    slot.replace_entry(Entry::Flying(Arc::clone(&flight)));
                    TakeOff::Started { flight, progress }
                }
                Entry::Ready { .. } | Entry::Unknown { .. } => TakeOff::Refused,
            },
            Slot::Vacant(slot) => {
                let (flight, progress) = Flight::new(self.age());
                slot.insert(Entry::Flying(Arc::clone(&flight)));
                TakeOff::Started { flight, progress }
            }
        };
        if !matches!(outcome, TakeOff::Started { .. }) {
            self.flights.fetch_sub(1, Ordering::Relaxed);
        }
        outcome
    }

    /// `asked`: when the request was sent that was answered so.
    pub(super) fn settle(
        &self,
        id: u32,
        outcome: &Result<Arc<RegisteredSchema>, Arc<RegistryError>>,
        asked: Instant,
    ) {
        let used = AtomicU64::new(self.tick());
        let entry = match outcome {
            Ok(schema) => {
                self.text_bytes.fetch_add(cost(schema), Ordering::Relaxed);
                Entry::Ready { schema: Arc::clone(schema), used }
            }
            Err(error) => {
                let until = asked + self.limits.unknown_ttl;
                let pause_until = asked + self.limits.unknown_pause;
                Entry::Unknown { miss: Miss { error: Arc::clone(error), asked, until, pause_until }, used }
            }
        };
        self.by_id.insert(id, entry);
        self.evict();
    }

    /// The flight is over; without an outcome the id is as if never asked for.
    pub(super) fn end(&self, id: u32, flight: &Arc<Flight>) {
        self.by_id
            .remove_if(&id, |_, entry| matches!(entry, Entry::Flying(other) if Arc::ptr_eq(other, flight)));
        self.flights.fetch_sub(1, Ordering::Relaxed);
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    // Runs in a fetch, never in a `get`. A tenth at once, so that it runs rarely.
    fn evict(&self) {
        let settled = self.by_id.len().saturating_sub(self.flights.load(Ordering::Relaxed));
        let bytes = self.text_bytes.load(Ordering::Relaxed);
        if settled <= self.limits.entries_max && bytes <= self.limits.text_bytes_max {
            return;
        }
        let mut by_use: Vec<(u64, u32, usize)> = self
            .by_id
            .iter()
            .filter_map(|entry| match entry.value() {
                Entry::Flying(_) => None,
                Entry::Ready { schema, used } => {
                    Some((used.load(Ordering::Relaxed), *entry.key(), cost(schema)))
                }
                Entry::Unknown { used, .. } => Some((used.load(Ordering::Relaxed), *entry.key(), 0)),
            })
            .collect();
        by_use.sort_unstable();
        // The one just fetched stays, or it would be fetched for ever.
        by_use.pop();
        let (entries_kept, bytes_kept) =
            (tenth_less(self.limits.entries_max), tenth_less(self.limits.text_bytes_max));
        let (mut entries, mut bytes) = (settled, bytes);
        for (_, id, cost) in by_use {
            if entries <= entries_kept && bytes <= bytes_kept {
                return;
            }
            if let Some((_, Entry::Ready { .. })) =
                self.by_id.remove_if(&id, |_, entry| !matches!(entry, Entry::Flying(_)))
            {
                self.text_bytes.fetch_sub(cost, Ordering::Relaxed);
            }
            entries = entries.saturating_sub(1);
            bytes = bytes.saturating_sub(cost);
        }
    }
}

fn cost(schema: &RegisteredSchema) -> usize {
    schema.text_bytes() + ENTRY_BYTES
}

fn tenth_less(bound: usize) -> usize {
    bound - bound.div_ceil(10)
}
