//! From what a guest says are columns to arrays that the host believes.
//!
//! Arrays are made by arrow-rs's checked constructors alone, so that none can be invalid; the
//! checks here come first because those constructors panic, say less, or know nothing of Avro.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BinaryArray;
use arrow_array::BooleanArray;
use arrow_array::FixedSizeBinaryArray;
use arrow_array::ListArray;
use arrow_array::MapArray;
use arrow_array::NullArray;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_array::UnionArray;
use arrow_buffer::BooleanBuffer;
use arrow_buffer::BooleanBufferBuilder;
use arrow_buffer::Buffer;
use arrow_buffer::NullBuffer;
use arrow_buffer::OffsetBuffer;
use arrow_buffer::ScalarBuffer;
use arrow_schema::ArrowError;
use arrow_schema::FieldRef;
use arrow_schema::Fields;
use arrow_schema::UnionFields;

use crate::wasm::columns::arena::Arena;
use crate::wasm::columns::arena::Column;
use crate::wasm::columns::bitmap;
use crate::wasm::columns::column_error::ColumnError;
use crate::wasm::columns::primitive::Primitive;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::columns::shape::Node;

/// Most elements of a column that has no bytes to show for them (null, empty struct, `fixed(0)`).
const WEIGHTLESS_ROWS_MAX: usize = 1 << 24;

/// Checks the column at `root` and everything under it against `shape`.
///
/// # Errors
/// When anything is not as the Arrow format and the shape demand: where and why.
pub fn lift(arena: &mut Arena, shape: &ColumnShape, root: u32, len: usize) -> Result<ArrayRef, ColumnError> {
    Lift { arena }.column(shape, None, root, len, None)
}

struct Lift<'a> {
    arena: &'a mut Arena,
}

