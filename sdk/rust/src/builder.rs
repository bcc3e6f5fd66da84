//! What writes rows into column buffers.

use crate::error::Error;
use crate::error::Result;
use crate::wire::Column;

/// Builds one column, and its children, row by row.
pub trait Builder: Default {
    /// Makes room for so many rows.
    fn reserve(&mut self, rows: usize);

    /// Appends a row that nobody reads, because the row or its parent is null.
    fn placeholder(&mut self);

    /// Moves the column into `columns` and starts anew. The index of the column is given back.
    ///
    /// # Errors
    /// When the rows hold more than 2 GiB of text or bytes, or more than 2^31 items.
    fn finish(&mut self, nulls: Nulls, columns: &mut Vec<Column>) -> Result<u32>;

    /// Forgets every row.
    fn clear(&mut self);
}

/// The validity of a finished column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nulls {
    /// A bit a row, 1 = valid; empty when no row is null.
    pub bits: Vec<u8>,
    /// How many rows are null.
    pub count: u32,
}

/// Takes a place for a column before its children take theirs.
pub fn place(columns: &mut Vec<Column>) -> u32 {
    columns.push(Column::default());
    (columns.len() - 1) as u32
}

/// Puts a column where [`place`] made room for it.
pub fn put(columns: &mut [Column], index: u32, column: Column) {
    if let Some(slot) = columns.get_mut(index as usize) {
        *slot = column;
    }
}

/// Appends a column without children.
pub(crate) fn append(columns: &mut Vec<Column>, buffers: Vec<Vec<u8>>, null_count: u32) -> u32 {
    columns.push(Column { buffers, children: Vec::new(), null_count });
    (columns.len() - 1) as u32
}

/// Bits, least significant first.
#[derive(Debug, Default)]
pub(crate) struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    pub(crate) fn reserve(&mut self, bits: usize) {
        self.bytes.reserve(bits.div_ceil(8));
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, bit: bool) {
        let mask = u8::from(bit) << (self.len & 7);
        if self.len & 7 == 0 {
            self.bytes.push(mask);
        } else if let Some(last) = self.bytes.last_mut() {
            *last |= mask;
        }
        self.len += 1;
    }

    /// Appends set bits until there are `len`.
    fn fill(&mut self, len: usize) {
        while self.len < len {
            if self.len & 7 == 0 && len - self.len >= 8 {
                self.bytes.push(0xff);
                self.len += 8;
            } else {
                self.push(true);
            }
        }
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.len = 0;
        std::mem::take(&mut self.bytes)
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.bytes.clear();
    }
}

/// Builds a column with null rows around the builder of its values. The bitmap is made at the
/// first null, so that a column without nulls costs a counter.
#[derive(Debug, Default)]
pub struct NullableBuilder<B> {
    values: B,
    bits: Bits,
    len: usize,
    nulls: u32,
}

impl<B: Builder> NullableBuilder<B> {
    /// Appends a valid row, which `write` must append to the values.
    #[inline(always)]
    pub fn valid(&mut self, write: impl FnOnce(&mut B)) {
        write(&mut self.values);
        if self.nulls != 0 {
            self.bits.push(true);
        }
        self.len += 1;
    }

