//! Byte strings packed as an Arrow Binary array, as they cross the boundary to a guest.

/// Why buffers are no byte strings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BinariesError {
    #[error(
        "there are {found} bytes of offsets; expected {expected}, 4 for each of the {count} entries and 4 more"
    )]
    Offsets { count: usize, found: usize, expected: usize },
    #[error("there are {found} bytes of validity; expected none, or one bit for each of the {count} entries")]
    Validity { count: usize, found: usize },
    #[error("the offsets begin at {found}; expected 0")]
    Start { found: i32 },
    #[error(
        "entry {entry} reaches from {start} to {end}; expected ascending offsets within the {data} bytes of data"
    )]
    Entry { entry: usize, start: i64, end: i64, data: usize },
}

/// Byte strings, borrowed: the `binaries` of `wit/state.wit`. Every entry lies within the data.
#[derive(Debug, Clone, Copy, Default)]
pub struct BinariesRef<'a> {
    count: usize,
    validity: &'a [u8],
    /// One more than there are entries; none without entries.
    offsets: &'a [[u8; 4]],
    data: &'a [u8],
}

impl<'a> BinariesRef<'a> {
    /// Checks the buffers. Offsets are little-endian signed 32-bit numbers, `count + 1` of them, or
    /// none when there are no entries. What a buffer has beyond its entries is ignored.
    ///
    /// # Errors
    /// See [`BinariesError`].
    pub fn new(
        count: usize,
        validity: &'a [u8],
        offsets: &'a [u8],
        data: &'a [u8],
    ) -> Result<Self, BinariesError> {
        if !validity.is_empty() && validity.len() < count.div_ceil(8) {
            return Err(BinariesError::Validity { count, found: validity.len() });
        }
        if count == 0 {
            return Ok(Self::default());
        }
        let Some(offsets) = offsets.as_chunks::<4>().0.get(..=count) else {
            return Err(BinariesError::Offsets { count, found: offsets.len(), expected: (count + 1) * 4 });
        };
        let binaries = Self { count, validity, offsets, data };
        // One pass without branches; the entry is looked for only if there is one.
        let (mut last, mut falls) = (0, false);
        for offset in offsets {
            let offset = i32::from_le_bytes(*offset);
            falls |= offset < last;
            last = offset;
        }
        if falls || last as usize > data.len() || offset(offsets, 0) != 0 {
            return Err(binaries.fault());
        }
        Ok(binaries)
    }

    /// The first thing that is wrong with the offsets.
    fn fault(&self) -> BinariesError {
        let found = offset(self.offsets, 0);
        if found != 0 {
            return BinariesError::Start { found };
        }
        let at = |entry| i64::from(offset(self.offsets, entry));
        let data = self.data.len();
        let (entry, start, end) = (0..self.count)
            .map(|entry| (entry, at(entry), at(entry + 1)))
            .find(|(_, start, end)| end < start || *end > data as i64)
            .unwrap_or_default();
        BinariesError::Entry { entry, start, end, data }
    }

    /// Runs of so many entries, in order; the last may be shorter. `entries` is rounded up to a
    /// multiple of 8, the entries of a byte of validity.
    pub fn chunks(&self, entries: usize) -> impl Iterator<Item = Self> + use<'a> {
        let (this, entries) = (*self, entries.max(1).next_multiple_of(8));
        (0..this.count).step_by(entries).map(move |start| {
            let end = (start + entries).min(this.count);
            Self {
                count: end - start,
                validity: this.validity.get(start / 8..).unwrap_or_default(),
                offsets: this.offsets.get(start..=end).unwrap_or_default(),
                data: this.data,
            }
        })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// An entry; none when it is absent or there is none.
    #[inline]
    #[must_use]
    pub fn get(&self, entry: usize) -> Option<&'a [u8]> {
        if entry >= self.count || self.is_absent(entry) {
            return None;
        }
        self.data.get(offset(self.offsets, entry) as usize..offset(self.offsets, entry + 1) as usize)
    }

    #[inline]
    fn is_absent(&self, entry: usize) -> bool {
        self.validity.get(entry / 8).is_some_and(|byte| byte >> (entry % 8) & 1 == 0)
    }

    /// Every entry in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Option<&'a [u8]>> + Clone + use<'a> {
        let this = *self;
        this.offsets.windows(2).enumerate().map(move |(entry, bounds)| {
            let [start, end] = bounds else { return None };
            if this.is_absent(entry) {
                return None;
            }
            this.data.get(i32::from_le_bytes(*start) as usize..i32::from_le_bytes(*end) as usize)
        })
    }

    /// Bytes of all entries.
    #[must_use]
    pub fn data_len(&self) -> usize {
        (offset(self.offsets, self.count) - offset(self.offsets, 0)) as usize
    }
}

