//! The roots beside key and value.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BinaryArray;
use arrow_array::Int64Array;
use arrow_array::ListArray;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_buffer::Buffer;
use arrow_buffer::NullBufferBuilder;
use arrow_buffer::OffsetBuffer;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Fields;

use crate::codec::columns::BytesColumn;
use crate::model::record_batch::RawRecords;

pub(super) fn timestamps(records: &dyn RawRecords, rows: &[u32]) -> Arc<Int64Array> {
    Arc::new(rows.iter().map(|row| records.timestamp(*row as usize)).collect())
}

pub(super) fn offsets(records: &dyn RawRecords, rows: &[u32]) -> Arc<Int64Array> {
    Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| records.offset(*row as usize).0)))
}

/// List<Struct<key: Utf8, value: Binary nullable>>. The headers are no larger than the records, of
/// which a batch has few enough bytes; more than 2 GiB of them is an error.
pub(super) fn headers(records: &dyn RawRecords, rows: &[u32]) -> Result<ArrayRef, ArrowError> {
    let (mut keys, mut values) = (BytesColumn::new(), BytesColumn::new());
    let mut present = NullBufferBuilder::new(0);
    let mut ends = Vec::with_capacity(rows.len() + 1);
    ends.push(0);
    let mut full = false;
    for row in rows {
        let row = *row as usize;
        if records.has_headers(row) {
            records.headers(row, &mut |key, value| {
                full |= keys.push(key.as_bytes()).is_err() || values.push(value.unwrap_or_default()).is_err();
                present.append(value.is_some());
            });
        }
        ends.push(i32::try_from(keys.offsets.len() - 1).unwrap_or(i32::MAX));
    }
    if full {
        return Err(ArrowError::InvalidArgumentError("the batch has more than 2 GiB of headers".to_owned()));
    }
    let key_offsets = OffsetBuffer::new(keys.offsets.into());
    let keys = StringArray::try_new(key_offsets, Buffer::from_vec(keys.data), None)?;
    let value_offsets = OffsetBuffer::new(values.offsets.into());
    let values = BinaryArray::try_new(value_offsets, Buffer::from_vec(values.data), present.finish())?;
    let fields = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Binary, true),
    ]);
    let entries = StructArray::try_new(fields.clone(), vec![Arc::new(keys), Arc::new(values)], None)?;
    let item = Arc::new(Field::new("item", DataType::Struct(fields), false));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::new(ends.into()), Arc::new(entries), None)?))
}
