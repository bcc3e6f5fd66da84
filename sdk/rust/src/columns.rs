//! Checked views of the columns that the host sent.

use std::fmt;

use crate::wire::Column;

/// A column without the shape that its Avro type fixes: a broken contract between host and guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnError(&'static str);

impl ColumnError {
    /// What was found wrong.
    #[cold]
    #[must_use]
    pub const fn new(what: &'static str) -> Self {
        Self(what)
    }
}

impl fmt::Display for ColumnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a column does not have the shape of its Avro type: {}", self.0)
    }
}

const MISSING: ColumnError = ColumnError::new("it refers to a column that is not there");
const BUFFERS: ColumnError = ColumnError::new("it has another number of buffers");
const CHILDREN: ColumnError = ColumnError::new("it has another number of children");
const SHORT: ColumnError = ColumnError::new("a buffer is shorter than its rows");
const OUT_OF_RANGE: ColumnError = ColumnError::new("a row index or an offset is out of range");
const NOT_UTF8: ColumnError = ColumnError::new("a text is not UTF-8");

/// How often the columns are read after a reader was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Every row: whole buffers are validated once, rows are then read without further checks.
    All,
    /// One row: only what is read is validated.
    One,
}

/// Every column of a batch, for readers to pick theirs from.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    columns: &'a [Column],
    pass: Pass,
}

impl<'a> Columns<'a> {
    /// Columns of which `pass` rows will be read.
    #[must_use]
    pub fn new(columns: &'a [Column], pass: Pass) -> Self {
        Self { columns, pass }
    }

    /// The column with this index, which must have so many buffers and children.
    ///
    /// # Errors
    /// When it does not exist or has another shape.
    pub fn get(self, index: u32, buffers: usize, children: usize) -> Result<&'a Column, ColumnError> {
        let column = self.columns.get(index as usize).ok_or(MISSING)?;
        if column.buffers.len() != buffers {
            return Err(BUFFERS);
        }
        if column.children.len() != children {
            return Err(CHILDREN);
        }
        Ok(column)
    }

    /// The column with this index, whatever its shape.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn any(self, index: u32) -> Result<&'a Column, ColumnError> {
        self.columns.get(index as usize).ok_or(MISSING)
    }

    /// The children of a struct column with so many fields.
    ///
    /// # Errors
    /// When it does not exist or has another shape.
    pub fn fields<const N: usize>(self, index: u32) -> Result<[u32; N], ColumnError> {
        let column = self.get(index, 1, N)?;
        <[u32; N]>::try_from(column.children.as_slice()).map_err(|_| CHILDREN)
    }

    /// The null rows of the column with this index.
    ///
    /// # Errors
    /// When it does not exist or its bitmap is shorter than `len` rows.
    pub fn validity(self, index: u32, len: usize) -> Result<Validity<'a>, ColumnError> {
        Validity::of(self.any(index)?, len)
    }

    /// How often the columns will be read.
    #[must_use]
    pub fn pass(self) -> Pass {
        self.pass
    }
}

/// The first `len` values of `N` bytes in buffer `index`.
pub(crate) fn values<const N: usize>(
    column: &Column,
    index: usize,
    len: usize,
) -> Result<&[[u8; N]], ColumnError> {
    let buffer = column.buffers.get(index).ok_or(BUFFERS)?;
    buffer.as_chunks::<N>().0.get(..len).ok_or(SHORT)
}

/// The value of a row, as `convert` makes it of the bytes where they lie: moved as bytes first, they
/// would reach the register in pieces.
#[inline(always)]
pub(crate) fn value<const N: usize, T>(
    values: &[[u8; N]],
    row: usize,
    convert: impl FnOnce(&[u8; N]) -> T,
) -> Result<T, ColumnError> {
    match values.get(row) {
        Some(bytes) => Ok(convert(bytes)),
        None => Err(OUT_OF_RANGE),
    }
}

/// The null rows of a column.
#[derive(Debug, Clone, Copy)]
pub struct Validity<'a>(Option<&'a [u8]>);

impl<'a> Validity<'a> {
    /// No null rows.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// The validity of a column whose first buffer holds it.
    ///
    /// # Errors
    /// When the bitmap is shorter than `len` rows.
    pub fn of(column: &'a Column, len: usize) -> Result<Self, ColumnError> {
        if column.null_count == 0 {
            return Ok(Self(None));
        }
        let bits = column.buffers.first().ok_or(BUFFERS)?;
        bits.get(..len.div_ceil(8)).map(|bits| Self(Some(bits))).ok_or(SHORT)
    }

