//! Where the entries of a store are, by the hashes of their keys.
//!
//! An open table of one word an entry: looking at the first word of a hash takes a few instructions
//! and no branch, so that a processor can wait for many of them at once.

use crate::state::entries::Id;

/// Words at first.
const WORDS_MIN: usize = 16;

/// The hash in the upper half of each word, the id plus one in the lower; 0 where nothing is. Linear
/// probing from the upper bits of the hash.
#[derive(Debug)]
pub(super) struct Places {
    /// A power of two.
    words: Vec<u64>,
    /// 32 less the bits of an index.
    shift: u32,
    len: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self::of_size(WORDS_MIN)
    }
}

#[inline]
fn word(hash: u32, Id(id): Id) -> u64 {
    u64::from(hash) << 32 | u64::from(id + 1)
}

#[inline]
fn hash_of(word: u64) -> u32 {
    (word >> 32) as u32
}

#[inline]
fn id_of(word: u64) -> Id {
    Id((word as u32).wrapping_sub(1))
}

impl Places {
    fn of_size(words: usize) -> Self {
        Self { words: vec![0; words], shift: 32 - words.trailing_zeros(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        (hash >> self.shift) as usize
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.words.len() - 1)
    }

    #[inline]
    fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }

    /// The word at which the search for a hash begins: 0 says that there is none.
    #[inline]
    pub(super) fn first(&self, hash: u32) -> u64 {
        self.word(self.home(hash))
    }

    /// The first entry of this hash that is the right one.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is_right: impl FnMut(Id) -> bool) -> Option<Id> {
        let mut at = self.home(hash);
        // Never full: a quarter of the words is free.
        loop {
            let word = self.word(at);
            if word == 0 {
                return None;
            }
            if hash_of(word) == hash && is_right(id_of(word)) {
                return Some(id_of(word));
            }
            at = self.next(at);
        }
    }

    /// Adds an entry that is not there.
    pub(super) fn insert(&mut self, hash: u32, id: Id) {
        if self.len >= self.words.len() / 4 * 3 {
            self.grow();
        }
        self.put(word(hash, id));
        self.len += 1;
    }

    fn put(&mut self, word: u64) {
        let mut at = self.home(hash_of(word));
        while self.word(at) != 0 {
            at = self.next(at);
        }
        self.set(at, word);
    }

    fn set(&mut self, at: usize, word: u64) {
        if let Some(place) = self.words.get_mut(at) {
            *place = word;
        }
    }

    fn grow(&mut self) {
        let larger = Self { len: self.len, ..Self::of_size(self.words.len() * 2) };
        let old = std::mem::replace(self, larger);
        for word in old.words {
            if word != 0 {
                self.put(word);
            }
        }
    }

    /// Removes an entry, if it is there.
    pub(super) fn remove(&mut self, hash: u32, id: Id) {
        let wanted = word(hash, id);
        let mut hole = self.home(hash);
        loop {
            match self.word(hole) {
                0 => return,
                found if found == wanted => break,
                _ => hole = self.next(hole),
            }
        }
        self.len -= 1;
        // What follows moves up, unless it would stand before its home then.
        let mut at = hole;
        loop {
            at = self.next(at);
            let word = self.word(at);
            if word == 0 {
                break;
            }
            let mask = self.words.len() - 1;
            let from_home = at.wrapping_sub(self.home(hash_of(word))) & mask;
            if from_home >= at.wrapping_sub(hole) & mask {
                self.set(hole, word);
                hole = at;
            }
        }
        self.set(hole, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::Rng as _;
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn entries_are_found_until_they_are_removed() {
        let mut random = SmallRng::seed_from_u64(1);
        let mut places = Places::default();
        let mut model: BTreeSet<(u32, u32)> = BTreeSet::new();
        for id in 0..20_000 {
            // Many of equal hash, many of neighbouring homes, also about the end of the table.
            let hash =
                random.random_range(0..300_u32).wrapping_sub(150) << 18 | random.random_range(0..3_u32);
            places.insert(hash, Id(id));
            model.insert((hash, id));
            if random.random_bool(0.8) {
                let gone = *model.iter().nth(random.random_range(0..model.len())).expect("one");
                model.remove(&gone);
                places.remove(gone.0, Id(gone.1));
                places.remove(gone.0, Id(gone.1));
                assert_eq!(places.find(gone.0, |found| found == Id(gone.1)), None);
            }
            if id % 100 == 0 {
                for (hash, id) in &model {
                    assert_eq!(places.find(*hash, |found| found == Id(*id)), Some(Id(*id)));
                }
            }
            assert_eq!(places.len(), model.len());
        }
    }

    #[test]
    fn a_hash_that_is_not_there_is_not_found() {
        let mut places = Places::default();
        assert_eq!(places.find(7, |_| true), None);
        places.insert(u32::MAX, Id(0));
        places.insert(u32::MAX, Id(1));
        assert_eq!(places.find(0, |_| true), None);
        assert_eq!(places.find(u32::MAX, |id| id == Id(1)), Some(Id(1)));
    }
}
