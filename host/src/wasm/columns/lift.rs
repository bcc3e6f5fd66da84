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
use crate::wasm::columns::dead;
use crate::wasm::columns::primitive::Primitive;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::columns::shape::Node;

/// Checks the column at `root` and everything under it against `shape`.
///
/// # Errors
/// When anything is not as the Arrow format and the shape demand: where and why.
pub fn lift(arena: &mut Arena, shape: &ColumnShape, root: u32, len: usize) -> Result<ArrayRef, ColumnError> {
    let within = Within { parent: None, dead: None, is_exact: true };
    Lift { arena }.column(shape, &within, root, len)
}

struct Lift<'a> {
    arena: &'a mut Arena,
}

/// What a column lies in.
struct Within<'a> {
    parent: Option<u32>,
    /// Rows under a null parent, marked as null.
    dead: Option<&'a NullBuffer>,
    /// Whether the column has as many rows as its parent asks for. A branch of a union may have
    /// more than the union refers to, and so may all that lies in it.
    is_exact: bool,
}

/// A column while its array is made.
struct Part<'a> {
    column: Column,
    index: u32,
    len: usize,
    nulls: Option<NullBuffer>,
    within: &'a Within<'a>,
}

impl Part<'_> {
    /// Rows whose children are dead: null ones, and dead ones.
    fn dead_children(&self) -> Option<NullBuffer> {
        NullBuffer::union(self.nulls.as_ref(), self.within.dead)
    }

    fn child<'d>(&self, dead: Option<&'d NullBuffer>) -> Within<'d> {
        Within { parent: Some(self.index), dead, is_exact: self.within.is_exact }
    }
}

