//! From arrays to the buffers that a guest is given, without conversion.

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::ArrowPrimitiveType;
use arrow_array::GenericByteArray;
use arrow_array::MapArray;
use arrow_array::PrimitiveArray;
use arrow_array::UnionArray;
use arrow_array::cast::AsArray;
use arrow_array::downcast_primitive;
use arrow_array::types::ByteArrayType;
use arrow_buffer::Buffer;
use arrow_buffer::NullBuffer;
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use arrow_schema::UnionMode;
use smallvec::SmallVec;

use crate::model::record_batch::Rows;

/// The columns of one batch, laid out for the guest. Buffers are shared with the arrays, except
/// where a slice of an array had to be moved to offset 0.
#[derive(Debug, Default)]
pub struct Lowered {
    /// None for an empty one: an empty [`Buffer`] is an allocation too.
    pub(in crate::wasm) buffers: Vec<Option<Buffer>>,
    pub(in crate::wasm) columns: Vec<LoweredColumn>,
    pub(in crate::wasm) children: Vec<u32>,
    pub(in crate::wasm) key: Option<u32>,
    pub(in crate::wasm) value: Option<u32>,
    pub(in crate::wasm) timestamp: Option<u32>,
    pub(in crate::wasm) headers: Option<u32>,
    pub(in crate::wasm) offset: Option<u32>,
}

/// Ranges into [`Lowered`].
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::wasm) struct LoweredColumn {
    pub(in crate::wasm) buffers: (usize, usize),
    pub(in crate::wasm) children: (usize, usize),
    pub(in crate::wasm) null_count: u32,
}

/// A column of a type that the contract does not know reached the boundary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("columns of the type {0} cannot be given to a transform")]
pub struct NotCarried(pub DataType);

impl Lowered {
    /// Lays out every root of `rows`, in place of what was there.
    ///
    /// # Errors
    /// When an array has a type that the contract does not know.
    pub fn fill(&mut self, rows: &Rows) -> Result<(), NotCarried> {
        self.clear();
        let mut root = |array: Option<&dyn Array>| array.map(|array| self.push(array)).transpose();
        let key = root(rows.key.as_deref())?;
        let value = root(rows.value.as_deref())?;
        let timestamp = root(rows.timestamp.as_deref().map(|a| a as &dyn Array))?;
        let headers = root(rows.headers.as_deref())?;
        let offset = root(rows.offset.as_deref().map(|a| a as &dyn Array))?;
        (self.key, self.value, self.timestamp) = (key, value, timestamp);
        (self.headers, self.offset) = (headers, offset);
        Ok(())
    }

    /// Lets the arrays' buffers go; keeps its own room.
    pub fn clear(&mut self) {
        self.buffers.clear();
        self.columns.clear();
        self.children.clear();
    }

    pub(in crate::wasm) fn buffers_of(&self, column: &LoweredColumn) -> &[Option<Buffer>] {
        self.buffers.get(column.buffers.0..column.buffers.1).unwrap_or_default()
    }

    pub(in crate::wasm) fn children_of(&self, column: &LoweredColumn) -> &[u32] {
        self.children.get(column.children.0..column.children.1).unwrap_or_default()
    }

