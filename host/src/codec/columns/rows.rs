//! Whole rows of a column tree: placeholders, lengths, cutting off.

use arrow_array::types::IntervalMonthDayNano;
use arrow_buffer::i256;

use crate::codec::columns::Layout;
use crate::codec::columns::NodeId;
use crate::codec::columns::Shape;
use crate::codec::columns::Store;
use crate::codec::columns::slot;
use crate::codec::fault::Fault;

/// What one entry of a column takes, about, in bytes.
const ENTRY_BYTES: usize = 16;

impl Store {
    /// Appends a null where the column can hold one, else a value that stands for nothing.
    pub(crate) fn placeholder(&mut self, layout: &Layout, id: NodeId) -> Result<(), Fault> {
        let node = layout.node(id)?;
        if let Some(nulls) = node.nulls {
            slot(&mut self.nulls, nulls)?.null();
        }
        match &node.shape {
            Shape::Null(index) => *slot(&mut self.lens, *index)? += 1,
            Shape::Boolean(index) => slot(&mut self.booleans, *index)?.push(false),
            Shape::Int32(index) => slot(&mut self.int32, *index)?.push(0),
            Shape::Int64(index) => slot(&mut self.int64, *index)?.push(0),
            Shape::Float32(index) => slot(&mut self.float32, *index)?.push(0.0),
            Shape::Float64(index) => slot(&mut self.float64, *index)?.push(0.0),
            Shape::Bytes(index) => slot(&mut self.bytes, *index)?.end_entry()?,
            Shape::Fixed(index) => {
                let size = slot(&mut self.fixed, *index)?.size;
                self.grow(size)?;
                let column = slot(&mut self.fixed, *index)?;
                column.data.resize(column.data.len() + size, 0);
                column.len += 1;
            }
            Shape::Decimal128(index) => slot(&mut self.decimal128, *index)?.push(0),
            Shape::Decimal256(index) => slot(&mut self.decimal256, *index)?.push(i256::ZERO),
            Shape::Interval(index) => slot(&mut self.interval, *index)?.push(IntervalMonthDayNano::ZERO),
            Shape::Struct { len, children } => {
                // One byte of a record, or none, can stand for thousands of fields.
                self.grow(children.len().saturating_mul(ENTRY_BYTES))?;
                for child in children {
                    self.placeholder(layout, *child)?;
                }
                *slot(&mut self.lens, *len)? += 1;
            }
            Shape::List { list, .. } | Shape::Map { list, .. } => {
                let ends = slot(&mut self.lists, *list)?;
                let end = ends.last().copied().unwrap_or(0);
                ends.push(end);
            }
            Shape::Union { union, children, null_branch } => {
                let branch = null_branch.unwrap_or(0);
                let child = *children.get(branch as usize).ok_or(Fault::Internal)?;
                self.branch(layout, *union, branch, child)?;
                self.placeholder(layout, child)?;
            }
        }
        Ok(())
    }

    /// Begins a union's row: its value follows in the child.
    #[inline]
    pub(crate) fn branch(
        &mut self,
        layout: &Layout,
        union: u32,
        branch: i8,
        child: NodeId,
    ) -> Result<(), Fault> {
        let offset = i32::try_from(self.len(layout, child)).map_err(|_| Fault::TooLarge)?;
        let column = slot(&mut self.unions, union)?;
        column.type_ids.push(branch);
        column.offsets.push(offset);
        Ok(())
    }

    /// Ends a list's or map's row at the current end of its child.
    #[inline]
    pub(crate) fn end_list(&mut self, layout: &Layout, list: u32, child: NodeId) -> Result<(), Fault> {
        let end = i32::try_from(self.len(layout, child)).map_err(|_| Fault::TooLarge)?;
        slot(&mut self.lists, list)?.push(end);
        Ok(())
    }

    /// Counts an entry that the record does not have: a default of so many bytes in Avro, where a
    /// number takes one byte at least.
    #[inline]
    pub(crate) fn grow_by_default(&mut self, bytes: usize) -> Result<(), Fault> {
        self.grow(bytes.saturating_mul(size_of::<i64>()).saturating_add(ENTRY_BYTES))
    }

    /// Counts bytes that do not come from the record itself.
    #[inline]
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Fault> {
        self.growth_left = self.growth_left.checked_sub(bytes).ok_or(Fault::TooLarge)?;
        Ok(())
    }

