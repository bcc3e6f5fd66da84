//! Byte strings as they cross the boundary: state keys, state values, tags of timers.

/// Byte strings, packed as an Arrow Binary array: the `binaries` of the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binaries {
    /// How many entries.
    pub count: u32,
    /// One bit an entry, 1 = present; empty when every entry is.
    pub validity: Vec<u8>,
    /// `count + 1` offsets into `data`, little-endian signed 32-bit numbers from 0; empty without
    /// entries.
    pub offsets: Vec<u8>,
    /// The entries, one after another.
    pub data: Vec<u8>,
}

impl Binaries {
    /// How many entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// An entry; none when it is absent, or there is no such entry.
    #[inline]
    #[must_use]
    pub fn get(&self, entry: usize) -> Option<&[u8]> {
        self.data.get(self.range(entry)?)
    }

    /// Where an entry lies in `data`; none when it is absent, or there is no such entry.
    #[inline]
    pub(crate) fn range(&self, entry: usize) -> Option<std::ops::Range<usize>> {
        let absent = self.validity.get(entry / 8).is_some_and(|byte| byte >> (entry % 8) & 1 == 0);
        if absent {
            return None;
        }
        let Some([start, end]) = self.offsets.as_chunks().0.get(entry..)?.first_chunk() else {
            return None;
        };
        Some(u32::from_le_bytes(*start) as usize..u32::from_le_bytes(*end) as usize)
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: Option<&[u8]>) {
        self.data.extend_from_slice(entry.unwrap_or_default());
        if entry.is_some() {
            self.end();
        } else {
            self.end_absent();
        }
    }

    /// Appends a part of `source`, which must lie in it.
    #[inline(always)]
    pub(crate) fn push_part(&mut self, source: &[u8], start: usize, len: usize) {
        append_part(source, start, len, &mut self.data);
        self.end();
    }

    /// Ends an entry whose bytes were appended to `data`.
    #[inline(always)]
    pub(crate) fn end(&mut self) {
        if !self.validity.is_empty() {
            self.mark(true);
        }
        self.end_offset();
    }

    fn end_absent(&mut self) {
        if self.validity.is_empty() {
            // Every entry so far is present; bits beyond the last are never read.
            self.validity = vec![0xff; self.len().div_ceil(8)];
        }
        self.mark(false);
        self.end_offset();
    }

    fn mark(&mut self, present: bool) {
        let bit = self.len() % 8;
        if bit == 0 {
            self.validity.push(0);
        }
        if let Some(byte) = self.validity.last_mut() {
            *byte = *byte & !(1 << bit) | u8::from(present) << bit;
        }
    }

    #[inline(always)]
    fn end_offset(&mut self) {
        if self.offsets.is_empty() {
            self.offsets.extend_from_slice(&[0; 4]);
        }
        self.offsets.extend_from_slice(&(self.data.len() as u32).to_le_bytes());
        self.count += 1;
    }

    /// Makes room for entries of so many bytes in all.
    pub(crate) fn reserve(&mut self, entries: usize, bytes: usize) {
        self.offsets.reserve(entries * 4 + 4);
        self.data.reserve(bytes);
    }

    /// Forgets every entry.
    pub fn clear(&mut self) {
        self.count = 0;
        self.validity.clear();
        self.offsets.clear();
        self.data.clear();
    }

    /// Every entry in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|entry| self.get(entry))
    }
}

impl<'b> FromIterator<Option<&'b [u8]>> for Binaries {
    fn from_iter<I: IntoIterator<Item = Option<&'b [u8]>>>(entries: I) -> Self {
        let mut binaries = Self::default();
        for entry in entries {
            binaries.push(entry);
        }
        binaries
    }
}

/// Appends a part of `source`. A copy of fixed length is a few instructions where one of variable
/// length is a call, so a short one takes 16 bytes and drops what is too much.
#[inline(always)]
pub(crate) fn append_part(source: &[u8], start: usize, len: usize, out: &mut Vec<u8>) {
    let rest = source.get(start..).unwrap_or_default();
    if let (true, Some(block)) = (len <= 16, rest.first_chunk::<16>()) {
        let end = out.len() + len;
        out.extend_from_slice(block);
        out.truncate(end);
    } else {
        out.extend_from_slice(rest.get(..len).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_there() {
        let source: Vec<u8> = (0..100).collect();
        for seed in 0_usize..40 {
            let entry = |index: usize| match (seed * 7 + index * index * 3) % 5 {
                0 => None,
                n => source.get(index..index + n * seed % 30),
            };
            let mut binaries = Binaries::default();
            for index in 0..seed {
                match entry(index) {
                    Some(bytes) if index % 2 == 0 => binaries.push_part(&source, index, bytes.len()),
                    other => binaries.push(other),
                }
            }
            assert_eq!(binaries.len(), seed);
            let expected: Vec<_> = (0..seed).map(entry).collect();
            assert_eq!(binaries.iter().collect::<Vec<_>>(), expected);
            assert_eq!(binaries.get(seed), None);
            assert!(binaries.validity.is_empty() || binaries.validity.len() == seed.div_ceil(8));
            assert_eq!(binaries.validity.is_empty(), expected.iter().all(Option::is_some));
            binaries.clear();
            assert_eq!(binaries, Binaries::default());
        }
    }

    #[test]
    fn the_contract_wants_no_offsets_without_entries() {
        assert!(Binaries::default().offsets.is_empty());
        let mut binaries = Binaries::default();
        binaries.push(Some(b"ab"));
        assert_eq!(binaries.offsets, [0, 0, 0, 0, 2, 0, 0, 0]);
    }
}
