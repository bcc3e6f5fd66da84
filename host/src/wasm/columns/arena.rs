//! What a guest emitted, copied once into aligned host memory.

use arrow_buffer::Buffer;
use arrow_buffer::MutableBuffer;
use smallvec::SmallVec;

use crate::wasm::columns::column_error::ColumnError;

/// Where each buffer begins. As Arrow recommends; enough for every type.
const ALIGNMENT: usize = 64;

/// Most buffers that a column can have (validity, offsets, data).
pub const BUFFERS_MAX: usize = 3;

/// Columns as a guest describes them, before anything is believed. The buffers of all columns
/// share one allocation.
#[derive(Debug, Default)]
pub struct Arena {
    columns: Vec<Column>,
    /// Whether a column has found its parent.
    taken: Vec<bool>,
}

/// One column of an [`Arena`].
#[derive(Debug, Default)]
pub struct Column {
    pub(super) buffers: SmallVec<[Buffer; BUFFERS_MAX]>,
    pub(super) children: SmallVec<[u32; 4]>,
    pub(super) null_count: usize,
}

/// A column in the guest's memory.
#[derive(Debug)]
pub struct ColumnBytes<'m> {
    pub buffers: SmallVec<[&'m [u8]; BUFFERS_MAX]>,
    /// Indexes of columns.
    pub children: SmallVec<[u32; 4]>,
    pub null_count: u32,
}

impl Arena {
    /// Copies every buffer. The caller has checked that there is room for them.
    #[must_use]
    pub fn copy(source: &[ColumnBytes<'_>]) -> Self {
        let bytes = source
            .iter()
            .flat_map(|column| &column.buffers)
            .map(|buffer| buffer.len().next_multiple_of(ALIGNMENT))
            .sum();
        let mut memory = MutableBuffer::with_capacity(bytes);
        let mut ranges: SmallVec<[(usize, usize); 32]> = SmallVec::new();
        for buffer in source.iter().flat_map(|column| &column.buffers) {
            ranges.push((memory.len(), buffer.len()));
            memory.extend_from_slice(buffer);
            memory.resize(memory.len().next_multiple_of(ALIGNMENT), 0);
        }
        let memory = Buffer::from(memory);
        let mut ranges = ranges.into_iter();
        let columns: Vec<Column> = source
            .iter()
            .map(|column| Column {
                buffers: ranges
                    .by_ref()
                    .take(column.buffers.len())
                    .map(|(start, len)| memory.slice_with_length(start, len))
                    .collect(),
                children: column.children.clone(),
                null_count: column.null_count as usize,
            })
            .collect();
        Self {
            taken: vec![false; columns.len()],
            columns,
        }
    }

    /// Hands out a column, once.
    ///
    /// # Errors
    /// When there is no such column, or it was handed out before.
    pub(super) fn take(&mut self, index: u32) -> Result<Column, ColumnError> {
        let count = self.columns.len();
        let at = index as usize;
        let (Some(column), Some(taken)) = (self.columns.get_mut(at), self.taken.get_mut(at)) else {
            return Err(ColumnError::new(format!(
                "refers to column {index}, but there are {count} columns"
            )));
        };
        if std::mem::replace(taken, true) {
            return Err(ColumnError::new(format!(
                "refers to column {index}, which has another parent already"
            )));
        }
        Ok(std::mem::take(column))
    }
}
