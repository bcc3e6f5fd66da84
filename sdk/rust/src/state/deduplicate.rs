//! What was seen before.

use std::marker::PhantomData;

use crate::error::Result;
use crate::state::declaration::state_field;
use crate::state::entries::Entries;
use crate::state::entry_key::KeyOf;
use crate::state::entry_key::OwnedEntryKey;

/// State that tells the first of equal things from those that follow, within its time to live from
/// the first.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// #[derive(Record)]
/// struct Click { id: i64, page: String }
///
/// /// Passes every click on once.
/// #[transform]
/// #[input(clicks, key = String)]
/// struct Once {
///     #[state(ttl = "1d")]
///     seen: Deduplicate<i64>,
///     clicks: Output<Click>,
/// }
///
/// impl Process<Click> for Once {
///     fn process(&mut self, click: Click, _: &mut Context<'_>) -> Result<()> {
///         if self.seen.is_first(&click.id)? {
///             self.clicks.emit(click)?;
///         }
///         Ok(())
///     }
/// }
///
/// let mut harness = TestHarness::new::<Once>();
/// harness.send_all([1, 2, 1].map(|id| TestRecord::new(Click { id, page: "/".into() }).key("user-1")));
/// assert_eq!(harness.values::<Click>("clicks").len(), 2);
/// ```
///
/// Things are told apart under the key of the record. Where the record's key is what is to be unique,
/// give it `&()`. Equal things must have equal keys, or they are in different partitions. With
/// `scope = "partition"` they may have different keys, as long as they are in the same partition.
pub struct Deduplicate<K: OwnedEntryKey> {
    entries: Entries,
    key: PhantomData<fn() -> K>,
}

state_field!(Deduplicate<K: OwnedEntryKey>, entries: Entries, key, stores (), scan = false);

impl<K: OwnedEntryKey> Deduplicate<K> {
    /// Whether this is the first time, within the time to live, that it is asked for this key.
    ///
    /// # Errors
    /// As [`Map::get`](crate::Map::get).
    pub fn is_first<Q: KeyOf<K> + ?Sized>(&mut self, key: &Q) -> Result<bool> {
        let entry = self.entries.entry(|state_key| key.put(state_key))?;
        let first = self.entries.get(entry)?.is_none();
        if first {
            self.entries.set(entry, |_| Ok(()))?;
        }
        Ok(first)
    }

    /// Forgets a key: the next time is the first again.
    ///
    /// # Errors
    /// As [`Map::get`](crate::Map::get).
    pub fn forget<Q: KeyOf<K> + ?Sized>(&mut self, key: &Q) -> Result<()> {
        let entry = self.entries.entry(|state_key| key.put(state_key))?;
        self.entries.delete(entry);
        Ok(())
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
