//! The WIT list of columns on its way out of the guest.
//!
//! Lifted by hand: wasmtime gives a handle of 48 bytes for every list, which for a record of six
//! fields is 28 times. Here the guest's memory is read as the bytes it is.

use wasmtime::ValRaw;
use wasmtime::component::__internal::CanonicalAbiInfo;
use wasmtime::component::__internal::InstanceType;
use wasmtime::component::__internal::InterfaceType;
use wasmtime::component::__internal::LiftContext;
use wasmtime::component::ComponentType;
use wasmtime::component::Lift;
use wasmtime::component::WasmList;

use crate::model::limits::COLUMNS_MAX;
use crate::wasm::columns::abi::COLUMN;
use crate::wasm::columns::abi::COLUMN_BUFFERS;
use crate::wasm::columns::abi::COLUMN_CHILDREN;
use crate::wasm::columns::abi::COLUMN_NULL_COUNT;
use crate::wasm::columns::abi::LIST;
use crate::wasm::columns::abi::U32;
use crate::wasm::columns::abi::types;
use crate::wasm::columns::arena::ALIGNMENT;
use crate::wasm::columns::arena::Arena;
use crate::wasm::columns::arena::ArenaBuilder;
use crate::wasm::columns::arena::BUFFERS_MAX;
use crate::wasm::columns::column_error::ColumnError;

/// A `list<column>` that the guest passed. Nothing of it has been looked at.
pub(in crate::wasm) struct ColumnsIn {
    pub(in crate::wasm) list: ListIn,
    /// All of the guest's memory, as a list of bytes.
    pub(in crate::wasm) memory: WasmList<u8>,
}

// SAFETY: size, alignment, flat form and type check are those of a list of columns.
#[expect(unsafe_code, reason = "wasmtime's traits of values that cross are unsafe to implement")]
unsafe impl ComponentType for ColumnsIn {
    type Lower = [ValRaw; 2];

    const ABI: CanonicalAbiInfo = <Vec<types::Column> as ComponentType>::ABI;

    fn typecheck(found: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        <Vec<types::Column> as ComponentType>::typecheck(found, types)
    }
}

// SAFETY: only memory that the guest has is read, through checked slices, when it is.
#[expect(unsafe_code, reason = "wasmtime's traits of values that cross are unsafe to implement")]
unsafe impl Lift for ColumnsIn {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        found: InterfaceType,
        values: &Self::Lower,
    ) -> wasmtime::Result<Self> {
        let [at, len] = values.map(|value| value.get_u32());
        // A memory of the full 4 GiB is one byte longer than a list can be.
        let end = u32::try_from(cx.memory().len()).unwrap_or(u32::MAX);
        let bytes = bytes_type(cx, found).ok_or_else(|| wasmtime::Error::msg("not a list of columns"))?;
        let memory = WasmList::linear_lift_from_flat(cx, bytes, &[ValRaw::u32(0), ValRaw::u32(end)])?;
        Ok(Self { list: ListIn { at, len }, memory })
    }

    fn linear_lift_from_memory(
        cx: &mut LiftContext<'_>,
        found: InterfaceType,
        bytes: &[u8],
    ) -> wasmtime::Result<Self> {
        let ListIn { at, len } = ListIn::read(bytes);
        Self::linear_lift_from_flat(cx, found, &[ValRaw::u32(at), ValRaw::u32(len)])
    }
}

/// The type `list<u8>`, found where a column has it: `buffers: list<list<u8>>` comes first.
fn bytes_type(cx: &LiftContext<'_>, columns: InterfaceType) -> Option<InterfaceType> {
    let element = |list: InterfaceType| match list {
        InterfaceType::List(index) => Some(cx.types[index].element),
        _ => None,
    };
    let InterfaceType::Record(column) = element(columns)? else { return None };
    element(cx.types[column].fields.first()?.ty)
}

/// A list in the guest's memory, as the guest has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListIn {
    pub at: u32,
    pub len: u32,
}

