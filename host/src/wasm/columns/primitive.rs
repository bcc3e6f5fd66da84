//! Columns of fixed-width values.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::ArrowPrimitiveType;
use arrow_array::PrimitiveArray;
use arrow_array::types::Date32Type;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Decimal256Type;
use arrow_array::types::DecimalType;
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
use arrow_buffer::Buffer;
use arrow_buffer::NullBuffer;
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;
use arrow_schema::IntervalUnit;
use arrow_schema::TimeUnit;

use crate::wasm::columns::column_error::ColumnError;
use crate::wasm::columns::shape::Values;

/// A column of fixed-width values, before its array exists.
pub(super) struct Primitive<'a> {
    pub(super) data_type: &'a DataType,
    pub(super) values: Values,
    /// `len` values, no more.
    pub(super) buffer: Buffer,
    pub(super) len: usize,
    pub(super) nulls: Option<NullBuffer>,
    /// Rows whose value counts: not null, and not under a null parent. All when absent.
    pub(super) live: Option<NullBuffer>,
}

impl Primitive<'_> {
    /// # Errors
    /// When a value that counts is outside of what the type allows.
    pub(super) fn build(self) -> Result<ArrayRef, ColumnError> {
        match self.data_type {
            DataType::Int32 => self.int32(),
            DataType::Int64 => self.array::<Int64Type>(),
            DataType::Float32 => self.array::<Float32Type>(),
            DataType::Float64 => self.array::<Float64Type>(),
            DataType::Date32 => self.array::<Date32Type>(),
            DataType::Time32(TimeUnit::Millisecond) => self.array::<Time32MillisecondType>(),
            DataType::Time64(TimeUnit::Microsecond) => self.array::<Time64MicrosecondType>(),
            DataType::Timestamp(TimeUnit::Millisecond, _) => self.array::<TimestampMillisecondType>(),
            DataType::Timestamp(TimeUnit::Microsecond, _) => self.array::<TimestampMicrosecondType>(),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => self.array::<TimestampNanosecondType>(),
            DataType::Interval(IntervalUnit::MonthDayNano) => self.array::<IntervalMonthDayNanoType>(),
            DataType::Decimal128(..) => self.decimal::<Decimal128Type>(),
            DataType::Decimal256(..) => self.decimal::<Decimal256Type>(),
            other => Err(ColumnError::new(format!("a column cannot have the type {other}"))),
        }
    }

    fn array<T: ArrowPrimitiveType>(self) -> Result<ArrayRef, ColumnError> {
        let array = PrimitiveArray::<T>::try_new(ScalarBuffer::from(self.buffer), self.nulls)
            .map_err(|error| ColumnError::new(error.to_string()))?;
        if array.data_type_matches(self.data_type) {
            Ok(Arc::new(array))
        } else {
            Ok(Arc::new(array.with_data_type(self.data_type.clone())))
        }
    }

    fn int32(self) -> Result<ArrayRef, ColumnError> {
        if let Values::Symbols(count) = self.values {
            let bytes = self.buffer.slice_with_length(0, self.len * 4);
            let (indexes, _) = bytes.as_chunks::<4>();
            let bad = |index: &[u8; 4]| u32::from_le_bytes(*index) as usize >= count;
            // One pass without branches; the row is looked for only if there is one.
            if indexes.iter().fold(false, |any, index| any | bad(index)) {
                for (row, index) in indexes.iter().enumerate() {
                    if bad(index) && is_live(self.live.as_ref(), row) {
                        return Err(ColumnError::new(format!(
                            "row {row} has the symbol index {}; expected one of the {count} symbols of the enum, from 0",
                            i32::from_le_bytes(*index)
                        )));
                    }
                }
            }
        }
        self.array::<Int32Type>()
    }

    fn decimal<T: DecimalType>(self) -> Result<ArrayRef, ColumnError> {
        if let Values::Digits(digits) = self.values {
            let values = ScalarBuffer::<T::Native>::new(self.buffer.clone(), 0, self.len);
            for (row, value) in values.iter().enumerate() {
                if !T::is_valid_decimal_precision(*value, digits) && is_live(self.live.as_ref(), row) {
                    return Err(ColumnError::new(format!(
                        "row {row} has a decimal of more than {digits} digits; expected at most {digits}"
                    )));
                }
            }
        }
        self.array::<T>()
    }
}

fn is_live(live: Option<&NullBuffer>, row: usize) -> bool {
    live.is_none_or(|live| live.is_valid(row))
}

/// Whether an array already has the type it must have.
trait DataTypeMatches {
    fn data_type_matches(&self, expected: &DataType) -> bool;
}

impl<T: ArrowPrimitiveType> DataTypeMatches for PrimitiveArray<T> {
    fn data_type_matches(&self, expected: &DataType) -> bool {
        T::DATA_TYPE == *expected
    }
}