    /// Adds a column and everything under it; parents come before children.
    fn push(&mut self, array: &dyn Array) -> Result<u32, NotCarried> {
        let at = self.columns.len();
        self.columns.push(LoweredColumn::default());
        let first = self.buffers.len();
        let mut children: &[ArrayRef] = &[];
        let mut cut_children: SmallVec<[ArrayRef; 1]> = SmallVec::new();
        let mut null_count = array.null_count();
        match array.data_type() {
            // Without a validity buffer there are no nulls to count: neither here nor in a union.
            DataType::Null => null_count = 0,
            DataType::Boolean => {
                self.validity(array.nulls());
                self.buffers.push(Some(array.as_boolean().values().sliced()));
            }
            DataType::Utf8 => self.bytes(array.as_string::<i32>()),
            DataType::Binary => self.bytes(array.as_binary::<i32>()),
            DataType::FixedSizeBinary(_) => {
                let fixed = array.as_fixed_size_binary();
                self.validity(fixed.nulls());
                self.buffers.push(Some(fixed.values().clone()));
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                self.validity(list.nulls());
                cut_children.push(self.offsets(list.offsets(), list.values()));
            }
            DataType::Map(..) => {
                let map: &MapArray = array.as_map();
                self.validity(map.nulls());
                cut_children.push(self.offsets(map.offsets(), map.entries()));
            }
            DataType::Struct(_) => {
                let columns = array.as_struct();
                self.validity(columns.nulls());
                children = columns.columns();
            }
            DataType::Union(fields, UnionMode::Dense) => {
                let union = array.as_union();
                null_count = 0;
                self.buffers.push(Some(union.type_ids().inner().clone()));
                self.buffers.push(union.offsets().map(|offsets| offsets.inner().clone()));
                cut_children.extend(fields.iter().map(|(id, _)| branch(union, id)));
            }
            other => self.primitive(array, other)?,
        }
        let end = self.buffers.len();
        let mut indexes: SmallVec<[u32; 8]> = SmallVec::new();
        for child in children.iter().chain(&cut_children) {
            indexes.push(self.push(child)?);
        }
        let start = self.children.len();
        self.children.extend_from_slice(&indexes);
        if let Some(column) = self.columns.get_mut(at) {
            *column = LoweredColumn {
                buffers: (first, end),
                children: (start, self.children.len()),
                null_count: null_count as u32,
            };
        }
        Ok(at as u32)
    }

    fn validity(&mut self, nulls: Option<&NullBuffer>) {
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        self.buffers.push(nulls.map(|nulls| nulls.inner().sliced()));
    }

    fn primitive(&mut self, array: &dyn Array, data_type: &DataType) -> Result<(), NotCarried> {
        fn values<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<&PrimitiveArray<T>> {
            array.as_any().downcast_ref::<PrimitiveArray<T>>()
        }
        macro_rules! push_values {
            ($type:ty, $array:expr) => {
                if let Some(array) = values::<$type>($array) {
                    self.buffers.push(Some(array.values().inner().clone()));
                }
            };
        }
        self.validity(array.nulls());
        downcast_primitive! {
            data_type => (push_values, array),
            other => return Err(NotCarried(other.clone())),
        }
        Ok(())
    }

    fn bytes<T: ByteArrayType<Offset = i32>>(&mut self, array: &GenericByteArray<T>) {
        self.validity(array.nulls());
        let (start, end) = span(array.offsets());
        self.buffers.push(Some(rebased(array.offsets(), start)));
        self.buffers.push(Some(array.values().slice_with_length(start, end - start)));
    }

    /// Pushes the offsets and gives the part of the child that they span.
    fn offsets(&mut self, offsets: &OffsetBuffer<i32>, child: &dyn Array) -> ArrayRef {
        let (start, end) = span(offsets);
        self.buffers.push(Some(rebased(offsets, start)));
        child.slice(start, end - start)
    }
}

/// The bytes of a laid out buffer.
pub(in crate::wasm) fn bytes_of(buffer: &Option<Buffer>) -> &[u8] {
    buffer.as_ref().map_or(&[], Buffer::as_slice)
}

/// A branch, as far as the union's rows refer into it.
fn branch(union: &UnionArray, id: i8) -> ArrayRef {
    let offsets = union.offsets().map(AsRef::as_ref).unwrap_or_default();
    let rows = union.type_ids().iter().zip(offsets).filter(|(row_id, _)| **row_id == id);
    let last = rows.map(|(_, offset)| usize::try_from(*offset).unwrap_or_default()).max();
    let child = union.child(id);
    child.slice(0, last.map_or(0, |last| last + 1).min(child.len()))
}

fn span(offsets: &OffsetBuffer<i32>) -> (usize, usize) {
    let at = |offset: i32| usize::try_from(offset).unwrap_or_default();
    (at(offsets.first()), at(offsets.last()))
}

/// Offsets that begin at 0.
fn rebased(offsets: &OffsetBuffer<i32>, start: usize) -> Buffer {
    if start == 0 {
        return offsets.inner().inner().clone();
    }
    let start = i32::try_from(start).unwrap_or(i32::MAX);
    offsets.iter().map(|offset| offset - start).collect::<Vec<i32>>().into()
}
