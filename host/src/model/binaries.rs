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
    offsets: &'a [u8],
    data: &'a [u8],
}

impl<'a> BinariesRef<'a> {
    /// Checks the buffers. Offsets are little-endian signed 32-bit numbers, `count + 1` of them, or
    /// none when there are no entries.
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
        let expected = (count + 1) * 4;
        if offsets.len() < expected {
            return Err(BinariesError::Offsets { count, found: offsets.len(), expected });
        }
        let binaries = Self { count, validity, offsets, data };
        let mut start = 0;
        for entry in 0..=count {
            let end = binaries.offset(entry);
            if end < start || end > data.len() as i64 {
                let entry = entry.saturating_sub(1);
                return Err(BinariesError::Entry { entry, start, end, data: data.len() });
            }
            start = end;
        }
        Ok(binaries)
    }

    fn offset(&self, at: usize) -> i64 {
        let bytes = self.offsets.get(at * 4..at * 4 + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        bytes.map_or(-1, |bytes| i64::from(i32::from_le_bytes(bytes)))
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
        if entry >= self.count {
            return None;
        }
        let absent = self.validity.get(entry / 8).is_some_and(|byte| byte >> (entry % 8) & 1 == 0);
        if absent {
            return None;
        }
        let start = usize::try_from(self.offset(entry)).ok()?;
        let end = usize::try_from(self.offset(entry + 1)).ok()?;
        self.data.get(start..end)
    }

    /// Every entry in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&'a [u8]>> + use<'a> {
        let this = *self;
        (0..this.count).map(move |entry| this.get(entry))
    }

    /// Bytes of all entries.
    #[must_use]
    pub fn data_len(&self) -> usize {
        self.data.len()
    }
}

/// Byte strings, owned and growing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinariesBuf {
    count: usize,
    /// Empty while every entry is present.
    validity: Vec<u8>,
    offsets: Vec<u8>,
    data: Vec<u8>,
}

impl Default for BinariesBuf {
    fn default() -> Self {
        Self { count: 0, validity: Vec::new(), offsets: vec![0; 4], data: Vec::new() }
    }
}

impl BinariesBuf {
    /// Appends an entry.
    ///
    /// # Panics
    /// Never. Callers bound what they append far below 2 GiB, the most that offsets can tell.
    #[inline]
    pub fn push(&mut self, entry: Option<&[u8]>) {
        if entry.is_none() && self.validity.is_empty() {
            self.validity = vec![0xff; self.count.div_ceil(8)];
        }
        if !self.validity.is_empty() || entry.is_none() {
            if self.count.is_multiple_of(8) {
                self.validity.push(0xff);
            }
            if entry.is_none()
                && let Some(byte) = self.validity.get_mut(self.count / 8)
            {
                *byte &= !(1 << (self.count % 8));
            }
        }
        self.data.extend_from_slice(entry.unwrap_or_default());
        let end = i32::try_from(self.data.len()).unwrap_or(i32::MAX);
        self.offsets.extend_from_slice(&end.to_le_bytes());
        self.count += 1;
    }

    pub fn clear(&mut self) {
        self.count = 0;
        self.validity.clear();
        self.offsets.truncate(4);
        self.data.clear();
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
        BinariesRef { count: self.count, validity: &self.validity, offsets: &self.offsets, data: &self.data }
    }

    /// Count, validity, offsets and data, as they cross the boundary.
    #[must_use]
    pub fn parts(&self) -> (u32, &[u8], &[u8], &[u8]) {
        (self.count as u32, &self.validity, &self.offsets, &self.data)
    }
}

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
        assert!(BinariesRef::new(0, &[], &[], &[]).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_pushed_is_read(entries in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..9)), 0..40)) {
            let binaries: BinariesBuf = entries.iter().map(Option::as_ref).collect();
            let (count, validity, offsets, data) = binaries.parts();
            let read = BinariesRef::new(count as usize, validity, offsets, data).expect("valid");
            prop_assert_eq!(read.iter().map(|entry| entry.map(<[u8]>::to_vec)).collect::<Vec<_>>(), entries);
        }
    }
}