    /// How many entries a column has.
    pub(crate) fn len(&self, layout: &Layout, id: NodeId) -> usize {
        let Ok(node) = layout.node(id) else { return 0 };
        fn of<T>(columns: &[T], index: u32, len: impl Fn(&T) -> usize) -> usize {
            columns.get(index as usize).map_or(0, len)
        }
        match &node.shape {
            Shape::Null(index) | Shape::Struct { len: index, .. } => of(&self.lens, *index, |len| *len),
            Shape::Boolean(index) => of(&self.booleans, *index, Vec::len),
            Shape::Int32(index) => of(&self.int32, *index, Vec::len),
            Shape::Int64(index) => of(&self.int64, *index, Vec::len),
            Shape::Float32(index) => of(&self.float32, *index, Vec::len),
            Shape::Float64(index) => of(&self.float64, *index, Vec::len),
            Shape::Bytes(index) => of(&self.bytes, *index, |column| column.offsets.len() - 1),
            Shape::Fixed(index) => of(&self.fixed, *index, |column| column.len),
            Shape::Decimal128(index) => of(&self.decimal128, *index, Vec::len),
            Shape::Decimal256(index) => of(&self.decimal256, *index, Vec::len),
            Shape::Interval(index) => of(&self.interval, *index, Vec::len),
            Shape::List { list, .. } | Shape::Map { list, .. } => {
                of(&self.lists, *list, |ends| ends.len() - 1)
            }
            Shape::Union { union, .. } => of(&self.unions, *union, |column| column.type_ids.len()),
        }
    }

    /// Drops the entries from `len` on, also where only some of a tree's columns have them.
    pub(crate) fn truncate(&mut self, layout: &Layout, id: NodeId, len: usize) {
        let Ok(node) = layout.node(id) else { return };
        if let Some(nulls) = node.nulls.and_then(|nulls| self.nulls.get_mut(nulls as usize)) {
            nulls.0.truncate(len);
        }
        fn cut<T>(columns: &mut [Vec<T>], index: u32, len: usize) {
            if let Some(column) = columns.get_mut(index as usize) {
                column.truncate(len);
            }
        }
        match &node.shape {
            Shape::Null(index) => self.cut_len(*index, len),
            Shape::Boolean(index) => cut(&mut self.booleans, *index, len),
            Shape::Int32(index) => cut(&mut self.int32, *index, len),
            Shape::Int64(index) => cut(&mut self.int64, *index, len),
            Shape::Float32(index) => cut(&mut self.float32, *index, len),
            Shape::Float64(index) => cut(&mut self.float64, *index, len),
            Shape::Bytes(index) => self.cut_bytes(*index, len),
            Shape::Fixed(index) => {
                if let Some(column) = self.fixed.get_mut(*index as usize) {
                    column.len = column.len.min(len);
                    column.data.truncate(column.len * column.size);
                }
            }
            Shape::Decimal128(index) => cut(&mut self.decimal128, *index, len),
            Shape::Decimal256(index) => cut(&mut self.decimal256, *index, len),
            Shape::Interval(index) => cut(&mut self.interval, *index, len),
            Shape::Struct { len: index, children } => {
                self.cut_len(*index, len);
                for child in children {
                    self.truncate(layout, *child, len);
                }
            }
            Shape::List { list, item } => {
                let end = self.cut_list(*list, len);
                self.truncate(layout, *item, end);
            }
            Shape::Map { list, key, value } => {
                let end = self.cut_list(*list, len);
                self.cut_bytes(*key, end);
                self.truncate(layout, *value, end);
            }
            Shape::Union { union, children, .. } => {
                // The first dropped row of a branch began where the child's kept entries end.
                let mut ends: Vec<Option<usize>> = vec![None; children.len()];
                if let Some(column) = self.unions.get_mut(*union as usize) {
                    let dropped = column.type_ids.iter().zip(&column.offsets).skip(len);
                    for (branch, offset) in dropped {
                        if let Some(end) = ends.get_mut(*branch as usize) {
                            end.get_or_insert(*offset as usize);
                        }
                    }
                    column.type_ids.truncate(len);
                    column.offsets.truncate(len);
                }
                for (child, end) in children.iter().zip(ends) {
                    if let Some(end) = end {
                        self.truncate(layout, *child, end);
                    }
                }
            }
        }
    }

    fn cut_len(&mut self, index: u32, len: usize) {
        if let Some(column) = self.lens.get_mut(index as usize) {
            *column = (*column).min(len);
        }
    }

    fn cut_bytes(&mut self, index: u32, len: usize) {
        if let Some(column) = self.bytes.get_mut(index as usize) {
            column.offsets.truncate(len + 1);
            column.data.truncate(column.offsets.last().copied().unwrap_or(0) as usize);
        }
    }

    /// Returns the end of what is kept in the child.
    fn cut_list(&mut self, index: u32, len: usize) -> usize {
        self.lists.get_mut(index as usize).map_or(0, |ends| {
            ends.truncate(len + 1);
            ends.last().copied().unwrap_or(0) as usize
        })
    }
}
