//! Borrowing a column as the cells of its Avro type.

use arrow_array::Array;
use arrow_array::ArrowPrimitiveType;
use arrow_array::cast::AsArray;
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

use crate::codec::avro::encode::BytesCells;
use crate::codec::avro::encode::Cells;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::DecimalRepr;
use crate::model::avro_type::TimeUnit;
use crate::model::avro_type::UuidRepr;

/// A column's type is not the one that its schema fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) expected: String,
    pub(crate) found: String,
}

/// The cells of a root whose null rows are null keys or tombstones, which the caller leaves out.
pub(crate) fn root<'a>(ty: &AvroType, array: &'a dyn Array) -> Result<Cells<'a>, Mismatch> {
    if ty.as_nullable().is_some() { cells(ty, array) } else { plain(ty, array) }
}

/// Like [`root`], for formats without unions: `[null, T]` gives the cells of `T`.
pub(crate) fn bare_root<'a>(ty: &AvroType, array: &'a dyn Array) -> Result<Cells<'a>, Mismatch> {
    plain(ty.as_nullable().map_or(ty, |(inner, _)| inner), array)
}

fn cells<'a>(ty: &AvroType, array: &'a dyn Array) -> Result<Cells<'a>, Mismatch> {
    if let Some((inner, null_branch)) = ty.as_nullable() {
        let some = Box::new(plain(inner, array)?);
        return Ok(Cells::Nullable { nulls: array.nulls(), null_branch: null_branch as i64, some });
    }
    let some = plain(ty, array)?;
    Ok(match array.nulls() {
        Some(nulls) if nulls.null_count() > 0 => Cells::Required { nulls, some: Box::new(some) },
        _ => some,
    })
}

fn plain<'a>(ty: &AvroType, array: &'a dyn Array) -> Result<Cells<'a>, Mismatch> {
    let mismatch = || Mismatch { expected: ty.label().to_owned(), found: array.data_type().to_string() };
    fn values<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<&[T::Native]> {
        array.as_primitive_opt::<T>().map(|array| &array.values()[..])
    }
    let cells = match ty {
        AvroType::Null => Some(Cells::Null),
        AvroType::Boolean => array.as_boolean_opt().map(|array| Cells::Boolean(array.values())),
        AvroType::Int => values::<Int32Type>(array).map(Cells::Int),
        AvroType::Date => values::<Date32Type>(array).map(Cells::Int),
        AvroType::TimeMillis => values::<Time32MillisecondType>(array).map(Cells::Int),
        AvroType::Long => values::<Int64Type>(array).map(Cells::Long),
        AvroType::TimeMicros => values::<Time64MicrosecondType>(array).map(Cells::Long),
        AvroType::Timestamp(unit) | AvroType::LocalTimestamp(unit) => match unit {
            TimeUnit::Millis => values::<TimestampMillisecondType>(array),
            TimeUnit::Micros => values::<TimestampMicrosecondType>(array),
            TimeUnit::Nanos => values::<TimestampNanosecondType>(array),
        }
        .map(Cells::Long),
        AvroType::Float => values::<Float32Type>(array).map(Cells::Float),
        AvroType::Double => values::<Float64Type>(array).map(Cells::Double),
        AvroType::Enum(ty) => {
            let symbols = ty.symbols.len() as i32;
            values::<Int32Type>(array).map(|values| Cells::Enum { values, symbols })
        }
        AvroType::String => text(array).map(Cells::Bytes),
        AvroType::Bytes => array.as_binary_opt::<i32>().map(|array| {
            Cells::Bytes(BytesCells { offsets: array.value_offsets(), data: array.value_data() })
        }),
        AvroType::Fixed { size, .. } => fixed(array, *size).map(|data| Cells::Fixed { size: *size, data }),
        AvroType::Uuid(UuidRepr::Fixed { .. }) => {
            fixed(array, 16).map(|data| Cells::Fixed { size: 16, data })
        }
        AvroType::Uuid(UuidRepr::String) => fixed(array, 16).map(Cells::Uuid),
        AvroType::Duration { .. } => values::<IntervalMonthDayNanoType>(array).map(Cells::Duration),
        AvroType::Decimal { precision, repr, .. } => {
            let size = match repr {
                DecimalRepr::Bytes => None,
                DecimalRepr::Fixed { size, .. } => Some(*size),
            };
            let precision = *precision as u8;
            match values::<Decimal128Type>(array) {
                Some(values) => Some(Cells::Decimal128 { values, precision, size }),
                None => values::<Decimal256Type>(array).map(|values| Cells::Decimal256 {
                    values,
                    precision,
                    size,
                }),
            }
        }
        AvroType::Record(record) => {
            let array = array.as_struct_opt().filter(|array| array.num_columns() == record.fields.len());
            let columns = array.ok_or_else(mismatch)?.columns();
            let fields = record.fields.iter().zip(columns).map(|(field, column)| cells(&field.ty, column));
            Some(Cells::Record(fields.collect::<Result<_, _>>()?))
        }
        AvroType::Array(item) => {
            let array = array.as_list_opt::<i32>().ok_or_else(mismatch)?;
            let item = Box::new(cells(item, array.values())?);
            Some(Cells::Array { offsets: array.value_offsets(), item })
        }
        AvroType::Map(item) => {
            let array = array.as_map_opt().ok_or_else(mismatch)?;
            let keys = text(array.keys()).ok_or_else(mismatch)?;
            let item = Box::new(cells(item, array.values())?);
            Some(Cells::Map { offsets: array.value_offsets(), keys, item })
        }
        AvroType::Union(branches) => {
            let array = array.as_union_opt().ok_or_else(mismatch)?;
            let offsets = array.offsets().ok_or_else(mismatch)?;
            let mut children = Vec::with_capacity(branches.len());
            for (branch, index) in branches.iter().zip(0i8..) {
                let has = array.fields().iter().any(|(id, _)| id == index);
                children.push(if has {
                    cells(branch, array.child(index))?
                } else {
                    return Err(mismatch());
                });
            }
            Some(Cells::Union { type_ids: array.type_ids(), offsets, branches: children })
        }
    };
    cells.ok_or_else(mismatch)
}

fn text(array: &dyn Array) -> Option<BytesCells<'_>> {
    let array = array.as_string_opt::<i32>()?;
    Some(BytesCells { offsets: array.value_offsets(), data: array.value_data() })
}

fn fixed(array: &dyn Array, size: usize) -> Option<&[u8]> {
    let array = array.as_fixed_size_binary_opt()?;
    (usize::try_from(array.value_length()) == Ok(size)).then(|| array.value_data())
}
