//! Many entries at once. They lie all over memory, and most are not in the processor's cache: waiting
//! for them side by side takes a fraction of the time that one after the other takes.

use std::hint::black_box;

use crate::state::entries::Entries;
use crate::state::entries::Id;

/// Entries that are waited for side by side: more than a processor can, and few enough to stay in
/// its nearest cache.
pub(super) const TOGETHER: usize = 64;

impl Entries {
    /// [`Self::find_or_insert`] of each key, appended to `ids`.
    pub(in crate::state) fn find_or_insert_all<'k>(
        &mut self,
        mut keys: impl Iterator<Item = &'k [u8]> + Clone,
        ids: &mut Vec<Id>,
    ) {
        loop {
            let mut hashes = [0; TOGETHER];
            let mut count = 0;
            for (key, hash) in keys.clone().zip(&mut hashes) {
                *hash = self.hash(key);
                count += 1;
            }
            let Some(hashes) = hashes.get(..count).filter(|hashes| !hashes.is_empty()) else { return };
            // First where they may be, then what is there, and only then whether it is the right one.
            black_box(hashes.iter().fold(0, |all, hash| all ^ self.table.first(*hash)));
            let mut likely = [None; TOGETHER];
            for (hash, likely) in hashes.iter().zip(&mut likely) {
                *likely = self.table.find(*hash, |_| true);
            }
            self.approach(likely.iter().flatten());
            for (key, likely) in keys.by_ref().take(count).zip(&likely) {
                ids.push(self.find_at_or_insert(*likely, key));
            }
        }
    }

    /// The entry of a key if it is this one, else wherever it is.
    #[inline]
    pub(in crate::state) fn find_at_or_insert(&mut self, likely: Option<Id>, state_key: &[u8]) -> Id {
        match likely {
            Some(id) if self.is_of(id, state_key) => {
                let entry = self.entry_mut(id);
                if !entry.referenced {
                    entry.referenced = true;
                }
                id
            }
            _ => self.find_or_insert(state_key),
        }
    }

    /// Brings entries into the processor's cache.
    #[inline]
    pub(super) fn approach<'a>(&self, ids: impl IntoIterator<Item = &'a Id>) {
        let lens = ids.into_iter().map(|id| {
            let entry = self.entry(*id);
            // They lie in different lines.
            entry.key.bytes().len() + entry.committed.len() + entry.overlay.len()
        });
        black_box(lens.fold(0, usize::wrapping_add));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_keys_have_the_entries_that_each_has_alone() {
        let key = |n: u32| [&[4], &n.to_be_bytes()[..]].concat();
        let mut entries = Entries::default();
        let known: Vec<Id> = (0..100).map(|n| entries.find_or_insert(&key(n))).collect();
        // Known and new ones, and some of both twice.
        let wanted: Vec<Vec<u8>> = (50..250).chain(80..120).map(key).collect();
        let mut ids = Vec::new();
        entries.find_or_insert_all(wanted.iter().map(Vec::as_slice), &mut ids);
        assert_eq!(ids.len(), wanted.len());
        assert_eq!(ids[..50], known[50..]);
        for (id, key) in ids.iter().zip(&wanted) {
            assert_eq!(entries.find(key), Some(*id));
        }
    }

    #[test]
    fn an_entry_that_is_not_of_the_key_is_not_taken_for_it() {
        let mut entries = Entries::default();
        let [one, two] = [b"\x01a", b"\x01b"].map(|key| entries.find_or_insert(key));
        assert_eq!(entries.find_at_or_insert(Some(one), b"\x01b"), two);
        assert_eq!(entries.find_at_or_insert(Some(two), b"\x01b"), two);
        assert_eq!(entries.find_at_or_insert(None, b"\x01a"), one);
    }
}