/// An offset; 0 where there is none.
#[inline]
fn offset(offsets: &[[u8; 4]], at: usize) -> i32 {
    offsets.get(at).map_or(0, |bytes| i32::from_le_bytes(*bytes))
}

/// Byte strings, owned and growing.
#[derive(Debug, Clone)]
pub struct BinariesBuf {
    count: usize,
    /// Empty while every entry is present.
    validity: Vec<u8>,
    offsets: Vec<u8>,
    data: Vec<u8>,
    bytes_max: usize,
    overflowed: bool,
}

impl Default for BinariesBuf {
    fn default() -> Self {
        Self::with_bytes_max(usize::MAX)
    }
}

impl BinariesBuf {
    /// Takes entries of at most so many bytes in all, and never more than offsets can tell (2 GiB).
    #[must_use]
    pub fn with_bytes_max(bytes_max: usize) -> Self {
        Self {
            count: 0,
            validity: Vec::new(),
            offsets: vec![0; 4],
            data: Vec::new(),
            bytes_max: bytes_max.min(i32::MAX as usize),
            overflowed: false,
        }
    }

    /// Makes room for so many more entries.
    pub fn reserve(&mut self, entries: usize) {
        self.offsets.reserve(entries.saturating_mul(4));
    }

    /// Appends an entry. One for which there is no room is appended as absent, and remembered: see
    /// [`Self::overflowed`].
    #[inline]
    pub fn push(&mut self, entry: Option<&[u8]>) {
        let fits = entry.is_none_or(|bytes| bytes.len() <= self.bytes_max - self.data.len());
        if let Some(bytes) = entry
            && fits
            && self.validity.is_empty()
        {
            self.data.extend_from_slice(bytes);
        } else {
            self.overflowed |= !fits;
            self.push_with_validity(entry.filter(|_| fits));
        }
        // Within `bytes_max`, and so within 31 bits.
        self.offsets.extend_from_slice(&(self.data.len() as i32).to_le_bytes());
        self.count += 1;
    }

    /// Whether an entry was left out because there was no room for it.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// All of an entry but its offset.
    fn push_with_validity(&mut self, entry: Option<&[u8]>) {
        if self.validity.is_empty() {
            self.validity = vec![0xff; self.count.div_ceil(8)];
        }
        if self.count.is_multiple_of(8) {
            self.validity.push(0xff);
        }
        match entry {
            Some(bytes) => self.data.extend_from_slice(bytes),
            None => {
                if let Some(byte) = self.validity.get_mut(self.count / 8) {
                    *byte &= !(1 << (self.count % 8));
                }
            }
        }
    }

    pub fn clear(&mut self) {
        self.count = 0;
        self.validity.clear();
        self.offsets.truncate(4);
        self.data.clear();
        self.overflowed = false;
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[must_use]
    pub fn as_ref(&self) -> BinariesRef<'_> {
        let offsets = self.offsets.as_chunks::<4>().0;
        BinariesRef { count: self.count, validity: &self.validity, offsets, data: &self.data }
    }

    /// Count, validity, offsets and data, as they cross the boundary.
    #[must_use]
    pub fn parts(&self) -> (u32, &[u8], &[u8], &[u8]) {
        (self.count as u32, &self.validity, &self.offsets, &self.data)
    }
}

impl From<BinariesBuf> for (u32, Vec<u8>, Vec<u8>, Vec<u8>) {
    /// As of [`BinariesBuf::parts`].
    fn from(buf: BinariesBuf) -> Self {
        (buf.count as u32, buf.validity, buf.offsets, buf.data)
    }
}

