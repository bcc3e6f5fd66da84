//! A set a key.

use std::marker::PhantomData;
use std::ops::RangeBounds;

use crate::error::Result;
use crate::state::declaration::state_field;
use crate::state::entries::Entries;
use crate::state::entries::Range;
use crate::state::entries::Snapshot;
use crate::state::entry_key::KeyOf;
use crate::state::entry_key::OwnedEntryKey;
use crate::state::map;

/// State of a sorted set for the key of the record at hand. As [`Map`](crate::Map), without values.
pub struct Set<K: OwnedEntryKey> {
    entries: Entries,
    key: PhantomData<fn() -> K>,
}

state_field!(Set<K: OwnedEntryKey>, entries: Entries, key, stores (), scan = true);

impl<K: OwnedEntryKey> Set<K> {
    /// Whether a key is in the set.
    ///
    /// # Errors
    /// As [`Map::get`](crate::Map::get).
    pub fn contains<Q: KeyOf<K> + ?Sized>(&mut self, key: &Q) -> Result<bool> {
        let entry = self.entries.entry(|state_key| key.put(state_key))?;
        self.entries.get(entry).map(|value| value.is_some())
    }

    /// Puts a key into the set; its time to live begins anew. Says whether it was not there.
    ///
    /// # Errors
    /// As [`Map::get`](crate::Map::get).
    pub fn insert<Q: KeyOf<K> + ?Sized>(&mut self, key: &Q) -> Result<bool> {
        let entry = self.entries.entry(|state_key| key.put(state_key))?;
        let new = self.entries.get(entry)?.is_none();
        self.entries.set(entry, |_| Ok(()))?;
        Ok(new)
    }

    /// Takes a key out of the set. Says whether it was there.
    ///
    /// # Errors
    /// As [`Map::get`](crate::Map::get).
    pub fn remove<Q: KeyOf<K> + ?Sized>(&mut self, key: &Q) -> Result<bool> {
        let entry = self.entries.entry(|state_key| key.put(state_key))?;
        let there = self.entries.get(entry)?.is_some();
        if there {
            self.entries.delete(entry);
        }
        Ok(there)
    }

    /// Takes every key out.
    ///
    /// # Errors
    /// As [`Map::iter`](crate::Map::iter).
    pub fn clear(&mut self) -> Result<()> {
        self.entries.delete_range(Range::default())
    }

    /// The keys in order, as they are now.
    ///
    /// # Errors
    /// As [`Map::iter`](crate::Map::iter).
    pub fn iter(&mut self) -> Result<SetIter<K>> {
        self.list(Range::default())
    }

    /// The keys in a range, in order.
    ///
    /// # Errors
    /// As [`Map::iter`](crate::Map::iter).
    pub fn range<Q: KeyOf<K> + ?Sized>(&mut self, range: impl RangeBounds<Q>) -> Result<SetIter<K>> {
        self.list(map::bounds(&range))
    }

    fn list(&mut self, range: Range) -> Result<SetIter<K>> {
        let snapshot = self.entries.scan(range)?;
        Ok(SetIter { name: self.entries.name(), snapshot, next: 0, key: PhantomData })
    }

    /// Asks for a key, to be fetched with all others that are asked for at the first read. To be
    /// called in [`Prefetch`](crate::Prefetch).
    ///
    /// # Errors
    /// As [`Map::get`](crate::Map::get).
    pub fn prefetch<Q: KeyOf<K> + ?Sized>(&mut self, key: &Q) -> Result<()> {
        self.entries.entry(|state_key| key.put(state_key)).map(|_| ())
    }
}

/// Keys of a [`Set`], as they were when it was asked for them.
#[derive(Debug)]
pub struct SetIter<K> {
    name: &'static str,
    snapshot: Snapshot,
    next: usize,
    key: PhantomData<fn() -> K>,
}

impl<K: OwnedEntryKey> Iterator for SetIter<K> {
    type Item = Result<K>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, _) = self.snapshot.get(self.next)?;
        self.next += 1;
        Some(K::take(key).ok_or_else(|| map::unknown_key(self.name)))
    }
}