impl Lift<'_> {
    fn column(
        &mut self,
        shape: &ColumnShape,
        within: &Within<'_>,
        index: u32,
        len: usize,
    ) -> Result<ArrayRef, ColumnError> {
        if let Some(parent) = within.parent
            && index <= parent
        {
            return Err(ColumnError::new(format!(
                "is column {index}; expected an index larger than its parent's, {parent}"
            )));
        }
        let column = self.arena.take(index)?;
        check_layout(&column, shape)?;
        if shape.node.is_weightless() {
            self.arena.take_weightless(len)?;
        }
        let nulls = match &shape.node {
            Node::Null | Node::Union { .. } => None,
            _ => {
                let nulls = bitmap::validity(self.arena, &column, len, within.is_exact)?;
                if shape.nullable { nulls } else { dead::without_placeholders(nulls, within.dead)? }
            }
        };
        let part = Part { column, index, len, nulls, within };
        match &shape.node {
            Node::Null => null(&part),
            Node::Boolean => self.boolean(part),
            Node::Primitive { width, values } => Primitive {
                data_type: &shape.data_type,
                values: *values,
                buffer: self.buffer(&part, 1, len.saturating_mul(*width))?,
                len,
                live: part.dead_children(),
                nulls: part.nulls,
            }
            .build(),
            Node::FixedSizeBinary(size) => self.fixed(part, *size),
            Node::Binary => {
                let (offsets, data) = self.offsets_and_data(&part)?;
                made(BinaryArray::try_new(offsets, data, part.nulls))
            }
            Node::Utf8 => {
                let (offsets, data) = self.offsets_and_data(&part)?;
                made(StringArray::try_new(offsets, data, part.nulls))
            }
            Node::List { item, field } => self.list(part, item, field),
            Node::Map { entries, field } => self.map(part, entries, field),
            Node::Struct { columns, fields } => self.structure(part, columns, fields),
            Node::Union { columns, fields } => self.union(&part, columns, fields),
        }
    }

    fn boolean(&self, part: Part<'_>) -> Result<ArrayRef, ColumnError> {
        let bits = self.buffer(&part, 1, bitmap::bytes_for(part.len))?;
        made(Ok(BooleanArray::new(BooleanBuffer::new(bits, 0, part.len), part.nulls)))
    }

    fn fixed(&self, part: Part<'_>, size: usize) -> Result<ArrayRef, ColumnError> {
        let bytes = self.buffer(&part, 1, part.len.saturating_mul(size))?;
        let size =
            i32::try_from(size).map_err(|_| ColumnError::new(format!("{size} bytes a row are too many")))?;
        made(FixedSizeBinaryArray::try_new_with_len(size, bytes, part.nulls, part.len))
    }

    fn list(
        &mut self,
        part: Part<'_>,
        item: &ColumnShape,
        field: &FieldRef,
    ) -> Result<ArrayRef, ColumnError> {
        let (offsets, items) = self.items(&part, item, field)?;
        made(ListArray::try_new(Arc::clone(field), offsets, items, part.nulls))
    }

    fn map(
        &mut self,
        part: Part<'_>,
        entries: &ColumnShape,
        field: &FieldRef,
    ) -> Result<ArrayRef, ColumnError> {
        let (offsets, pairs) = self.items(&part, entries, field)?;
        let Some(pairs) = pairs.as_any().downcast_ref::<StructArray>() else {
            return Err(ColumnError::new("the entries of a map are no struct"));
        };
        made(MapArray::try_new(Arc::clone(field), offsets, pairs.clone(), part.nulls, false))
    }

    /// Offsets, and the child that they cut.
    fn items(
        &mut self,
        part: &Part<'_>,
        item: &ColumnShape,
        field: &FieldRef,
    ) -> Result<(OffsetBuffer<i32>, ArrayRef), ColumnError> {
        let offsets = self.offsets(part)?;
        let count = last(&offsets);
        self.check_count(count)?;
        let dead = dead::items(&offsets, part.dead_children().as_ref(), count);
        let child = self.arena.child(&part.column, 0)?;
        let items = self
            .column(item, &part.child(dead.as_ref()), child, count)
            .map_err(|error| error.under(field.name()))?;
        Ok((offsets, items))
    }

    fn structure(
        &mut self,
        part: Part<'_>,
        columns: &[ColumnShape],
        fields: &Fields,
    ) -> Result<ArrayRef, ColumnError> {
        let dead = part.dead_children();
        let mut arrays = Vec::with_capacity(columns.len());
        for (position, (shape, field)) in columns.iter().zip(fields).enumerate() {
            let child = self.arena.child(&part.column, position)?;
            let array = self
                .column(shape, &part.child(dead.as_ref()), child, part.len)
                .map_err(|error| error.under(field.name()))?;
            arrays.push(array);
        }
        made(StructArray::try_new_with_length(fields.clone(), arrays, part.nulls, part.len))
    }

    fn union(
        &mut self,
        part: &Part<'_>,
        columns: &[ColumnShape],
        fields: &UnionFields,
    ) -> Result<ArrayRef, ColumnError> {
        let len = part.len;
        check_no_nulls(&part.column, "a union")?;
        let type_ids = ScalarBuffer::<i8>::new(self.buffer(part, 0, len)?, 0, len);
        let offsets = ScalarBuffer::<i32>::new(self.buffer(part, 1, len.saturating_mul(4))?, 0, len);
        let mut lengths = vec![0_usize; columns.len()];
        for (row, (id, offset)) in type_ids.iter().zip(offsets.iter()).enumerate() {
            let slot = usize::try_from(*id).ok().and_then(|id| lengths.get_mut(id));
            let (Some(length), Ok(offset)) = (slot, usize::try_from(*offset)) else {
                return Err(ColumnError::new(format!(
                    "row {row} has the type id {id} and the offset {offset}; expected an id below {} and no negative offset",
                    columns.len()
                )));
            };
            // A value that many rows share would be encoded many times over.
            if offset < *length {
                return Err(ColumnError::new(format!(
                    "row {row} has the offset {offset} in branch {id}; expected {length} or more, since the offsets of a branch rise"
                )));
            }
            *length = offset + 1;
        }
        self.check_count(lengths.iter().sum())?;
        let dead = dead::branches(&type_ids, &offsets, part.within.dead, &lengths);
        let mut arrays = Vec::with_capacity(columns.len());
        for (position, ((shape, (_, field)), length)) in
            columns.iter().zip(fields.iter()).zip(&lengths).enumerate()
        {
            let child = self.arena.child(&part.column, position)?;
            let dead = dead.as_ref().and_then(|dead| dead.get(position));
            let within = Within { is_exact: false, ..part.child(dead) };
            let array =
                self.column(shape, &within, child, *length).map_err(|error| error.under(field.name()))?;
            arrays.push(array);
        }
        made(UnionArray::try_new(fields.clone(), type_ids, Some(offsets), arrays))
    }

    /// Refuses children that cannot be there, before anything is made in their number: eight rows
    /// take a byte somewhere, or count as weightless.
    fn check_count(&self, count: usize) -> Result<(), ColumnError> {
        let max = self.arena.rows_max();
        if count > max {
            return Err(ColumnError::new(format!(
                "refers to {count} child rows; expected at most {max} in an emission of so many bytes"
            )));
        }
        Ok(())
    }

    fn buffer(&self, part: &Part<'_>, index: usize, bytes: usize) -> Result<Buffer, ColumnError> {
        self.arena.buffer(&part.column, index, bytes, part.len)
    }

    /// Buffer 1 as offsets: one more than rows, not negative, never falling.
    fn offsets(&self, part: &Part<'_>) -> Result<OffsetBuffer<i32>, ColumnError> {
        if part.len == 0 && self.arena.buffer_len(&part.column, 1)? == 0 {
            // The format lets an array without rows leave its one offset out.
            return Ok(OffsetBuffer::new_empty());
        }
        let count = part.len.saturating_add(1);
        let offsets = ScalarBuffer::<i32>::from(self.buffer(part, 1, count.saturating_mul(4))?);
        let (first, rest) = offsets.split_first().unwrap_or((&0, &[]));
        // One pass without branches; the row is looked for only if there is one.
        let falls = offsets.iter().zip(rest).fold(false, |any, (a, b)| any | (a > b));
        if *first < 0 || falls {
            let row = offsets.iter().zip(rest).position(|(a, b)| a > b).unwrap_or_default();
            return Err(ColumnError::new(format!(
                "row {row} has the offsets {:?}; expected offsets from 0 that never fall",
                offsets.get(row..row + 2).unwrap_or_default()
            )));
        }
        Ok(OffsetBuffer::new(offsets))
    }

    /// Offsets with the data that they cut, and no more of it.
    fn offsets_and_data(&self, part: &Part<'_>) -> Result<(OffsetBuffer<i32>, Buffer), ColumnError> {
        let offsets = self.offsets(part)?;
        let (end, len) = (last(&offsets), self.arena.buffer_len(&part.column, 2)?);
        if len < end {
            return Err(ColumnError::new(format!(
                "the last offset is {end}, but the data buffer has {len} bytes"
            )));
        }
        Ok((offsets, self.buffer(part, 2, end)?))
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

fn check_layout(column: &Column, shape: &ColumnShape) -> Result<(), ColumnError> {
    let (buffers, children) = shape.node.layout();
    let (found_buffers, found_children) = (column.buffer_count(), column.child_count());
    if (buffers, children) == (found_buffers, found_children) {
        return Ok(());
    }
    Err(ColumnError::new(format!(
        "has {found_buffers} buffers and {found_children} children; expected {buffers} and {children} for {}",
        shape.data_type
    )))
}

fn made<A: Array + 'static>(array: Result<A, ArrowError>) -> Result<ArrayRef, ColumnError> {
    match array {
        Ok(array) => Ok(Arc::new(array)),
        Err(ArrowError::InvalidArgumentError(message)) => Err(ColumnError::new(message)),
        Err(error) => Err(ColumnError::new(error.to_string())),
    }
}

fn null(part: &Part<'_>) -> Result<ArrayRef, ColumnError> {
    check_no_nulls(&part.column, "a null column")?;
    Ok(Arc::new(NullArray::new(part.len)))
}

/// The contract counts no nulls where there is no validity buffer to count them in.
fn check_no_nulls(column: &Column, what: &str) -> Result<(), ColumnError> {
    if column.null_count != 0 {
        return Err(ColumnError::new(format!(
            "`null-count` is {}; expected 0, since {what} has no validity of its own",
            column.null_count
        )));
    }
    Ok(())
}

fn last(offsets: &OffsetBuffer<i32>) -> usize {
    usize::try_from(offsets.last()).unwrap_or_default()
}
