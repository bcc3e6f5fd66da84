//! What a guest emitted, copied once into aligned host memory.

use arrow_buffer::Buffer;
use arrow_buffer::MutableBuffer;
use smallvec::SmallVec;

use crate::wasm::columns::column_error::ColumnError;

/// Where each buffer begins. As Arrow recommends; enough for every type.
pub const ALIGNMENT: usize = 64;

/// Most rows of all columns together that have no bytes to show for them: null, a record without
/// fields, `fixed` of size 0.
const WEIGHTLESS_ROWS_MAX: usize = 1 << 20;

/// Most buffers that a column can have (validity, offsets, data).
pub const BUFFERS_MAX: usize = 3;

/// Columns as a guest describes them, before anything is believed. The buffers of all columns
/// share one allocation.
#[derive(Debug)]
pub struct Arena {
    memory: Buffer,
    parts: Parts,
    /// Rows without bytes that were found so far.
    weightless_rows: usize,
}

/// Fills an [`Arena`]: the buffers and children of a column, then its end, then the next column.
#[derive(Debug)]
pub struct ArenaBuilder {
    memory: MutableBuffer,
    parts: Parts,
    column: Column,
}

#[derive(Debug, Default)]
struct Parts {
    /// Start and length in the memory.
    buffers: SmallVec<[(usize, usize); 32]>,
    children: SmallVec<[u32; 16]>,
    columns: SmallVec<[Column; 16]>,
}

/// One column of an [`Arena`], as ranges of it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Column {
    buffers: (usize, usize),
    children: (usize, usize),
    pub(super) null_count: usize,
    /// Whether it has found its parent.
    is_taken: bool,
}

impl Column {
    pub(super) fn buffer_count(&self) -> usize {
        self.buffers.1 - self.buffers.0
    }

    pub(super) fn child_count(&self) -> usize {
        self.children.1 - self.children.0
    }
}

impl ArenaBuilder {
    /// With room for so many buffers of so many bytes in all. The caller has checked that this
    /// much may be taken.
    #[must_use]
    pub fn new(buffers: usize, bytes: usize) -> Self {
        let capacity = bytes.saturating_add(buffers.saturating_mul(ALIGNMENT));
        Self {
            memory: MutableBuffer::with_capacity(capacity),
            parts: Parts::default(),
            column: Column::default(),
        }
    }

    /// Copies a buffer of the current column.
    pub fn buffer(&mut self, bytes: &[u8]) {
        self.parts.buffers.push((self.memory.len(), bytes.len()));
        if !bytes.is_empty() {
            self.memory.extend_from_slice(bytes);
            self.memory.resize(self.memory.len().next_multiple_of(ALIGNMENT), 0);
        }
    }

    /// Adds a child of the current column.
    pub fn child(&mut self, index: u32) {
        self.parts.children.push(index);
    }

    /// Ends the current column.
    pub fn end_column(&mut self, null_count: u32) {
        let column = Column {
            buffers: (self.column.buffers.1, self.parts.buffers.len()),
            children: (self.column.children.1, self.parts.children.len()),
            null_count: null_count as usize,
            is_taken: false,
        };
        self.parts.columns.push(column);
        self.column = column;
    }

    /// Nothing more comes.
    #[must_use]
    pub fn finish(self) -> Arena {
        Arena { memory: self.memory.into(), parts: self.parts, weightless_rows: 0 }
    }
}

impl Arena {
    /// How many rows of all columns had no bytes: each costs the host as much as one that has.
    #[must_use]
    pub fn weightless_rows(&self) -> usize {
        self.weightless_rows
    }

    /// Counts the rows of a column that has no bytes.
    ///
    /// # Errors
    /// When there are too many in all columns together.
    pub(super) fn take_weightless(&mut self, rows: usize) -> Result<(), ColumnError> {
        let left = WEIGHTLESS_ROWS_MAX - self.weightless_rows;
        if rows > left {
            return Err(ColumnError::new(format!(
                "has {rows} rows without bytes; expected at most {left}, since all columns together may have {WEIGHTLESS_ROWS_MAX}"
            )));
        }
        self.weightless_rows += rows;
        Ok(())
    }

    /// The most rows that columns of so many bytes can have: a row takes at least a bit.
    pub(super) fn rows_max(&self) -> usize {
        self.memory.len().saturating_mul(8).saturating_add(WEIGHTLESS_ROWS_MAX)
    }

    /// Hands out a column, once.
    ///
    /// # Errors
    /// When there is no such column, or it was handed out before.
    pub(super) fn take(&mut self, index: u32) -> Result<Column, ColumnError> {
        let count = self.parts.columns.len();
        let Some(column) = self.parts.columns.get_mut(index as usize) else {
            return Err(ColumnError::new(format!("refers to column {index}, but there are {count} columns")));
        };
        if std::mem::replace(&mut column.is_taken, true) {
            return Err(ColumnError::new(format!(
                "refers to column {index}, which has another parent already"
            )));
        }
        Ok(*column)
    }

    /// A buffer of a column, from its `index` and its length.
    fn range(&self, column: &Column, index: usize) -> Result<(usize, usize), ColumnError> {
        (index < column.buffer_count())
            .then(|| self.parts.buffers.get(column.buffers.0 + index).copied())
            .flatten()
            .ok_or_else(|| ColumnError::new(format!("has no buffer {index}")))
    }

    /// The length of a buffer in bytes.
    pub(super) fn buffer_len(&self, column: &Column, index: usize) -> Result<usize, ColumnError> {
        self.range(column, index).map(|(_, len)| len)
    }

    /// The first `bytes` bytes of a buffer; none of it is missing.
    pub(super) fn buffer(
        &self,
        column: &Column,
        index: usize,
        bytes: usize,
        rows: usize,
    ) -> Result<Buffer, ColumnError> {
        let (start, len) = self.range(column, index)?;
        if len < bytes {
            return Err(ColumnError::new(format!(
                "buffer {index} has {len} bytes; expected {bytes} for {rows} rows"
            )));
        }
        Ok(self.memory.slice_with_length(start, bytes))
    }

    /// A child of a column.
    pub(super) fn child(&self, column: &Column, index: usize) -> Result<u32, ColumnError> {
        (index < column.child_count())
            .then(|| self.parts.children.get(column.children.0 + index).copied())
            .flatten()
            .ok_or_else(|| ColumnError::new(format!("has no child {index}")))
    }
}