impl ListIn {
    #[inline]
    fn read(bytes: &[u8]) -> Self {
        Self { at: u32_at(bytes, 0), len: u32_at(bytes, U32) }
    }

    /// Its elements, of `N` bytes each.
    #[inline]
    fn elements<const N: usize>(self, memory: &[u8], align: u32) -> Result<&[[u8; N]], ColumnsFailure> {
        let (at, len) = (self.at as usize, self.len as usize);
        let end = len.checked_mul(N).and_then(|bytes| at.checked_add(bytes));
        let found = end.and_then(|end| memory.get(at..end)).ok_or(ColumnsFailure::OutOfBounds)?;
        if !self.at.is_multiple_of(align) {
            return Err(ColumnsFailure::NotAligned);
        }
        Ok(found.as_chunks().0)
    }
}

/// Why columns cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsFailure {
    /// The guest's to handle.
    #[error(transparent)]
    Refused(#[from] ColumnError),
    /// Ends the call, as does every pointer that points nowhere.
    #[error("list pointer/length out of bounds of memory")]
    OutOfBounds,
    #[error("list pointer is not aligned")]
    NotAligned,
}

/// Bytes that the host keeps for every column beside its buffers: about what an array takes.
const COLUMN_BYTES: u64 = 128;

/// What a list of columns amounts to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    pub columns: usize,
    pub buffers: usize,
    /// Bytes of all buffers. The same memory may be counted more than once.
    pub bytes: u64,
}

impl Extent {
    /// Checks where every part of a list of columns is, and counts.
    ///
    /// # Errors
    /// See [`ColumnsFailure`].
    pub fn of(columns: ListIn, memory: &[u8]) -> Result<Self, ColumnsFailure> {
        let count = columns.len as usize;
        if count > COLUMNS_MAX {
            return Err(ColumnsFailure::Refused(ColumnError::new(format!(
                "there are {count} columns; expected at most {COLUMNS_MAX}"
            ))));
        }
        let mut extent = Self { columns: count, ..Self::default() };
        // Every child is a column with one parent, so that there are more columns than children.
        let mut children_left = count;
        for (index, column) in columns.elements(memory, 4)?.iter().enumerate() {
            let (buffers, children) = (buffers(column), children(column));
            if buffers.len as usize > BUFFERS_MAX || children.len as usize > children_left {
                return Err(ColumnsFailure::Refused(ColumnError::new(format!(
                    "column {index} has {} buffers and {} children; expected at most {BUFFERS_MAX} buffers, and no more children than columns",
                    buffers.len, children.len
                ))));
            }
            children_left -= children.len as usize;
            children.elements::<U32>(memory, 4)?;
            for buffer in buffers.elements::<LIST>(memory, 4)? {
                let bytes = ListIn::read(buffer).elements::<1>(memory, 1)?;
                extent.bytes = extent.bytes.saturating_add(bytes.len() as u64);
                extent.buffers += 1;
            }
        }
        Ok(extent)
    }

    /// What the columns take in the host's memory, in bytes: buffers as they are aligned there, and
    /// the columns themselves, so that many that are empty are bounded too.
    #[must_use]
    pub fn host_bytes(&self) -> u64 {
        let alignment = (self.buffers as u64).saturating_mul(ALIGNMENT as u64);
        let columns = (self.columns as u64).saturating_mul(COLUMN_BYTES);
        self.bytes.saturating_add(alignment).saturating_add(columns)
    }

    /// Copies the list of columns that this is the extent of.
    ///
    /// # Errors
    /// None that [`Extent::of`] would not have found.
    pub fn copy(self, columns: ListIn, memory: &[u8]) -> Result<Arena, ColumnsFailure> {
        let mut arena = ArenaBuilder::new(self.buffers, usize::try_from(self.bytes).unwrap_or_default());
        for column in columns.elements(memory, 4)? {
            for buffer in buffers(column).elements::<LIST>(memory, 4)? {
                arena.buffer(ListIn::read(buffer).elements::<1>(memory, 1)?.as_flattened());
            }
            for child in children(column).elements::<U32>(memory, 4)? {
                arena.child(u32::from_le_bytes(*child));
            }
            arena.end_column(u32_at(column, COLUMN_NULL_COUNT));
        }
        Ok(arena.finish())
    }
}

