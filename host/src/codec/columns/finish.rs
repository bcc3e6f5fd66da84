//! From builders to one Arrow array.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BinaryArray;
use arrow_array::BooleanArray;
use arrow_array::FixedSizeBinaryArray;
use arrow_array::ListArray;
use arrow_array::MapArray;
use arrow_array::NullArray;
use arrow_array::PrimitiveArray;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_array::UnionArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::types::Date32Type;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Decimal256Type;
use arrow_array::types::Float32Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int32Type;
use arrow_array::types::Int64Type;
use arrow_array::types::IntervalMonthDayNanoType;
use arrow_array::types::Time32MillisecondType;
use arrow_array::types::Time64MicrosecondType;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::types::TimestampNanosecondType;
use arrow_buffer::BooleanBuffer;
use arrow_buffer::Buffer;
use arrow_buffer::NullBuffer;
use arrow_buffer::OffsetBuffer;
use arrow_buffer::ScalarBuffer;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;

use crate::codec::columns::Columns;
use crate::codec::columns::GROWTH_BYTES_MAX;
use crate::codec::columns::Layout;
use crate::codec::columns::NodeId;
use crate::codec::columns::Shape;
use crate::codec::columns::Store;

/// Why the columns make no array.
#[derive(Debug)]
pub(crate) enum FinishError {
    /// Some row has text that is not UTF-8. The whole batch is validated at once, since that is
    /// several times cheaper; the caller decodes it again, row by row.
    Utf8,
    /// A fault of this code.
    Internal(String),
}

