//! The WIT record `batch` on its way into the guest.
//!
//! Lowered by hand. Wasmtime's own lowering looks the guest's memory up anew for every field and
//! every pointer of every list, which for a record of six fields is about 140 times and costs more
//! than the guest does. Here the guest is first asked for all the room that is needed, list by list
//! as the canonical ABI has it, and then everything is written in one pass over its memory.

use std::mem::MaybeUninit;

use smallvec::SmallVec;
use wasmtime::ValRaw;
use wasmtime::component::__internal::CanonicalAbiInfo;
use wasmtime::component::__internal::InstanceType;
use wasmtime::component::__internal::InterfaceType;
use wasmtime::component::__internal::LowerContext;
use wasmtime::component::ComponentType;
use wasmtime::component::Lower;

use crate::model::record_batch::RecordBatch;
use crate::wasm::columns::abi::COLUMN;
use crate::wasm::columns::abi::COLUMN_BUFFERS;
use crate::wasm::columns::abi::COLUMN_CHILDREN;
use crate::wasm::columns::abi::COLUMN_NULL_COUNT;
use crate::wasm::columns::abi::LIST;
use crate::wasm::columns::abi::U32;
use crate::wasm::columns::abi::types;
use crate::wasm::columns::lower::Lowered;
use crate::wasm::columns::lower::bytes_of;

/// A batch with its columns laid out.
#[derive(Clone, Copy)]
pub(in crate::wasm) struct BatchOut<'a> {
    pub(in crate::wasm) batch: &'a RecordBatch,
    pub(in crate::wasm) lowered: &'a Lowered,
}

/// Values of a batch, one by one: more than are passed as such.
const FLAT: usize = size_of::<<types::Batch as ComponentType>::Lower>() / size_of::<ValRaw>();

// SAFETY: size, alignment, flat form and type check are those that wasmtime derives of the record.
#[expect(unsafe_code, reason = "wasmtime's traits of values that cross are unsafe to implement")]
unsafe impl ComponentType for BatchOut<'_> {
    type Lower = [ValRaw; FLAT];

    const ABI: CanonicalAbiInfo = <types::Batch as ComponentType>::ABI;

    fn typecheck(found: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        <types::Batch as ComponentType>::typecheck(found, types)
    }
}

// SAFETY: `linear_lower_to_memory` writes the whole record as the canonical ABI lays it out, which
// `Writer::record` asserts, with pointers that the guest's `realloc` gave for it.
#[expect(unsafe_code, reason = "wasmtime's traits of values that cross are unsafe to implement")]
unsafe impl Lower for BatchOut<'_> {
    fn linear_lower_to_flat<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        // It has more fields than a function may have values.
        Err(wasmtime::Error::msg("a batch is passed in memory only"))
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        offset: usize,
    ) -> wasmtime::Result<()> {
        let places = Places::take(self.lowered, |align, bytes| cx.realloc(0, 0, align, bytes))?;
        // The memory may have grown until here; now it stays where it is.
        Writer { memory: cx.as_slice_mut() }.batch(offset, self, &places)
    }
}

/// Where the guest wants each list.
struct Places {
    columns: usize,
    /// Column by column: the list of its buffers, each buffer, its children.
    parts: SmallVec<[usize; 64]>,
}

impl Places {
    fn take(
        lowered: &Lowered,
        mut realloc: impl FnMut(u32, usize) -> wasmtime::Result<usize>,
    ) -> wasmtime::Result<Self> {
        let mut parts = SmallVec::new();
        let columns = realloc(4, lowered.columns.len() * COLUMN)?;
        for column in &lowered.columns {
            let (buffers, children) = (lowered.buffers_of(column), lowered.children_of(column));
            parts.push(realloc(4, buffers.len() * LIST)?);
            for buffer in buffers {
                parts.push(realloc(1, bytes_of(buffer).len())?);
            }
            parts.push(realloc(4, children.len() * U32)?);
        }
        Ok(Self { columns, parts })
    }
}

/// The guest's memory.
struct Writer<'a> {
    memory: &'a mut [u8],
}

impl Writer<'_> {
    fn batch(&mut self, at: usize, out: &BatchOut<'_>, places: &Places) -> wasmtime::Result<()> {
        self.record(at, out, places.columns)?;
        let lowered = out.lowered;
        let mut parts = places.parts.iter().copied();
        let mut part = || parts.next().ok_or_else(misplaced);
        for (column, at) in lowered.columns.iter().zip((places.columns..).step_by(COLUMN)) {
            let (buffers, children) = (lowered.buffers_of(column), lowered.children_of(column));
            let list = part()?;
            for (buffer, entry) in buffers.iter().zip((list..).step_by(LIST)) {
                let (place, buffer) = (part()?, bytes_of(buffer));
                self.bytes(place, buffer)?;
                self.list(entry, place, buffer.len())?;
            }
            self.list(at + COLUMN_BUFFERS, list, buffers.len())?;
            let list = part()?;
            for (child, entry) in children.iter().zip((list..).step_by(U32)) {
                self.u32(entry, *child)?;
            }
            self.list(at + COLUMN_CHILDREN, list, children.len())?;
            self.u32(at + COLUMN_NULL_COUNT, column.null_count)?;
        }
        Ok(())
    }

    /// The record itself, whose fields stand as the canonical ABI aligns them.
    fn record(&mut self, at: usize, out: &BatchOut<'_>, columns: usize) -> wasmtime::Result<()> {
        const {
            assert!(<types::Batch as ComponentType>::SIZE32 == 88);
            assert!(<types::Batch as ComponentType>::ALIGN32 == 8);
        }
        let BatchOut { batch, lowered } = out;
        self.u32(at, batch.port.0)?;
        self.u32(at + 4, u32::try_from(batch.partition.0).unwrap_or_default())?;
        self.u32(at + 8, batch.event_watermark.is_some().into())?;
        self.bytes(at + 16, &batch.event_watermark.unwrap_or_default().to_le_bytes())?;
        self.option(at + 24, batch.schema.map(|schema| schema.0))?;
        self.u32(at + 32, u32::try_from(batch.rows.count).unwrap_or(u32::MAX))?;
        self.option(at + 36, lowered.key)?;
        self.option(at + 44, lowered.value)?;
        self.option(at + 52, lowered.timestamp)?;
        self.option(at + 60, lowered.headers)?;
        self.option(at + 68, lowered.offset)?;
        self.list(at + 76, columns, lowered.columns.len())
    }

    /// The padding after the discriminant is written too.
    fn option(&mut self, at: usize, value: Option<u32>) -> wasmtime::Result<()> {
        self.u32(at, value.is_some().into())?;
        self.u32(at + 4, value.unwrap_or_default())
    }

    fn list(&mut self, at: usize, pointer: usize, len: usize) -> wasmtime::Result<()> {
        self.u32(at, pointer as u32)?;
        self.u32(at + 4, len as u32)
    }

    #[inline]
    fn u32(&mut self, at: usize, value: u32) -> wasmtime::Result<()> {
        self.bytes(at, &value.to_le_bytes())
    }

    #[inline]
    fn bytes(&mut self, at: usize, bytes: &[u8]) -> wasmtime::Result<()> {
        let place = at.checked_add(bytes.len()).and_then(|end| self.memory.get_mut(at..end));
        place.ok_or_else(misplaced)?.copy_from_slice(bytes);
        Ok(())
    }
}

/// `realloc` has checked every place, so this is never seen.
#[cold]
fn misplaced() -> wasmtime::Error {
    wasmtime::Error::msg("a place for a column is outside of the guest's memory")
}
