//! From columns to Avro bytes, row by row.
//!
//! A [`Cells`] tree borrows the buffers of one column and is made anew for each batch, which costs
//! about a microsecond; writing a row then touches only plain slices.

use arrow_array::types::IntervalMonthDayNano;
use arrow_buffer::BooleanBuffer;
use arrow_buffer::NullBuffer;
use arrow_buffer::i256;

use crate::codec::avro::cursor::write_long;
use crate::codec::fault::Fault;
use crate::model::limits::ENCODED_BYTES_PER_BATCH_MAX;

/// The values of a column as its Avro type writes them.
#[derive(Debug)]
pub(crate) enum Cells<'a> {
    Null,
    Boolean(&'a BooleanBuffer),
    Int(&'a [i32]),
    Long(&'a [i64]),
    Float(&'a [f32]),
    Double(&'a [f64]),
    Bytes(BytesCells<'a>),
    Fixed {
        size: usize,
        data: &'a [u8],
    },
    Enum {
        values: &'a [i32],
        symbols: i32,
    },
    /// `size` of a fixed; none for bytes.
    Decimal128 {
        values: &'a [i128],
        precision: u8,
        size: Option<usize>,
    },
    Decimal256 {
        values: &'a [i256],
        precision: u8,
        size: Option<usize>,
    },
    /// As text.
    Uuid(&'a [u8]),
    Duration(&'a [IntervalMonthDayNano]),
    Nullable {
        nulls: Option<&'a NullBuffer>,
        null_branch: i64,
        some: Box<Cells<'a>>,
    },
    /// A column that has nulls although its type has none.
    Required {
        nulls: &'a NullBuffer,
        some: Box<Cells<'a>>,
    },
    Record(Vec<Cells<'a>>),
    Array {
        offsets: &'a [i32],
        item: Box<Cells<'a>>,
    },
    Map {
        offsets: &'a [i32],
        keys: BytesCells<'a>,
        item: Box<Cells<'a>>,
    },
    Union {
        type_ids: &'a [i8],
        offsets: &'a [i32],
        branches: Vec<Cells<'a>>,
    },
}

/// A Utf8 or Binary column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BytesCells<'a> {
    pub(crate) offsets: &'a [i32],
    pub(crate) data: &'a [u8],
}

impl<'a> BytesCells<'a> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Result<&'a [u8], Fault> {
        let (start, end) = range(self.offsets, row)?;
        self.data.get(start..end).ok_or(Fault::Internal)
    }
}

/// The child's entries of a row of a list, map, text or bytes column.
#[inline]
pub(crate) fn range(offsets: &[i32], row: usize) -> Result<(usize, usize), Fault> {
    let Some([start, end]) = offsets.get(row..).and_then(|rest| rest.first_chunk::<2>()) else {
        return Err(Fault::Internal);
    };
    Ok((*start as usize, *end as usize))
}

#[inline]
pub(crate) fn at<T: Copy>(values: &[T], row: usize) -> Result<T, Fault> {
    values.get(row).copied().ok_or(Fault::Internal)
}

/// Whether `more` bytes may follow. To be asked wherever one row can become many times as large as
/// its columns: rows are only measured when they are done.
#[inline]
pub(crate) fn room(out: &[u8], more: usize) -> Result<(), Fault> {
    match out.len().saturating_add(more) {
        ..=ENCODED_BYTES_PER_BATCH_MAX => Ok(()),
        _ => Err(Fault::EncodeTooLarge),
    }
}

/// A decimal's bytes, without its needless leading ones, or of a fixed's size.
fn write_decimal(big_endian: &[u8], size: Option<usize>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let sign = if big_endian.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    // A leading byte is needless if it repeats the sign of the byte behind it.
    let needless = big_endian
        .windows(2)
        .take_while(|pair| matches!(pair, [a, b] if *a == sign && (a ^ b) & 0x80 == 0))
        .count();
    let digits = big_endian.get(needless..).ok_or(Fault::Internal)?;
    match size {
        None => write_long(digits.len() as i64, out),
        Some(size) => {
            let padding = size.checked_sub(digits.len()).ok_or(Fault::EncodeDecimal)?;
            room(out, padding)?;
            out.resize(out.len() + padding, sign);
        }
    }
    out.extend_from_slice(digits);
    Ok(())
}

fn write_bytes(value: &[u8], out: &mut Vec<u8>) {
    write_long(value.len() as i64, out);
    out.extend_from_slice(value);
}

impl Cells<'_> {
    /// Appends the Avro encoding of a row. After a fault the bytes are unfinished: truncate.
    #[inline]
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Self::Record(fields) => {
                for field in fields {
                    field.write_value(row, out)?;
                }
                Ok(())
            }
            other => other.write_value(row, out),
        }
    }

    fn write_value(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Self::Null => {}
            Self::Boolean(values) => {
                if row >= values.len() {
                    return Err(Fault::Internal);
                }
                out.push(u8::from(values.value(row)));
            }
            Self::Int(values) => write_long(at(values, row)?.into(), out),
            Self::Long(values) => write_long(at(values, row)?, out),
            Self::Float(values) => out.extend_from_slice(&at(values, row)?.to_le_bytes()),
            Self::Double(values) => out.extend_from_slice(&at(values, row)?.to_le_bytes()),
            Self::Bytes(cells) => {
                let (start, end) = range(cells.offsets, row)?;
                let rest = cells.data.get(start..).ok_or(Fault::Internal)?;
                let len = end - start;
                write_long(len as i64, out);
                // A copy of fixed length is one instruction where one of variable length is a call.
                if let (true, Some(block)) = (len <= 16, rest.first_chunk::<16>()) {
                    let end = out.len() + len;
                    out.extend_from_slice(block);
                    out.truncate(end);
                } else {
                    out.extend_from_slice(rest.get(..len).ok_or(Fault::Internal)?);
                }
            }
            Self::Fixed { size, data } => {
                let start = row * size;
                out.extend_from_slice(data.get(start..start + size).ok_or(Fault::Internal)?);
            }
            Self::Enum { values, symbols } => {
                let index = at(values, row)?;
                if !(0..*symbols).contains(&index) {
                    return Err(Fault::EncodeEnum);
                }
                write_long(index.into(), out);
            }
            Self::Nullable { nulls, null_branch, some } => {
                if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                    write_long(*null_branch, out);
                } else {
                    write_long(1 - null_branch, out);
                    some.write_value(row, out)?;
                }
            }
            Self::Required { nulls, some } => {
                if nulls.is_null(row) {
                    return Err(Fault::EncodeNull);
                }
                some.write_value(row, out)?;
            }
            Self::Record(fields) => {
                for field in fields {
                    field.write_value(row, out)?;
                }
            }
            other => other.write_rare(row, out)?,
        }
        Ok(())
    }

    fn write_rare(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        use arrow_array::types::Decimal128Type;
        use arrow_array::types::Decimal256Type;
        use arrow_array::types::DecimalType;
        match self {
            Self::Decimal128 { values, precision, size } => {
                let value = at(values, row)?;
                if !Decimal128Type::is_valid_decimal_precision(value, *precision) {
                    return Err(Fault::EncodeDecimal);
                }
                write_decimal(&value.to_be_bytes(), *size, out)?;
            }
            Self::Decimal256 { values, precision, size } => {
                let value = at(values, row)?;
                if !Decimal256Type::is_valid_decimal_precision(value, *precision) {
                    return Err(Fault::EncodeDecimal);
                }
                write_decimal(&value.to_be_bytes(), *size, out)?;
            }
            Self::Uuid(data) => {
                let bytes =
                    data.get(row * 16..).and_then(|rest| rest.first_chunk::<16>()).ok_or(Fault::Internal)?;
                let mut text = [0; 36];
                write_bytes(
                    uuid::Uuid::from_bytes(*bytes).hyphenated().encode_lower(&mut text).as_bytes(),
                    out,
                );
            }
            Self::Duration(values) => {
                let [months, days, millis] = duration_parts(at(values, row)?)?;
                for part in [months, days, millis] {
                    out.extend_from_slice(&part.to_le_bytes());
                }
            }
            Self::Array { offsets, item } => {
                let (start, end) = range(offsets, row)?;
                if end > start {
                    write_long((end - start) as i64, out);
                    for child in start..end {
                        item.write_value(child, out)?;
                        room(out, 0)?;
                    }
                }
                out.push(0);
            }
            Self::Map { offsets, keys, item } => {
                let (start, end) = range(offsets, row)?;
                if end > start {
                    write_long((end - start) as i64, out);
                    for child in start..end {
                        write_bytes(keys.get(child)?, out);
                        item.write_value(child, out)?;
                        room(out, 0)?;
                    }
                }
                out.push(0);
            }
            Self::Union { type_ids, offsets, branches } => {
                let branch = at(type_ids, row)?;
                let cells = usize::try_from(branch).ok().and_then(|branch| branches.get(branch));
                let offset = at(offsets, row)?;
                write_long(branch.into(), out);
                cells.ok_or(Fault::EncodeUnion)?.write_value(offset as usize, out)?;
            }
            _ => return Err(Fault::Internal),
        }
        Ok(())
    }
}

/// Months, days and milliseconds, as Avro's duration has them.
pub(crate) fn duration_parts(value: IntervalMonthDayNano) -> Result<[u32; 3], Fault> {
    let millis = value.nanoseconds / 1_000_000;
    if value.nanoseconds % 1_000_000 != 0 {
        return Err(Fault::EncodeDuration);
    }
    let (Ok(months), Ok(days), Ok(millis)) =
        (u32::try_from(value.months), u32::try_from(value.days), u32::try_from(millis))
    else {
        return Err(Fault::EncodeDuration);
    };
    Ok([months, days, millis])
}