    /// Appends a null row.
    #[inline]
    pub fn null(&mut self) {
        if self.nulls == 0 {
            self.bits.fill(self.len);
        }
        self.nulls += 1;
        self.bits.push(false);
        self.values.placeholder();
        self.len += 1;
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<B: Builder> Builder for NullableBuilder<B> {
    fn reserve(&mut self, rows: usize) {
        self.values.reserve(rows);
    }

    fn placeholder(&mut self) {
        // Valid, so that a column under a null parent needs no bitmap of its own.
        self.valid(B::placeholder);
    }

    fn finish(&mut self, _: Nulls, columns: &mut Vec<Column>) -> Result<u32> {
        let nulls = Nulls { bits: self.bits.take(), count: self.nulls };
        self.len = 0;
        self.nulls = 0;
        self.values.finish(nulls, columns)
    }

    fn clear(&mut self) {
        self.values.clear();
        self.bits.clear();
        self.len = 0;
        self.nulls = 0;
    }
}

/// Builds a column of fixed-width values.
#[derive(Debug)]
pub struct FixedBuilder<const N: usize> {
    values: Vec<[u8; N]>,
}

impl<const N: usize> Default for FixedBuilder<N> {
    fn default() -> Self {
        Self { values: Vec::new() }
    }
}

impl<const N: usize> FixedBuilder<N> {
    /// Appends a value in its little-endian form.
    #[inline(always)]
    pub fn push(&mut self, value: [u8; N]) {
        self.values.push(value);
    }
}

impl<const N: usize> Builder for FixedBuilder<N> {
    fn reserve(&mut self, rows: usize) {
        self.values.reserve_exact(rows);
    }

    fn placeholder(&mut self) {
        self.values.push([0; N]);
    }

    fn finish(&mut self, nulls: Nulls, columns: &mut Vec<Column>) -> Result<u32> {
        let values = std::mem::take(&mut self.values).into_flattened();
        Ok(append(columns, vec![nulls.bits, values], nulls.count))
    }

    fn clear(&mut self) {
        self.values.clear();
    }
}

/// Builds a column of texts or byte strings.
#[derive(Debug, Default)]
pub struct BytesBuilder {
    offsets: Vec<[u8; 4]>,
    bytes: Vec<u8>,
    /// How many bytes the last column had: a guess for the next.
    last: usize,
}

impl BytesBuilder {
    /// Appends a value.
    #[inline(always)]
    pub fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.end();
    }

    #[inline(always)]
    fn end(&mut self) {
        if self.offsets.is_empty() {
            self.offsets.push([0; 4]);
        }
        self.offsets.push((self.bytes.len() as u32).to_le_bytes());
    }
}

impl Builder for BytesBuilder {
    fn reserve(&mut self, rows: usize) {
        self.offsets.reserve_exact(rows + 1);
        self.bytes.reserve(if self.last == 0 { rows * 16 } else { self.last + self.last / 8 });
    }

    fn placeholder(&mut self) {
        self.end();
    }

    fn finish(&mut self, nulls: Nulls, columns: &mut Vec<Column>) -> Result<u32> {
        let bytes = std::mem::take(&mut self.bytes);
        self.last = bytes.len();
        let offsets = finish_offsets(&mut self.offsets, bytes.len())?;
        Ok(append(columns, vec![nulls.bits, offsets, bytes], nulls.count))
    }

    fn clear(&mut self) {
        self.offsets.clear();
        self.bytes.clear();
    }
}

/// The offsets buffer, with its first offset even if there are no rows.
pub(crate) fn finish_offsets(offsets: &mut Vec<[u8; 4]>, end: usize) -> Result<Vec<u8>> {
    if end > i32::MAX as usize {
        return Err(Error::fatal(format!(
            "a column of one batch would hold {end} bytes or items; 2147483647 is the most"
        )));
    }
    if offsets.is_empty() {
        offsets.push([0; 4]);
    }
    Ok(std::mem::take(offsets).into_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmap_appears_with_the_first_null() {
        let mut builder = NullableBuilder::<FixedBuilder<4>>::default();
        for row in 0..10_i32 {
            builder.valid(|values| values.push(row.to_le_bytes()));
        }
        builder.null();
        builder.valid(|values| values.push([7; 4]));
        let mut columns = Vec::new();
        let index = builder.finish(Nulls::default(), &mut columns).expect("small");
        let column = &columns[index as usize];
        assert_eq!(column.null_count, 1);
        assert_eq!(column.buffers[0], [0xff, 0b1011]);
        assert_eq!(column.buffers[1].len(), 12 * 4);
        assert!(builder.is_empty());
    }

    #[test]
    fn empty_text_column_has_one_offset() {
        let mut columns = Vec::new();
        BytesBuilder::default().finish(Nulls::default(), &mut columns).expect("small");
        assert_eq!(columns[0].buffers, [vec![], vec![0; 4], vec![]]);
    }
}
