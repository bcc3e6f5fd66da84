//! Comparing a column's row with another library's value.

use apache_avro::types::Value;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_buffer::i256;

use crate::model::avro_type::AvroType;
use crate::model::avro_type::TimeUnit;

/// Asserts that a row of a column holds a value.
pub(crate) fn assert_cell(ty: &AvroType, value: &Value, array: &dyn Array, row: usize) {
    if let Some((inner, null_branch)) = ty.as_nullable() {
        let Value::Union(branch, value) = value else { panic!("a union: {value:?}") };
        assert_eq!(array.is_null(row), *branch as usize == null_branch);
        if *branch as usize != null_branch {
            assert_plain(inner, value, array, row);
        }
        return;
    }
    assert!(!array.is_null(row));
    assert_plain(ty, value, array, row);
}

fn assert_plain(ty: &AvroType, value: &Value, array: &dyn Array, row: usize) {
    match (ty, value) {
        (AvroType::Null, Value::Null) => assert!(array.data_type().is_null()),
        (AvroType::Boolean, Value::Boolean(v)) => assert_eq!(array.as_boolean().value(row), *v),
        (AvroType::Int, Value::Int(v)) => assert_eq!(array.as_primitive::<Int32Type>().value(row), *v),
        (AvroType::Long, Value::Long(v)) => assert_eq!(array.as_primitive::<Int64Type>().value(row), *v),
        (AvroType::Float, Value::Float(v)) => {
            assert_eq!(array.as_primitive::<Float32Type>().value(row).to_bits(), v.to_bits());
        }
        (AvroType::Double, Value::Double(v)) => {
            assert_eq!(array.as_primitive::<Float64Type>().value(row).to_bits(), v.to_bits());
        }
        (AvroType::Bytes, Value::Bytes(v)) => assert_eq!(array.as_binary::<i32>().value(row), v),
        (AvroType::String, Value::String(v)) => assert_eq!(array.as_string::<i32>().value(row), v),
        (AvroType::Fixed { .. }, Value::Fixed(_, v)) => {
            assert_eq!(array.as_fixed_size_binary().value(row), v);
        }
        (AvroType::Uuid(_), Value::Uuid(v)) => {
            assert_eq!(array.as_fixed_size_binary().value(row), v.as_bytes());
        }
        (AvroType::Enum(_), Value::Enum(v, _)) => {
            assert_eq!(array.as_primitive::<Int32Type>().value(row), *v as i32);
        }
        (AvroType::Date, Value::Date(v)) => assert_eq!(array.as_primitive::<Date32Type>().value(row), *v),
        (AvroType::TimeMillis, Value::TimeMillis(v)) => {
            assert_eq!(array.as_primitive::<Time32MillisecondType>().value(row), *v);
        }
        (AvroType::TimeMicros, Value::TimeMicros(v)) => {
            assert_eq!(array.as_primitive::<Time64MicrosecondType>().value(row), *v);
        }
        (AvroType::Timestamp(TimeUnit::Millis), Value::TimestampMillis(v))
        | (AvroType::LocalTimestamp(TimeUnit::Millis), Value::LocalTimestampMillis(v)) => {
            assert_eq!(array.as_primitive::<TimestampMillisecondType>().value(row), *v);
        }
        (AvroType::Timestamp(TimeUnit::Micros), Value::TimestampMicros(v))
        | (AvroType::LocalTimestamp(TimeUnit::Micros), Value::LocalTimestampMicros(v)) => {
            assert_eq!(array.as_primitive::<TimestampMicrosecondType>().value(row), *v);
        }
        (AvroType::Timestamp(TimeUnit::Nanos), Value::TimestampNanos(v))
        | (AvroType::LocalTimestamp(TimeUnit::Nanos), Value::LocalTimestampNanos(v)) => {
            assert_eq!(array.as_primitive::<TimestampNanosecondType>().value(row), *v);
        }
        (AvroType::Decimal { .. }, Value::Decimal(v)) => {
            let bytes: Vec<u8> = v.try_into().expect("bytes");
            let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
            let mut wide = [sign; 32];
            wide[32 - bytes.len()..].copy_from_slice(&bytes);
            let expected = i256::from_be_bytes(wide);
            let found = match array.as_primitive_opt::<Decimal128Type>() {
                Some(array) => i256::from_i128(array.value(row)),
                None => array.as_primitive::<Decimal256Type>().value(row),
            };
            assert_eq!(found, expected);
        }
        (AvroType::Duration { .. }, Value::Duration(v)) => {
            let found = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            let (months, days, millis): (u32, u32, u32) =
                (v.months().into(), v.days().into(), v.millis().into());
            assert_eq!(found.months, months as i32);
            assert_eq!(found.days, days as i32);
            assert_eq!(found.nanoseconds, i64::from(millis) * 1_000_000);
        }
        (AvroType::Array(item), Value::Array(values)) => {
            let list = array.as_list::<i32>().value(row);
            assert_eq!(list.len(), values.len());
            for (index, value) in values.iter().enumerate() {
                assert_cell(item, value, &list, index);
            }
        }
        (AvroType::Map(item), Value::Map(values)) => {
            let entries = array.as_map().value(row);
            assert_eq!(entries.len(), values.len());
            let keys = entries.column(0).as_string::<i32>();
            for index in 0..entries.len() {
                assert_cell(item, &values[keys.value(index)], entries.column(1), index);
            }
        }
        (AvroType::Record(record), Value::Record(values)) => {
            let columns = array.as_struct().columns();
            assert_eq!(record.fields.len(), values.len());
            for ((field, (name, value)), column) in record.fields.iter().zip(values).zip(columns) {
                assert_eq!(field.name, *name);
                assert_cell(&field.ty, value, column, row);
            }
        }
        (AvroType::Union(branches), Value::Union(branch, value)) => {
            let union = array.as_union();
            assert_eq!(union.type_id(row), *branch as i8);
            let child = union.child(*branch as i8);
            let branch = &branches[*branch as usize];
            if *branch != AvroType::Null {
                assert_cell(branch, value, child, union.value_offset(row));
            }
        }
        (ty, value) => panic!("{value:?} is no value of {ty:?}"),
    }
}
