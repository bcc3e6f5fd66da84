//! The keys of one batch.

use crate::binaries::Binaries;
use crate::state::index;
use crate::state::index::Index;
use crate::state::limits::STATE_KEY_BYTES_MAX;

/// In place of a slot: the key is null.
pub(crate) const NULL: u32 = u32::MAX;
/// In place of a slot: the key is longer than a state key may be.
pub(crate) const LONG: u32 = u32::MAX - 1;
/// In place of a slot: no row is at hand, or the rows have no keys.
pub(crate) const NONE: u32 = u32::MAX - 2;

/// The distinct keys of a batch, and which of them each row has.
///
/// Keys are held as state keys (`varint(n), key`), packed as they cross the boundary: a store with
/// one entry a key sends them as they are.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// For each row the number of its key, its *slot*.
    slots: Vec<u32>,
    packed: Binaries,
    index: Index,
}

impl Keys {
    /// Forgets everything and expects so many rows.
    pub(crate) fn begin(&mut self, rows: usize) {
        self.slots.clear();
        self.slots.reserve(rows);
        self.packed.clear();
        self.packed.reserve(rows, rows * 16);
        self.index.begin(rows);
    }

    /// Appends a row whose key is a part of `source`.
    #[inline(always)]
    pub(crate) fn push_part(&mut self, source: &[u8], start: usize, len: usize) {
        let key = source.get(start..start + len).unwrap_or_default();
        let hash = index::hash(key);
        let packed = &self.packed;
        let slot = match self.index.find(hash, |slot| key_of(packed, slot) == key) {
            Ok(slot) => slot,
            Err(vacant) => {
                let prefix = prefix_len(len);
                if prefix + len > STATE_KEY_BYTES_MAX {
                    self.slots.push(LONG);
                    return;
                }
                put_len(len, &mut self.packed.data);
                let slot = self.packed.count;
                self.packed.push_part(source, start, len);
                self.index.insert(vacant, slot);
                slot
            }
        };
        self.slots.push(slot);
    }

    /// Appends a row.
    pub(crate) fn push(&mut self, key: &[u8]) {
        self.push_part(key, 0, key.len());
    }

    /// Appends a row with a null key.
    pub(crate) fn push_null(&mut self) {
        self.slots.push(NULL);
    }

    /// The slot of a row, or one of the constants that stand for none.
    #[inline(always)]
    pub(crate) fn slot(&self, row: u32) -> u32 {
        self.slots.get(row as usize).copied().unwrap_or(NONE)
    }

    /// How many distinct keys there are.
    pub(crate) fn len(&self) -> usize {
        self.packed.len()
    }

    /// The distinct keys as state keys.
    pub(crate) fn packed(&self) -> &Binaries {
        &self.packed
    }

    /// A key as it is.
    #[inline]
    pub(crate) fn key(&self, slot: u32) -> &[u8] {
        key_of(&self.packed, slot)
    }

    /// A key as a state key.
    #[inline]
    pub(crate) fn state_key(&self, slot: u32) -> &[u8] {
        self.packed.get(slot as usize).unwrap_or_default()
    }
}

#[inline(always)]
fn key_of(packed: &Binaries, slot: u32) -> &[u8] {
    split(packed.get(slot as usize).unwrap_or_default()).0
}

/// Key and suffix of a state key.
pub(crate) fn split(state_key: &[u8]) -> (&[u8], &[u8]) {
    let (len, rest) = match *state_key {
        [len @ 0..0x80, ref rest @ ..] => (usize::from(len), rest),
        [low, high, ref rest @ ..] => (usize::from(low & 0x7f) | usize::from(high) << 7, rest),
        _ => (0, [].as_slice()),
    };
    rest.split_at_checked(len).unwrap_or_default()
}

/// Bytes of the length before a key.
#[inline(always)]
fn prefix_len(len: usize) -> usize {
    if len < 0x80 { 1 } else { 2 }
}

/// Appends the length of a key. No key that fits needs a third byte.
#[inline(always)]
pub(crate) fn put_len(len: usize, out: &mut Vec<u8>) {
    if len < 0x80 {
        out.push(len as u8);
    } else {
        out.extend_from_slice(&[len as u8 | 0x80, (len >> 7) as u8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_key_share_a_slot() {
        let mut keys = Keys::default();
        keys.begin(4);
        keys.push(b"a");
        keys.push(b"");
        keys.push_null();
        keys.push(b"a");
        let slots: Vec<_> = (0..5).map(|row| keys.slot(row)).collect();
        assert_eq!(slots, [0, 1, NULL, 0, NONE]);
        assert_eq!(keys.packed().data, b"\x01a\x00");
        assert_eq!((keys.key(0), keys.state_key(0)), (b"a".as_slice(), b"\x01a".as_slice()));
    }

    #[test]
    fn the_examples_of_the_contract_are_state_keys() {
        let mut keys = Keys::default();
        keys.begin(1);
        keys.push(b"acct-7");
        assert_eq!(keys.state_key(0), [0x06, 0x61, 0x63, 0x63, 0x74, 0x2d, 0x37]);
        assert_eq!(split(&[0x01, 0x61, 0x01, 0x02]), (b"a".as_slice(), [1, 2].as_slice()));
        assert_eq!(split(&[0x00, 0xff]), (b"".as_slice(), [0xff].as_slice()));
    }

    #[test]
    fn a_key_is_at_most_as_long_as_a_state_key_allows() {
        let mut keys = Keys::default();
        keys.begin(3);
        let longest = vec![7; STATE_KEY_BYTES_MAX - 2];
        keys.push(&longest);
        keys.push(&[7; STATE_KEY_BYTES_MAX - 1]);
        assert_eq!((keys.slot(0), keys.slot(1)), (0, LONG));
        assert_eq!(keys.state_key(0).len(), STATE_KEY_BYTES_MAX);
        assert_eq!(keys.key(0), longest);
        keys.push(&[9; 200]);
        assert_eq!(split(keys.state_key(1)), (vec![9; 200].as_slice(), [].as_slice()));
    }
}
