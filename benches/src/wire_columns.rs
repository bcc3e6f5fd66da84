//! Arrow arrays as the column buffers that a natively run transform takes, and back.

use std::sync::Arc;

use anyhow::Context as _;
use arrow_array::Array as _;
use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_buffer::Buffer;
use arrow_buffer::OffsetBuffer;
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;
use arrow_schema::Fields;
use wasmill_sdk::wire::Batch;
use wasmill_sdk::wire::Column;
use wasmill_sdk::wire::Rows;

/// A batch whose values are this record of flat fields without nulls.
///
/// # Errors
/// When a field has a type that payments do not have.
pub fn batch(values: &StructArray) -> anyhow::Result<Batch> {
    let children = (1..=values.num_columns() as u32).collect();
    let mut columns = vec![Column { buffers: vec![Vec::new()], children, null_count: 0 }];
    for array in values.columns() {
        anyhow::ensure!(array.null_count() == 0, "payments have no nulls");
        columns.push(Column { buffers: buffers(array)?, children: Vec::new(), null_count: 0 });
    }
    let rows = Rows { count: values.len() as u32, value: Some(0), columns, ..Rows::default() };
    Ok(Batch { rows, ..Batch::default() })
}

fn buffers(array: &ArrayRef) -> anyhow::Result<Vec<Vec<u8>>> {
    let validity = Vec::new();
    Ok(match array.data_type() {
        DataType::Boolean => vec![validity, array.as_boolean().values().sliced().to_vec()],
        DataType::Int64 => vec![validity, array.as_primitive::<Int64Type>().values().inner().to_vec()],
        DataType::Float64 => vec![validity, array.as_primitive::<Float64Type>().values().inner().to_vec()],
        DataType::Utf8 => {
            let strings = array.as_string::<i32>();
            vec![validity, strings.offsets().inner().inner().to_vec(), strings.value_data().to_vec()]
        }
        other => anyhow::bail!("payments have no {other}"),
    })
}

/// The values that a transform emitted: a record of these fields, without nulls.
///
/// # Errors
/// When the columns are none of these fields.
pub fn values(mut rows: Rows, fields: &Fields) -> anyhow::Result<ArrayRef> {
    let count = rows.count as usize;
    let root = rows.columns.get(rows.value.context("no values")? as usize).context("no root column")?;
    let children = root.children.clone();
    let mut arrays = Vec::with_capacity(fields.len());
    for (field, child) in fields.iter().zip(children) {
        let column = rows.columns.get_mut(child as usize).context("a column is missing")?;
        arrays.push(array(std::mem::take(column), field.data_type(), count)?);
    }
    Ok(Arc::new(StructArray::try_new(fields.clone(), arrays, None)?))
}

fn array(column: Column, data_type: &DataType, count: usize) -> anyhow::Result<ArrayRef> {
    let mut buffers = column.buffers.into_iter().skip(1).map(Buffer::from_vec);
    let mut buffer = || buffers.next().context("a buffer is missing");
    Ok(match data_type {
        DataType::Int64 => Arc::new(Int64Array::new(ScalarBuffer::new(buffer()?, 0, count), None)),
        DataType::Float64 => Arc::new(Float64Array::new(ScalarBuffer::new(buffer()?, 0, count), None)),
        DataType::Utf8 => {
            let offsets = OffsetBuffer::new(ScalarBuffer::new(buffer()?, 0, count + 1));
            Arc::new(StringArray::try_new(offsets, buffer()?, None)?)
        }
        other => anyhow::bail!("large payments have no {other}"),
    })
}