/// By what they hold, whatever they could.
impl PartialEq for BinariesBuf {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for BinariesBuf {}

impl<B: AsRef<[u8]>> FromIterator<Option<B>> for BinariesBuf {
    fn from_iter<I: IntoIterator<Item = Option<B>>>(entries: I) -> Self {
        let mut binaries = Self::default();
        for entry in entries {
            binaries.push(entry.as_ref().map(AsRef::as_ref));
        }
        binaries
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_outside_of_the_data_are_refused() {
        let offsets: Vec<u8> = [0_i32, 3, 5].iter().flat_map(|offset| offset.to_le_bytes()).collect();
        assert!(BinariesRef::new(2, &[], &offsets, b"abcde").is_ok());
        assert!(matches!(
            BinariesRef::new(2, &[], &offsets, b"abcd"),
            Err(BinariesError::Entry { entry: 1, start: 3, end: 5, data: 4 })
        ));
        let descending: Vec<u8> = [0_i32, 3, 2].iter().flat_map(|offset| offset.to_le_bytes()).collect();
        assert!(matches!(
            BinariesRef::new(2, &[], &descending, b"abcd"),
            Err(BinariesError::Entry { entry: 1, start: 3, end: 2, .. })
        ));
        assert!(matches!(BinariesRef::new(3, &[], &offsets, b"abcde"), Err(BinariesError::Offsets { .. })));
        assert!(matches!(BinariesRef::new(9, &[1], &offsets, b""), Err(BinariesError::Validity { .. })));
        let late: Vec<u8> = [1_i32, 3].iter().flat_map(|offset| offset.to_le_bytes()).collect();
        assert!(matches!(BinariesRef::new(1, &[], &late, b"abc"), Err(BinariesError::Start { found: 1 })));
        let negative: Vec<u8> = [0_i32, -1, 1].iter().flat_map(|offset| offset.to_le_bytes()).collect();
        assert!(matches!(
            BinariesRef::new(2, &[], &negative, b"abc"),
            Err(BinariesError::Entry { entry: 0, start: 0, end: -1, .. })
        ));
        assert!(BinariesRef::new(0, &[], &[], &[]).is_ok());
    }

    #[test]
    fn an_entry_without_room_is_left_out_and_remembered() {
        let mut binaries = BinariesBuf::with_bytes_max(4);
        for entry in [b"abc".as_slice(), b"de", b"f"] {
            binaries.push(Some(entry));
        }
        assert_eq!(binaries.as_ref().iter().collect::<Vec<_>>(), [Some(b"abc".as_slice()), None, Some(b"f")]);
        assert!(binaries.overflowed());
        binaries.clear();
        binaries.push(Some(b"abcd"));
        assert!(!binaries.overflowed());
    }

    proptest! {
        #[test]
        fn whatever_the_buffers_hold_entries_lie_within_the_data_or_all_is_refused(
            count in 0_usize..20,
            validity in prop::collection::vec(any::<u8>(), 0..4),
            offsets in prop::collection::vec(prop_oneof![4 => 0_i32..9, 1 => any::<i32>()], 0..22),
            sorted in any::<bool>(),
            data in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let mut offsets = offsets;
            if sorted {
                offsets.sort_unstable();
                if let Some(first) = offsets.first_mut() {
                    *first = 0;
                }
            }
            let bytes: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
            if let Ok(read) = BinariesRef::new(count, &validity, &bytes, &data) {
                prop_assert_eq!(read.iter().count(), count);
                prop_assert_eq!(read.data_len(), (0..count).map(|at| offsets[at + 1] - offsets[at]).sum::<i32>() as usize);
                for (at, entry) in read.iter().enumerate() {
                    prop_assert_eq!(entry, read.get(at));
                    if let Some(entry) = entry {
                        prop_assert_eq!(entry, &data[offsets[at] as usize..offsets[at + 1] as usize]);
                    }
                }
            }
        }

        #[test]
        fn what_is_pushed_is_read(entries in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..9)), 0..40)) {
            let binaries: BinariesBuf = entries.iter().map(Option::as_ref).collect();
            let (count, validity, offsets, data) = binaries.parts();
            let read = BinariesRef::new(count as usize, validity, offsets, data).expect("valid");
            let owned = |entry: Option<&[u8]>| entry.map(<[u8]>::to_vec);
            prop_assert_eq!(read.data_len(), data.len());
            prop_assert_eq!(read.iter().map(owned).collect::<Vec<_>>(), entries.clone());
            let chunks: Vec<_> = read.chunks(8).collect();
            prop_assert_eq!(chunks.iter().map(BinariesRef::data_len).sum::<usize>(), data.len());
            prop_assert_eq!(chunks.iter().flat_map(BinariesRef::iter).map(owned).collect::<Vec<_>>(), entries);
        }
    }
}