impl Lift<'_> {
    /// `dead` marks (as null) the rows that lie under a null parent: they hold placeholders.
    fn column(
        &mut self,
        shape: &ColumnShape,
        parent: Option<u32>,
        index: u32,
        len: usize,
        dead: Option<&NullBuffer>,
    ) -> Result<ArrayRef, ColumnError> {
        if parent.is_some_and(|parent| index <= parent) {
            return Err(ColumnError::new(format!(
                "is column {index}; expected an index larger than its parent's, {}",
                parent.unwrap_or_default()
            )));
        }
        let column = self.arena.take(index)?;
        let (buffers, children) = shape.node.layout();
        if column.buffers.len() != buffers {
            return Err(ColumnError::new(format!(
                "has {} buffers; expected {buffers} for {}",
                column.buffers.len(),
                shape.data_type
            )));
        }
        if column.children.len() != children {
            return Err(ColumnError::new(format!(
                "has {} children; expected {children} for {}",
                column.children.len(),
                shape.data_type
            )));
        }
        if buffers == 0 || shape.node.is_weightless() {
            check_weightless(len)?;
        }
        let nulls = match &shape.node {
            Node::Null | Node::Union { .. } => None,
            _ => {
                let nulls = bitmap::validity(buffer(&column, 0)?, len, column.null_count)?;
                if shape.nullable {
                    nulls
                } else {
                    without_placeholders(nulls, dead)?
                }
            }
        };
        match &shape.node {
            Node::Null => null(&column, len),
            Node::Boolean => boolean(&column, len, nulls),
            Node::Primitive { width, values } => {
                let values_buffer = at_least(&column, 1, len.saturating_mul(*width), len)?;
                let live = NullBuffer::union(nulls.as_ref(), dead);
                Primitive {
                    data_type: &shape.data_type,
                    values: *values,
                    buffer: values_buffer,
                    len,
                    nulls,
                    live,
                }
                .build()
            }
            Node::FixedSizeBinary(size) => fixed(&column, *size, len, nulls),
            Node::Binary => {
                let (offsets, data) = offsets_and_data(&column, len)?;
                made(BinaryArray::try_new(offsets, data, nulls))
            }
            Node::Utf8 => {
                let (offsets, data) = offsets_and_data(&column, len)?;
                made(StringArray::try_new(offsets, data, nulls))
            }
            Node::List { item, field } => self.list(&column, index, item, field, nulls, dead, len),
            Node::Map { entries, field } => self.map(&column, index, entries, field, nulls, dead, len),
            Node::Struct { columns, fields } => {
                self.structure(&column, index, columns, fields, nulls, dead, len)
            }
            Node::Union { columns, fields } => self.union(&column, index, columns, fields, dead, len),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one column, taken apart by its only caller"
    )]
    fn list(
        &mut self,
        column: &Column,
        index: u32,
        item: &ColumnShape,
        field: &FieldRef,
        nulls: Option<NullBuffer>,
        dead: Option<&NullBuffer>,
        len: usize,
    ) -> Result<ArrayRef, ColumnError> {
        let offsets = offsets(column, len)?;
        let count = last(&offsets);
        let dead = dead_items(&offsets, NullBuffer::union(nulls.as_ref(), dead).as_ref(), count);
        let items = self
            .column(item, Some(index), child(column, 0)?, count, dead.as_ref())
            .map_err(|error| error.under(field.name()))?;
        made(ListArray::try_new(Arc::clone(field), offsets, items, nulls))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one column, taken apart by its only caller"
    )]
    fn map(
        &mut self,
        column: &Column,
        index: u32,
        entries: &ColumnShape,
        field: &FieldRef,
        nulls: Option<NullBuffer>,
        dead: Option<&NullBuffer>,
        len: usize,
    ) -> Result<ArrayRef, ColumnError> {
        let offsets = offsets(column, len)?;
        let count = last(&offsets);
        let dead = dead_items(&offsets, NullBuffer::union(nulls.as_ref(), dead).as_ref(), count);
        let pairs = self
            .column(entries, Some(index), child(column, 0)?, count, dead.as_ref())
            .map_err(|error| error.under(field.name()))?;
        let pairs = pairs
            .as_any()
            .downcast_ref::<StructArray>()
            .ok_or_else(|| ColumnError::new("the entries of a map are no struct"))?;
        made(MapArray::try_new(
            Arc::clone(field),
            offsets,
            pairs.clone(),
            nulls,
            false,
        ))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one column, taken apart by its only caller"
    )]
    fn structure(
        &mut self,
        column: &Column,
        index: u32,
        columns: &[ColumnShape],
        fields: &Fields,
        nulls: Option<NullBuffer>,
        dead: Option<&NullBuffer>,
        len: usize,
    ) -> Result<ArrayRef, ColumnError> {
        let dead = NullBuffer::union(nulls.as_ref(), dead);
        let mut arrays = Vec::with_capacity(columns.len());
        for ((shape, field), child) in columns.iter().zip(fields).zip(&column.children) {
            let array = self
                .column(shape, Some(index), *child, len, dead.as_ref())
                .map_err(|error| error.under(field.name()))?;
            arrays.push(array);
        }
        made(StructArray::try_new_with_length(
            fields.clone(),
            arrays,
            nulls,
            len,
        ))
    }

    fn union(
        &mut self,
        column: &Column,
        index: u32,
        columns: &[ColumnShape],
        fields: &UnionFields,
        dead: Option<&NullBuffer>,
        len: usize,
    ) -> Result<ArrayRef, ColumnError> {
        if column.null_count != 0 {
            return Err(ColumnError::new(format!(
                "`null-count` is {}; expected 0, since a union has no validity of its own",
                column.null_count
            )));
        }
        let type_ids = ScalarBuffer::<i8>::new(at_least(column, 0, len, len)?, 0, len);
        let offsets = ScalarBuffer::<i32>::new(at_least(column, 1, len.saturating_mul(4), len)?, 0, len);
        let mut lengths = vec![0_usize; columns.len()];
        for (row, (id, offset)) in type_ids.iter().zip(offsets.iter()).enumerate() {
            let slot = usize::try_from(*id).ok().and_then(|id| lengths.get_mut(id));
            let (Some(length), Ok(offset)) = (slot, usize::try_from(*offset)) else {
                return Err(ColumnError::new(format!(
                    "row {row} has the type id {id} and the offset {offset}; expected an id below {} and no negative offset",
                    columns.len()
                )));
            };
            *length = (*length).max(offset + 1);
        }
        let mut arrays = Vec::with_capacity(columns.len());
        for (((shape, (id, field)), child), length) in columns
            .iter()
            .zip(fields.iter())
            .zip(&column.children)
            .zip(&lengths)
        {
            let dead = dead.and_then(|dead| dead_branch(&type_ids, &offsets, dead, id, *length));
            let array = self
                .column(shape, Some(index), *child, *length, dead.as_ref())
                .map_err(|error| error.under(field.name()))?;
            arrays.push(array);
        }
        made(UnionArray::try_new(
            fields.clone(),
            type_ids,
            Some(offsets),
            arrays,
        ))
    }
}

