//! Any number of values a key.

use std::marker::PhantomData;
use std::ops::Bound;
use std::ops::RangeBounds;

use crate::body::Encode;
use crate::body::Form;
use crate::body::Stored;
use crate::body::StoredOwned;
use crate::error::Error;
use crate::error::Result;
use crate::state::declaration::state_field;
use crate::state::entries::Entries;
use crate::state::entries::Range;
use crate::state::entries::Snapshot;
use crate::state::entry_key::EntryKey;
use crate::state::entry_key::KeyOf;
use crate::state::entry_key::OwnedEntryKey;
use crate::state::value;

/// State of any number of values a key, each under a key of its own: a sorted map for the key of the
/// record at hand.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// /// Says how many pieces of a product a customer has bought.
/// #[transform]
/// #[input(orders, key = String)]
/// struct Bought {
///     #[state(ttl = "30d")]
///     pieces: Map<String, i64>,
///     totals: Output<i64>,
/// }
///
/// impl Process<String> for Bought {
///     fn process(&mut self, product: String, _: &mut Context<'_>) -> Result<()> {
///         let pieces = self.pieces.get(&product)?.unwrap_or(0) + 1;
///         self.pieces.insert(&product, pieces)?;
///         self.totals.emit(pieces)
///     }
/// }
///
/// let mut harness = TestHarness::new::<Bought>();
/// harness.send_all(["tea", "cup", "tea"].map(|product| TestRecord::new(product.to_owned()).key("ann")));
/// assert_eq!(harness.values::<i64>("totals"), [1, 1, 2]);
/// let entries = harness.entries::<String, i64>("pieces", "ann");
/// assert_eq!(entries, [("cup".to_owned(), 1), ("tea".to_owned(), 2)]);
/// ```
///
/// Each entry has its own time to live. A read of an entry that the batch has not read yet is a call of
/// the host, unless it was asked for before: see [`Prefetch`](crate::Prefetch). To list entries costs
/// the host an ordered index of what is not yet on disk; `#[state(scan = false)]` saves it.
pub struct Map<K: OwnedEntryKey, V: Stored> {
    entries: Entries,
    types: PhantomData<fn() -> (K, V)>,
}

state_field!(Map<K: OwnedEntryKey, V: Stored>, entries: Entries, types, stores V, scan = true);