#[inline]
fn buffers(column: &[u8; COLUMN]) -> ListIn {
    ListIn::read(column.get(COLUMN_BUFFERS..).unwrap_or_default())
}

#[inline]
fn children(column: &[u8; COLUMN]) -> ListIn {
    ListIn::read(column.get(COLUMN_CHILDREN..).unwrap_or_default())
}

/// Nothing shorter is ever asked.
#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(u32::from_le_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One column at 8 with `buffers` and `children`, in a memory of 100 bytes.
    fn column(buffers: [u32; 2], children: [u32; 2]) -> Vec<u8> {
        let mut memory = vec![0; 8];
        for value in [buffers, children].as_flattened().iter().chain(&[7]) {
            memory.extend(value.to_le_bytes());
        }
        // Two buffers, at 28: the last 5 bytes, and nothing at the very end.
        for value in [95_u32, 5, 100, 0] {
            memory.extend(value.to_le_bytes());
        }
        memory.resize(100, 9);
        memory
    }

    fn extent(memory: &[u8]) -> Result<Extent, ColumnsFailure> {
        Extent::of(ListIn { at: 8, len: 1 }, memory)
    }

    #[test]
    fn columns_are_read_where_they_are() {
        let memory = column([28, 2], [40, 1]);
        assert_eq!(extent(&memory), Ok(Extent { columns: 1, buffers: 2, bytes: 5 }));
        let mut arena =
            extent(&memory).and_then(|e| e.copy(ListIn { at: 8, len: 1 }, &memory)).expect("copied");
        let column = arena.take(0).expect("a column");
        assert_eq!((column.buffer_count(), column.child_count(), column.null_count), (2, 1, 7));
        assert_eq!(arena.buffer(&column, 0, 5, 1).expect("a buffer").as_slice(), [9; 5]);
        assert_eq!(arena.child(&column, 0), Ok(0));
    }

    #[test]
    fn lists_that_are_not_in_the_memory_are_found() {
        for (buffers, children) in [([u32::MAX - 3, 1], [0, 0]), ([96, 1], [0, 0]), ([28, 2], [100, 1])] {
            assert_eq!(extent(&column(buffers, children)), Err(ColumnsFailure::OutOfBounds));
        }
        let mut memory = column([28, 2], [0, 0]);
        memory[32] = 6;
        assert_eq!(
            extent(&memory),
            Err(ColumnsFailure::OutOfBounds),
            "the first buffer is one byte too long"
        );
        assert_eq!(extent(&column([29, 2], [0, 0])), Err(ColumnsFailure::NotAligned));
        assert_eq!(extent(&column([28, 2], [41, 1])), Err(ColumnsFailure::NotAligned));
        let end = ListIn { at: 84, len: 1 };
        assert_eq!(Extent::of(end, &column([28, 2], [0, 0])), Err(ColumnsFailure::OutOfBounds));
        // A list of nothing lies anywhere, up to the end.
        assert_eq!(Extent::of(ListIn { at: 100, len: 0 }, &[0; 100]), Ok(Extent::default()));
        assert_eq!(Extent::of(ListIn { at: 104, len: 0 }, &[0; 100]), Err(ColumnsFailure::OutOfBounds));
    }

    #[test]
    fn more_columns_buffers_or_children_than_there_can_be_are_refused() {
        let refused = |result: Result<Extent, ColumnsFailure>| match result {
            Err(ColumnsFailure::Refused(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        let many = Extent::of(ListIn { at: 0, len: u32::MAX }, &[]);
        assert!(refused(many).contains("4294967295 columns; expected at most 4096"));
        assert!(refused(extent(&column([28, 4], [0, 0]))).contains("column 0 has 4 buffers"));
        assert!(refused(extent(&column([28, 2], [40, 2]))).contains("2 children"));
    }
}