    /// Whether the row is null.
    #[inline(always)]
    #[must_use]
    pub fn is_null(self, row: usize) -> bool {
        self.0.is_some_and(|bits| !bit(bits, row).unwrap_or(false))
    }

    /// Whether any row may be null.
    #[inline(always)]
    #[must_use]
    pub fn any_null(self) -> bool {
        self.0.is_some()
    }
}

/// A bit of a bitmap, least significant first.
#[inline(always)]
pub(crate) fn bit(bits: &[u8], row: usize) -> Result<bool, ColumnError> {
    bits.get(row >> 3).map(|byte| (byte >> (row & 7)) & 1 == 1).ok_or(OUT_OF_RANGE)
}

/// Where each row's values begin and end: `len + 1` offsets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offsets<'a>(&'a [[u8; 4]]);

impl<'a> Offsets<'a> {
    pub(crate) fn of(column: &'a Column, index: usize, len: usize) -> Result<Self, ColumnError> {
        // An array without rows may come without its single offset.
        values(column, index, if len == 0 { 0 } else { len + 1 }).map(Self)
    }

    #[inline(always)]
    pub(crate) fn range(self, row: usize) -> Result<std::ops::Range<usize>, ColumnError> {
        let Some([start, end]) = self.0.get(row..row + 2) else {
            return Err(OUT_OF_RANGE);
        };
        Ok(u32::from_le_bytes(*start) as usize..u32::from_le_bytes(*end) as usize)
    }

    /// The length of what the offsets point into.
    pub(crate) fn end(self) -> usize {
        self.0.last().map_or(0, |end| u32::from_le_bytes(*end) as usize)
    }
}

/// The texts or byte strings of a column.
#[derive(Debug, Clone, Copy)]
pub struct BytesReader<'a> {
    offsets: Offsets<'a>,
    bytes: &'a [u8],
}

impl<'a> BytesReader<'a> {
    pub(crate) fn new(columns: Columns<'a>, index: u32, len: usize) -> Result<Self, ColumnError> {
        let column = columns.get(index, 3, 0)?;
        let bytes = column.buffers.get(2).ok_or(BUFFERS)?;
        Ok(Self { offsets: Offsets::of(column, 1, len)?, bytes })
    }

    #[inline(always)]
    pub(crate) fn get(&self, row: usize) -> Result<&'a [u8], ColumnError> {
        self.bytes.get(self.offsets.range(row)?).ok_or(OUT_OF_RANGE)
    }

    /// Where a row's bytes lie in [`Self::bytes`].
    #[inline(always)]
    pub(crate) fn range(&self, row: usize) -> Result<std::ops::Range<usize>, ColumnError> {
        let range = self.offsets.range(row)?;
        if range.start <= range.end && range.end <= self.bytes.len() { Ok(range) } else { Err(OUT_OF_RANGE) }
    }

    /// The bytes of every row.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// The texts of a column. Read in full, they are validated at once and cut at character
/// boundaries afterwards, which is several times faster than validating each.
#[derive(Debug, Clone, Copy)]
pub enum TextReader<'a> {
    /// Validated as a whole.
    Whole(WholeText<'a>),
    /// Validated row by row.
    Rows(BytesReader<'a>),
}

/// A text buffer known to be UTF-8, and where each row's text lies in it.
#[derive(Debug, Clone, Copy)]
pub struct WholeText<'a> {
    offsets: Offsets<'a>,
    text: &'a str,
}

impl<'a> TextReader<'a> {
    pub(crate) fn new(columns: Columns<'a>, index: u32, len: usize) -> Result<Self, ColumnError> {
        let reader = BytesReader::new(columns, index, len)?;
        if columns.pass() == Pass::One {
            return Ok(Self::Rows(reader));
        }
        let used = reader.bytes.get(..reader.offsets.end()).ok_or(SHORT)?;
        let text = std::str::from_utf8(used).map_err(|_| NOT_UTF8)?;
        Ok(Self::Whole(WholeText { offsets: reader.offsets, text }))
    }

    #[inline(always)]
    pub(crate) fn get(&self, row: usize) -> Result<&'a str, ColumnError> {
        match self {
            Self::Whole(whole) => whole.text.get(whole.offsets.range(row)?).ok_or(NOT_UTF8),
            Self::Rows(reader) => std::str::from_utf8(reader.get(row)?).map_err(|_| NOT_UTF8),
        }
    }
}