impl<K: OwnedEntryKey, V: Stored> Map<K, V> {
    /// The value of an entry, or none if there is none, or its time to live has passed.
    ///
    /// # Errors
    /// When the key of the record is null, or it and the key of the entry are longer than 4096 bytes
    /// together, which rejects the record; or the host has another value than was declared.
    pub fn get<Q: KeyOf<K> + ?Sized>(&mut self, key: &Q) -> Result<Option<V::Of<'_>>> {
        let name = self.entries.name();
        let entry = self.entries.entry(|state_key| key.put(state_key))?;
        match self.entries.get(entry)? {
            Some(bytes) => value::decode::<V>(bytes, name).map(Some),
            None => Ok(None),
        }
    }

    /// Whether there is an entry.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains_key<Q: KeyOf<K> + ?Sized>(&mut self, key: &Q) -> Result<bool> {
        let entry = self.entries.entry(|state_key| key.put(state_key))?;
        self.entries.get(entry).map(|value| value.is_some())
    }

    /// Writes an entry. Its time to live begins anew.
    ///
    /// # Errors
    /// As [`get`](Self::get), and when the value is larger than about 1 MiB. All reject the record.
    pub fn insert<Q: KeyOf<K> + ?Sized>(&mut self, key: &Q, value: V::Of<'_>) -> Result<()> {
        let entry = self.entries.entry(|state_key| key.put(state_key))?;
        self.entries.set(entry, |out| value.encode(Form::PLAIN, out))
    }

    /// Removes an entry, if there is one.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn remove<Q: KeyOf<K> + ?Sized>(&mut self, key: &Q) -> Result<()> {
        let entry = self.entries.entry(|state_key| key.put(state_key))?;
        self.entries.delete(entry);
        Ok(())
    }

    /// Removes every entry of the key at hand.
    ///
    /// # Errors
    /// As [`iter`](Self::iter).
    pub fn clear(&mut self) -> Result<()> {
        self.entries.delete_range(Range::default())
    }

    /// Removes the entries of the key at hand in a range.
    ///
    /// # Errors
    /// As [`iter`](Self::iter).
    pub fn remove_range<Q: KeyOf<K> + ?Sized>(&mut self, range: impl RangeBounds<Q>) -> Result<()> {
        self.entries.delete_range(bounds(&range))
    }

    /// The entries of the key at hand, in the order of their keys, as they are now: what is written
    /// afterwards does not change what is listed.
    ///
    /// # Errors
    /// When the key of the record is null, which rejects the record; or the store is declared with
    /// `scan = false`.
    pub fn iter(&mut self) -> Result<MapIter<K, V>> {
        self.list(Range::default())
    }

    /// The entries of the key at hand in a range, in order.
    ///
    /// # Errors
    /// As [`iter`](Self::iter).
    pub fn range<Q: KeyOf<K> + ?Sized>(&mut self, range: impl RangeBounds<Q>) -> Result<MapIter<K, V>> {
        self.list(bounds(&range))
    }

    /// The first entries of the key at hand in a range, at most `limit`: no more than that many are
    /// asked of the host.
    ///
    /// # Errors
    /// As [`iter`](Self::iter).
    pub fn first<Q: KeyOf<K> + ?Sized>(
        &mut self,
        range: impl RangeBounds<Q>,
        limit: usize,
    ) -> Result<MapIter<K, V>> {
        self.list(Range { limit: Some(limit), ..bounds(&range) })
    }

    fn list(&mut self, range: Range) -> Result<MapIter<K, V>> {
        let left = range.limit.unwrap_or(usize::MAX);
        let snapshot = self.entries.scan(range)?;
        Ok(MapIter { name: self.entries.name(), snapshot, next: 0, left, types: PhantomData })
    }

    /// Asks for an entry, to be fetched with all others that are asked for at the first read. To be
    /// called in [`Prefetch`](crate::Prefetch).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn prefetch<Q: KeyOf<K> + ?Sized>(&mut self, key: &Q) -> Result<()> {
        self.entries.entry(|state_key| key.put(state_key)).map(|_| ())
    }
}

/// A range of keys as one of their bytes.
pub(crate) fn bounds<Q: EntryKey + ?Sized>(range: &impl RangeBounds<Q>) -> Range {
    let bytes = |key: &Q| {
        let mut out = Vec::new();
        key.put(&mut out);
        out
    };
    // The first string of bytes behind another is that with a zero at its end.
    let behind = |key: &Q| {
        let mut out = bytes(key);
        out.push(0);
        out
    };
    let start = match range.start_bound() {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(bytes(key)),
        Bound::Excluded(key) => Some(behind(key)),
    };
    let end = match range.end_bound() {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(behind(key)),
        Bound::Excluded(key) => Some(bytes(key)),
    };
    Range { start, end, limit: None }
}

/// Entries of a [`Map`], as they were when it was asked for them.
#[derive(Debug)]
pub struct MapIter<K, V> {
    name: &'static str,
    snapshot: Snapshot,
    next: usize,
    left: usize,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: OwnedEntryKey, V: Stored> MapIter<K, V> {
    /// The next entry, with a value that borrows from the iterator.
    ///
    /// # Errors
    /// When the host has an entry of another type than was declared.
    pub fn next_entry(&mut self) -> Result<Option<(K, V::Of<'_>)>> {
        let Some((key, bytes)) = self.snapshot.get(self.next).filter(|_| self.left > 0) else {
            return Ok(None);
        };
        self.next += 1;
        self.left -= 1;
        let key = K::take(key).ok_or_else(|| unknown_key(self.name))?;
        Ok(Some((key, value::decode::<V>(bytes, self.name)?)))
    }
}

impl<K: OwnedEntryKey, V: StoredOwned> Iterator for MapIter<K, V> {
    type Item = Result<(K, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry().transpose()
    }
}

#[cold]
#[inline(never)]
pub(crate) fn unknown_key(name: &'static str) -> Error {
    Error::fatal(format!("state `{name}`: the host gave an entry whose key is none of the declared type"))
}