impl Node {
    /// How many buffers and children a column has.
    fn layout(&self) -> (usize, usize) {
        match self {
            Self::Null => (0, 0),
            Self::Boolean | Self::Primitive { .. } | Self::FixedSizeBinary(_) => (2, 0),
            Self::Binary | Self::Utf8 => (3, 0),
            Self::List { .. } | Self::Map { .. } => (2, 1),
            Self::Struct { columns, .. } => (1, columns.len()),
            Self::Union { columns, .. } => (2, columns.len()),
        }
    }

    /// Whether rows may take no bytes at all.
    fn is_weightless(&self) -> bool {
        match self {
            Self::Null | Self::FixedSizeBinary(0) => true,
            Self::Struct { columns, .. } => columns.is_empty(),
            _ => false,
        }
    }
}

fn check_weightless(len: usize) -> Result<(), ColumnError> {
    if len > WEIGHTLESS_ROWS_MAX {
        return Err(ColumnError::new(format!(
            "has {len} rows; expected at most {WEIGHTLESS_ROWS_MAX}"
        )));
    }
    Ok(())
}

fn made<A: Array + 'static>(array: Result<A, ArrowError>) -> Result<ArrayRef, ColumnError> {
    match array {
        Ok(array) => Ok(Arc::new(array)),
        Err(ArrowError::InvalidArgumentError(message)) => Err(ColumnError::new(message)),
        Err(error) => Err(ColumnError::new(error.to_string())),
    }
}

fn null(column: &Column, len: usize) -> Result<ArrayRef, ColumnError> {
    if column.null_count != len {
        return Err(ColumnError::new(format!(
            "`null-count` is {}; expected {len}, every row of a null column",
            column.null_count
        )));
    }
    Ok(Arc::new(NullArray::new(len)))
}

