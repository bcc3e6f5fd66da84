//! Body of the fuzz target for columns: whatever a guest hands over is refused or makes a valid array.

use std::sync::Arc;
use std::sync::LazyLock;

use arrow_array::Array;
use arrow_array::ArrayRef;

use crate::model::record_batch::Rows;
use crate::wasm::columns::arena::Arena;
use crate::wasm::columns::arena::ArenaBuilder;
use crate::wasm::columns::lift::lift;
use crate::wasm::columns::lower::Lowered;
use crate::wasm::columns::lower::bytes_of;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::columns::specimens::every_type;

/// A column as a guest would hand it over.
#[derive(Debug, Clone)]
pub struct RawColumn {
    pub buffers: Vec<Vec<u8>>,
    pub children: Vec<u32>,
    pub null_count: u32,
}

/// A change to columns that were good. Numbers beyond what is there are taken modulo, or change nothing.
#[derive(Debug, Clone)]
pub enum Damage {
    Byte { column: usize, buffer: usize, at: usize, to: u8 },
    Cut { column: usize, buffer: usize, to: usize },
    Child { column: usize, child: usize, to: u32 },
    NullCount { column: usize, to: u32 },
}

impl Damage {
    pub fn apply(&self, columns: &mut [RawColumn]) {
        let (Self::Byte { column, .. }
        | Self::Cut { column, .. }
        | Self::Child { column, .. }
        | Self::NullCount { column, .. }) = *self;
        let index = column.checked_rem(columns.len()).unwrap_or_default();
        let Some(column) = columns.get_mut(index) else { return };
        match *self {
            Self::Byte { buffer, at, to, .. } => {
                if let Some(bytes) = column.buffers.get_mut(buffer)
                    && let Some(at) = at.checked_rem(bytes.len())
                {
                    bytes[at] = to;
                }
            }
            Self::Cut { buffer, to, .. } => {
                if let Some(bytes) = column.buffers.get_mut(buffer) {
                    bytes.truncate(to);
                }
            }
            Self::Child { child, to, .. } => {
                if let Some(index) = column.children.get_mut(child) {
                    *index = to;
                }
            }
            Self::NullCount { to, .. } => column.null_count = to,
        }
    }
}

/// The body: columns of which the first is to be `len` rows of the shape.
///
/// # Panics
/// When an array comes out that is not what it should be: that is what a fuzz target looks for.
pub fn valid_or_refused(shape: &ColumnShape, columns: &[RawColumn], len: usize) {
    if let Ok(array) = lift(&mut arena(columns), shape, 0, len) {
        assert_eq!(array.len(), len);
        assert_eq!(array.data_type(), shape.data_type());
        array.to_data().validate_full().expect("valid by Arrow's own rules");
    }
}

/// The body, on bytes: a type, a number of rows, then either damage to good columns of that type, or
/// columns of whatever kind.
///
/// # Panics
/// As [`valid_or_refused`].
pub fn columns(data: &[u8]) {
    static TYPES: LazyLock<Vec<ArrayRef>> = LazyLock::new(every_type);
    let mut data = Bytes(data);
    let (kind, len) = (usize::from(data.byte()), data.byte());
    let array = &TYPES[kind / 2 % TYPES.len()];
    let shape = ColumnShape::untyped(array.data_type()).expect("the contract carries it");
    let columns = if kind.is_multiple_of(2) {
        let mut columns = lower(array);
        while !data.0.is_empty() {
            data.damage().apply(&mut columns);
        }
        columns
    } else {
        (0..data.byte() % 16).map(|_| data.column()).collect()
    };
    let len = match len {
        0xff => usize::MAX,
        0xfe => u32::MAX as usize,
        len => usize::from(len % 32),
    };
    valid_or_refused(&shape, &columns, array.len());
    valid_or_refused(&shape, &columns, len);
}

/// Takes values off the front; zeros after the end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A small number, mostly.
    fn number(&mut self) -> u32 {
        match self.byte() {
            0xff => u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
            small => u32::from(small),
        }
    }

    fn column(&mut self) -> RawColumn {
        let buffers = (0..self.byte() % 4).map(|_| (0..self.byte() % 64).map(|_| self.byte()).collect());
        let buffers = buffers.collect();
        let children = (0..self.byte() % 4).map(|_| self.number()).collect();
        RawColumn { buffers, children, null_count: self.number() }
    }

    fn damage(&mut self) -> Damage {
        let (kind, column, part) = (self.byte(), usize::from(self.byte()), usize::from(self.byte() % 4));
        let to = self.number();
        match kind % 4 {
            0 => Damage::Byte { column, buffer: part, at: to as usize, to: self.byte() },
            1 => Damage::Cut { column, buffer: part, to: to as usize },
            2 => Damage::Child { column, child: part, to },
            _ => Damage::NullCount { column, to },
        }
    }
}

/// The columns that the host would hand to a guest.
pub(super) fn lower(array: &ArrayRef) -> Vec<RawColumn> {
    let rows = Rows { count: array.len(), value: Some(Arc::clone(array)), ..Rows::default() };
    let mut lowered = Lowered::default();
    lowered.fill(&rows).expect("carried");
    assert_eq!(lowered.value, Some(0));
    lowered
        .columns
        .iter()
        .map(|column| RawColumn {
            buffers: lowered.buffers_of(column).iter().map(|buffer| bytes_of(buffer).to_vec()).collect(),
            children: lowered.children_of(column).to_vec(),
            null_count: column.null_count,
        })
        .collect()
}

/// The same where the host looks for what came from a guest.
pub(super) fn arena(columns: &[RawColumn]) -> Arena {
    let mut builder = ArenaBuilder::new(0, 0);
    for column in columns {
        column.buffers.iter().for_each(|buffer| builder.buffer(buffer));
        column.children.iter().for_each(|child| builder.child(*child));
        builder.end_column(column.null_count);
    }
    builder.finish()
}