impl From<ArrowError> for FinishError {
    fn from(error: ArrowError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl Columns {
    /// The array of all rows. The builders are empty afterwards, whatever the result.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef, FinishError> {
        let Self { layout, store } = self;
        let array = store.array(layout, layout.root, &layout.data_type);
        if array.is_err() {
            store.clear(layout);
        }
        store.growth_left = GROWTH_BYTES_MAX;
        array
    }

    /// Drops every row.
    pub(crate) fn clear(&mut self) {
        self.store.clear(&self.layout);
        self.store.growth_left = GROWTH_BYTES_MAX;
    }
}

/// Takes the values of a column.
fn take<T>(columns: &mut [Vec<T>], index: u32) -> Result<Vec<T>, FinishError> {
    columns.get_mut(index as usize).map(std::mem::take).ok_or_else(mismatch)
}

fn mismatch() -> FinishError {
    FinishError::Internal("the columns do not fit their layout".to_owned())
}

fn primitive<T: ArrowPrimitiveType>(
    values: Vec<T::Native>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef, FinishError> {
    let array = PrimitiveArray::<T>::try_new(ScalarBuffer::from(values), nulls)?;
    // Time zones, precision and scale stand in the type.
    Ok(if array.data_type_is(data_type) {
        Arc::new(array)
    } else {
        Arc::new(array.with_data_type(data_type.clone()))
    })
}

trait DataTypeIs {
    fn data_type_is(&self, data_type: &DataType) -> bool;
}

impl<T: ArrowPrimitiveType> DataTypeIs for PrimitiveArray<T> {
    fn data_type_is(&self, data_type: &DataType) -> bool {
        T::DATA_TYPE == *data_type
    }
}

impl Store {
    fn array(&mut self, layout: &Layout, id: NodeId, data_type: &DataType) -> Result<ArrayRef, FinishError> {
        let node = layout.node(id).map_err(|_| mismatch())?;
        let nulls = match node.nulls {
            Some(index) => self.nulls.get_mut(index as usize).ok_or_else(mismatch)?.0.finish(),
            None => None,
        };
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        match &node.shape {
            Shape::Null(index) => Ok(Arc::new(NullArray::new(self.take_len(*index)?))),
            Shape::Boolean(index) => {
                let values = BooleanBuffer::from(take(&mut self.booleans, *index)?);
                Ok(Arc::new(BooleanArray::new(values, nulls)))
            }
            Shape::Int32(index) => {
                let values = take(&mut self.int32, *index)?;
                match data_type {
                    DataType::Date32 => primitive::<Date32Type>(values, nulls, data_type),
                    DataType::Time32(_) => primitive::<Time32MillisecondType>(values, nulls, data_type),
                    _ => primitive::<Int32Type>(values, nulls, data_type),
                }
            }
            Shape::Int64(index) => {
                let values = take(&mut self.int64, *index)?;
                match data_type {
                    DataType::Time64(_) => primitive::<Time64MicrosecondType>(values, nulls, data_type),
                    DataType::Timestamp(TimeUnit::Millisecond, _) => {
                        primitive::<TimestampMillisecondType>(values, nulls, data_type)
                    }
                    DataType::Timestamp(TimeUnit::Microsecond, _) => {
                        primitive::<TimestampMicrosecondType>(values, nulls, data_type)
                    }
                    DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                        primitive::<TimestampNanosecondType>(values, nulls, data_type)
                    }
                    _ => primitive::<Int64Type>(values, nulls, data_type),
                }
            }
            Shape::Float32(index) => {
                primitive::<Float32Type>(take(&mut self.float32, *index)?, nulls, data_type)
            }
            Shape::Float64(index) => {
                primitive::<Float64Type>(take(&mut self.float64, *index)?, nulls, data_type)
            }
            Shape::Bytes(index) => {
                let (offsets, values) = self.take_bytes(*index)?;
                if *data_type == DataType::Utf8 {
                    let array =
                        StringArray::try_new(offsets, values, nulls).map_err(|_| FinishError::Utf8)?;
                    Ok(Arc::new(array))
                } else {
                    Ok(Arc::new(BinaryArray::try_new(offsets, values, nulls)?))
                }
            }
            Shape::Fixed(index) => {
                let DataType::FixedSizeBinary(size) = data_type else {
                    return Err(mismatch());
                };
                let column = self.fixed.get_mut(*index as usize).ok_or_else(mismatch)?;
                let (data, len) = (std::mem::take(&mut column.data), std::mem::take(&mut column.len));
                let array =
                    FixedSizeBinaryArray::try_new_with_len(*size, Buffer::from_vec(data), nulls, len)?;
                Ok(Arc::new(array))
            }
            Shape::Decimal128(index) => {
                primitive::<Decimal128Type>(take(&mut self.decimal128, *index)?, nulls, data_type)
            }
            Shape::Decimal256(index) => {
                primitive::<Decimal256Type>(take(&mut self.decimal256, *index)?, nulls, data_type)
            }
            Shape::Interval(index) => {
                primitive::<IntervalMonthDayNanoType>(take(&mut self.interval, *index)?, nulls, data_type)
            }
            Shape::Struct { len, children } => {
                let DataType::Struct(fields) = data_type else {
                    return Err(mismatch());
                };
                let len = self.take_len(*len)?;
                let arrays =
                    children.iter().zip(fields).map(|(child, f)| self.array(layout, *child, f.data_type()));
                let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
                Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), arrays, nulls, len)?))
            }
            Shape::List { list, item } => {
                let DataType::List(field) = data_type else {
                    return Err(mismatch());
                };
                let offsets = self.take_list(*list)?;
                let values = self.array(layout, *item, field.data_type())?;
                Ok(Arc::new(ListArray::try_new(field.clone(), offsets, values, nulls)?))
            }
            Shape::Map { list, key, value } => {
                let DataType::Map(field, ordered) = data_type else {
                    return Err(mismatch());
                };
                let DataType::Struct(entries) = field.data_type() else {
                    return Err(mismatch());
                };
                let [_, value_field] = &**entries else {
                    return Err(mismatch());
                };
                let offsets = self.take_list(*list)?;
                let (key_offsets, key_data) = self.take_bytes(*key)?;
                let keys =
                    StringArray::try_new(key_offsets, key_data, None).map_err(|_| FinishError::Utf8)?;
                let values = self.array(layout, *value, value_field.data_type())?;
                let entries = StructArray::try_new(entries.clone(), vec![Arc::new(keys), values], None)?;
                Ok(Arc::new(MapArray::try_new(field.clone(), offsets, entries, nulls, *ordered)?))
            }
            Shape::Union { union, children, .. } => {
                let DataType::Union(fields, _) = data_type else {
                    return Err(mismatch());
                };
                let column = self.unions.get_mut(*union as usize).map(std::mem::take).ok_or_else(mismatch)?;
                let arrays = children.iter().zip(fields.iter());
                let arrays = arrays.map(|(child, (_, f))| self.array(layout, *child, f.data_type()));
                let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
                let offsets = Some(ScalarBuffer::from(column.offsets));
                Ok(Arc::new(UnionArray::try_new(fields.clone(), column.type_ids.into(), offsets, arrays)?))
            }
        }
    }

    fn take_len(&mut self, index: u32) -> Result<usize, FinishError> {
        self.lens.get_mut(index as usize).map(std::mem::take).ok_or_else(mismatch)
    }

    fn take_list(&mut self, index: u32) -> Result<OffsetBuffer<i32>, FinishError> {
        let ends = self.lists.get_mut(index as usize).ok_or_else(mismatch)?;
        Ok(OffsetBuffer::new(std::mem::replace(ends, vec![0]).into()))
    }

    fn take_bytes(&mut self, index: u32) -> Result<(OffsetBuffer<i32>, Buffer), FinishError> {
        let column = self.bytes.get_mut(index as usize).ok_or_else(mismatch)?;
        column.last_len = column.data.len();
        let offsets = std::mem::replace(&mut column.offsets, vec![0]);
        Ok((OffsetBuffer::new(offsets.into()), Buffer::from_vec(std::mem::take(&mut column.data))))
    }

    /// Empties every column, also where they are out of step.
    fn clear(&mut self, layout: &Layout) {
        for validity in &mut self.nulls {
            validity.0.truncate(0);
        }
        self.truncate(layout, layout.root, 0);
        for column in &mut self.bytes {
            column.offsets = vec![0];
            column.data.clear();
        }
        self.lists.iter_mut().for_each(|ends| *ends = vec![0]);
        self.unions.iter_mut().for_each(|column| {
            column.type_ids.clear();
            column.offsets.clear();
        });
        self.lens.fill(0);
        self.booleans.iter_mut().for_each(Vec::clear);
        self.int32.iter_mut().for_each(Vec::clear);
        self.int64.iter_mut().for_each(Vec::clear);
        self.float32.iter_mut().for_each(Vec::clear);
        self.float64.iter_mut().for_each(Vec::clear);
        self.decimal128.iter_mut().for_each(Vec::clear);
        self.decimal256.iter_mut().for_each(Vec::clear);
        self.interval.iter_mut().for_each(Vec::clear);
        for column in &mut self.fixed {
            column.data.clear();
            column.len = 0;
        }
    }

    /// Reserves room in the columns that have one entry a row.
    pub(super) fn reserve(&mut self, layout: &Layout, rows: usize) {
        fn more<T>(columns: &mut [Vec<T>], index: u32, rows: usize) {
            if let Some(column) = columns.get_mut(index as usize) {
                column.reserve(rows);
            }
        }
        for node in layout.nodes().iter().filter(|node| node.by_row) {
            match &node.shape {
                Shape::Boolean(index) => more(&mut self.booleans, *index, rows),
                Shape::Int32(index) => more(&mut self.int32, *index, rows),
                Shape::Int64(index) => more(&mut self.int64, *index, rows),
                Shape::Float32(index) => more(&mut self.float32, *index, rows),
                Shape::Float64(index) => more(&mut self.float64, *index, rows),
                Shape::Decimal128(index) => more(&mut self.decimal128, *index, rows),
                Shape::Decimal256(index) => more(&mut self.decimal256, *index, rows),
                Shape::Interval(index) => more(&mut self.interval, *index, rows),
                Shape::List { list, .. } | Shape::Map { list, .. } => more(&mut self.lists, *list, rows + 1),
                Shape::Bytes(index) => {
                    if let Some(column) = self.bytes.get_mut(*index as usize) {
                        column.offsets.reserve(rows + 1);
                        column.data.reserve(column.last_len + column.last_len / 8 + 64);
                    }
                }
                Shape::Null(_) | Shape::Fixed(_) | Shape::Struct { .. } | Shape::Union { .. } => {}
            }
        }
    }
}