fn boolean(column: &Column, len: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ColumnError> {
    let bits = at_least(column, 1, bitmap::bytes_for(len), len)?;
    made(Ok(BooleanArray::new(BooleanBuffer::new(bits, 0, len), nulls)))
}

fn fixed(
    column: &Column,
    size: usize,
    len: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ColumnError> {
    let bytes = at_least(column, 1, len.saturating_mul(size), len)?;
    let size =
        i32::try_from(size).map_err(|_| ColumnError::new(format!("{size} bytes a row are too many")))?;
    made(FixedSizeBinaryArray::try_new_with_len(size, bytes, nulls, len))
}

fn buffer(column: &Column, index: usize) -> Result<&Buffer, ColumnError> {
    column
        .buffers
        .get(index)
        .ok_or_else(|| ColumnError::new(format!("has no buffer {index}")))
}

fn child(column: &Column, index: usize) -> Result<u32, ColumnError> {
    column
        .children
        .get(index)
        .copied()
        .ok_or_else(|| ColumnError::new(format!("has no child {index}")))
}

/// The first `bytes` bytes of a buffer.
fn at_least(column: &Column, index: usize, bytes: usize, len: usize) -> Result<Buffer, ColumnError> {
    let buffer = buffer(column, index)?;
    if buffer.len() < bytes {
        return Err(ColumnError::new(format!(
            "buffer {index} has {} bytes; expected {bytes} for {len} rows",
            buffer.len()
        )));
    }
    Ok(buffer.slice_with_length(0, bytes))
}

/// Buffer 1 as offsets: `len + 1` of them, not negative, never falling.
fn offsets(column: &Column, len: usize) -> Result<OffsetBuffer<i32>, ColumnError> {
    if len == 0 && buffer(column, 1)?.is_empty() {
        // The format lets an array without rows leave its one offset out.
        return Ok(OffsetBuffer::new_empty());
    }
    let count = len.saturating_add(1);
    let offsets = ScalarBuffer::<i32>::new(at_least(column, 1, count.saturating_mul(4), len)?, 0, count);
    let first = offsets.first().copied().unwrap_or_default();
    // One pass without branches; the row is looked for only if there is one.
    let falls = offsets
        .windows(2)
        .fold(false, |any, pair| any | matches!(pair, [a, b] if a > b));
    if first < 0 || falls {
        let row = offsets
            .windows(2)
            .position(|pair| matches!(pair, [a, b] if a > b))
            .unwrap_or_default();
        let pair = offsets.get(row..row + 2).unwrap_or_default();
        return Err(ColumnError::new(format!(
            "row {row} has the offsets {pair:?}; expected offsets from 0 that never fall"
        )));
    }
    Ok(OffsetBuffer::new(offsets))
}

fn last(offsets: &OffsetBuffer<i32>) -> usize {
    usize::try_from(offsets.last()).unwrap_or_default()
}

/// Offsets with the data that they cut, and no more of it.
fn offsets_and_data(column: &Column, len: usize) -> Result<(OffsetBuffer<i32>, Buffer), ColumnError> {
    let offsets = offsets(column, len)?;
    let end = last(&offsets);
    let data = buffer(column, 2)?;
    if data.len() < end {
        return Err(ColumnError::new(format!(
            "the last offset is {end}, but the data buffer has {} bytes",
            data.len()
        )));
    }
    Ok((offsets, data.slice_with_length(0, end)))
}

/// A column that may not be null may still hold nulls under a null parent: placeholders, which
/// nobody reads. Without its validity it is what its type promises.
fn without_placeholders(
    nulls: Option<NullBuffer>,
    dead: Option<&NullBuffer>,
) -> Result<Option<NullBuffer>, ColumnError> {
    let Some(nulls) = nulls else { return Ok(None) };
    let live_null =
        (0..nulls.len()).find(|row| nulls.is_null(*row) && !dead.is_some_and(|dead| dead.is_null(*row)));
    match live_null {
        None => Ok(None),
        Some(row) => Err(ColumnError::new(format!(
            "row {row} is null; expected a value, since the field is not nullable"
        ))),
    }
}

/// The items of dead lists. Lists that are null have no items as a rule: then none is made.
fn dead_items(offsets: &OffsetBuffer<i32>, dead: Option<&NullBuffer>, count: usize) -> Option<NullBuffer> {
    let dead = dead?;
    let mut items: Option<BooleanBufferBuilder> = None;
    for (row, pair) in offsets.windows(2).enumerate() {
        let [start, end] = pair else { continue };
        if start < end && dead.is_null(row) {
            let items = items.get_or_insert_with(|| {
                let mut all = BooleanBufferBuilder::new(count);
                all.append_n(count, true);
                all
            });
            for item in *start..*end {
                items.set_bit(usize::try_from(item).unwrap_or_default(), false);
            }
        }
    }
    items.map(|mut items| NullBuffer::new(items.finish()))
}

/// The rows of one branch of a union that no live row of the union refers to.
fn dead_branch(
    type_ids: &ScalarBuffer<i8>,
    offsets: &ScalarBuffer<i32>,
    dead: &NullBuffer,
    id: i8,
    len: usize,
) -> Option<NullBuffer> {
    let mut live = BooleanBufferBuilder::new(len);
    live.append_n(len, false);
    for (row, (row_id, offset)) in type_ids.iter().zip(offsets.iter()).enumerate() {
        if *row_id == id && dead.is_valid(row) {
            live.set_bit(usize::try_from(*offset).unwrap_or_default(), true);
        }
    }
    Some(NullBuffer::new(live.finish()))
}
