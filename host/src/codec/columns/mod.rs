//! Column builders for one key or value: rows are appended value by value, a bad row is cut off
//! again, and at the end the whole becomes one Arrow array.
//!
//! [`Layout`] is the shape, made once from the schema. [`Store`] holds the values: one flat list of
//! columns per physical type, so that a decoding step reaches its column by one index.

mod finish;
mod layout;
mod rows;

use arrow_array::types::IntervalMonthDayNano;
use arrow_buffer::NullBufferBuilder;
use arrow_buffer::i256;

use crate::codec::fault::Fault;
use crate::model::arrow_type::data_type;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::SchemaError;

pub(crate) use finish::FinishError;
pub(crate) use layout::Layout;
pub(crate) use layout::Node;
pub(crate) use layout::NodeId;
pub(crate) use layout::Shape;

/// Most bytes of one batch that come from placeholders and defaults instead of its records, so
/// that few input bytes cannot become many column bytes. In lists, every step that reads nothing
/// counts as one, for the time that it takes.
const GROWTH_BYTES_MAX: usize = 64 << 20;

/// Builders of one column tree.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) layout: Layout,
    pub(crate) store: Store,
}

/// The values, by physical type.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) nulls: Vec<Validity>,
    /// Lengths of columns without values of their own: Null and Struct.
    pub(crate) lens: Vec<usize>,
    pub(crate) booleans: Vec<Vec<bool>>,
    pub(crate) int32: Vec<Vec<i32>>,
    pub(crate) int64: Vec<Vec<i64>>,
    pub(crate) float32: Vec<Vec<f32>>,
    pub(crate) float64: Vec<Vec<f64>>,
    pub(crate) bytes: Vec<BytesColumn>,
    pub(crate) fixed: Vec<FixedColumn>,
    pub(crate) decimal128: Vec<Vec<i128>>,
    pub(crate) decimal256: Vec<Vec<i256>>,
    pub(crate) interval: Vec<Vec<IntervalMonthDayNano>>,
    /// End of each list or map in its child; the leading 0 included.
    pub(crate) lists: Vec<Vec<i32>>,
    pub(crate) unions: Vec<UnionColumn>,
    /// Bytes that placeholders and defaults may still add.
    growth_left: usize,
}

/// A validity bitmap that takes no memory while there is no null.
#[derive(Debug)]
pub(crate) struct Validity(NullBufferBuilder);

impl Validity {
    fn new() -> Self {
        Self(NullBufferBuilder::new(0))
    }

    #[inline]
    pub(crate) fn valid(&mut self) {
        self.0.append_non_null();
    }

    #[inline]
    pub(crate) fn null(&mut self) {
        self.0.append_null();
    }
}

/// A Utf8 or Binary column.
#[derive(Debug)]
pub(crate) struct BytesColumn {
    /// The leading 0 included.
    pub(crate) offsets: Vec<i32>,
    pub(crate) data: Vec<u8>,
    /// Bytes of the last batch, to reserve as many for the next.
    last_len: usize,
}

/// Strings up to this length are copied as one block of it where the input allows.
const BLOCK: usize = 16;

impl BytesColumn {
    pub(crate) fn new() -> Self {
        Self { offsets: vec![0], data: Vec::new(), last_len: 0 }
    }

    /// Appends the first `len` bytes of `from`, which has as many.
    #[inline]
    pub(crate) fn push_prefix(&mut self, from: &[u8], len: usize) -> Result<(), Fault> {
        // A copy of fixed length is one instruction where one of variable length is a call.
        if let (true, Some(block)) = (len <= BLOCK, from.first_chunk::<BLOCK>()) {
            let end = self.data.len() + len;
            self.data.extend_from_slice(block);
            self.data.truncate(end);
        } else {
            self.data.extend_from_slice(from.get(..len).ok_or(Fault::AvroTruncated)?);
        }
        self.end_entry()
    }

    #[inline]
    pub(crate) fn push(&mut self, value: &[u8]) -> Result<(), Fault> {
        self.data.extend_from_slice(value);
        self.end_entry()
    }

    #[inline]
    pub(crate) fn end_entry(&mut self) -> Result<(), Fault> {
        let end = i32::try_from(self.data.len()).map_err(|_| Fault::TooLarge)?;
        self.offsets.push(end);
        Ok(())
    }
}

/// A FixedSizeBinary column.
#[derive(Debug)]
pub(crate) struct FixedColumn {
    pub(crate) size: usize,
    pub(crate) data: Vec<u8>,
    pub(crate) len: usize,
}

#[derive(Debug, Default)]
pub(crate) struct UnionColumn {
    pub(crate) type_ids: Vec<i8>,
    pub(crate) offsets: Vec<i32>,
}

/// The column behind an index of the layout.
#[inline]
pub(crate) fn slot<T>(columns: &mut [T], index: u32) -> Result<&mut T, Fault> {
    columns.get_mut(index as usize).ok_or(Fault::Internal)
}

impl Columns {
    /// Builders for values of `avro`. The root is nullable always, for null keys and tombstones,
    /// unless it is a union of its own.
    ///
    /// # Errors
    /// When the type cannot be carried as columns.
    pub(crate) fn new(avro: &AvroType) -> Result<Self, SchemaError> {
        let mut store = Store { growth_left: GROWTH_BYTES_MAX, ..Store::default() };
        let layout = Layout::new(avro, data_type(avro)?, &mut store);
        Ok(Self { layout, store })
    }

    /// Reserves room for a batch of so many rows.
    pub(crate) fn reserve(&mut self, rows: usize) {
        self.store.reserve(&self.layout, rows);
    }

    pub(crate) fn len(&self) -> usize {
        self.store.len(&self.layout, self.layout.root)
    }

    /// Drops the rows from `len` on, and whatever is unfinished after them.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.store.truncate(&self.layout, self.layout.root, len);
    }

    /// Appends a null root row: a null key or a tombstone.
    ///
    /// # Errors
    /// When the root is a union without a null branch.
    pub(crate) fn push_null(&mut self) -> Result<(), Fault> {
        let Self { layout, store } = self;
        if let Shape::Union { null_branch: None, .. } = layout.node(layout.root)?.shape {
            return Err(Fault::NullUnrepresentable);
        }
        store.placeholder(layout, layout.root)
    }
}
